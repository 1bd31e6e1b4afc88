"""Groups that change their protocol: classic to consumer and back, empty or with all their members.

A group with members becomes a consumer group when the first consumer joins by the consumer protocol, and a classic one
when the last such member has gone. Members that stay with the other protocol stay members. Source: KIP-848.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.rebalance import prepare_rebalance
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.cluster_view import ClusterView, topics_hash
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember, Partitions
from dotkafka.coordinator.consumer.membership import cancel_deadlines, keep_alive, remove_members
from dotkafka.coordinator.consumer.records import (
    by_topic,
    current_record,
    gone_group_records,
    group_epoch_record,
    member_record,
    target_epoch_record,
    target_record,
)
from dotkafka.coordinator.deadlines import JoinDeadline, SessionDeadline, SyncDeadline
from dotkafka.coordinator.group_records import (
    CONSUMER_PROTOCOL_TYPE,
    decode_assignment,
    decode_subscription,
    encode_assignment,
    group_tombstone,
)
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError, DecodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_records import ClassicMemberMetadata, ClassicProtocol
from dotkafka.protocol.messages.join_group import JoinGroupResponse
from dotkafka.protocol.messages.sync_group import SyncGroupResponse
from dotkafka.storage.spi import TopicIdPartition

Groups = dict[str, ClassicGroup | ConsumerGroup]
"""All groups by id."""

KNOWN_ASSIGNORS: Final = frozenset({"range", "roundrobin", "sticky", "cooperative-sticky"})
"""Assignors of clients whose own data only help them to move little, so that they may be lost with an upgrade.

librdkafka's sticky ones put some into every assignment after the first; Kafka does not upgrade such a group.
"""


def is_empty(group: ClassicGroup | ConsumerGroup) -> bool:
    """Whether a group has no members; ids that were given out and have not come back do not count."""
    return not group.members and (isinstance(group, ConsumerGroup) or group.state is GroupState.EMPTY)


def delete_group(groups: Groups, group: ClassicGroup | ConsumerGroup, step: Step) -> None:
    """Forget a group without members."""
    if isinstance(group, ConsumerGroup):
        for record in gone_group_records(group.group_id, (), group.regexes):
            step.record(record)
    else:
        for member_id in group.pending_join_members:
            step.cancel(SessionDeadline(group.group_id, member_id))
        group.transition_to(GroupState.DEAD, step.now.wall_ms)
        step.record(group_tombstone(group.group_id))
    del groups[group.group_id]


# Upgrade


def upgraded(group: ClassicGroup, step: Step) -> ConsumerGroup:
    """The consumer group that a classic one with members becomes. Nothing has happened yet.

    Raises:
        ApiError: GROUP_ID_NOT_FOUND, saying why it cannot become one.
    """
    config = step.config
    if not config.group_consumer_migration_policy.allows_upgrade:
        raise _cannot_upgrade(group, "online upgrade is disabled")
    if not group.is_consumer_group:
        raise _cannot_upgrade(group, "the group does not use the consumer embedded protocol")
    if len(group.members) > config.group_consumer_max_size:
        raise _cannot_upgrade(group, "the group size exceeds the consumer group maximum size")
    try:
        members = [_upgraded_member(group, member, step.cluster) for member in group.members.values()]
    except DecodeError as error:
        raise _cannot_upgrade(group, f"the embedded consumer protocol is malformed: {error}") from error
    topics = frozenset().union(*(member.subscribed_topics for member in members))
    group_id, epoch = group.group_id, group.generation_id
    consumer_group = ConsumerGroup(group_id)
    for record in (
        *(member_record(group_id, member) for member in members),
        group_epoch_record(group_id, epoch, topics_hash(step.cluster, topics)),
        *(target_record(group_id, member.member_id, frozenset(member.assigned)) for member in members),
        target_epoch_record(group_id, epoch, 0),
        *(current_record(group_id, member) for member in members),
    ):
        consumer_group.replay(record)
    return consumer_group


def upgrade(groups: Groups, old: ClassicGroup, group: ConsumerGroup, step: Step) -> None:
    """Put the consumer group in the place of the classic one; members that wait are told to join again."""
    for member in list(old.members.values()):
        old.answer_join(
            member,
            JoinGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id),
            step,
        )
        old.answer_sync(member, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS), step)
    _cancel_classic_deadlines(old, step)
    step.record(group_tombstone(old.group_id))
    for record in group.as_records():
        step.record(record)
    groups[group.group_id] = group
    for consumer_member in group.members.values():
        keep_alive(group, consumer_member, step)


def _upgraded_member(group: ClassicGroup, member: ClassicMember, cluster: ClusterView) -> ConsumerMember:
    subscription = decode_subscription(group.metadata_of(member) or next(iter(member.protocols.values())))
    assigned: Partitions = frozenset()
    if member.assignment:
        assignment = decode_assignment(member.assignment)
        if assignment.user_data and group.protocol_name not in KNOWN_ASSIGNORS:
            raise _cannot_upgrade(group, "an unsupported custom assignor is in use")
        assigned = partitions_of_names(assignment.assigned_partitions, cluster)
    return ConsumerMember(
        member_id=member.member_id,
        instance_id=member.group_instance_id,
        rack_id=subscription.rack_id or None,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topics=frozenset(subscription.topics),
        classic=classic_metadata(member.session_timeout_ms, member.protocols),
        member_epoch=group.generation_id,
        previous_member_epoch=group.generation_id,
        assigned=dict.fromkeys(assigned, group.generation_id),
    )


def _cannot_upgrade(group: ClassicGroup, reason: str) -> ApiError:
    return ApiError(
        ErrorCode.GROUP_ID_NOT_FOUND,
        f"Cannot upgrade classic group {group.group_id} to consumer group because {reason}.",
    )


def _cancel_classic_deadlines(group: ClassicGroup, step: Step) -> None:
    step.cancel(JoinDeadline(group.group_id))
    step.cancel(SyncDeadline(group.group_id))
    for member_id in {*group.members, *group.pending_join_members}:
        step.cancel(SessionDeadline(group.group_id, member_id))


# Downgrade


def remove_or_downgrade(groups: Groups, group: ConsumerGroup, member_ids: Collection[str], step: Step) -> None:
    """Let members go. If only members of the classic protocol are left, the group becomes a classic one."""
    if not may_downgrade(group, member_ids, len(group.members) - len(member_ids), step):
        remove_members(group, member_ids, step)
        return
    prepare_rebalance(downgrade(groups, group, member_ids, step), step)


def may_downgrade(group: ConsumerGroup, leaving: Collection[str], remaining: int, step: Step) -> bool:
    """Whether a group becomes a classic one when these members go, or use the classic protocol from now on.

    Args:
        group: the group.
        leaving: ids of members whose protocol does not count any more.
        remaining: how many members there will be.
        step: this step.
    """
    return (
        all(member.is_classic for member in group.members.values() if member.member_id not in leaving)
        and step.config.group_consumer_migration_policy.allows_downgrade
        and 0 < remaining <= step.config.group_max_size
    )


def downgrade(groups: Groups, group: ConsumerGroup, leaving: Collection[str], step: Step) -> ClassicGroup:
    """Put a classic group with the members that stay in the place of a consumer group; it is Stable.

    Each member's assignment is what it may still read, not what it was to get (which Kafka takes): should the group
    become a consumer group again before the member has joined, nobody else may get what it has not let go of.
    """
    for record in gone_group_records(group.group_id, group.members, group.regexes):
        step.record(record)
    classic_group = ClassicGroup(group.group_id, step.now.wall_ms, GroupState.STABLE)
    versions: dict[str, int] = {}
    for member in group.members.values():
        cancel_deadlines(group, member.member_id, step)
        metadata = member.classic
        if member.member_id in leaving or metadata is None:
            continue
        classic_group.add(
            ClassicMember(
                member.member_id,
                group_instance_id=member.instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout_ms=member.rebalance_timeout_ms,
                session_timeout_ms=metadata.session_timeout_ms,
                protocol_type=CONSUMER_PROTOCOL_TYPE,
                protocols={protocol.name: bytes(protocol.metadata) for protocol in metadata.supported_protocols},
            )
        )
        versions[member.member_id] = subscription_version(member)
    classic_group.generation_id = group.group_epoch
    classic_group.protocol_name = classic_group.select_protocol()
    classic_group.update_subscribed_topics()
    for classic_member in classic_group.members.values():
        member_id = classic_member.member_id
        owned = names_of_partitions(group.members[member_id].owns(), step.cluster)
        classic_member.assignment = encode_assignment(owned, versions[member_id])
        classic_group.keep_alive(classic_member, step)
    classic_group.record_metadata(step)
    groups[group.group_id] = classic_group
    return classic_group


# What members of the classic protocol say, in the terms of the other one


def classic_metadata(session_timeout_ms: int, protocols: Mapping[str, bytes]) -> ClassicMemberMetadata:
    """What a member of the classic protocol joined with."""
    return ClassicMemberMetadata(
        session_timeout_ms=session_timeout_ms,
        supported_protocols=[ClassicProtocol(name=name, metadata=metadata) for name, metadata in protocols.items()],
    )


def subscription_version(member: ConsumerMember) -> int:
    """The version in which a member of the classic protocol reads and writes what is embedded."""
    metadata = member.classic
    if metadata is None:
        raise AssertionError(f"member {member.member_id!r} does not use the classic protocol")
    return int.from_bytes(bytes(metadata.supported_protocols[0].metadata[:2]), signed=True)


def partitions_of_names(topics: Any, cluster: ClusterView) -> Partitions:
    """Partitions that are named by topic; of topics that do not exist, none."""
    return frozenset(
        TopicIdPartition(cluster.topics_by_name[item.topic].topic_id, index)
        for item in topics
        if item.topic in cluster.topics_by_name
        for index in item.partitions
    )


def names_of_partitions(partitions: Partitions, cluster: ClusterView) -> dict[str, list[int]]:
    """Partitions by the name of their topic; without topics that do not exist any more."""
    return {
        cluster.topics_by_id[topic_id].name: indexes
        for topic_id, indexes in by_topic(partitions).items()
        if topic_id in cluster.topics_by_id
    }
