"""BrokerConfig: names and defaults are Kafka's, unless the text says otherwise."""

import ast
import inspect
import itertools
import re

import attrs
import pytest

from dotkafka.broker import config as config_module
from dotkafka.broker.config import BrokerConfig

KAFKA_DEFAULTS = {
    "auto_create_topics_enable": True,
    "num_partitions": 1,
    "message_max_bytes": 1_048_588,
    "socket_request_max_bytes": 104_857_600,
    "fetch_max_bytes": 57_671_680,
    "max_incremental_fetch_session_cache_slots": 1000,
    "connections_max_idle_ms": 600_000,
    "log_cleaner_backoff_ms": 15_000,
    "log_cleaner_dedupe_buffer_size": 134_217_728,
    "log_cleaner_io_buffer_size": 524_288,
    "log_retention_check_interval_ms": 300_000,
    "log_retention_hours": 168,
}


@pytest.mark.parametrize(("name", "value"), sorted(KAFKA_DEFAULTS.items()))
def test_defaults_are_kafkas(name, value):
    """Source: the broker configuration reference of Kafka 4.3."""
    assert getattr(BrokerConfig(), name) == value


def test_every_setting_is_documented():
    """A field is followed by the sentence that says what it does."""
    (body,) = [node.body for node in ast.parse(inspect.getsource(config_module)).body if isinstance(node, ast.ClassDef)]
    documented = {
        field.target.id
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    }
    assert documented == {field.name for field in attrs.fields(BrokerConfig)}


def test_settings_cannot_change_under_a_running_broker():
    """A configuration is frozen, and its fields are named, not counted."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        BrokerConfig().node_id = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        BrokerConfig(1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_partitions": 0}, "num_partitions must be 1 or more, not 0"),
        ({"num_partitions": "3"}, "num_partitions must be a whole number, not '3'"),
        ({"fetch_max_bytes": 100}, "fetch_max_bytes must be 1024 or more, not 100"),
        ({"auto_create_topics_enable": "false"}, "auto_create_topics_enable must be True or False, not 'false'"),
        ({"group": {"group_max_size": 7}}, "group must be a dotkafka.GroupConfig, not "),
        ({"default_topic_configs": "retention.ms=3"}, "default_topic_configs must be a mapping, not "),
        ({"default_topic_configs": {"retention.ms": 3}}, "not 'retention.ms': 3"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    """When they are made, with what they may be: in bounds that are Kafka's."""
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        BrokerConfig(**settings)


def test_a_producer_is_never_held_back_for_good():
    """By default a checkpoint begins long before L0 is full, or nothing would ever make room."""
    assert BrokerConfig().checkpoint_bytes < BrokerConfig().tail_max_bytes
