"""DescribeTopicPartitions (key 75): describe topics and their partitions, page by page (KIP-966)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, Uuid, field, struct


@struct
class DescribeTopicPartitionsRequest:
    """The topics asked for, and where to go on; no topics asks for all."""

    topics: Array[TopicRequest] = field()
    response_partition_limit: Int32 = field(default=2000)
    cursor: DescribeTopicPartitionsRequestCursor | None = field(nullable="0+", default=None)


@struct
class TopicRequest:
    """One topic."""

    name: String = field()


@struct
class DescribeTopicPartitionsRequestCursor:
    """The first partition that the page shall have."""

    topic_name: String = field()
    partition_index: Int32 = field()


@struct
class DescribeTopicPartitionsResponse:
    """One page of topics and partitions, in the order of names."""

    throttle_time_ms: Int32 = field(ignorable=True)
    topics: Array[DescribeTopicPartitionsResponseTopic] = field()
    next_cursor: DescribeTopicPartitionsResponseCursor | None = field(nullable="0+", default=None)


@struct
class DescribeTopicPartitionsResponseTopic:
    """One topic, with those of its partitions that fit the page."""

    error_code: Int16 = field()
    name: String | None = field(nullable="0+")
    topic_id: Uuid = field(ignorable=True)
    is_internal: Boolean = field(ignorable=True)
    partitions: Array[DescribeTopicPartitionsResponsePartition] = field()
    topic_authorized_operations: Int32 = field(default=-2147483648)


@struct
class DescribeTopicPartitionsResponseCursor:
    """The first partition of the next page; null if there is none."""

    topic_name: String = field()
    partition_index: Int32 = field()


@struct
class DescribeTopicPartitionsResponsePartition:
    """One partition: leader, replicas and eligible leaders."""

    error_code: Int16 = field()
    partition_index: Int32 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field(default=-1, ignorable=True)
    replica_nodes: Array[Int32] = field()
    isr_nodes: Array[Int32] = field()
    eligible_leader_replicas: Array[Int32] | None = field(nullable="0+", default=None)
    last_known_elr: Array[Int32] | None = field(nullable="0+", default=None)
    offline_replicas: Array[Int32] = field(ignorable=True)


DESCRIBE_TOPIC_PARTITIONS = Api(
    75, versions="0", flexible="0+", request=DescribeTopicPartitionsRequest, response=DescribeTopicPartitionsResponse
)
