"""FindCoordinator: which broker coordinates a group. Always this one.

Versions 0-6 are served; from version 4 a request asks for several keys at once. Keys of other kinds than groups are
refused with INVALID_REQUEST: transactions and share groups are not served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import handles
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.find_coordinator import (
    FIND_COORDINATOR,
    Coordinator,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

FIRST_BATCHED_VERSION: Final = 4
GROUP: Final = 0


@handles(FIND_COORDINATOR, versions="0-6", answers_little=True)
def find_coordinator(
    broker: Broker, request: FindCoordinatorRequest, exchange: Exchange[FindCoordinatorResponse]
) -> FindCoordinatorResponse | None:
    """Name this broker, after making sure that it can keep what groups commit."""
    keys = request.coordinator_keys if exchange.version >= FIRST_BATCHED_VERSION else [request.key]
    coordinators = [_coordinator(broker, exchange, key, request.key_type) for key in keys]
    if exchange.version >= FIRST_BATCHED_VERSION:
        response = FindCoordinatorResponse(coordinators=coordinators)
    else:
        only = coordinators[0]
        response = FindCoordinatorResponse(
            error_code=only.error_code,
            error_message=only.error_message,
            node_id=only.node_id,
            host=only.host,
            port=only.port,
        )
    broker.metadata_log.respond(exchange, response)
    return None


def _coordinator(broker: Broker, exchange: Exchange[FindCoordinatorResponse], key: str, key_type: int) -> Coordinator:
    try:
        if key_type != GROUP:
            raise ApiError(
                ErrorCode.INVALID_REQUEST, "only groups have a coordinator here, not transactions or share groups"
            )
        broker.groups.ensure_topic()
    except ApiError as error:
        return Coordinator(
            key=key,
            node_id=-1,
            host="",
            port=-1,
            error_code=error.error_code,
            error_message=error.message,
        )
    host, port = broker.advertised_listener(exchange.connection)
    return Coordinator(key=key, node_id=broker.config.node_id, host=host, port=port)
