"""AddOffsetsToTxn (key 25): add the committed offsets of a group to a transaction.

- 2: the client knows PRODUCER_FENCED. 4: TRANSACTION_ABORTABLE may come back (KIP-890).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Int16, Int32, Int64, String, field, struct


@struct
class AddOffsetsToTxnRequest:
    """The producer and the group."""

    transactional_id: String = field()
    producer_id: Int64 = field()
    producer_epoch: Int16 = field()
    group_id: String = field()


@struct
class AddOffsetsToTxnResponse:
    """Whether they were added."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()


ADD_OFFSETS_TO_TXN = Api(
    25, versions="0-4", flexible="3+", request=AddOffsetsToTxnRequest, response=AddOffsetsToTxnResponse
)
