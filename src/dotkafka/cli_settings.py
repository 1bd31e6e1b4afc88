"""The settings of `dotkafka serve`: `--config` makes a `BrokerConfig`, `--list-config` shows what it takes."""

from __future__ import annotations

from difflib import get_close_matches
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import attrs

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.effective_configs import broker_configs
from dotkafka.coordinator.config import GroupConfig
from dotkafka.errors import ApiError
from dotkafka.metadata.configs import ConfigSource
from dotkafka.metadata.image import MetadataImage
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dotkafka.metadata.configs import ConfigDefinition

_OPTIONS: Final = {
    "advertised.listeners": "--advertise HOST:PORT",
    "listeners": "--listen HOST:PORT",
    "log.dir": "--data DIR",
    "log.dirs": "--data DIR",
}
"""What is a setting of Kafka's, and an option here."""


def parse(assignments: Sequence[str]) -> BrokerConfig:
    """Return the broker's settings from `KEY=VALUE` texts.

    Raises:
        ValueError: a setting that there is not, or a value that it does not take.
    """
    broker: dict[str, Any] = {}
    group: dict[str, Any] = {}
    topic: dict[str, str] = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise ValueError(f"--config {assignment}: KEY=VALUE is expected")
        for config_class, values in ((BrokerConfig, broker), (GroupConfig, group)):
            field = attrs.fields_dict(config_class).get(key.replace(".", "_"))
            if field is not None and isinstance(field.default, int | Enum):
                values[field.name] = _parse_value(key, text, type(field.default))
                break
        else:
            definition = _topic_setting(key)
            topic[definition.name] = _normalize(definition, key, text)
    try:
        return BrokerConfig(**broker, group=GroupConfig(**group), default_topic_configs=topic)
    except ValueError as error:
        # The messages have the names of fields.
        raise ValueError(f"--config: {str(error).replace('_', '.')}") from error


def lines(config: BrokerConfig) -> Iterator[str]:
    """Yield all settings that `parse` takes, each as it would be written, with what it is for on the next line."""
    parsed = {name.replace("_", ".") for name in _fields()} | set(_topic_names())
    for setting in broker_configs(config, MetadataImage()):
        if setting.definition.name in parsed:
            changed = " (set)" if setting.source is not ConfigSource.DEFAULT else ""
            yield f"{setting.definition.name}={setting.value}{changed}"
            yield f"    {setting.definition.documentation}"


def _fields() -> Iterator[str]:
    for config_class in (BrokerConfig, GroupConfig):
        for field in attrs.fields(config_class):
            if isinstance(field.default, int | Enum):
                yield field.name


def _topic_names() -> Iterator[str]:
    for definition in TOPIC_CONFIGS.values():
        yield definition.broker_synonym or definition.name


def _topic_setting(key: str) -> ConfigDefinition:
    """Return the topic setting of that name, or of that name at a broker: `log.retention.ms` is `retention.ms`."""
    for definition in TOPIC_CONFIGS.values():
        if key in {definition.name, definition.broker_synonym}:
            return definition
    if key in _OPTIONS:
        raise ValueError(f"--config {key}: it is an option of its own, {_OPTIONS[key]}")
    names = [*(name.replace("_", ".") for name in _fields()), *_topic_names(), *TOPIC_CONFIGS]
    advice = " or ".join(get_close_matches(key, names, n=2, cutoff=0.8))
    raise ValueError(
        f"--config {key}: there is no such setting; {f'is it {advice}?' if advice else '--list-config shows all'}"
    )


def _normalize(definition: ConfigDefinition, key: str, text: str) -> str:
    try:
        return definition.normalize(text)
    except ApiError as error:
        raise ValueError(f"--config {key}: {error.message}") from error


def _parse_value(key: str, text: str, kind: type[int | Enum]) -> int | Enum:
    expected = "a whole number"
    try:
        if kind is bool:
            expected = "true or false"
            return {"true": True, "false": False}[text.lower()]
        if issubclass(kind, Enum):
            expected = f"one of {', '.join(member.value for member in kind)}"
            return kind(text.lower())
        return int(text)
    except (KeyError, ValueError):
        raise ValueError(f"--config {key}: {expected} is expected, not {text!r}") from None
