"""ReadShareGroupState (key 84): the leader of a partition reads what a share group has done with it (KIP-932)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class ReadShareGroupStateRequest:
    """The group and the partitions."""

    group_id: String = field()
    topics: Array[ReadStateData] = field()


@struct
class ReadStateData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionData] = field()


@struct
class PartitionData:
    """One partition."""

    partition: Int32 = field()
    leader_epoch: Int32 = field()


@struct
class ReadShareGroupStateResponse:
    """The state of each partition."""

    results: Array[ReadStateResult] = field()


@struct
class ReadStateResult:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionResult] = field()


@struct
class PartitionResult:
    """The state of one partition: where it starts, and what is known of what follows."""

    partition: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    state_epoch: Int32 = field()
    start_offset: Int64 = field()
    state_batches: Array[StateBatch] = field()


@struct
class StateBatch:
    """Offsets in the same state, both bounds in; 0 available, 2 acknowledged, 4 archived."""

    first_offset: Int64 = field()
    last_offset: Int64 = field()
    delivery_state: Int8 = field()
    delivery_count: Int16 = field()


READ_SHARE_GROUP_STATE = Api(
    84, versions="0", flexible="0+", request=ReadShareGroupStateRequest, response=ReadShareGroupStateResponse
)
