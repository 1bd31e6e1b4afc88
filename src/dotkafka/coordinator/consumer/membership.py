"""Leaving a consumer group: by its members' will, for a while, or because a deadline has passed."""

from collections.abc import Iterable

import attrs

from dotkafka.coordinator.cluster_view import topics_hash
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import STATIC_LEAVE_EPOCH, ConsumerMember
from dotkafka.coordinator.consumer.rebalance import bump_epoch, forget_unused_regexes
from dotkafka.coordinator.consumer.records import current_record, gone_member_records
from dotkafka.coordinator.deadlines import (
    FetchAssignmentDeadline,
    RejoinDeadline,
    RevocationDeadline,
    SessionDeadline,
)
from dotkafka.coordinator.step import Step


def keep_alive(group: ConsumerGroup, member: ConsumerMember, step: Step) -> None:
    """Start the session of a member afresh."""
    classic = member.classic
    timeout_ms = (
        step.consumer_times(group.group_id).session_timeout_ms if classic is None else classic.session_timeout_ms
    )
    step.schedule(SessionDeadline(group.group_id, member.member_id), timeout_ms)


def remove_members(group: ConsumerGroup, member_ids: Iterable[str], step: Step) -> None:
    """Let members go, with all that is theirs, and move the group's epoch."""
    for member_id in member_ids:
        for record in gone_member_records(group.group_id, member_id):
            group.change(record, step)
        cancel_deadlines(group, member_id, step)
    forget_unused_regexes(group, step)
    bump_epoch(group, topics_hash(step.cluster, group.subscribed_topics()), step)


def leave_for_a_while(group: ConsumerGroup, member: ConsumerMember, step: Step) -> None:
    """Keep the place of a static member that has announced to come back, until its session ends.

    It has stopped to read, so nothing is pending. Whoever comes back under its instance id may commit what it has got
    from epoch 0 on.
    """
    gone = attrs.evolve(
        member,
        member_epoch=STATIC_LEAVE_EPOCH,
        assigned=dict.fromkeys(member.assigned, 0),
        pending_revocation={},
    )
    group.change(current_record(group.group_id, gone), step)
    step.cancel(RevocationDeadline(group.group_id, member.member_id))


def cancel_deadlines(group: ConsumerGroup, member_id: str, step: Step) -> None:
    """Forget everything that would remove a member."""
    for deadline in (SessionDeadline, RevocationDeadline, RejoinDeadline, FetchAssignmentDeadline):
        step.cancel(deadline(group.group_id, member_id))


def schedule_loaded(group: ConsumerGroup, step: Step) -> None:
    """Let all deadlines of a group that was loaded begin now."""
    for member in group.members.values():
        keep_alive(group, member, step)
        if member.must_revoke_in_time:
            step.schedule(RevocationDeadline(group.group_id, member.member_id), member.rebalance_timeout_ms)
