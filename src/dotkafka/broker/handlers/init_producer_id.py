"""InitProducerId: give a producer the id under which its batches are recognised (KIP-98).

Versions 0-5 are served. Each call without a transactional id gives a new producer id with epoch 0, never given before
or after, restarts included. The id and epoch that a request may name from version 3 on (KIP-360) concern
transactional producers only.

Left out: transactional ids; they are refused with INVALID_REQUEST until transactions are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(INIT_PRODUCER_ID, versions="0-5", answers_little=True)
def init_producer_id(
    broker: Broker, request: InitProducerIdRequest, exchange: Exchange[InitProducerIdResponse]
) -> InitProducerIdResponse | None:
    """Give an id, and answer when it is certain that nobody else will get it."""
    try:
        if request.transactional_id is not None:
            raise ApiError(ErrorCode.INVALID_REQUEST, "transactions are not served")
        broker.shard.check_writable()
        producer_id = broker.metadata_log.allocate_producer_id()
    except ApiError as error:
        return InitProducerIdResponse(error_code=error.error_code, producer_id=-1, producer_epoch=-1)
    broker.respond_when_durable(exchange, InitProducerIdResponse(producer_id=producer_id, producer_epoch=0))
    return None
