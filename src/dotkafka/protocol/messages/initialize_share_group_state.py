"""InitializeShareGroupState (key 83): the coordinator of a share group has state made for its partitions (KIP-932)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class InitializeShareGroupStateRequest:
    """The group and the partitions."""

    group_id: String = field()
    topics: Array[InitializeStateData] = field()


@struct
class InitializeStateData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionData] = field()


@struct
class PartitionData:
    """One partition and the offset it starts at; -1 leaves that to the first read."""

    partition: Int32 = field()
    state_epoch: Int32 = field()
    start_offset: Int64 = field()


@struct
class InitializeShareGroupStateResponse:
    """What became of each partition."""

    results: Array[InitializeStateResult] = field()


@struct
class InitializeStateResult:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionResult] = field()


@struct
class PartitionResult:
    """What became of one partition."""

    partition: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


INITIALIZE_SHARE_GROUP_STATE = Api(
    83,
    versions="0",
    flexible="0+",
    request=InitializeShareGroupStateRequest,
    response=InitializeShareGroupStateResponse,
)
