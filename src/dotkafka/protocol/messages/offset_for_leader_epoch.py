"""OffsetForLeaderEpoch (key 23): the end offset of a leader epoch, to find where logs diverge.

- 1: the answer has the epoch that it speaks of. 2: the reader's own epoch, for fencing. 3: consumers may ask too.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class OffsetForLeaderEpochRequest:
    """The partitions, and who asks: -1 for a consumer."""

    replica_id: Int32 = field("3+", default=-2, ignorable=True)
    topics: Array[OffsetForLeaderTopic] = field()


@struct
class OffsetForLeaderTopic:
    """The partitions of one topic."""

    topic: String = field()
    partitions: Array[OffsetForLeaderPartition] = field()


@struct
class OffsetForLeaderPartition:
    """One partition, the epoch asked about, and the epoch that the reader believes in."""

    partition: Int32 = field()
    current_leader_epoch: Int32 = field("2+", default=-1, ignorable=True)
    leader_epoch: Int32 = field()


@struct
class OffsetForLeaderEpochResponse:
    """The end offsets."""

    throttle_time_ms: Int32 = field("2+", ignorable=True)
    topics: Array[OffsetForLeaderTopicResult] = field()


@struct
class OffsetForLeaderTopicResult:
    """The partitions of one topic."""

    topic: String = field()
    partitions: Array[EpochEndOffset] = field()


@struct
class EpochEndOffset:
    """Where the epoch ends; -1 if the epoch is not known."""

    error_code: Int16 = field()
    partition: Int32 = field()
    leader_epoch: Int32 = field("1+", default=-1, ignorable=True)
    end_offset: Int64 = field(default=-1)


OFFSET_FOR_LEADER_EPOCH = Api(
    23, versions="0-4", flexible="4+", request=OffsetForLeaderEpochRequest, response=OffsetForLeaderEpochResponse
)
