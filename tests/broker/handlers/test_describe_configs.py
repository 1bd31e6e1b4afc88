"""DescribeConfigs."""

from typing import Any

import attrs
import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.coordinator.config import GroupConfig
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResult,
)
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)

TOPIC, BROKER, GROUP = 2, 4, 32


def describe(
    client: Any, resource_type: int, name: str, *keys: str, version: int = 4, **fields: Any
) -> DescribeConfigsResult:
    """Describe one resource."""
    resource = DescribeConfigsResource(resource_type=resource_type, resource_name=name, configuration_keys=keys or None)
    (result,) = client.call(DESCRIBE_CONFIGS, version, DescribeConfigsRequest(resources=[resource], **fields)).results
    assert (result.resource_type, result.resource_name) == (resource_type, name)
    described: DescribeConfigsResult = result
    return described


def by_name(result: DescribeConfigsResult) -> dict[str, DescribeConfigsResourceResult]:
    """The settings of an answer."""
    assert (result.error_code, result.error_message) == (0, None)
    return {config.name: config for config in result.configs}


def set_config(client: Any, resource_type: int, resource_name: str, name: str, value: str) -> None:
    """Change a setting while the broker runs."""
    change = AlterableConfig(name=name, config_operation=0, value=value)
    resource = AlterConfigsResource(resource_type=resource_type, resource_name=resource_name, configs=[change])
    request = IncrementalAlterConfigsRequest(resources=[resource])
    (result,) = client.call(INCREMENTAL_ALTER_CONFIGS, 1, request).responses
    assert result.error_code == 0, result.error_message


@pytest.fixture(name="client")
def fixture_client(running: Any) -> Any:
    """A client of a broker that has the topic `orders` with a setting of its own."""
    running.broker.metadata_log.create_topic("orders", 1, {"retention.ms": " 60000"})
    return running.connect()


@pytest.mark.parametrize("version", range(5))
def test_every_version_is_served(client: Any, version: int) -> None:
    """Each version has the values; later ones say where they come from."""
    configs = by_name(describe(client, TOPIC, "orders", version=version))
    own, default = configs["retention.ms"], configs["max.message.bytes"]
    assert (own.value, default.value) == ("60000", "1048588")
    if version == 0:
        assert (own.is_default, default.is_default) == (False, True)
    else:
        assert (own.config_source, default.config_source) == (1, 5)
    assert own.config_type == (5 if version >= 3 else 0)
    assert (own.read_only, own.is_sensitive, own.documentation) == (False, False, None if version >= 3 else "")
    assert list(own.synonyms) == []


def test_only_the_settings_asked_for_are_described(client: Any) -> None:
    """Names that are not there are left out; no names mean all."""
    assert list(by_name(describe(client, TOPIC, "orders", "retention.ms", "nonsense"))) == ["retention.ms"]
    assert len(by_name(describe(client, TOPIC, "orders"))) == 33


def test_documentation_is_told_if_asked_for(client: Any) -> None:
    """Every setting of topics and brokers has some, and what is not acted upon says so."""
    topic = by_name(describe(client, TOPIC, "orders", include_documentation=True))
    broker = by_name(describe(client, BROKER, "1", include_documentation=True))
    assert all(config.documentation for config in (*topic.values(), *broker.values()))
    assert "not acted upon yet" in str(topic["compression.gzip.level"].documentation)


def test_the_nearest_value_is_in_force(running: Any, client: Any) -> None:
    """Topic before broker before cluster before default; the synonyms are all of them, in this order."""
    set_config(client, BROKER, "", "log.retention.ms", "1")
    set_config(client, BROKER, "1", "log.retention.ms", "2")
    config = by_name(describe(client, TOPIC, "orders", "retention.ms", include_synonyms=True))["retention.ms"]
    assert [(synonym.name, synonym.value, synonym.source) for synonym in config.synonyms] == [
        ("retention.ms", "60000", 1),
        ("log.retention.ms", "2", 2),
        ("log.retention.ms", "1", 3),
        ("log.retention.ms", "604800000", 5),
    ]
    running.broker.metadata_log.create_topic("other", 1, {})
    other = by_name(describe(client, TOPIC, "other", "retention.ms"))["retention.ms"]
    assert (other.value, other.config_source) == ("2", 2)
    broker = by_name(describe(client, BROKER, "1", "log.retention.ms"))["log.retention.ms"]
    assert (broker.value, broker.config_source, broker.read_only) == ("2", 2, False)


def test_an_empty_broker_name_asks_for_what_the_cluster_was_told(client: Any) -> None:
    """Nothing at first, and never the cluster id, which is kept in the same place."""
    assert by_name(describe(client, BROKER, "")) == {}
    set_config(client, BROKER, "", "log.retention.ms", "1")
    configs = by_name(describe(client, BROKER, ""))
    assert [(config.name, config.value, config.config_source) for config in configs.values()] == [
        ("log.retention.ms", "1", 3)
    ]


def test_a_broker_describes_its_configuration(boot: Any) -> None:
    """What differs from the default is static (source 4), and cannot be changed."""
    client = boot(num_partitions=3, message_max_bytes=2000, default_topic_configs={"retention.ms": "5"}).connect()
    configs = by_name(describe(client, BROKER, "1"))
    told = {name: (config.value, config.config_source, config.read_only) for name, config in configs.items()}
    assert told["num.partitions"] == ("3", 4, True)
    assert told["auto.create.topics.enable"] == ("true", 5, True)
    assert told["message.max.bytes"] == ("2000", 4, False)
    assert told["log.retention.ms"] == ("5", 4, False)
    assert told["default.replication.factor"] == ("1", 5, True)
    assert told["group.initial.rebalance.delay.ms"] == ("10", 5, True)


def test_every_setting_of_the_broker_is_described(client: Any) -> None:
    """Whatever BrokerConfig and GroupConfig have is shown, under Kafka's name."""
    told = by_name(describe(client, BROKER, "1"))
    fields = {field.name for cls in (BrokerConfig, GroupConfig) for field in attrs.fields(cls)}
    fields -= {"advertised_listener", "default_topic_configs", "group"}
    assert {field.replace("_", ".") for field in fields} <= told.keys()
    assert "advertised.listeners" in told


def test_a_resource_named_twice_is_not_described(client: Any) -> None:
    """A small request does not get an answer of any size."""
    resource = DescribeConfigsResource(resource_type=TOPIC, resource_name="orders", configuration_keys=None)
    request = DescribeConfigsRequest(resources=[resource, resource])
    results = client.call(DESCRIBE_CONFIGS, 4, request).results
    assert [result.error_code for result in results] == [ErrorCode.INVALID_REQUEST] * 2


@pytest.mark.parametrize(
    ("resource_type", "name", "code"),
    [
        (TOPIC, "unknown", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "__cluster_metadata", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (TOPIC, "", ErrorCode.INVALID_TOPIC_EXCEPTION),
        (BROKER, "2", ErrorCode.INVALID_REQUEST),
        (BROKER, "one", ErrorCode.INVALID_REQUEST),
        (8, "1", ErrorCode.INVALID_REQUEST),
        (16, "metrics", ErrorCode.INVALID_REQUEST),
        (32, "", ErrorCode.INVALID_REQUEST),
        (3, "", ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_has_no_settings_says_why(client: Any, resource_type: int, name: str, code: ErrorCode) -> None:
    """Unknown topics, other brokers and other types of resources."""
    result = describe(client, resource_type, name)
    assert result.error_code == code
    assert result.error_message
    assert list(result.configs) == []


def test_settings_of_a_group(client: Any) -> None:
    """Whether it exists or not: its own first, then the broker's."""
    told = by_name(describe(client, GROUP, "g"))
    assert {name: config.value for name, config in told.items()} == {
        "consumer.assignment.interval.ms": "0",
        "consumer.heartbeat.interval.ms": "5000",
        "consumer.session.timeout.ms": "45000",
    }
    assert {config.config_source for config in told.values()} == {5}
