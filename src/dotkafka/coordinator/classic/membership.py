"""Staying in a group and leaving it: Heartbeat, LeaveGroup and the end of sessions."""

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.rebalance import complete_join_if_all_joined, prepare_rebalance_or_complete_join
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.deadlines import SessionDeadline
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest
from dotkafka.protocol.messages.leave_group import MemberIdentity, MemberResponse


def heartbeat(group: ClassicGroup, request: HeartbeatRequest, step: Step) -> ErrorCode:
    """Start the member's session afresh, and tell it whether to join again.

    Raises:
        ApiError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION.
    """
    group.validate_member(request.member_id, request.group_instance_id)
    if request.generation_id != group.generation_id:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    group.keep_alive(group.members[request.member_id], step)
    is_preparing = group.state is GroupState.PREPARING_REBALANCE
    return ErrorCode.REBALANCE_IN_PROGRESS if is_preparing else ErrorCode.NONE


def leave_group(group: ClassicGroup, identities: list[MemberIdentity], step: Step) -> list[MemberResponse]:
    """Remove members one by one, and rebalance once if any member is gone."""
    member_count = len(group.members)
    responses = [
        MemberResponse(
            member_id=identity.member_id,
            group_instance_id=identity.group_instance_id,
            error_code=_leave(group, identity, step),
        )
        for identity in identities
    ]
    if len(group.members) < member_count:
        prepare_rebalance_or_complete_join(group, step)
    else:
        # Nobody has to rebalance for one that had not joined yet, but the join phase may have waited for it.
        complete_join_if_all_joined(group, step)
    return responses


def _leave(group: ClassicGroup, identity: MemberIdentity, step: Step) -> ErrorCode:
    member_id = identity.member_id
    if member_id == "":
        # An administrator removes a static member by its instance id alone: KIP-345.
        static_member_id = group.static_members.get(identity.group_instance_id or "")
        if static_member_id is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        member_id = static_member_id
    elif member_id not in group.pending_join_members:
        try:
            group.validate_member(member_id, identity.group_instance_id)
        except ApiError as refusal:
            return ErrorCode(refusal.error_code)
    remove_from_group(group, member_id, ErrorCode.UNKNOWN_MEMBER_ID, step)
    return ErrorCode.NONE


def remove_from_group(group: ClassicGroup, member_id: str, error: ErrorCode, step: Step) -> None:
    """Let go of a member or of an id that has not come back yet, if there is one; requests that wait get `error`."""
    if member_id in group.members:
        group.remove(member_id, error, step)
    elif member_id in group.pending_join_members:
        group.pending_join_members.remove(member_id)
        step.cancel(SessionDeadline(group.group_id, member_id))


def on_session_deadline(group: ClassicGroup, member_id: str, step: Step) -> None:
    """Remove a member that was not heard of, unless a request of its that waits speaks for it."""
    member = group.members.get(member_id)
    if member is not None and member.is_alive_by_waiting:
        # The session starts afresh when that request is answered.
        return
    remove_from_group(group, member_id, ErrorCode.UNKNOWN_MEMBER_ID, step)
    if member is not None:
        prepare_rebalance_or_complete_join(group, step)
    else:
        complete_join_if_all_joined(group, step)
