"""SyncGroup: the leader hands in the assignments, and every member fetches its own."""

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.deadlines import SyncDeadline
from dotkafka.coordinator.effects import ReplyTo
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.sync_group import SyncGroupRequest


def sync_group(group: ClassicGroup, request: SyncGroupRequest, reply_to: ReplyTo, step: Step) -> None:
    """Answer one SyncGroup request, or let it wait for the leader's.

    Raises:
        ApiError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, INCONSISTENT_GROUP_PROTOCOL,
            REBALANCE_IN_PROGRESS.
    """
    group.validate_member(request.member_id, request.group_instance_id)
    if request.generation_id != group.generation_id:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    if _differs(request.protocol_type, group.protocol_type) or _differs(request.protocol_name, group.protocol_name):
        raise ApiError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if group.state is GroupState.PREPARING_REBALANCE:
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)

    member = group.members[request.member_id]
    group.pending_sync_members.discard(request.member_id)
    if not group.pending_sync_members:
        step.cancel(SyncDeadline(group.group_id))
    if group.state is GroupState.STABLE:
        step.reply(reply_to, group.sync_response(member))
        return
    group.await_sync(member, reply_to, step)
    if group.is_leader(request.member_id):
        assignments = {assignment.member_id: bytes(assignment.assignment) for assignment in request.assignments}
        _stabilize(group, assignments, step)


def _stabilize(group: ClassicGroup, assignments: dict[str, bytes], step: Step) -> None:
    """Take the leader's assignments and answer all that wait for theirs; a member that is left out gets none."""
    group.transition_to(GroupState.STABLE, step.now.wall_ms)
    for member in group.members.values():
        member.assignment = assignments.get(member.member_id, b"")
        group.answer_sync(member, group.sync_response(member), step)
    group.record_metadata(step)


def _differs(requested: str | None, chosen: str | None) -> bool:
    """Whether the request names something else; clients before version 5 name nothing."""
    return requested is not None and chosen is not None and requested != chosen
