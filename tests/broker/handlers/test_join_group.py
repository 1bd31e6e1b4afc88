"""JoinGroup: from a request to the answer that the coordinator gives, over all versions."""

import pytest

from dotkafka.coordinator.config import GroupConfig
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol


def request(member_id="", **more):
    """A request to join the group `g`."""
    return JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=-1,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"topics")],
        **more,
    )


@pytest.mark.parametrize("version", range(10))
def test_first_member(client, version):
    """A group's first member leads its first generation; from version 4 it is told its id before (KIP-394)."""
    member_id = ""
    if version >= 4:
        told = client.call(JOIN_GROUP, version, request())
        assert told.error_code == ErrorCode.MEMBER_ID_REQUIRED
        member_id = told.member_id
    client.send(JOIN_GROUP, version, request(member_id))
    client.running.settle()
    assert list(client.received()) == []
    client.running.advance(50)
    (joined,) = client.received()
    assert (joined.error_code, joined.generation_id, joined.protocol_name) == (0, 1, "range")
    assert joined.leader == joined.member_id
    assert [(member.member_id, member.metadata) for member in joined.members] == [(joined.member_id, b"topics")]
    assert joined.member_id.startswith("test-client-")


def test_the_initial_delay_is_a_setting(boot):
    """Without a delay the first join is answered without time passing."""
    client = boot(group=GroupConfig(group_initial_rebalance_delay_ms=0)).connect()
    client.send(JOIN_GROUP, 3, request())
    client.running.settle()
    client.running.advance(0)
    assert [joined.generation_id for joined in client.received()] == [1]


def test_two_members(client, running):
    """Those that come within the delay share the first generation; only the leader learns who they are."""
    other = running.connect()
    client.send(JOIN_GROUP, 3, request())
    other.send(JOIN_GROUP, 3, request())
    running.settle()
    running.advance(50)
    (leader,), (follower,) = client.received(), other.received()
    assert leader.generation_id == follower.generation_id == 1
    assert leader.leader == follower.leader == leader.member_id
    assert (len(leader.members), len(follower.members)) == (2, 0)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"session_timeout_ms": 10}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocols": []}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_refusals(client, change, error):
    """Misuse has Kafka's own codes, at once."""
    wrong = request()
    for name, value in change.items():
        setattr(wrong, name, value)
    assert client.call(JOIN_GROUP, 3, wrong).error_code == error


def test_a_protocol_that_no_other_member_has(client):
    """A member that shares no assignor with the group is refused."""
    client.join()
    assert client.join(protocols=("sticky",)).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_a_connection_that_is_lost_is_not_a_leave(client, running):
    """As in Kafka, a member stays until its session ends."""
    joined = client.join()
    client.sync(joined)
    running.broker.disconnect(client.connection, running.machine.now)
    again = running.connect().sync(joined)
    assert (again.error_code, again.assignment) == (ErrorCode.NONE, b"all")
