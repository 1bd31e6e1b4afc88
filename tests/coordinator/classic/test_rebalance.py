"""The join phase, where scenarios do not reach."""

from collections.abc import Callable

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.rebalance import MINIMUM_RETRY_MS, complete_join, prepare_rebalance
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline, SyncDeadline
from dotkafka.coordinator.step import Step

MakeMember = Callable[..., ClassicMember]


def test_does_not_spin_without_rebalance_timeout(
    make_member: MakeMember, step: Step, deadlines: Deadlines[GroupDeadline]
) -> None:
    """A group whose only members are static, absent and allow no time is looked at once a second, not all the time."""
    group = ClassicGroup("g", 0, GroupState.STABLE)
    group.add(make_member("a", instance="i", rebalance_timeout_ms=0))
    prepare_rebalance(group, step)
    complete_join(group, step)
    assert group.state is GroupState.PREPARING_REBALANCE
    assert deadlines.next_ms() == MINIMUM_RETRY_MS


def test_rebalance_takes_assignments_away(make_member: MakeMember, step: Step) -> None:
    """A rebalance that begins before the leader has assigned anything leaves no assignment of the generation before."""
    group = ClassicGroup("g", 0, GroupState.COMPLETING_REBALANCE)
    member = make_member("a")
    member.assignment = b"old"
    group.add(member)
    prepare_rebalance(group, step)
    assert member.assignment == b""


def test_generation_waits_for_every_sync(
    make_member: MakeMember, step: Step, deadlines: Deadlines[GroupDeadline]
) -> None:
    """After the join phase every member owes a SyncGroup, within the longest rebalance timeout."""
    group = ClassicGroup("g", 0, GroupState.STABLE)
    for member in (make_member("a", rebalance_timeout_ms=1), make_member("b", rebalance_timeout_ms=9)):
        group.add(member)
    group.transition_to(GroupState.PREPARING_REBALANCE, 0)
    for member in group.members.values():
        group.await_join(member, member.member_id, step)
    complete_join(group, step)
    assert group.pending_sync_members == {"a", "b"}
    assert SyncDeadline("g") in deadlines
    assert deadlines.next_ms() == 9
    assert [reply.response.members == () for reply in step.effects().replies] == [False, True]
