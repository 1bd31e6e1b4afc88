"""LeaveGroup: members go at once, without waiting for their sessions to end."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity


@pytest.fixture
def joined(client):
    """The one member of a stable group."""
    answer = client.join()
    client.sync(answer)
    return answer


@pytest.mark.parametrize("version", range(6))
def test_one_member(client, joined, version):
    """Alone up to version 2, in a list from version 3; a second time there is nobody to leave."""
    request = LeaveGroupRequest(group_id="g")
    if version < 3:
        request.member_id = joined.member_id
    else:
        request.members = [MemberIdentity(member_id=joined.member_id)]
    for error in (ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID):
        answer = client.call(LEAVE_GROUP, version, request)
        if version < 3:
            assert answer.error_code == error
        else:
            assert [(one.member_id, one.error_code) for one in answer.members] == [(joined.member_id, error)]
    alive = HeartbeatRequest(group_id="g", generation_id=joined.generation_id, member_id=joined.member_id)
    assert client.call(HEARTBEAT, 3, alive).error_code == ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("version", [0, 4])
def test_unknown_group(client, version):
    """Who is in no group cannot leave it."""
    request = LeaveGroupRequest(group_id="unknown")
    if version < 3:
        request.member_id = "nobody"
        assert client.call(LEAVE_GROUP, version, request).error_code == ErrorCode.UNKNOWN_MEMBER_ID
    else:
        request.members = [MemberIdentity(member_id="nobody")]
        (answer,) = client.call(LEAVE_GROUP, version, request).members
        assert answer.error_code == ErrorCode.UNKNOWN_MEMBER_ID
