"""OffsetDelete (key 47): delete committed offsets of a group."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class OffsetDeleteRequest:
    group_id: String = field()
    topics: Array[OffsetDeleteRequestTopic] = field()


@struct
class OffsetDeleteRequestTopic:
    name: String = field()
    partitions: Array[OffsetDeleteRequestPartition] = field()


@struct
class OffsetDeleteRequestPartition:
    partition_index: Int32 = field()


@struct
class OffsetDeleteResponse:
    error_code: Int16 = field()
    throttle_time_ms: Int32 = field(ignorable=True)
    topics: Array[OffsetDeleteResponseTopic] = field()


@struct
class OffsetDeleteResponseTopic:
    name: String = field()
    partitions: Array[OffsetDeleteResponsePartition] = field()


@struct
class OffsetDeleteResponsePartition:
    partition_index: Int32 = field()
    error_code: Int16 = field()


OFFSET_DELETE = Api(47, versions="0", flexible="none", request=OffsetDeleteRequest, response=OffsetDeleteResponse)
