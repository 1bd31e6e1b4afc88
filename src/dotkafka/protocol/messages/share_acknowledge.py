"""ShareAcknowledge (key 79): acknowledge records that a member of a share group has acquired (KIP-932).

- 0 was a preview in Kafka 4.0 and has gone. 2: acquisitions can be renewed (KIP-1222).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class ShareAcknowledgeRequest:
    """What became of the records."""

    group_id: String | None = field(nullable="0+", default=None)
    member_id: String | None = field(nullable="0+")
    share_session_epoch: Int32 = field()
    is_renew_ack: Boolean = field("2+")
    topics: Array[AcknowledgeTopic] = field()


@struct
class AcknowledgeTopic:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[AcknowledgePartition] = field()


@struct
class AcknowledgePartition:
    """The records of one partition."""

    partition_index: Int32 = field()
    acknowledgement_batches: Array[AcknowledgementBatch] = field()


@struct
class AcknowledgementBatch:
    """Offsets, both bounds in: one type for all or one for each; 0 gap, 1 accept, 2 release, 3 reject, 4 renew."""

    first_offset: Int64 = field()
    last_offset: Int64 = field()
    acknowledge_types: Array[Int8] = field()


@struct
class ShareAcknowledgeResponse:
    """Whether the broker took note."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    acquisition_lock_timeout_ms: Int32 = field("2+", ignorable=True)
    responses: Array[ShareAcknowledgeTopicResponse] = field()
    node_endpoints: Array[NodeEndpoint] = field()


@struct
class ShareAcknowledgeTopicResponse:
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
    """Whether the acknowledgements of one partition count."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    current_leader: LeaderIdAndEpoch = field()


@struct
class LeaderIdAndEpoch:
    """The leader of a partition, as far as the broker knows."""

    leader_id: Int32 = field()
    leader_epoch: Int32 = field()


SHARE_ACKNOWLEDGE = Api(
    79, versions="1-2", flexible="0+", request=ShareAcknowledgeRequest, response=ShareAcknowledgeResponse
)
