"""JoinGroup, where scenarios do not reach."""

import pytest

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.joining import JoinCall, protocols_of
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol

RANGE = JoinGroupRequestProtocol(name="range", metadata=b"1")


def test_first_of_two_protocols_with_one_name_counts() -> None:
    """A name that comes twice is one protocol."""
    again = JoinGroupRequestProtocol(name="range", metadata=b"2")
    other = JoinGroupRequestProtocol(name="a", metadata=b"3")
    protocols = protocols_of(JoinGroupRequest(protocols=[RANGE, other, again]))
    assert list(protocols.items()) == [("range", b"1"), ("a", b"3")]


@pytest.mark.parametrize("instance_id", [None, "x" * 30_000])
def test_member_id_fits_whatever_the_client_is_called(step: Step, instance_id: str | None) -> None:
    """The longest names that the protocol allows give member ids that it allows too."""
    group = ClassicGroup("g", 0)
    request = JoinGroupRequest(
        group_id="g",
        protocol_type="consumer",
        protocols=[RANGE],
        group_instance_id=instance_id,
        session_timeout_ms=6_000,
    )
    JoinCall(group, request, RequestContext(5, "\u20ac" * 10_000), "reply", step).run()
    (member_id,) = group.members or group.pending_join_members
    assert member_id.endswith("-uuid")
    assert len(member_id.encode()) < 1_000
    for reply in step.effects().replies:
        assert JOIN_GROUP.encode_response(5, reply.response)


def test_pending_member_is_not_static(step: Step) -> None:
    """An id that was given out for a dynamic member is not accepted together with an instance id."""
    group = ClassicGroup("g", 0)
    group.pending_join_members.add("m")
    request = JoinGroupRequest(
        group_id="g", member_id="m", group_instance_id="i", protocol_type="consumer", protocols=[RANGE]
    )
    with pytest.raises(ApiError) as refusal:
        JoinCall(group, request, RequestContext(9), "reply", step).run()
    assert refusal.value.error_code == ErrorCode.UNKNOWN_MEMBER_ID
