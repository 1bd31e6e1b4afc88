"""How a consumer group moves: a member changes, the group's epoch follows, then the target, then each member.

Everything here happens within one step of one member: who joins an idle group has its assignment with the first answer.
What others have to let go of, they learn with their own next heartbeat.
"""

from typing import Final

from dotkafka.coordinator.cluster_view import topics_hash
from dotkafka.coordinator.consumer.assignors import ASSIGNORS, Subscriber
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember, Partitions
from dotkafka.coordinator.consumer.reconciliation import reconcile
from dotkafka.coordinator.consumer.records import (
    current_record,
    group_epoch_record,
    member_record,
    partition_metadata_tombstone,
    regex_record,
    regex_tombstone,
    target_epoch_record,
    target_record,
)
from dotkafka.coordinator.consumer.topic_regex import matching_topics
from dotkafka.coordinator.deadlines import RevocationDeadline
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError

REGEX_REFRESH_INTERVAL_MS: Final = 1_000
"""The least time between two looks at all topics for the expressions of a group: topics may come in hundreds."""


def resolve_regex(regex: str, step: Step) -> frozenset[str]:
    """The topics that a regular expression stands for now; topics that only the broker writes are none of them.

    Raises:
        ApiError: INVALID_REGULAR_EXPRESSION.
    """
    topics = step.cluster.topics_by_name
    return matching_topics(regex, (name for name, topic in topics.items() if not topic.is_internal))


def update_member(
    group: ConsumerGroup, old: ConsumerMember | None, member: ConsumerMember, regex_topics: frozenset[str], step: Step
) -> bool:
    """Note what a member is and wants, and move the group's epoch if it wants something else.

    Args:
        group: the member's group.
        old: the member as it is in the group; None if it comes just now.
        member: as it is to be; only what it is and wants may differ.
        regex_topics: what its regular expression stands for, if the group does not know that yet.
        step: this step.

    Returns:
        Whether its subscription has changed.
    """
    if member is old:
        refresh_topics(group, step, is_changed=False)
        return False
    before = ConsumerMember(member_id=member.member_id) if old is None else old
    if old is None or member != old:
        group.change(member_record(group.group_id, member), step)
    has_regex_changed = member.subscribed_regex != before.subscribed_regex
    if member.subscribed_regex and member.subscribed_regex not in group.regexes:
        group.change(regex_record(group.group_id, member.subscribed_regex, regex_topics, step.now.wall_ms), step)
    forget_unused_regexes(group, step)
    has_changed = old is None or has_regex_changed or member.subscribed_topics != before.subscribed_topics
    refresh_topics(group, step, is_changed=has_changed)
    return has_changed


def forget_unused_regexes(group: ConsumerGroup, step: Step) -> None:
    """Forget what regular expressions stand for that nobody subscribes to any more."""
    for regex in sorted(group.regexes.keys() - group.subscribed_regexes()):
        group.change(regex_tombstone(group.group_id, regex), step)


def refresh_topics(group: ConsumerGroup, step: Step, *, is_changed: bool) -> None:
    """Move the group's epoch if members have changed, or the topics that they subscribe to have."""
    cluster, now_ms = step.cluster, step.now.monotonic_ms
    if not group.has_looked_at(cluster):
        last_ms = group.resolved_at_ms
        if group.regexes and last_ms is not None and now_ms < last_ms + REGEX_REFRESH_INTERVAL_MS:
            # A later heartbeat looks at the new topics.
            if not is_changed:
                return
        else:
            _refresh_regexes(group, step)
            group.look_at(cluster)
    elif not is_changed:
        return
    metadata_hash = topics_hash(step.cluster, group.subscribed_topics())
    if is_changed or metadata_hash != group.metadata_hash:
        bump_epoch(group, metadata_hash, step)


def bump_epoch(group: ConsumerGroup, metadata_hash: int, step: Step) -> None:
    """Move the group's epoch: the target is to be made anew."""
    group.change(group_epoch_record(group.group_id, group.group_epoch + 1, metadata_hash), step)
    if group.has_partition_metadata:
        group.change(partition_metadata_tombstone(group.group_id), step)


def _refresh_regexes(group: ConsumerGroup, step: Step) -> None:
    if group.regexes:
        group.resolved_at_ms = step.now.monotonic_ms
    for regex, resolved in sorted(group.regexes.items()):
        try:
            topics = resolve_regex(regex, step)
        except ApiError:
            # There are too many topics by now for what it costs. It stands for what it did.
            continue
        if topics != resolved.topics:
            group.change(regex_record(group.group_id, regex, topics, step.now.wall_ms), step)


def update_target(group: ConsumerGroup, step: Step) -> None:
    """Make the target assignment anew if the group has moved on, and the last one is old enough."""
    if group.assignment_epoch >= group.group_epoch:
        return
    interval_ms = step.consumer_times(group.group_id).assignment_interval_ms
    if group.assignment_timestamp_ms and interval_ms and step.now.wall_ms < group.assignment_timestamp_ms + interval_ms:
        return
    topics = step.cluster.topics_by_name
    subscribers = {
        member_id: Subscriber(
            frozenset(topics[name].topic_id for name in group.topics_of(member) if name in topics),
            group.target_of(member_id),
            member.instance_id,
        )
        for member_id, member in sorted(group.members.items())
    }
    counts = {
        topics[name].topic_id: topics[name].partition_count for name in group.subscribed_topics() if name in topics
    }
    targets = ASSIGNORS[preferred_assignor(group)](subscribers, counts)
    for member_id, partitions in targets.items():
        if group.targets.get(member_id) != partitions:
            group.change(target_record(group.group_id, member_id, partitions), step)
    group.change(target_epoch_record(group.group_id, group.group_epoch, step.now.wall_ms), step)


def preferred_assignor(group: ConsumerGroup) -> str:
    """The assignor that most members ask for; the first one where none asks, or as many ask for several."""
    votes = [member.server_assignor for member in group.members.values() if member.server_assignor is not None]
    return max(ASSIGNORS, key=votes.count)


def reconcile_member(
    group: ConsumerGroup,
    member_id: str,
    owned: Partitions | None,
    step: Step,
    *,
    has_subscription_changed: bool,
) -> ConsumerMember:
    """Bring a member closer to its target, and watch that it lets go in time of what it must let go of."""
    member = group.members[member_id]
    topics = step.cluster.topics_by_name
    topic_ids = frozenset(topics[name].topic_id for name in group.topics_of(member) if name in topics)
    updated = reconcile(group, member, topic_ids, owned, has_subscription_changed=has_subscription_changed)
    if updated is not member and updated != member:
        group.change(current_record(group.group_id, updated), step)
        deadline = RevocationDeadline(group.group_id, member_id)
        if updated.must_revoke_in_time:
            step.schedule(deadline, updated.rebalance_timeout_ms)
        else:
            step.cancel(deadline)
    return updated
