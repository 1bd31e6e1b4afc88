"""ShareFetch (key 78): acquire records for a member of a share group, and acknowledge earlier ones (KIP-932).

- 0 was a preview in Kafka 4.0 and has gone; only it had `partition_max_bytes`.
- 2: `share_acquire_mode` 1 holds to `max_records` (KIP-1206); acquisitions can be renewed (KIP-1222).
"""

from __future__ import annotations

from dotkafka.protocol.schema import (
    Api,
    Array,
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    Records,
    String,
    Uuid,
    field,
    struct,
)


@struct
class ShareFetchRequest:
    """What to acquire, how much, and how long to wait for it."""

    group_id: String | None = field(nullable="0+", default=None)
    member_id: String | None = field(nullable="0+")
    share_session_epoch: Int32 = field()
    max_wait_ms: Int32 = field()
    min_bytes: Int32 = field()
    max_bytes: Int32 = field(default=2147483647)
    max_records: Int32 = field()
    batch_size: Int32 = field()
    share_acquire_mode: Int8 = field("2+", ignorable=True)
    is_renew_ack: Boolean = field("2+")
    topics: Array[FetchTopic] = field()
    forgotten_topics_data: Array[ForgottenTopic] = field()


@struct
class FetchTopic:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[FetchPartition] = field()


@struct
class ForgottenTopic:
    """The partitions of one topic that leave the session."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()


@struct
class FetchPartition:
    """One partition, and what became of records that were acquired before."""

    partition_index: Int32 = field()
    partition_max_bytes: Int32 = field("0")
    acknowledgement_batches: Array[AcknowledgementBatch] = field()


@struct
class AcknowledgementBatch:
    """Offsets, both bounds in: one type for all or one for each; 0 gap, 1 accept, 2 release, 3 reject, 4 renew."""

    first_offset: Int64 = field()
    last_offset: Int64 = field()
    acknowledge_types: Array[Int8] = field()


@struct
class ShareFetchResponse:
    """What was acquired, and for how long."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    acquisition_lock_timeout_ms: Int32 = field()
    responses: Array[ShareFetchableTopicResponse] = field()
    node_endpoints: Array[NodeEndpoint] = field()


@struct
class ShareFetchableTopicResponse:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[PartitionData] = field()


@struct
class NodeEndpoint:
    """Where a new leader listens."""

    node_id: Int32 = field()
    host: String = field()
    port: Int32 = field()
    rack: String | None = field(nullable="0+", default=None)


@struct
class PartitionData:
    """The records of one partition, those of them that were acquired, and what became of the acknowledgements."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    acknowledge_error_code: Int16 = field()
    acknowledge_error_message: String | None = field(nullable="0+", default=None)
    current_leader: LeaderIdAndEpoch = field()
    records: Records = field()
    acquired_records: Array[AcquiredRecords] = field()


@struct
class LeaderIdAndEpoch:
    """The leader of a partition, as far as the broker knows."""

    leader_id: Int32 = field()
    leader_epoch: Int32 = field()


@struct
class AcquiredRecords:
    """Offsets that were acquired, both bounds in, and how often they have been delivered."""

    first_offset: Int64 = field()
    last_offset: Int64 = field()
    delivery_count: Int16 = field()


SHARE_FETCH = Api(78, versions="1-2", flexible="0+", request=ShareFetchRequest, response=ShareFetchResponse)
