"""One member of a group."""

from dotkafka.coordinator.classic.member import ClassicMember


def member(protocols: dict[str, bytes]) -> ClassicMember:
    """A member of which only the protocols matter."""
    return ClassicMember(
        "m",
        group_instance_id=None,
        client_id="c",
        client_host="/h",
        rebalance_timeout_ms=1,
        session_timeout_ms=1,
        protocol_type="consumer",
        protocols=protocols,
    )


def test_votes_for_what_it_wants_most() -> None:
    """The first of its protocols that is a candidate has its vote."""
    assert member({"a": b"", "b": b"", "c": b""}).vote({"c", "b"}) == "b"


def test_same_protocols() -> None:
    """Name, metadata and order all count."""
    one = member({"a": b"1", "b": b"2"})
    assert one.has_same_protocols({"a": b"1", "b": b"2"})
    assert not one.has_same_protocols({"b": b"2", "a": b"1"})
    assert not one.has_same_protocols({"a": b"1", "b": b"3"})
    assert not one.has_same_protocols({"a": b"1"})


def test_waiting_keeps_alive_unless_new() -> None:
    """A request that waits stands for heartbeats, but not of a member that could not send any yet."""
    idle, syncing, joining, new = (member({"a": b""}) for _ in range(4))
    syncing.awaiting_sync = "reply"
    joining.awaiting_join = "reply"
    new.awaiting_join, new.is_new = "reply", True
    assert [one.is_alive_by_waiting for one in (idle, syncing, joining, new)] == [False, True, True, False]
