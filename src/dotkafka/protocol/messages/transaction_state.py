"""The records of `__transaction_state`: one transactional id each, as it was last.

A key is an int16 record type and the body at version 0. A value is an int16 version and the body at that version;
null deletes. 1: flexible, with tagged fields for producer ids that change hands (KIP-890).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, field, struct


@struct
class TransactionLogKey:
    """Record type 0: which transactional id it is."""

    transactional_id: String = field()


@struct
class TransactionLogValue:
    """What the coordinator knows of it: producer, status, and partitions of the transaction."""

    producer_id: Int64 = field()
    previous_producer_id: Int64 = field("1+", tag=0, default=-1)
    next_producer_id: Int64 = field("1+", tag=1, default=-1)
    producer_epoch: Int16 = field()
    next_producer_epoch: Int16 = field("1+", tag=3, default=-1)
    transaction_timeout_ms: Int32 = field()
    transaction_status: Int8 = field()
    transaction_partitions: Array[PartitionsSchema] | None = field(nullable="0+")
    transaction_last_update_timestamp_ms: Int64 = field()
    transaction_start_timestamp_ms: Int64 = field()
    client_transaction_version: Int16 = field("1+", tag=2)


@struct
class PartitionsSchema:
    """The partitions of one topic."""

    topic: String = field()
    partition_ids: Array[Int32] = field()


TRANSACTION_LOG_KEY = Message(TransactionLogKey, versions="0")
TRANSACTION_LOG_VALUE = Message(TransactionLogValue, versions="0-1", flexible="1+")
