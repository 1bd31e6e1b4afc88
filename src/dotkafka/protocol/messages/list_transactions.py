"""ListTransactions (key 66): list the transactions of one coordinator (KIP-664).

- 1: filter by age (KIP-994). 2: filter by a regular expression over transactional ids (KIP-1152).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, field, struct


@struct
class ListTransactionsRequest:
    """Filters; an empty one lets all pass, and so does a duration of -1."""

    state_filters: Array[String] = field()
    producer_id_filters: Array[Int64] = field()
    duration_filter: Int64 = field("1+", default=-1)
    transactional_id_pattern: String | None = field("2+", nullable="2+", default=None)


@struct
class ListTransactionsResponse:
    """The transactions, and the filters that name no state."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    unknown_state_filters: Array[String] = field()
    transaction_states: Array[TransactionState] = field()


@struct
class TransactionState:
    """One transactional id."""

    transactional_id: String = field()
    producer_id: Int64 = field()
    transaction_state: String = field()


LIST_TRANSACTIONS = Api(
    66, versions="0-2", flexible="0+", request=ListTransactionsRequest, response=ListTransactionsResponse
)
