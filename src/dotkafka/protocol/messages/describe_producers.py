"""DescribeProducers (key 61): the producers that are active in partitions."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class DescribeProducersRequest:
    """The partitions asked for."""

    topics: Array[TopicRequest] = field()


@struct
class TopicRequest:
    """The partitions of one topic."""

    name: String = field()
    partition_indexes: Array[Int32] = field()


@struct
class DescribeProducersResponse:
    """The producers of each partition."""

    throttle_time_ms: Int32 = field()
    topics: Array[TopicResponse] = field()


@struct
class TopicResponse:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[PartitionResponse] = field()


@struct
class PartitionResponse:
    """The producers of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    active_producers: Array[ProducerState] = field()


@struct
class ProducerState:
    """What the broker remembers of one producer; -1 where there is nothing."""

    producer_id: Int64 = field()
    producer_epoch: Int32 = field()
    last_sequence: Int32 = field(default=-1)
    last_timestamp: Int64 = field(default=-1)
    coordinator_epoch: Int32 = field()
    current_txn_start_offset: Int64 = field(default=-1)


DESCRIBE_PRODUCERS = Api(
    61, versions="0", flexible="0+", request=DescribeProducersRequest, response=DescribeProducersResponse
)
