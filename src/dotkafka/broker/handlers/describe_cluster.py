"""DescribeCluster: the cluster's id, its controller and its brokers (KIP-700).

Versions 0-2 are served. From 1 a client says whether it means brokers or controllers (KIP-919): here are brokers, and a
client that wants controllers is told so. From 2 it may ask for fenced brokers too: there are none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.authorized_operations import CLUSTER_OPERATIONS, NOT_ASKED_FOR
from dotkafka.broker.dispatch import handles
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_cluster import (
    DESCRIBE_CLUSTER,
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

BROKERS: Final = 1
CONTROLLERS: Final = 2


@handles(DESCRIBE_CLUSTER, versions="0-2")
def describe_cluster(
    broker: Broker, request: DescribeClusterRequest, exchange: Exchange[DescribeClusterResponse]
) -> DescribeClusterResponse | None:
    """Describe the one broker that there is."""
    if request.endpoint_type != BROKERS:
        is_known = request.endpoint_type == CONTROLLERS
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE if is_known else ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"This is an endpoint of type {BROKERS}, a broker, not of type {request.endpoint_type}.",
        )
    host, port = broker.advertised_listener(exchange.connection)
    wants_operations = request.include_cluster_authorized_operations
    response = DescribeClusterResponse(
        cluster_id=broker.metadata_log.cluster_id or "",
        controller_id=broker.config.node_id,
        brokers=[DescribeClusterBroker(broker_id=broker.config.node_id, host=host, port=port)],
        cluster_authorized_operations=CLUSTER_OPERATIONS if wants_operations else NOT_ASKED_FOR,
    )
    broker.metadata_log.respond(exchange, response)
    return None
