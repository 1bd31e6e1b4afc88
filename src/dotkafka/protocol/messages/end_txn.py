"""EndTxn (key 26): commit or abort a transaction.

- 2: the client knows PRODUCER_FENCED. 4: TRANSACTION_ABORTABLE may come back (KIP-890).
- 5: the epoch grows with every transaction, and the answer has the new one (KIP-890, part two).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class EndTxnRequest:
    """The producer; `committed` is false to abort."""

    transactional_id: String = field()
    producer_id: Int64 = field()
    producer_epoch: Int16 = field()
    committed: Boolean = field()


@struct
class EndTxnResponse:
    """Whether it ended, and as whom the producer goes on; -1 where the version does not say."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    producer_id: Int64 = field("5+", default=-1, ignorable=True)
    producer_epoch: Int16 = field("5+", default=-1, ignorable=True)


END_TXN = Api(26, versions="0-5", flexible="3+", request=EndTxnRequest, response=EndTxnResponse)
