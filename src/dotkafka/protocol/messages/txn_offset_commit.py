"""TxnOffsetCommit (key 28): commit offsets of a group as a part of a transaction.

- 2: leader epochs. 3: the member and its generation, for fencing (KIP-447).
- 4: TRANSACTION_ABORTABLE may come back (KIP-890). 5: needs no AddOffsetsToTxn before it (KIP-890, part two).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class TxnOffsetCommitRequest:
    """The producer, the group, and the offsets."""

    transactional_id: String = field()
    group_id: String = field()
    producer_id: Int64 = field()
    producer_epoch: Int16 = field()
    generation_id: Int32 = field("3+", default=-1)
    member_id: String = field("3+")
    group_instance_id: String | None = field("3+", nullable="3+", default=None)
    topics: Array[TxnOffsetCommitRequestTopic] = field()


@struct
class TxnOffsetCommitRequestTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[TxnOffsetCommitRequestPartition] = field()


@struct
class TxnOffsetCommitRequestPartition:
    """The offset of one partition, and a text of the consumer's own."""

    partition_index: Int32 = field()
    committed_offset: Int64 = field()
    committed_leader_epoch: Int32 = field("2+", default=-1, ignorable=True)
    committed_metadata: String | None = field(nullable="0+")


@struct
class TxnOffsetCommitResponse:
    """What became of each offset."""

    throttle_time_ms: Int32 = field()
    topics: Array[TxnOffsetCommitResponseTopic] = field()


@struct
class TxnOffsetCommitResponseTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[TxnOffsetCommitResponsePartition] = field()


@struct
class TxnOffsetCommitResponsePartition:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()


TXN_OFFSET_COMMIT = Api(
    28, versions="0-5", flexible="3+", request=TxnOffsetCommitRequest, response=TxnOffsetCommitResponse
)
