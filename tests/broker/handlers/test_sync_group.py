"""SyncGroup: assignments from the leader to all."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment


def request(joined, assignment=b"mine"):
    """The leader's request, with an assignment for itself."""
    return SyncGroupRequest(
        group_id="g",
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        protocol_type="consumer",
        protocol_name="range",
        assignments=[SyncGroupRequestAssignment(member_id=joined.member_id, assignment=assignment)],
    )


@pytest.mark.parametrize("version", range(6))
def test_the_leader_assigns(client, version):
    """What the leader hands in comes back to whom it is for, when it is durable."""
    joined = client.join()
    client.send(SYNC_GROUP, version, request(joined))
    assert list(client.received()) == []
    client.running.settle()
    (answer,) = client.received()
    assert (answer.error_code, answer.assignment) == (ErrorCode.NONE, b"mine")
    if version >= 5:
        assert (answer.protocol_type, answer.protocol_name) == ("consumer", "range")


def test_a_follower_waits_for_the_leader(client, running):
    """It hands in nothing, and is answered in the moment in which the leader has assigned."""
    other = running.connect()
    for member in (client, other):
        protocol = JoinGroupRequestProtocol(name="range", metadata=b"")
        join = JoinGroupRequest(group_id="g", session_timeout_ms=10_000, rebalance_timeout_ms=20_000)
        join.member_id, join.protocol_type, join.protocols = "", "consumer", [protocol]
        member.send(JOIN_GROUP, 1, join)
    running.advance(100)
    (leader,), (follower,) = client.received(), other.received()
    waiting = SyncGroupRequest(group_id="g", generation_id=1, member_id=follower.member_id)
    other.send(SYNC_GROUP, 3, waiting)
    running.settle()
    assert list(other.received()) == []
    assert client.sync(leader, **{leader.member_id: b"1", follower.member_id: b"2"}).assignment == b"1"
    (answer,) = other.received()
    assert answer.assignment == b"2"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": "unknown"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation_id": 7}, ErrorCode.ILLEGAL_GENERATION),
        ({"protocol_name": "sticky"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": None}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_refusals(client, change, error):
    """Misuse has Kafka's own codes, at once."""
    wrong = request(client.join())
    for name, value in change.items():
        setattr(wrong, name, value)
    assert client.call(SYNC_GROUP, 5, wrong).error_code == error
