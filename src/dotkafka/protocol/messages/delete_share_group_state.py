"""DeleteShareGroupState (key 86): the coordinator of a share group has the state of partitions deleted (KIP-932)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, Uuid, field, struct


@struct
class DeleteShareGroupStateRequest:
    """The group and the partitions."""

    group_id: String = field()
    topics: Array[DeleteStateData] = field()


@struct
class DeleteStateData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionData] = field()


@struct
class PartitionData:
    """One partition."""

    partition: Int32 = field()


@struct
class DeleteShareGroupStateResponse:
    """What became of each partition."""

    results: Array[DeleteStateResult] = field()


@struct
class DeleteStateResult:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionResult] = field()


@struct
class PartitionResult:
    """What became of one partition."""

    partition: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


DELETE_SHARE_GROUP_STATE = Api(
    86, versions="0", flexible="0+", request=DeleteShareGroupStateRequest, response=DeleteShareGroupStateResponse
)
