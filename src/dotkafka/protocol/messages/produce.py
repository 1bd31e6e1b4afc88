"""Produce (key 0): append record batches to partitions.

- 0-2: message sets of the old formats (magic 0 and 1); from 3: one record batch (magic 2) per partition.
- 3: transactions. 7: zstd may be used. 8: the answer names the records that were refused.
- 10: the answer names the current leader when the one asked is not. 12: transactions, part two (KIP-890).
- 13: topics by id, not by name.

With `acks` 0 there is no answer at all.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, Records, String, Uuid, field, struct


@struct
class ProduceRequest:
    """What to append. `acks`: 0 answers nothing, 1 the leader's append, -1 that of all in-sync replicas."""

    transactional_id: String | None = field("3+", nullable="3+", default=None)
    acks: Int16 = field()
    timeout_ms: Int32 = field()
    topic_data: Array[TopicProduceData] = field()


@struct
class TopicProduceData:
    """The partitions of one topic."""

    name: String = field("0-12", ignorable=True)
    topic_id: Uuid = field("13+", ignorable=True)
    partition_data: Array[PartitionProduceData] = field()


@struct
class PartitionProduceData:
    """What to append to one partition."""

    index: Int32 = field()
    records: Records = field(nullable="0+")


@struct
class ProduceResponse:
    """What became of each batch."""

    responses: Array[TopicProduceResponse] = field()
    throttle_time_ms: Int32 = field("1+", ignorable=True)
    node_endpoints: Array[NodeEndpoint] = field("10+", tag=0)


@struct
class TopicProduceResponse:
    """The partitions of one topic."""

    name: String = field("0-12", ignorable=True)
    topic_id: Uuid = field("13+", ignorable=True)
    partition_responses: Array[PartitionProduceResponse] = field()


@struct
class NodeEndpoint:
    """Where a new leader listens."""

    node_id: Int32 = field("10+")
    host: String = field("10+")
    port: Int32 = field("10+")
    rack: String | None = field("10+", nullable="10+", default=None)


@struct
class PartitionProduceResponse:
    """Where the batch went, or why it did not; the time is -1 unless the broker stamps records."""

    index: Int32 = field()
    error_code: Int16 = field()
    base_offset: Int64 = field()
    log_append_time_ms: Int64 = field("2+", default=-1, ignorable=True)
    log_start_offset: Int64 = field("5+", default=-1, ignorable=True)
    record_errors: Array[BatchIndexAndErrorMessage] = field("8+", ignorable=True)
    error_message: String | None = field("8+", nullable="8+", default=None, ignorable=True)
    current_leader: LeaderIdAndEpoch = field("10+", tag=0)


@struct
class BatchIndexAndErrorMessage:
    """One record that was refused, by its place in the batch."""

    batch_index: Int32 = field("8+")
    batch_index_error_message: String | None = field("8+", nullable="8+", default=None)


@struct
class LeaderIdAndEpoch:
    """The leader of a partition, as far as the broker knows."""

    leader_id: Int32 = field("10+", default=-1)
    leader_epoch: Int32 = field("10+", default=-1)


PRODUCE = Api(0, versions="0-13", flexible="9+", request=ProduceRequest, response=ProduceResponse)
