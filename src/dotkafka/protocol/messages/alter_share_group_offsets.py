"""AlterShareGroupOffsets (key 91): set where an empty share group starts in partitions (KIP-932)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class AlterShareGroupOffsetsRequest:
    """The group and the partitions."""

    group_id: String = field()
    topics: Array[AlterShareGroupOffsetsRequestTopic] = field()


@struct
class AlterShareGroupOffsetsRequestTopic:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[AlterShareGroupOffsetsRequestPartition] = field()


@struct
class AlterShareGroupOffsetsRequestPartition:
    """One partition and its new start."""

    partition_index: Int32 = field()
    start_offset: Int64 = field()


@struct
class AlterShareGroupOffsetsResponse:
    """What became of each partition."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    responses: Array[AlterShareGroupOffsetsResponseTopic] = field()


@struct
class AlterShareGroupOffsetsResponseTopic:
    """The partitions of one topic."""

    topic_name: String = field()
    topic_id: Uuid = field()
    partitions: Array[AlterShareGroupOffsetsResponsePartition] = field()


@struct
class AlterShareGroupOffsetsResponsePartition:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)


ALTER_SHARE_GROUP_OFFSETS = Api(
    91, versions="0", flexible="0+", request=AlterShareGroupOffsetsRequest, response=AlterShareGroupOffsetsResponse
)
