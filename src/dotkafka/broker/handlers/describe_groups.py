"""DescribeGroups: state, protocol, members and assignments of groups.

Versions 0-6 are served; from version 6 an unknown group is an error (KIP-1043), before it is a dead one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.authorized_operations import GroupOperationsAdded
from dotkafka.broker.dispatch import handles
from dotkafka.protocol.messages.describe_groups import (
    DESCRIBE_GROUPS,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(DESCRIBE_GROUPS, versions="0-6")
def describe_groups(broker: Broker, request: DescribeGroupsRequest, exchange: Exchange[DescribeGroupsResponse]) -> None:
    """Let the coordinator describe the groups."""
    wants_operations = request.include_authorized_operations
    broker.groups.handle(request, exchange, GroupOperationsAdded(exchange) if wants_operations else None)
