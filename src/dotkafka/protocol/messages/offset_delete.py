"""OffsetDelete (key 47): delete committed offsets of a group."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class OffsetDeleteRequest:
    """The group, and the partitions whose offsets go."""

    group_id: String = field()
    topics: Array[OffsetDeleteRequestTopic] = field()


@struct
class OffsetDeleteRequestTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[OffsetDeleteRequestPartition] = field()


@struct
class OffsetDeleteRequestPartition:
    """One partition."""

    partition_index: Int32 = field()


@struct
class OffsetDeleteResponse:
    """What became of each offset."""

    error_code: Int16 = field()
    throttle_time_ms: Int32 = field(ignorable=True)
    topics: Array[OffsetDeleteResponseTopic] = field()


@struct
class OffsetDeleteResponseTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[OffsetDeleteResponsePartition] = field()


@struct
class OffsetDeleteResponsePartition:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()


OFFSET_DELETE = Api(47, versions="0", flexible="none", request=OffsetDeleteRequest, response=OffsetDeleteResponse)
