"""How a group comes to its next generation: the join phase begins, waits and completes.

The rebalance of a group that was empty waits `group.initial.rebalance.delay.ms` for further members, and again as long
as members keep coming, up to the longest rebalance timeout. Any other one ends when all members have joined again, or
at the longest rebalance timeout without those that have not.
"""

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.deadlines import JoinDeadline, SyncDeadline
from dotkafka.coordinator.step import Step
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.sync_group import SyncGroupResponse

MINIMUM_RETRY_MS = 1_000
"""A join phase that nobody joined is tried again no sooner: a rebalance timeout of 0 must not make it spin."""


def prepare_rebalance_or_complete_join(group: ClassicGroup, step: Step) -> None:
    """React to a change of members: begin a rebalance, or complete the one that waited for just this."""
    if group.can_rebalance:
        prepare_rebalance(group, step)
    else:
        complete_join_if_all_joined(group, step)


def prepare_rebalance(group: ClassicGroup, step: Step) -> None:
    """Begin a rebalance: from now on members are told to join again."""
    if group.state is GroupState.COMPLETING_REBALANCE:
        for member in group.members.values():
            member.assignment = b""
            group.answer_sync(member, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS), step)
    group.pending_sync_members.clear()
    step.cancel(SyncDeadline(group.group_id))

    was_empty = group.state is GroupState.EMPTY
    group.transition_to(GroupState.PREPARING_REBALANCE, step.now.wall_ms)
    if was_empty:
        delay_ms = step.config.group_initial_rebalance_delay_ms
        group.new_member_added = False
        group.initial_rebalance_remaining_ms = max(group.rebalance_timeout_ms - delay_ms, 0)
        step.schedule(JoinDeadline(group.group_id), delay_ms)
    elif group.has_all_members_joined:
        complete_join(group, step)
    else:
        step.schedule(JoinDeadline(group.group_id), group.rebalance_timeout_ms)


def complete_join_if_all_joined(group: ClassicGroup, step: Step) -> None:
    """End the join phase if it waits for nobody any more; an initial rebalance waits for its time in any case."""
    if (
        group.state is GroupState.PREPARING_REBALANCE
        and group.previous_state is not GroupState.EMPTY
        and group.has_all_members_joined
    ):
        complete_join(group, step)


def complete_join(group: ClassicGroup, step: Step) -> None:
    """End the join phase: let go of dynamic members that have not joined, and answer the others with a new generation.

    Static members stay until their session ends, so that a restarted one finds its place again. Source: KIP-345.
    """
    step.cancel(JoinDeadline(group.group_id))
    for member in list(group.members.values()):
        if member.awaiting_join is None and member.group_instance_id is None:
            group.remove(member.member_id, ErrorCode.UNKNOWN_MEMBER_ID, step)

    if group.members and not group.elect_joined_leader():
        group.initial_rebalance_remaining_ms = 0
        step.schedule(JoinDeadline(group.group_id), max(group.rebalance_timeout_ms, MINIMUM_RETRY_MS))
        return

    group.begin_generation(step.now.wall_ms)
    if not group.members:
        group.record_metadata(step)
        return
    for member in group.members.values():
        group.answer_join(member, group.join_response(member.member_id), step)
        group.keep_alive(member, step)
        member.is_new = False
    step.schedule(SyncDeadline(group.group_id), group.rebalance_timeout_ms)


def on_join_deadline(group: ClassicGroup, step: Step) -> None:
    """End the join phase, or extend that of an initial rebalance if members are still coming."""
    is_initial = group.previous_state is GroupState.EMPTY
    if is_initial and group.new_member_added and group.initial_rebalance_remaining_ms > 0:
        delay_ms = step.config.group_initial_rebalance_delay_ms
        remaining_ms = group.initial_rebalance_remaining_ms
        group.new_member_added = False
        group.initial_rebalance_remaining_ms = max(remaining_ms - delay_ms, 0)
        step.schedule(JoinDeadline(group.group_id), min(delay_ms, remaining_ms))
    else:
        complete_join(group, step)


def on_sync_deadline(group: ClassicGroup, step: Step) -> None:
    """Remove the members that have not asked for their assignment, and begin again without them."""
    for member_id in sorted(group.pending_sync_members):
        group.remove(member_id, ErrorCode.UNKNOWN_MEMBER_ID, step)
    prepare_rebalance(group, step)
