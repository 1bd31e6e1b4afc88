"""Heartbeat: a member says that it lives, and hears of rebalances."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol


def beat(client, joined, version=3, **change):
    """Send a heartbeat, and return its error code."""
    request = HeartbeatRequest(group_id="g", generation_id=joined.generation_id, member_id=joined.member_id)
    for name, value in change.items():
        setattr(request, name, value)
    return client.call(HEARTBEAT, version, request).error_code


@pytest.fixture
def joined(client):
    """The one member of a stable group."""
    answer = client.join()
    client.sync(answer)
    return answer


@pytest.mark.parametrize("version", range(5))
def test_keeps_the_session(client, running, joined, version):
    """A member that is heard of within its session timeout stays; one that is not goes."""
    for _ in range(3):
        running.advance(9_999)
        assert beat(client, joined, version) == ErrorCode.NONE
    running.advance(10_000)
    assert beat(client, joined, version) == ErrorCode.UNKNOWN_MEMBER_ID


def test_hears_of_a_rebalance(client, running, joined):
    """When another member joins, the first one is told to join again."""
    protocol = JoinGroupRequestProtocol(name="range", metadata=b"")
    request = JoinGroupRequest(group_id="g", session_timeout_ms=10_000, member_id="", protocol_type="consumer")
    request.protocols = [protocol]
    running.connect().send(JOIN_GROUP, 1, request)
    running.settle()
    assert beat(client, joined) == ErrorCode.REBALANCE_IN_PROGRESS


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": "unknown"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation_id": 9}, ErrorCode.ILLEGAL_GENERATION),
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
    ],
)
def test_refusals(client, joined, change, error):
    """Misuse has Kafka's own codes."""
    assert beat(client, joined, **change) == error
