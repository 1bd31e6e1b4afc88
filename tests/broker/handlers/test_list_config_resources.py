"""ListConfigResources."""

from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.list_config_resources import LIST_CONFIG_RESOURCES, ListConfigResourcesRequest
from dotkafka.protocol.messages.metadata_records import ConfigRecord


def listed(client: Any, *types: int, version: int = 1) -> list[tuple[int, str]]:
    """The resources of some types."""
    response = client.call(LIST_CONFIG_RESOURCES, version, ListConfigResourcesRequest(resource_types=types))
    assert response.error_code == 0
    return [(resource.resource_type, resource.resource_name) for resource in response.config_resources]


@pytest.mark.parametrize(
    ("types", "resources"),
    [
        ((), [(4, "1"), (2, "orders")]),
        ((2,), [(2, "orders")]),
        ((4,), [(4, "1")]),
        ((4, 2, 16), [(4, "1"), (2, "orders")]),
        ((8, 16, 32), []),
    ],
)
def test_resources_are_listed_by_type(
    running: Any, client: Any, types: tuple[int, ...], resources: list[tuple[int, str]]
) -> None:
    """No type means all of them."""
    running.broker.metadata_log.create_topic("orders", 1, {})
    assert listed(client, *types) == resources


def test_version_0_lists_client_metrics(running: Any, client: Any) -> None:
    """There are none, whatever else there is."""
    running.broker.metadata_log.create_topic("orders", 1, {})
    assert listed(client, version=0) == []


def test_an_unknown_type_is_refused(client: Any) -> None:
    """A type of a later version of Kafka is not taken for an empty one."""
    response = client.call(LIST_CONFIG_RESOURCES, 1, ListConfigResourcesRequest(resource_types=[2, 64]))
    assert response.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert list(response.config_resources) == []


def test_groups_with_settings_are_listed(running: Any, client: Any) -> None:
    """Only those: any other has none to be looked at."""
    record = ConfigRecord(resource_type=32, resource_name="g", name="consumer.session.timeout.ms", value="50000")
    running.broker.metadata_log.change([record])
    assert listed(client, 32) == [(32, "g")]
    assert (32, "g") in listed(client)
