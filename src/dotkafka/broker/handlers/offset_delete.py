"""OffsetDelete: forget committed offsets of a group for topics that it does not read (KIP-496).

Version 0, the only one, is served. Topics that do not exist are refused here, the rest is the coordinator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.offset_delete import OFFSET_DELETE, OffsetDeleteRequest, OffsetDeleteResponse

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(OFFSET_DELETE, versions="0")
def offset_delete(broker: Broker, request: OffsetDeleteRequest, exchange: Exchange[OffsetDeleteResponse]) -> None:
    """Let the coordinator delete the offsets."""
    broker.groups.handle(request, exchange)
