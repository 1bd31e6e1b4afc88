"""DescribeCluster (key 60): the cluster's id, controller and brokers.

- 1: which kind of endpoints is meant, brokers or controllers (KIP-919). 2: fenced brokers too.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, field, struct


@struct
class DescribeClusterRequest:
    """Which endpoints are asked for: 1 of brokers, 2 of controllers."""

    include_cluster_authorized_operations: Boolean = field()
    endpoint_type: Int8 = field("1+", default=1)
    include_fenced_brokers: Boolean = field("2+")


@struct
class DescribeClusterResponse:
    """The cluster and its brokers."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    endpoint_type: Int8 = field("1+", default=1)
    cluster_id: String = field()
    controller_id: Int32 = field(default=-1)
    brokers: Array[DescribeClusterBroker] = field()
    cluster_authorized_operations: Int32 = field(default=-2147483648)


@struct
class DescribeClusterBroker:
    """One broker and where it listens."""

    broker_id: Int32 = field()
    host: String = field()
    port: Int32 = field()
    rack: String | None = field(nullable="0+", default=None)
    is_fenced: Boolean = field("2+")


DESCRIBE_CLUSTER = Api(
    60, versions="0-2", flexible="0+", request=DescribeClusterRequest, response=DescribeClusterResponse
)
