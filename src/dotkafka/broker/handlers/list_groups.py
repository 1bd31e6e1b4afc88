"""ListGroups: the groups that this broker coordinates, which is all.

Versions 0-5 are served: filtered by state from version 4 (KIP-518), by type from version 5 (KIP-848).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.list_groups import LIST_GROUPS, ListGroupsRequest, ListGroupsResponse

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(LIST_GROUPS, versions="0-5")
def list_groups(broker: Broker, request: ListGroupsRequest, exchange: Exchange[ListGroupsResponse]) -> None:
    """Let the coordinator list what it knows."""
    broker.groups.handle(request, exchange)
