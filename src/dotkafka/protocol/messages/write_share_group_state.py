"""WriteShareGroupState (key 85): the leader of a partition stores what a share group has done with it (KIP-932).

- 1: how many records at or after the start are done with, to tell the lag (KIP-1226).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class WriteShareGroupStateRequest:
    """The group and the partitions."""

    group_id: String = field()
    topics: Array[WriteStateData] = field()


@struct
class WriteStateData:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionData] = field()


@struct
class PartitionData:
    """What is new of one partition; a start offset of -1 is as before."""

    partition: Int32 = field()
    state_epoch: Int32 = field()
    leader_epoch: Int32 = field()
    start_offset: Int64 = field()
    delivery_complete_count: Int32 = field("1+", default=-1, ignorable=True)
    state_batches: Array[StateBatch] = field()


@struct
class StateBatch:
    """Offsets in the same state, both bounds in; 0 available, 2 acknowledged, 4 archived."""

    first_offset: Int64 = field()
    last_offset: Int64 = field()
    delivery_state: Int8 = field()
    delivery_count: Int16 = field()


@struct
class WriteShareGroupStateResponse:
    """What became of each partition."""

    results: Array[WriteStateResult] = field()


@struct
class WriteStateResult:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionResult] = field()


@struct
class PartitionResult:
    """What became of one partition."""

    partition: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


WRITE_SHARE_GROUP_STATE = Api(
    85, versions="0-1", flexible="0+", request=WriteShareGroupStateRequest, response=WriteShareGroupStateResponse
)
