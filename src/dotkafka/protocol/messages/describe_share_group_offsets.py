"""DescribeShareGroupOffsets (key 90): where share groups start in partitions (KIP-932).

- 1: the lag (KIP-1226).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class DescribeShareGroupOffsetsRequest:
    """The groups."""

    groups: Array[DescribeShareGroupOffsetsRequestGroup] = field()


@struct
class DescribeShareGroupOffsetsRequestGroup:
    """One group; null topics ask for all."""

    group_id: String = field()
    topics: Array[DescribeShareGroupOffsetsRequestTopic] | None = field(nullable="0+")


@struct
class DescribeShareGroupOffsetsRequestTopic:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[Int32] = field()


@struct
class DescribeShareGroupOffsetsResponse:
    """The offsets of each group."""

    throttle_time_ms: Int32 = field()
    groups: Array[DescribeShareGroupOffsetsResponseGroup] = field()


@struct
class DescribeShareGroupOffsetsResponseGroup:
    """The offsets of one group."""

    group_id: String = field()
    topics: Array[DescribeShareGroupOffsetsResponseTopic] = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


@struct
class DescribeShareGroupOffsetsResponseTopic:
    """The partitions of one topic."""

    topic_name: String = field()
    topic_id: Uuid = field()
    partitions: Array[DescribeShareGroupOffsetsResponsePartition] = field()


@struct
class DescribeShareGroupOffsetsResponsePartition:
    """Where the group starts in one partition, and its lag; -1 where that is not known."""

    partition_index: Int32 = field()
    start_offset: Int64 = field()
    leader_epoch: Int32 = field()
    lag: Int64 = field("1+", default=-1, ignorable=True)
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


DESCRIBE_SHARE_GROUP_OFFSETS = Api(
    90,
    versions="0-1",
    flexible="0+",
    request=DescribeShareGroupOffsetsRequest,
    response=DescribeShareGroupOffsetsResponse,
)
