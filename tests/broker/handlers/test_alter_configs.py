"""AlterConfigs."""

from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.alter_configs import (
    ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsRequest,
    AlterConfigsResource,
)

TOPIC, BROKER = 2, 4


def alter(
    client: Any, kind: int, name: str, *configs: tuple[str, str | None], version: int = 2, validate_only: bool = False
) -> int:
    """Replace the settings of one resource, and return the error code."""
    given = [AlterableConfig(name=config, value=value) for config, value in configs]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=given)
    request = AlterConfigsRequest(resources=[resource], validate_only=validate_only)
    (result,) = client.call(ALTER_CONFIGS, version, request).responses
    assert (result.resource_type, result.resource_name) == (kind, name)
    assert bool(result.error_message) == bool(result.error_code)
    code: int = result.error_code
    return code


def topic_configs(running: Any) -> dict[str, str]:
    """The settings that the topic has of its own."""
    return dict(running.broker.metadata.topics_by_name["orders"].configs)


@pytest.fixture(name="client")
def fixture_client(running: Any) -> Any:
    """A client of a broker that has the topic `orders` with a setting of its own."""
    running.broker.metadata_log.create_topic("orders", 1, {"retention.ms": "60000"})
    return running.connect()


@pytest.mark.parametrize("version", range(3))
def test_every_version_is_served(running: Any, boot: Any, client: Any, version: int) -> None:
    """What is named is set and what is not named is reset, for good."""
    assert alter(client, TOPIC, "orders", ("segment.ms", "5"), version=version) == 0
    assert topic_configs(running) == {"segment.ms": "5"}
    assert topic_configs(boot()) == {"segment.ms": "5"}


def test_resetting_the_cluster_keeps_its_id(running: Any, client: Any) -> None:
    """The cluster id is kept among the same resource's settings, and is none of them."""
    cluster_id = running.broker.metadata_log.cluster_id
    assert alter(client, BROKER, "", ("log.retention.ms", "5")) == 0
    assert alter(client, BROKER, "") == 0
    assert running.broker.metadata_log.cluster_id == cluster_id


@pytest.mark.parametrize(
    ("kind", "name", "config", "code"),
    [
        (TOPIC, "orders", ("retention.ms", "soon"), ErrorCode.INVALID_CONFIG),
        (TOPIC, "orders", ("retention.ms", None), ErrorCode.INVALID_REQUEST),
        (TOPIC, "unknown", ("retention.ms", "1"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (BROKER, "2", ("log.retention.ms", "1"), ErrorCode.INVALID_REQUEST),
        (8, "1", ("kafka", "DEBUG"), ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_kafka_refuses_is_refused(
    running: Any, client: Any, kind: int, name: str, config: tuple[str, str | None], code: ErrorCode
) -> None:
    """A refusal changes nothing."""
    before = running.broker.metadata
    assert alter(client, kind, name, config) == code
    assert running.broker.metadata is before


def test_validate_only_changes_nothing(running: Any, client: Any) -> None:
    """The answer is as if it had been done."""
    assert alter(client, TOPIC, "orders", ("segment.ms", "5"), validate_only=True) == 0
    assert topic_configs(running) == {"retention.ms": "60000"}
