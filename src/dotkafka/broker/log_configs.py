"""LogConfigs: which settings hold for the logs of a topic.

A value comes from the topic itself, else from this broker's dynamic settings, else from the cluster's, else from the
`BrokerConfig`, else it is the default. Brokers know most topic settings by another name, their synonym.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.errors import ApiError
from dotkafka.log.config import LogConfig
from dotkafka.metadata.image import BROKER_RESOURCE, ConfigResource
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS, parse_topic_configs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.metadata.image import MetadataImage, TopicImage


class LogConfigs:
    """The log settings of every topic, each worked out once for as long as it holds.

    Raises:
        ValueError: `default_topic_configs` of the broker's configuration has an unknown name or an invalid value.
    """

    def __init__(self, config: BrokerConfig) -> None:
        self._config = config
        self._known: dict[bytes, tuple[TopicImage, LogConfig]] = {}
        self._broker_configs: Mapping[ConfigResource, Mapping[str, str]] | None = None
        try:
            parse_topic_configs(static_topic_configs(config), {})
        except ApiError as error:
            raise ValueError(f"default_topic_configs: {error.message}") from error

    def of(self, topic: TopicImage, image: MetadataImage) -> LogConfig:
        """Return the settings of a topic's logs."""
        if image.configs is not self._broker_configs:
            self._known.clear()
            self._broker_configs = image.configs
        known = self._known.get(topic.topic_id)
        if known is not None and known[0] is topic:
            return known[1]
        log_config = _log_config(topic.configs, inherited_topic_configs(self._config, image))
        self._known[topic.topic_id] = (topic, log_config)
        return log_config

    def forget(self, topic: TopicImage) -> None:
        """Forget a deleted topic."""
        self._known.pop(topic.topic_id, None)


def static_topic_configs(config: BrokerConfig) -> dict[str, str]:
    """Return what the broker's own configuration sets for its topics, by the name of the topic setting."""
    return {
        "max.message.bytes": str(config.message_max_bytes),
        "retention.ms": str(_retention_ms(config)),
    } | config.default_topic_configs


def _retention_ms(config: BrokerConfig) -> int:
    minutes = config.log_retention_minutes or config.log_retention_hours * 60
    return minutes * 60_000 if minutes >= 0 else -1


def inherited_topic_configs(config: BrokerConfig, image: MetadataImage) -> dict[str, str]:
    """Return what topics inherit from the broker, dynamic settings first, by the name of the topic setting."""
    inherited = static_topic_configs(config)
    for resource_name in ("", str(config.node_id)):
        dynamic = image.configs.get(ConfigResource(BROKER_RESOURCE, resource_name))
        if dynamic:
            for definition in TOPIC_CONFIGS.values():
                if definition.broker_synonym is not None and definition.broker_synonym in dynamic:
                    inherited[definition.name] = dynamic[definition.broker_synonym]
    return inherited


def _log_config(configs: Mapping[str, str], inherited: Mapping[str, str]) -> LogConfig:
    values = parse_topic_configs(configs, inherited)
    return LogConfig(
        max_message_bytes=values["max.message.bytes"],
        message_timestamp_type=values["message.timestamp.type"],
        message_timestamp_before_max_ms=values["message.timestamp.before.max.ms"],
        message_timestamp_after_max_ms=values["message.timestamp.after.max.ms"],
        compression_type=values["compression.type"],
        cleanup_policy=",".join(values["cleanup.policy"]),
        retention_ms=values["retention.ms"],
        retention_bytes=values["retention.bytes"],
        min_cleanable_dirty_ratio=values["min.cleanable.dirty.ratio"],
        min_compaction_lag_ms=values["min.compaction.lag.ms"],
        max_compaction_lag_ms=values["max.compaction.lag.ms"],
        delete_retention_ms=values["delete.retention.ms"],
    )
