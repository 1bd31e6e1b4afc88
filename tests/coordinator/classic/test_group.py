"""The books of one group."""

from collections.abc import Callable

import pytest

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_offsets import GroupMetadataValue

MakeMember = Callable[..., ClassicMember]


@pytest.fixture
def group() -> ClassicGroup:
    """A group that prepares a rebalance."""
    group = ClassicGroup("g", 0)
    group.transition_to(GroupState.PREPARING_REBALANCE, 0)
    return group


def test_protocol_with_most_first_votes_wins(group: ClassicGroup, make_member: MakeMember) -> None:
    """Only what all support can be chosen, then the majority counts, then who joined first."""
    group.add(make_member("a", "x", "y", "z"))
    assert group.select_protocol() == "x"
    group.add(make_member("b", "z", "y"))
    assert group.select_protocol() == "y"
    group.add(make_member("c", "z", "y"))
    assert group.select_protocol() == "z"
    group.check_invariants()


def test_supports_protocols(group: ClassicGroup, make_member: MakeMember) -> None:
    """A newcomer must share a protocol that all support, not just one."""
    group.add(make_member("a", "x", "y"))
    group.add(make_member("b", "y"))
    assert group.supports_protocols("consumer", ["y", "q"])
    assert not group.supports_protocols("consumer", ["x"])
    assert not group.supports_protocols("connect", ["y"])
    assert not group.supports_protocols("consumer", [])


def test_leader_moves_on(group: ClassicGroup, make_member: MakeMember, step: Step) -> None:
    """The first member leads; when it is gone another does; nobody leads nobody."""
    group.add(make_member("a"))
    group.add(make_member("b"))
    leaders = [group.leader_id]
    for member_id in ("a", "b"):
        group.remove(member_id, ErrorCode.UNKNOWN_MEMBER_ID, step)
        leaders.append(group.leader_id)
        group.check_invariants()
    assert leaders == ["a", "b", None]


def test_only_a_joined_member_may_lead(group: ClassicGroup, make_member: MakeMember, step: Step) -> None:
    """A leader that has not joined gives way to a member that has, if any has."""
    static, other = make_member("a", instance="i"), make_member("b")
    group.add(static)
    group.add(other)
    assert not group.elect_joined_leader()
    group.await_join(other, "reply", step)
    assert group.elect_joined_leader()
    assert group.leader_id == "b"


@pytest.mark.parametrize(
    ("member_id", "instance_id", "error"),
    [
        ("a", "i", None),
        ("a", None, None),
        ("b", "i", ErrorCode.FENCED_INSTANCE_ID),
        ("a", "other", ErrorCode.UNKNOWN_MEMBER_ID),
        ("b", None, ErrorCode.UNKNOWN_MEMBER_ID),
        ("", None, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_validate_member(
    group: ClassicGroup, make_member: MakeMember, member_id: str, instance_id: str | None, error: ErrorCode | None
) -> None:
    """A caller must be known by both of its names, and under the same one."""
    group.add(make_member("a", instance="i"))
    if error is None:
        group.validate_member(member_id, instance_id)
    else:
        with pytest.raises(ApiError) as refusal:
            group.validate_member(member_id, instance_id)
        assert refusal.value.error_code == error


@pytest.mark.parametrize("value", [GroupMetadataValue(protocol_type="consumer"), GroupMetadataValue()])
def test_group_without_members_is_loaded_empty(value: GroupMetadataValue) -> None:
    """A record without members is an empty group, whose age an old record does not tell."""
    group = ClassicGroup.from_metadata("g", value)
    assert group.state is GroupState.EMPTY
    assert group.state_timestamp_ms is None
    assert group.protocol_type == (value.protocol_type or None)
    group.check_invariants()


@pytest.mark.parametrize(
    ("spoil", "truth"),
    [
        (lambda group: group.members.clear(), "leader"),
        (lambda group: group.static_members.clear(), "static members"),
        (lambda group: group.pending_join_members.add("a"), "pending members"),
        (lambda group: group.pending_sync_members.add("nobody"), "owe a sync"),
        (lambda group: setattr(group.members["a"], "awaiting_join", "reply"), "joined members"),
        (lambda group: setattr(group.members["a"], "awaiting_sync", "reply"), "syncs wait"),
        (lambda group: setattr(group.members["a"], "protocols", {}), "supporters"),
        (lambda group: setattr(group.members["a"], "protocol_type", "other"), "protocol type"),
        (lambda group: setattr(group, "state", GroupState.EMPTY), "empty"),
    ],
)
def test_invariants_are_checked(
    group: ClassicGroup, make_member: MakeMember, spoil: Callable[[ClassicGroup], None], truth: str
) -> None:
    """Books that do not agree are noticed."""
    group.add(make_member("a", instance="i"))
    group.check_invariants()
    spoil(group)
    with pytest.raises(AssertionError, match=truth):
        group.check_invariants()
