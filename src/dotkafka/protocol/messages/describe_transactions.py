"""DescribeTransactions (key 65): describe transactions by transactional id (KIP-664)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class DescribeTransactionsRequest:
    """The transactional ids."""

    transactional_ids: Array[String] = field()


@struct
class DescribeTransactionsResponse:
    """What each is doing."""

    throttle_time_ms: Int32 = field()
    transaction_states: Array[TransactionState] = field()


@struct
class TransactionState:
    """One transactional id: its state, its producer, and the partitions of its transaction."""

    error_code: Int16 = field()
    transactional_id: String = field()
    transaction_state: String = field()
    transaction_timeout_ms: Int32 = field()
    transaction_start_time_ms: Int64 = field()
    producer_id: Int64 = field()
    producer_epoch: Int16 = field()
    topics: Array[TopicData] = field()


@struct
class TopicData:
    """The partitions of one topic."""

    topic: String = field()
    partitions: Array[Int32] = field()


DESCRIBE_TRANSACTIONS = Api(
    65, versions="0", flexible="0+", request=DescribeTransactionsRequest, response=DescribeTransactionsResponse
)
