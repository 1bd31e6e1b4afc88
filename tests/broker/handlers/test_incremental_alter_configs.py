"""IncrementalAlterConfigs."""

from typing import Any

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
)

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)


def change(name: str, operation: int, value: str | None = None) -> AlterableConfig:
    """One change of a setting."""
    return AlterableConfig(name=name, config_operation=operation, value=value)


def resource(*changes: AlterableConfig, kind: int = TOPIC, name: str = "orders") -> AlterConfigsResource:
    """The changes of one resource."""
    return AlterConfigsResource(resource_type=kind, resource_name=name, configs=changes)


def alter(
    client: Any, *resources: AlterConfigsResource, version: int = 1, validate_only: bool = False
) -> list[AlterConfigsResourceResponse]:
    """Change settings, and return the results."""
    request = IncrementalAlterConfigsRequest(resources=resources, validate_only=validate_only)
    return list(client.call(INCREMENTAL_ALTER_CONFIGS, version, request).responses)


def configs(running: Any, topic: str = "orders") -> dict[str, str]:
    """The settings that the topic has of its own."""
    return dict(running.broker.metadata.topics_by_name[topic].configs)


@pytest.fixture(name="client")
def fixture_client(running: Any) -> Any:
    """A client of a broker that has the topic `orders` with a setting of its own."""
    running.broker.metadata_log.create_topic("orders", 1, {"retention.ms": "60000"})
    return running.connect()


@pytest.mark.parametrize("version", range(2))
def test_every_version_is_served(running: Any, boot: Any, client: Any, version: int) -> None:
    """Each version sets a setting, leaves the others alone, and what it says is durable."""
    (result,) = alter(client, resource(change("max.message.bytes", SET, "2000")), version=version)
    assert (result.error_code, result.error_message, result.resource_name) == (0, None, "orders")
    expected = {"retention.ms": "60000", "max.message.bytes": "2000"}
    assert configs(running) == expected
    assert configs(boot()) == expected


def test_a_change_holds_for_the_next_batch(running: Any, client: Any) -> None:
    """What the log obeys changes with the setting, of the topic and of the broker."""
    broker = running.broker

    def max_message_bytes() -> int:
        limit: int = broker.log_config(broker.metadata.topics_by_name["orders"]).max_message_bytes
        return limit

    assert max_message_bytes() == 1_048_588
    alter(client, resource(change("message.max.bytes", SET, "3000"), kind=BROKER, name=""))
    assert max_message_bytes() == 3000
    alter(client, resource(change("max.message.bytes", SET, "2000")))
    assert max_message_bytes() == 2000


def test_a_deleted_setting_is_the_default_again(running: Any, client: Any) -> None:
    """Deleting what is not set is no error."""
    (result,) = alter(client, resource(change("retention.ms", DELETE), change("segment.ms", DELETE)))
    assert result.error_code == 0
    assert configs(running) == {}


def test_lists_have_items_added_and_taken_away(running: Any, client: Any) -> None:
    """Beginning with the value in force, without repeating items."""
    alter(client, resource(change("cleanup.policy", APPEND, "compact,delete")))
    assert configs(running)["cleanup.policy"] == "delete,compact"
    alter(client, resource(change("cleanup.policy", SUBTRACT, "delete")))
    assert configs(running)["cleanup.policy"] == "compact"
    alter(client, resource(change("cleanup.policy", SUBTRACT, "compact")))
    assert configs(running)["cleanup.policy"] == ""


@pytest.mark.parametrize(
    ("altered", "code"),
    [
        (resource(change("retention.ms", SET, "soon")), ErrorCode.INVALID_CONFIG),
        (resource(change("no.such.setting", SET, "1")), ErrorCode.INVALID_CONFIG),
        (resource(change("no.such.setting", DELETE)), ErrorCode.INVALID_CONFIG),
        (resource(change("retention.ms", APPEND, "1")), ErrorCode.INVALID_CONFIG),
        (resource(change("no.such.setting", SUBTRACT, "1")), ErrorCode.INVALID_CONFIG),
        (resource(change("cleanup.policy", APPEND, "shred")), ErrorCode.INVALID_CONFIG),
        (resource(change("retention.ms", SET, None)), ErrorCode.INVALID_REQUEST),
        (resource(change("retention.ms", 4, "1")), ErrorCode.INVALID_REQUEST),
        (resource(change("retention.ms", SET, "1"), change("retention.ms", DELETE)), ErrorCode.INVALID_REQUEST),
        (resource(change("retention.ms", SET, "1"), name="unknown"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (resource(change("retention.ms", SET, "1"), name=""), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (resource(change("log.retention.ms", SET, "1"), kind=BROKER, name="2"), ErrorCode.INVALID_REQUEST),
        (resource(change("log.retention.ms", SET, "soon"), kind=BROKER, name="1"), ErrorCode.INVALID_REQUEST),
        (resource(change("num.partitions", SET, "2"), kind=BROKER, name="1"), ErrorCode.INVALID_REQUEST),
        (resource(change("dotkafka.cluster.id", SET, "x"), kind=BROKER, name=""), ErrorCode.INVALID_CONFIG),
        (resource(change("dotkafka.cluster.id", DELETE), kind=BROKER, name=""), ErrorCode.INVALID_CONFIG),
        (resource(change("kafka", SET, "DEBUG"), kind=8, name="1"), ErrorCode.INVALID_REQUEST),
        (resource(change("x", SET, "1"), kind=16, name="metrics"), ErrorCode.INVALID_REQUEST),
        (resource(change("x", SET, "1"), kind=32, name="g"), ErrorCode.INVALID_CONFIG),
        (resource(change("consumer.session.timeout.ms", SET, "1"), kind=32, name="g"), ErrorCode.INVALID_CONFIG),
        (resource(change("consumer.session.timeout.ms", SET, "50000"), kind=32, name=""), ErrorCode.INVALID_REQUEST),
    ],
)
def test_what_kafka_refuses_is_refused(
    running: Any, client: Any, altered: AlterConfigsResource, code: ErrorCode
) -> None:
    """Each refusal has a code and a message, and changes nothing."""
    before = running.broker.metadata
    (result,) = alter(client, altered)
    assert result.error_code == code
    assert result.error_message
    assert running.broker.metadata is before


def test_a_resource_succeeds_or_fails_as_a_whole(running: Any, client: Any) -> None:
    """One wrong setting keeps all of its resource from changing, and nothing of others."""
    running.broker.metadata_log.create_topic("other", 1, {})
    bad, good = alter(
        client,
        resource(change("segment.ms", SET, "5"), change("retention.ms", SET, "soon")),
        resource(change("segment.ms", SET, "5"), name="other"),
    )
    assert (bad.error_code, good.error_code) == (ErrorCode.INVALID_CONFIG, 0)
    assert configs(running) == {"retention.ms": "60000"}
    assert configs(running, "other") == {"segment.ms": "5"}


def test_a_resource_named_twice_is_not_changed(running: Any, client: Any) -> None:
    """Both entries are refused."""
    results = alter(client, resource(change("segment.ms", SET, "5")), resource(change("segment.ms", SET, "6")))
    assert [result.error_code for result in results] == [ErrorCode.INVALID_REQUEST] * 2
    assert configs(running) == {"retention.ms": "60000"}


def test_validate_only_changes_nothing(running: Any, client: Any) -> None:
    """The answer is as if it had been done."""
    altered = resource(change("segment.ms", SET, "5"))
    (result,) = alter(client, altered, validate_only=True)
    assert result.error_code == 0
    assert configs(running) == {"retention.ms": "60000"}


def test_nothing_is_changed_when_storage_has_failed(running: Any, client: Any) -> None:
    """A broker that cannot write says so."""
    running.broker.shard.failure = StorageFailed("the disk is gone")
    (result,) = alter(client, resource(change("segment.ms", SET, "5")))
    assert result.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert configs(running) == {"retention.ms": "60000"}


def test_settings_of_a_group(running: Any, client: Any) -> None:
    """They are kept whether the group exists or not."""
    altered = resource(change("consumer.session.timeout.ms", SET, "50000"), kind=32, name="g")
    (result,) = alter(client, altered)
    assert result.error_code == ErrorCode.NONE
    assert running.broker.metadata.group_configs("g") == {"consumer.session.timeout.ms": "50000"}
    (result,) = alter(client, resource(change("consumer.session.timeout.ms", DELETE), kind=32, name="g"))
    assert result.error_code == ErrorCode.NONE
    assert not running.broker.metadata.group_configs("g")
