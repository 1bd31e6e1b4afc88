"""DescribeCluster."""

from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_cluster import DESCRIBE_CLUSTER, DescribeClusterRequest


@pytest.mark.parametrize("version", range(3))
def test_every_version_is_served(running: Any, client: Any, version: int) -> None:
    """There is one broker, which is the controller too, at the address where clients reach it."""
    response = client.call(DESCRIBE_CLUSTER, version, DescribeClusterRequest())
    assert (response.error_code, response.error_message) == (0, None)
    assert response.cluster_id == running.broker.metadata_log.cluster_id
    assert response.controller_id == 1
    (broker,) = response.brokers
    assert (broker.broker_id, broker.host, broker.port, broker.rack) == (1, "broker.test", 9092, None)
    assert not broker.is_fenced


@pytest.mark.parametrize(
    ("endpoint_type", "code"), [(2, ErrorCode.MISMATCHED_ENDPOINT_TYPE), (3, ErrorCode.UNSUPPORTED_ENDPOINT_TYPE)]
)
def test_who_looks_for_controllers_is_told(client: Any, endpoint_type: int, code: ErrorCode) -> None:
    """Here are brokers (KIP-919)."""
    response = client.call(DESCRIBE_CLUSTER, 1, DescribeClusterRequest(endpoint_type=endpoint_type))
    assert response.error_code == code
    assert response.error_message


def test_the_cluster_id_is_told_once_it_is_certain(running: Any, client: Any) -> None:
    """The first answer waits until the id is durable, later ones do not."""
    client.send(DESCRIBE_CLUSTER, 2, DescribeClusterRequest())
    assert list(client.received()) == []
    running.settle()
    (first,) = client.received()
    client.send(DESCRIBE_CLUSTER, 2, DescribeClusterRequest())
    (second,) = client.received()
    assert second == first


def test_allowed_operations_are_told_if_asked_for(client: Any) -> None:
    """Without access control everything is allowed."""
    request = DescribeClusterRequest(include_cluster_authorized_operations=True)
    assert client.call(DESCRIBE_CLUSTER, 0, request).cluster_authorized_operations == 8096
    assert client.call(DESCRIBE_CLUSTER, 0, DescribeClusterRequest()).cluster_authorized_operations == -(2**31)
