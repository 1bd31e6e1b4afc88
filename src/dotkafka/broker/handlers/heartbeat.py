"""Heartbeat: stay a member, and learn whether the group rebalances.

Versions 0-4 are served.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(HEARTBEAT, versions="0-4", answers_little=True)
def heartbeat(broker: Broker, request: HeartbeatRequest, exchange: Exchange[HeartbeatResponse]) -> None:
    """Let the coordinator prolong the session."""
    broker.groups.handle(request, exchange)
