"""How each API of the group coordinator says no to a whole request.

Not every response has an error code of its own: where it has not, each member, partition or group in it gets the code.
"""

from collections.abc import Callable
from typing import Any

from dotkafka.protocol.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)
from dotkafka.protocol.messages.consumer_group_describe import DescribedGroup as DescribedConsumerGroup
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from dotkafka.protocol.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from dotkafka.protocol.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from dotkafka.protocol.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse
from dotkafka.protocol.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from dotkafka.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from dotkafka.protocol.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from dotkafka.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponseTopic,
)
from dotkafka.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse

GroupRequest = (
    JoinGroupRequest
    | SyncGroupRequest
    | HeartbeatRequest
    | LeaveGroupRequest
    | OffsetCommitRequest
    | OffsetFetchRequest
    | OffsetDeleteRequest
    | DescribeGroupsRequest
    | ListGroupsRequest
    | DeleteGroupsRequest
    | ConsumerGroupHeartbeatRequest
    | ConsumerGroupDescribeRequest
)
"""What a group coordinator can be asked."""


def refuse(request: GroupRequest, api_version: int, error_code: int, message: str = "") -> Any:
    """The response to `request` that carries `error_code` wherever its API has a place for it, and the message too."""
    if isinstance(request, ConsumerGroupHeartbeatRequest):
        return ConsumerGroupHeartbeatResponse(error_code=error_code, error_message=message or None)
    response_type = _WITH_ERROR_CODE.get(type(request))
    if response_type is not None:
        return response_type(error_code=error_code)
    if isinstance(request, OffsetFetchRequest):
        return _offset_fetch(request, api_version, error_code)
    return _REFUSALS[type(request)](request, error_code)


def refuse_members(request: LeaveGroupRequest, api_version: int, error_code: int) -> LeaveGroupResponse:
    """The response to a LeaveGroup request that no member could be found for: an error each, where members have one."""
    if api_version < 3:
        return LeaveGroupResponse(error_code=error_code)
    members = [
        MemberResponse(member_id=member.member_id, group_instance_id=member.group_instance_id, error_code=error_code)
        for member in request.members
    ]
    return LeaveGroupResponse(members=members)


def _offset_commit(request: OffsetCommitRequest, error_code: int) -> OffsetCommitResponse:
    topics = [
        OffsetCommitResponseTopic(
            name=topic.name,
            topic_id=topic.topic_id,
            partitions=[
                OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error_code)
                for partition in topic.partitions
            ],
        )
        for topic in request.topics
    ]
    return OffsetCommitResponse(topics=topics)


def _offset_fetch(request: OffsetFetchRequest, api_version: int, error_code: int) -> OffsetFetchResponse:
    if api_version >= 8:
        groups = [OffsetFetchResponseGroup(group_id=group.group_id, error_code=error_code) for group in request.groups]
        return OffsetFetchResponse(groups=groups)
    if api_version >= 2:
        return OffsetFetchResponse(error_code=error_code)
    topics = [
        OffsetFetchResponseTopic(
            name=topic.name,
            partitions=[
                OffsetFetchResponsePartition(
                    partition_index=index, committed_offset=-1, metadata="", error_code=error_code
                )
                for index in topic.partition_indexes
            ],
        )
        for topic in request.topics or ()
    ]
    return OffsetFetchResponse(topics=topics)


def _join_group(request: JoinGroupRequest, error_code: int) -> JoinGroupResponse:
    return JoinGroupResponse(error_code=error_code, member_id=request.member_id)


def _describe_groups(request: DescribeGroupsRequest, error_code: int) -> DescribeGroupsResponse:
    groups = [DescribedGroup(group_id=group_id, error_code=error_code) for group_id in request.groups]
    return DescribeGroupsResponse(groups=groups)


def _consumer_group_describe(request: ConsumerGroupDescribeRequest, error_code: int) -> ConsumerGroupDescribeResponse:
    groups = [DescribedConsumerGroup(group_id=group_id, error_code=error_code) for group_id in request.group_ids]
    return ConsumerGroupDescribeResponse(groups=groups)


def _delete_groups(request: DeleteGroupsRequest, error_code: int) -> DeleteGroupsResponse:
    results = [DeletableGroupResult(group_id=group_id, error_code=error_code) for group_id in request.groups_names]
    return DeleteGroupsResponse(results=results)


_WITH_ERROR_CODE: dict[type, Callable[..., Any]] = {
    SyncGroupRequest: SyncGroupResponse,
    HeartbeatRequest: HeartbeatResponse,
    LeaveGroupRequest: LeaveGroupResponse,
    OffsetDeleteRequest: OffsetDeleteResponse,
    ListGroupsRequest: ListGroupsResponse,
}
_REFUSALS: dict[type, Callable[[Any, int], Any]] = {
    JoinGroupRequest: _join_group,
    OffsetCommitRequest: _offset_commit,
    DescribeGroupsRequest: _describe_groups,
    DeleteGroupsRequest: _delete_groups,
    ConsumerGroupDescribeRequest: _consumer_group_describe,
}
