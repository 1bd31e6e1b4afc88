"""AddPartitionsToTxn (key 24): add partitions to a transaction, before the first record is written to them.

- 0-3: what clients send, for one transaction. 2: the client knows PRODUCER_FENCED.
- 4: what brokers send, for many transactions, and to verify that a partition is in one (KIP-890).
- 5: TRANSACTION_ABORTABLE may come back.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class AddPartitionsToTxnRequest:
    """The transactions: one in fields of its own before version 4, in `transactions` since."""

    transactions: Array[AddPartitionsToTxnTransaction] = field("4+")
    v3_and_below_transactional_id: String = field("0-3")
    v3_and_below_producer_id: Int64 = field("0-3")
    v3_and_below_producer_epoch: Int16 = field("0-3")
    v3_and_below_topics: Array[AddPartitionsToTxnTopic] = field("0-3")


@struct
class AddPartitionsToTxnTransaction:
    """One transaction; `verify_only` adds nothing."""

    transactional_id: String = field("4+")
    producer_id: Int64 = field("4+")
    producer_epoch: Int16 = field("4+")
    verify_only: Boolean = field("4+")
    topics: Array[AddPartitionsToTxnTopic] = field("4+")


@struct
class AddPartitionsToTxnTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[Int32] = field()


@struct
class AddPartitionsToTxnResponse:
    """What became of each partition: of one transaction before version 4, by transaction since."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field("4+", ignorable=True)
    results_by_transaction: Array[AddPartitionsToTxnResult] = field("4+")
    results_by_topic_v3_and_below: Array[AddPartitionsToTxnTopicResult] = field("0-3")


@struct
class AddPartitionsToTxnResult:
    """What became of one transaction."""

    transactional_id: String = field("4+")
    topic_results: Array[AddPartitionsToTxnTopicResult] = field("4+")


@struct
class AddPartitionsToTxnTopicResult:
    """The partitions of one topic."""

    name: String = field()
    results_by_partition: Array[AddPartitionsToTxnPartitionResult] = field()


@struct
class AddPartitionsToTxnPartitionResult:
    """What became of one partition."""

    partition_index: Int32 = field()
    partition_error_code: Int16 = field()


ADD_PARTITIONS_TO_TXN = Api(
    24, versions="0-5", flexible="3+", request=AddPartitionsToTxnRequest, response=AddPartitionsToTxnResponse
)
