"""Heartbeats, leaving and sessions, where scenarios do not reach."""

from collections.abc import Callable

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.membership import heartbeat, leave_group, on_session_deadline
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline, SessionDeadline
from dotkafka.coordinator.step import Step
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest
from dotkafka.protocol.messages.leave_group import MemberIdentity

MakeMember = Callable[..., ClassicMember]


def test_heartbeat_starts_the_session_afresh(
    make_member: MakeMember, step: Step, deadlines: Deadlines[GroupDeadline]
) -> None:
    """The session ends its timeout after the last heartbeat."""
    group = ClassicGroup("g", 0, GroupState.STABLE)
    group.add(make_member("a"))
    deadlines.schedule(SessionDeadline("g", "a"), 1)
    assert heartbeat(group, HeartbeatRequest(member_id="a", generation_id=0), step) is ErrorCode.NONE
    assert deadlines.next_ms() == 6_000


def test_leaving_needs_one_name_at_least(make_member: MakeMember, step: Step) -> None:
    """Neither a member id nor an instance id is nobody, also where there are members."""
    group = ClassicGroup("g", 0, GroupState.STABLE)
    group.add(make_member("a", instance="i"))
    (response,) = leave_group(group, [MemberIdentity(member_id="", group_instance_id=None)], step)
    assert response.error_code == ErrorCode.UNKNOWN_MEMBER_ID
    (response,) = leave_group(group, [MemberIdentity(member_id="b", group_instance_id="i")], step)
    assert response.error_code == ErrorCode.FENCED_INSTANCE_ID
    assert group.state is GroupState.STABLE


def test_session_of_an_id_that_never_came_back(step: Step) -> None:
    """It is forgotten, and nothing else happens."""
    group = ClassicGroup("g", 0)
    group.pending_join_members.add("m")
    on_session_deadline(group, "m", step)
    assert not group.pending_join_members
    assert group.state is GroupState.EMPTY
    assert step.effects().records == ()
