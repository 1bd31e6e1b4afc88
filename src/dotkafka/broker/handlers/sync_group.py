"""SyncGroup: hand in the leader's assignments, and learn one's own.

Versions 0-5 are served. The answer waits for the leader of the generation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupResponse

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(SYNC_GROUP, versions="0-5")
def sync_group(broker: Broker, request: SyncGroupRequest, exchange: Exchange[SyncGroupResponse]) -> None:
    """Let the coordinator answer when the leader has assigned."""
    broker.groups.handle(request, exchange)
