"""What each setting of a topic, a group or a broker is at present, and where that comes from.

A setting's candidates, first come first: the topic's or group's own value; what this broker, then what the cluster has
been told while running; what the `BrokerConfig` says, where that is not the default; the default. Protocol and tools
call them synonyms.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

import attrs

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.log_configs import static_topic_configs
from dotkafka.coordinator.config import MAX_ASSIGNMENT_INTERVAL_MS
from dotkafka.metadata.broker_configs import BROKER_CONFIGS
from dotkafka.metadata.configs import ConfigDefinition, ConfigSource
from dotkafka.metadata.group_configs import (
    ASSIGNMENT_INTERVAL,
    GROUP_CONFIGS,
    HEARTBEAT_INTERVAL,
    SESSION_TIMEOUT,
    Bounds,
)
from dotkafka.metadata.image import BROKER_RESOURCE, ConfigResource
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dotkafka.metadata.image import MetadataImage


class Synonym(NamedTuple):
    """One candidate for the value of a setting."""

    name: str
    """Of the setting that it comes from: a topic's setting has another name at the broker."""
    value: str
    source: ConfigSource


class EffectiveConfig(NamedTuple):
    """A setting and its candidates, at least one, of which the first is in force."""

    definition: ConfigDefinition
    synonyms: Sequence[Synonym]

    @property
    def value(self) -> str:
        """The value that is in force."""
        return self.synonyms[0].value

    @property
    def source(self) -> ConfigSource:
        """Where that comes from."""
        return self.synonyms[0].source


class TopicConfigs:
    """The settings of topics at one moment. What topics inherit is worked out once, for all of them."""

    def __init__(self, config: BrokerConfig, image: MetadataImage) -> None:
        static = static_topic_configs(config)
        self._inherited = [
            EffectiveConfig(
                definition, _inherited(definition, definition.broker_synonym or definition.name, config, image, static)
            )
            for definition in TOPIC_CONFIGS.values()
            if not definition.is_hidden and definition.default is not None
        ]

    def of(self, own: Mapping[str, str]) -> Sequence[EffectiveConfig]:
        """Return the settings of a topic that has the valid settings `own`, in the order of their names.

        Those that it inherits are the same objects for all topics, and for topics without own ones it is the same list.
        """
        if not own:
            return self._inherited
        return [
            _overridden(inherited, own[inherited.definition.name]) if inherited.definition.name in own else inherited
            for inherited in self._inherited
        ]


def broker_configs(config: BrokerConfig, image: MetadataImage) -> Iterator[EffectiveConfig]:
    """Yield the settings of this broker, in the order of their names."""
    static = static_topic_configs(config)
    fixed = _fixed_settings(config)
    topic_settings = {definition.broker_synonym: definition for definition in TOPIC_CONFIGS.values()}
    for name, definition in BROKER_CONFIGS.items():
        if name in topic_settings:
            yield EffectiveConfig(definition, _inherited(topic_settings[name], name, config, image, static))
        elif definition.default is not None:
            yield EffectiveConfig(definition, [Synonym(name, definition.default, ConfigSource.DEFAULT)])
        elif name in fixed:
            value, default = fixed[name]
            synonyms = [Synonym(name, default, ConfigSource.DEFAULT)]
            if value != default:
                synonyms.insert(0, Synonym(name, value, ConfigSource.STATIC_BROKER))
            yield EffectiveConfig(definition, synonyms)


def cluster_configs(image: MetadataImage) -> Iterator[EffectiveConfig]:
    """Yield what all brokers have been told while running, in the order of the names."""
    for name, value in sorted(dynamic_broker_configs(image, "").items()):
        definition = BROKER_CONFIGS[name]
        yield EffectiveConfig(
            definition, [Synonym(name, definition.normalize(value), ConfigSource.DYNAMIC_DEFAULT_BROKER)]
        )


def group_configs(config: BrokerConfig, image: MetadataImage, group_id: str) -> Iterator[EffectiveConfig]:
    """Yield the settings of a group, whether it exists or not, in the order of their names."""
    own = image.group_configs(group_id)
    fixed = _fixed_settings(config)
    for name, definition in GROUP_CONFIGS.items():
        broker_name = definition.broker_synonym or name
        value, default = fixed[broker_name]
        synonyms = [Synonym(name, own[name], ConfigSource.GROUP)] if name in own else []
        if value != default:
            synonyms.append(Synonym(broker_name, value, ConfigSource.STATIC_BROKER))
        yield EffectiveConfig(definition, [*synonyms, Synonym(broker_name, default, ConfigSource.DEFAULT)])


def group_config_bounds(config: BrokerConfig) -> Mapping[str, Bounds]:
    """Return what a group may set on this broker."""
    group = config.group
    return {
        SESSION_TIMEOUT: Bounds(
            group.group_consumer_min_session_timeout_ms,
            group.group_consumer_max_session_timeout_ms,
            group.group_consumer_session_timeout_ms,
        ),
        HEARTBEAT_INTERVAL: Bounds(
            group.group_consumer_min_heartbeat_interval_ms,
            group.group_consumer_max_heartbeat_interval_ms,
            group.group_consumer_heartbeat_interval_ms,
        ),
        ASSIGNMENT_INTERVAL: Bounds(0, MAX_ASSIGNMENT_INTERVAL_MS, group.group_consumer_assignment_interval_ms),
    }


def _overridden(inherited: EffectiveConfig, text: str) -> EffectiveConfig:
    definition = inherited.definition
    own = Synonym(definition.name, definition.normalize(text), ConfigSource.TOPIC)
    return EffectiveConfig(definition, [own, *inherited.synonyms])


def dynamic_broker_configs(image: MetadataImage, resource_name: str) -> dict[str, str]:
    """Return what a broker, or with an empty name the cluster, has been told while running."""
    configs = image.configs.get(ConfigResource(BROKER_RESOURCE, resource_name), {})
    return {name: value for name, value in configs.items() if name in BROKER_CONFIGS}


def _inherited(
    definition: ConfigDefinition,
    broker_name: str,
    config: BrokerConfig,
    image: MetadataImage,
    static: Mapping[str, str],
) -> list[Synonym]:
    """Return the candidates below the topic, for a topic setting that the broker knows as `broker_name`."""
    synonyms = []
    for resource_name, source in (
        (str(config.node_id), ConfigSource.DYNAMIC_BROKER),
        ("", ConfigSource.DYNAMIC_DEFAULT_BROKER),
    ):
        value = dynamic_broker_configs(image, resource_name).get(broker_name)
        if value is not None:
            synonyms.append(Synonym(broker_name, definition.normalize(value), source))
    default = definition.default or ""
    value = definition.normalize(static.get(definition.name, default))
    if value != default:
        synonyms.append(Synonym(broker_name, value, ConfigSource.STATIC_BROKER))
    synonyms.append(Synonym(broker_name, default, ConfigSource.DEFAULT))
    return synonyms


def _fixed_settings(config: BrokerConfig) -> dict[str, tuple[str, str]]:
    """Return value and default of everything in the configuration that is one setting, under Kafka's names."""
    settings = {}
    for given, default in ((config, BrokerConfig()), (config.group, BrokerConfig().group)):
        for field in attrs.fields(type(given)):
            settings[field.name.replace("_", ".")] = (
                _text(getattr(given, field.name)),
                _text(getattr(default, field.name)),
            )
    settings["advertised.listeners"] = settings.pop("advertised.listener")
    return settings


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case (str(host), int(port)):
            return f"PLAINTEXT://{host}:{port}"
        case _:
            return str(value)
