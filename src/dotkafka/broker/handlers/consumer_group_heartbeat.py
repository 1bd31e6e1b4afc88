"""ConsumerGroupHeartbeat: join, stay in and leave a group of the consumer protocol (KIP-848).

Versions 0-1 are served: since version 1 members choose their own ids (KIP-1082), and subscribe by regular expression.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(CONSUMER_GROUP_HEARTBEAT, versions="0-1")
def consumer_group_heartbeat(
    broker: Broker, request: ConsumerGroupHeartbeatRequest, exchange: Exchange[ConsumerGroupHeartbeatResponse]
) -> None:
    """Let the coordinator serve it."""
    broker.groups.handle(request, exchange)
