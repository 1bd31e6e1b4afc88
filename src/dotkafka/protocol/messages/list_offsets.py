"""ListOffsets (key 2): look up offsets by timestamp: earliest, latest, or the first at or after a time.

- 0: up to `max_num_offsets` segment starts per partition; from 1: one offset and its timestamp.
- 2: isolation level. 4: leader epochs. 7: timestamp -3 asks for the record with the highest timestamp.
- 8: -4, the local log start. 9: -5, the end of what is tiered. 10: a time limit for remote reads.
- 11: -6, the earliest offset still to be tiered.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, Int64, String, field, struct


@struct
class ListOffsetsRequest:
    """The partitions, and who asks: -1 for a consumer."""

    replica_id: Int32 = field()
    isolation_level: Int8 = field("2+")
    topics: Array[ListOffsetsTopic] = field()
    timeout_ms: Int32 = field("10+", ignorable=True)


@struct
class ListOffsetsTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[ListOffsetsPartition] = field()


@struct
class ListOffsetsPartition:
    """One partition and the time looked for; negative times have the meanings above."""

    partition_index: Int32 = field()
    current_leader_epoch: Int32 = field("4+", default=-1, ignorable=True)
    timestamp: Int64 = field()
    max_num_offsets: Int32 = field("0", default=1)


@struct
class ListOffsetsResponse:
    """The offsets found."""

    throttle_time_ms: Int32 = field("2+", ignorable=True)
    topics: Array[ListOffsetsTopicResponse] = field()


@struct
class ListOffsetsTopicResponse:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[ListOffsetsPartitionResponse] = field()


@struct
class ListOffsetsPartitionResponse:
    """What was found in one partition; -1 where nothing was."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    old_style_offsets: Array[Int64] = field("0")
    timestamp: Int64 = field("1+", default=-1)
    offset: Int64 = field("1+", default=-1)
    leader_epoch: Int32 = field("4+", default=-1)


LIST_OFFSETS = Api(2, versions="0-11", flexible="6+", request=ListOffsetsRequest, response=ListOffsetsResponse)
