"""AllocateProducerIds (key 67): a broker gets a block of producer ids from the controller (KIP-730)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Int16, Int32, Int64, field, struct


@struct
class AllocateProducerIdsRequest:
    """The broker."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field(default=-1)


@struct
class AllocateProducerIdsResponse:
    """The block: its first id and its length."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    producer_id_start: Int64 = field()
    producer_id_len: Int32 = field()


ALLOCATE_PRODUCER_IDS = Api(
    67, versions="0", flexible="0+", request=AllocateProducerIdsRequest, response=AllocateProducerIdsResponse
)
