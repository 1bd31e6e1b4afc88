"""OffsetCommit (key 8): commit the offsets that a group has consumed.

- 0: no group fields. 1: a timestamp per partition. 2-4: a retention time for the whole request.
- 6: leader epochs. 7: static members. 9: the new consumer protocol; member epochs stand in the generation.
- 10: topics by id.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class OffsetCommitRequest:
    """Whose offsets, as which member of which generation."""

    group_id: String = field()
    generation_id_or_member_epoch: Int32 = field("1+", default=-1, ignorable=True)
    member_id: String = field("1+", ignorable=True)
    group_instance_id: String | None = field("7+", nullable="7+", default=None)
    retention_time_ms: Int64 = field("2-4", default=-1, ignorable=True)
    topics: Array[OffsetCommitRequestTopic] = field()


@struct
class OffsetCommitRequestTopic:
    """The partitions of one topic."""

    name: String = field("0-9", ignorable=True)
    topic_id: Uuid = field("10+", ignorable=True)
    partitions: Array[OffsetCommitRequestPartition] = field()


@struct
class OffsetCommitRequestPartition:
    """The offset of one partition, and a text of the consumer's own."""

    partition_index: Int32 = field()
    committed_offset: Int64 = field()
    committed_leader_epoch: Int32 = field("6+", default=-1, ignorable=True)
    commit_timestamp: Int64 = field("1", default=-1)
    committed_metadata: String | None = field(nullable="0+")


@struct
class OffsetCommitResponse:
    """What became of each offset."""

    throttle_time_ms: Int32 = field("3+", ignorable=True)
    topics: Array[OffsetCommitResponseTopic] = field()


@struct
class OffsetCommitResponseTopic:
    """The partitions of one topic."""

    name: String = field("0-9", ignorable=True)
    topic_id: Uuid = field("10+", ignorable=True)
    partitions: Array[OffsetCommitResponsePartition] = field()


@struct
class OffsetCommitResponsePartition:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()


OFFSET_COMMIT = Api(8, versions="0-10", flexible="8+", request=OffsetCommitRequest, response=OffsetCommitResponse)
