"""InitProducerId (key 22): get a producer id and epoch, for idempotence or for a transactional id.

- 3: a producer may bring its id and epoch, to recover from an error (KIP-360).
- 4: the client knows PRODUCER_FENCED.
- 6: two-phase commit (KIP-939), not yet stable in Kafka 4.3.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class InitProducerIdRequest:
    """Who asks: a transactional id, or null for mere idempotence."""

    transactional_id: String | None = field(nullable="0+")
    transaction_timeout_ms: Int32 = field()
    producer_id: Int64 = field("3+", default=-1)
    producer_epoch: Int16 = field("3+", default=-1)
    enable2_pc: Boolean = field("6+")
    keep_prepared_txn: Boolean = field("6+")


@struct
class InitProducerIdResponse:
    """The producer's id and epoch."""

    throttle_time_ms: Int32 = field(ignorable=True)
    error_code: Int16 = field()
    producer_id: Int64 = field(default=-1)
    producer_epoch: Int16 = field()
    ongoing_txn_producer_id: Int64 = field("6+", default=-1)
    ongoing_txn_producer_epoch: Int16 = field("6+", default=-1)


INIT_PRODUCER_ID = Api(
    22, versions="0-6", flexible="2+", request=InitProducerIdRequest, response=InitProducerIdResponse
)
