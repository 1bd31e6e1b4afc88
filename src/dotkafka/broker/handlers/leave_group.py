"""LeaveGroup: end one's membership at once instead of by a timeout.

Versions 0-5 are served; from version 3 several members leave at once, also by their instance ids (KIP-345).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.leave_group import LEAVE_GROUP, LeaveGroupRequest, LeaveGroupResponse

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(LEAVE_GROUP, versions="0-5", answers_little=True)
def leave_group(broker: Broker, request: LeaveGroupRequest, exchange: Exchange[LeaveGroupResponse]) -> None:
    """Let the coordinator remove the members."""
    broker.groups.handle(request, exchange)
