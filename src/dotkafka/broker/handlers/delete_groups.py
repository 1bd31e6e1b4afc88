"""DeleteGroups: forget groups that have no members, and their offsets.

Versions 0-2 are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.delete_groups import (
    DELETE_GROUPS,
    DeleteGroupsRequest,
    DeleteGroupsResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(DELETE_GROUPS, versions="0-2")
def delete_groups(broker: Broker, request: DeleteGroupsRequest, exchange: Exchange[DeleteGroupsResponse]) -> None:
    """Let the coordinator delete the groups."""
    broker.groups.handle(request, exchange)
