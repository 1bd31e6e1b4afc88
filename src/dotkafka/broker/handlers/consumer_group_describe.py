"""ConsumerGroupDescribe: epochs, members and assignments of groups of the consumer protocol (KIP-848).

Versions 0-1 are served: version 1 says which members use the classic protocol (KIP-1099).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.authorized_operations import GroupOperationsAdded
from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.consumer_group_describe import (
    CONSUMER_GROUP_DESCRIBE,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(CONSUMER_GROUP_DESCRIBE, versions="0-1")
def consumer_group_describe(
    broker: Broker, request: ConsumerGroupDescribeRequest, exchange: Exchange[ConsumerGroupDescribeResponse]
) -> None:
    """Let the coordinator describe the groups."""
    wants_operations = request.include_authorized_operations
    broker.groups.handle(request, exchange, GroupOperationsAdded(exchange) if wants_operations else None)
