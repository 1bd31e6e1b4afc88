"""One member of a group."""

from collections.abc import Callable

from dotkafka.coordinator.classic.member import ClassicMember

MakeMember = Callable[..., ClassicMember]


def test_votes_for_what_it_wants_most(make_member: MakeMember) -> None:
    """The first of its protocols that is a candidate has its vote."""
    assert make_member("m", "a", "b", "c").vote({"c", "b"}) == "b"


def test_same_protocols(make_member: MakeMember) -> None:
    """Name, metadata and order all count."""
    member = make_member("m", "a", "b", metadata=b"1")
    assert member.has_same_protocols({"a": b"1", "b": b"1"})
    assert not member.has_same_protocols({"b": b"1", "a": b"1"})
    assert not member.has_same_protocols({"a": b"1", "b": b"2"})
    assert not member.has_same_protocols({"a": b"1"})


def test_waiting_keeps_alive_unless_new(make_member: MakeMember) -> None:
    """A request that waits stands for heartbeats, but not of a member that could not send any yet."""
    idle, syncing, joining, new = (make_member("m") for _ in range(4))
    syncing.awaiting_sync = "reply"
    joining.awaiting_join = "reply"
    new.awaiting_join, new.is_new = "reply", True
    assert [member.is_alive_by_waiting for member in (idle, syncing, joining, new)] == [False, True, True, False]
