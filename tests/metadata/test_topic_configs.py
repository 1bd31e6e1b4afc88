"""The settings of a topic."""

import pytest

from dotkafka.errors import ApiError
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS, parse_topic_configs, validate_topic_configs
from dotkafka.protocol.error_codes import ErrorCode


def test_every_default_is_valid_and_shown_as_it_is() -> None:
    """A default is text that could have been set, in the form in which it is shown."""
    for definition in TOPIC_CONFIGS.values():
        if definition.default is not None:
            assert definition.normalize(definition.default) == definition.default, definition.name


def test_settings_are_in_the_order_of_their_names_and_documented() -> None:
    """Answers list settings by name, and each says what it is for."""
    assert list(TOPIC_CONFIGS) == sorted(TOPIC_CONFIGS)
    assert all(definition.documentation.endswith(".") for definition in TOPIC_CONFIGS.values())


def test_a_topic_has_all_settings_of_kafka() -> None:
    """Kafka 4.3 has 34 settings of a topic, with the one for its tests."""
    assert len(TOPIC_CONFIGS) == 34


def test_own_values_come_before_inherited_ones_before_defaults() -> None:
    """A value is the topic's own, else the broker's, else the default."""
    values = parse_topic_configs({"retention.ms": "1"}, {"retention.ms": "2", "segment.ms": "3"})
    assert (values["retention.ms"], values["segment.ms"], values["max.message.bytes"]) == (1, 3, 1_048_588)
    assert values["cleanup.policy"] == ["delete"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retention.ms", "-2"),
        ("cleanup.policy", "shred"),
        ("cleanup.policy", "delete,delete"),
        ("compression.gzip.level", "0"),
        ("compression.type", "none"),
        ("remote.storage.enable", "true"),
        ("min.cleanable.dirty.ratio", "nan"),
        ("follower.replication.throttled.replicas", "1:2,3"),
        ("segment.bytes", "100"),
        ("no.such.setting", "1"),
    ],
)
def test_a_value_that_kafka_refuses_is_refused(name: str, value: str) -> None:
    """Each is INVALID_CONFIG, and the message names the setting."""
    with pytest.raises(ApiError) as refusal:
        validate_topic_configs({name: value}, {})
    assert refusal.value.error_code == ErrorCode.INVALID_CONFIG
    assert name in refusal.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cleanup.policy", "compact, delete"),
        ("cleanup.policy", ""),
        ("retention.bytes", "-1000"),
        ("compression.gzip.level", "-1"),
        ("follower.replication.throttled.replicas", "*"),
        ("leader.replication.throttled.replicas", "0:1,1:1"),
        ("local.retention.ms", "-2"),
        ("internal.segment.bytes", "1"),
    ],
)
def test_a_value_that_kafka_takes_is_taken(name: str, value: str) -> None:
    """None of them is refused."""
    validate_topic_configs({name: value}, {})


def test_compaction_lags_that_contradict_each_other_are_refused() -> None:
    """The minimum may not be above the maximum; but a topic that has them already can be read."""
    configs = {"min.compaction.lag.ms": "2"}
    with pytest.raises(ApiError, match="is above"):
        validate_topic_configs(configs, {"max.compaction.lag.ms": "1"})
    assert parse_topic_configs(configs, {"max.compaction.lag.ms": "1"})["min.compaction.lag.ms"] == 2
