"""Every API of the coordinator can refuse a whole request."""

from typing import Any

import pytest

from dotkafka.coordinator.refusals import refuse, refuse_members
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import CONSUMER_GROUP_DESCRIBE, ConsumerGroupDescribeRequest
from dotkafka.protocol.messages.consumer_group_heartbeat import CONSUMER_GROUP_HEARTBEAT, ConsumerGroupHeartbeatRequest
from dotkafka.protocol.messages.delete_groups import DELETE_GROUPS, DeleteGroupsRequest
from dotkafka.protocol.messages.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest
from dotkafka.protocol.messages.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from dotkafka.protocol.messages.list_groups import LIST_GROUPS, ListGroupsRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_delete import OFFSET_DELETE, OffsetDeleteRequest
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
)
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest
from dotkafka.protocol.schema import Api

PARTITIONS = [OffsetCommitRequestPartition(partition_index=0), OffsetCommitRequestPartition(partition_index=1)]
REQUESTS: list[tuple[Api[Any, Any], Any, str]] = [
    (JOIN_GROUP, JoinGroupRequest(), "error_code"),
    (SYNC_GROUP, SyncGroupRequest(), "error_code"),
    (HEARTBEAT, HeartbeatRequest(), "error_code"),
    (LEAVE_GROUP, LeaveGroupRequest(), "error_code"),
    (LIST_GROUPS, ListGroupsRequest(), "error_code"),
    (OFFSET_DELETE, OffsetDeleteRequest(), "error_code"),
    (CONSUMER_GROUP_HEARTBEAT, ConsumerGroupHeartbeatRequest(), "error_code"),
    (CONSUMER_GROUP_DESCRIBE, ConsumerGroupDescribeRequest(group_ids=["g", "h"]), "groups"),
    (DESCRIBE_GROUPS, DescribeGroupsRequest(groups=["g", "h"]), "groups"),
    (DELETE_GROUPS, DeleteGroupsRequest(groups_names=["g", "h"]), "results"),
    (OFFSET_COMMIT, OffsetCommitRequest(topics=[OffsetCommitRequestTopic(name="t", partitions=PARTITIONS)]), "topics"),
]
FETCH = OffsetFetchRequest(
    topics=[OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])],
    groups=[OffsetFetchRequestGroup(group_id="g"), OffsetFetchRequestGroup(group_id="h")],
)


def codes(value: Any) -> list[int]:
    """All error codes within a field that is one, or a list of structs that have one or have partitions."""
    if isinstance(value, int):
        return [value]
    return [code for item in value for code in codes(getattr(item, "partitions", None) or item.error_code)]


@pytest.mark.parametrize(
    ("api", "request_", "field"), REQUESTS, ids=[type(request).__name__ for _, request, _ in REQUESTS]
)
def test_refusal_says_why(api: Api[Any, Any], request_: Any, field: str) -> None:
    """Each version carries the error code wherever it has a place for it."""
    for version in range(api.versions.lowest, api.versions.highest + 1):
        response = refuse(request_, version, ErrorCode.NOT_COORDINATOR)
        read = api.decode_response(version, api.encode_response(version, response))
        found = codes(getattr(read, field))
        assert found == [ErrorCode.NOT_COORDINATOR] * (1 if field == "error_code" else 2)


@pytest.mark.parametrize(("version", "field", "count"), [(1, "topics", 2), (2, "error_code", 1), (8, "groups", 2)])
def test_offset_fetch_refuses_in_the_shape_of_its_version(version: int, field: str, count: int) -> None:
    """Partitions have the code first, then the response, then groups."""
    response = refuse(FETCH, version, ErrorCode.NOT_COORDINATOR)
    read = OFFSET_FETCH.decode_response(version, OFFSET_FETCH.encode_response(version, response))
    assert codes(getattr(read, field)) == [ErrorCode.NOT_COORDINATOR] * count


def test_leave_group_refuses_members() -> None:
    """Since version 3 each member has an error of its own."""
    request = LeaveGroupRequest(members=[MemberIdentity(member_id="m"), MemberIdentity(group_instance_id="i")])
    assert codes(refuse_members(request, 3, ErrorCode.UNKNOWN_MEMBER_ID).members) == [ErrorCode.UNKNOWN_MEMBER_ID] * 2
    assert refuse_members(request, 2, ErrorCode.UNKNOWN_MEMBER_ID).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_heartbeats_are_refused_in_words() -> None:
    """The one API of groups that has room for them."""
    assert refuse(ConsumerGroupHeartbeatRequest(), 1, ErrorCode.INVALID_REQUEST, "why").error_message == "why"
    assert refuse(ConsumerGroupHeartbeatRequest(), 1, ErrorCode.INVALID_REQUEST).error_message is None
