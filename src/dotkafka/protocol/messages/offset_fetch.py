"""OffsetFetch (key 9): fetch the committed offsets of groups.

- 0: offsets kept in ZooKeeper. 2: null asks for all topics. 5: leader epochs. 7: `require_stable`.
- 8: many groups in one request. 9: member id and epoch, checked under the new consumer protocol. 10: topics by id.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class OffsetFetchRequest:
    """Whose offsets: one group's before version 8, those of `groups` since."""

    group_id: String = field("0-7")
    topics: Array[OffsetFetchRequestTopic] | None = field("0-7", nullable="2-7")
    groups: Array[OffsetFetchRequestGroup] = field("8+")
    require_stable: Boolean = field("7+")


@struct
class OffsetFetchRequestTopic:
    """The partitions of one topic."""

    name: String = field("0-7")
    partition_indexes: Array[Int32] = field("0-7")


@struct
class OffsetFetchRequestGroup:
    """One group; null topics ask for all its offsets."""

    group_id: String = field("8+")
    member_id: String | None = field("9+", nullable="9+", default=None, ignorable=True)
    member_epoch: Int32 = field("9+", default=-1, ignorable=True)
    topics: Array[OffsetFetchRequestTopics] | None = field("8+", nullable="8+")


@struct
class OffsetFetchRequestTopics:
    """The partitions of one topic."""

    name: String = field("8-9", ignorable=True)
    topic_id: Uuid = field("10+", ignorable=True)
    partition_indexes: Array[Int32] = field("8+")


@struct
class OffsetFetchResponse:
    """The offsets: of one group before version 8, in `groups` since."""

    throttle_time_ms: Int32 = field("3+", ignorable=True)
    topics: Array[OffsetFetchResponseTopic] = field("0-7")
    error_code: Int16 = field("2-7", ignorable=True)
    groups: Array[OffsetFetchResponseGroup] = field("8+")


@struct
class OffsetFetchResponseTopic:
    """The partitions of one topic."""

    name: String = field("0-7")
    partitions: Array[OffsetFetchResponsePartition] = field("0-7")


@struct
class OffsetFetchResponseGroup:
    """The offsets of one group."""

    group_id: String = field("8+")
    topics: Array[OffsetFetchResponseTopics] = field("8+")
    error_code: Int16 = field("8+")


@struct
class OffsetFetchResponsePartition:
    """The offset of one partition; -1 if there is none."""

    partition_index: Int32 = field("0-7")
    committed_offset: Int64 = field("0-7")
    committed_leader_epoch: Int32 = field("5-7", default=-1, ignorable=True)
    metadata: String | None = field("0-7", nullable="0-7")
    error_code: Int16 = field("0-7")


@struct
class OffsetFetchResponseTopics:
    """The partitions of one topic."""

    name: String = field("8-9", ignorable=True)
    topic_id: Uuid = field("10+", ignorable=True)
    partitions: Array[OffsetFetchResponsePartitions] = field("8+")


@struct
class OffsetFetchResponsePartitions:
    """The offset of one partition; -1 if there is none."""

    partition_index: Int32 = field("8+")
    committed_offset: Int64 = field("8+")
    committed_leader_epoch: Int32 = field("8+", default=-1, ignorable=True)
    metadata: String | None = field("8+", nullable="8+")
    error_code: Int16 = field("8+")


OFFSET_FETCH = Api(9, versions="0-10", flexible="6+", request=OffsetFetchRequest, response=OffsetFetchResponse)
