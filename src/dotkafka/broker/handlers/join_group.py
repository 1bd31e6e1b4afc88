"""JoinGroup: become a member of a group, or rejoin it for the next generation.

Versions 0-9 are served. The answer waits until all members have joined; see `dotkafka.coordinator.classic`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupResponse

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(JOIN_GROUP, versions="0-9")
def join_group(broker: Broker, request: JoinGroupRequest, exchange: Exchange[JoinGroupResponse]) -> None:
    """Let the coordinator answer when the group has a new generation."""
    broker.groups.handle(request, exchange)
