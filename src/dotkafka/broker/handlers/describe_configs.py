"""DescribeConfigs: the settings of topics, groups and brokers, with where each comes from.

Versions 0-4 are served. From version 1 the source of a value is told, and if asked for all candidates (synonyms);
version 0 tells only whether it is the default. From 3 the type is told, and if asked for the documentation.

A broker is asked for by its number; an empty name asks for what all brokers have been told while running. Nothing is
sensitive, since no setting holds a secret. A group has settings whether it exists or not. Left out: settings of client
metrics and loggers, refused with INVALID_REQUEST.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dotkafka.broker.config_changes import check_resource_name
from dotkafka.broker.dispatch import error_for, handles
from dotkafka.broker.effective_configs import (
    EffectiveConfig,
    TopicConfigs,
    broker_configs,
    cluster_configs,
    group_configs,
)
from dotkafka.errors import ApiError
from dotkafka.metadata.configs import ConfigSource
from dotkafka.metadata.image import GROUP_RESOURCE, TOPIC_RESOURCE, ConfigResource
from dotkafka.metadata.topic_names import validate_topic_name
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(DESCRIBE_CONFIGS, versions="0-4")
def describe_configs(
    broker: Broker, request: DescribeConfigsRequest, exchange: Exchange[DescribeConfigsResponse]
) -> DescribeConfigsResponse:
    """Describe each resource, or say why not."""
    description = _Description(broker, request, exchange.version)
    return DescribeConfigsResponse(results=[description.of(resource) for resource in request.resources])


def _resource(resource: DescribeConfigsResource) -> ConfigResource:
    return ConfigResource(resource.resource_type, resource.resource_name)


class _Description:
    """What one request is told. Settings that topics inherit are described once, however many topics it asks for."""

    def __init__(self, broker: Broker, request: DescribeConfigsRequest, version: int) -> None:
        self._broker = broker
        self._request = request
        self._version = version
        self._occurrences = Counter(map(_resource, request.resources))
        self._topic_configs = TopicConfigs(broker.config, broker.metadata)
        self._described: dict[str, tuple[EffectiveConfig, DescribeConfigsResourceResult]] = {}
        """The last one of each name."""
        self._last: tuple[Iterable[EffectiveConfig], Sequence[str] | None] = ((), None)
        self._last_described: Sequence[DescribeConfigsResourceResult] = ()

    def of(self, resource: DescribeConfigsResource) -> DescribeConfigsResult:
        """Describe one resource, or say why not."""
        result = DescribeConfigsResult(
            resource_type=resource.resource_type, resource_name=resource.resource_name, error_message=None
        )
        try:
            result.configs = self._described_configs(self._configs(_resource(resource)), resource.configuration_keys)
        except ApiError as error:
            result.error_code, result.error_message = error_for(error)
        return result

    def _described_configs(
        self, configs: Iterable[EffectiveConfig], keys: Sequence[str] | None
    ) -> Sequence[DescribeConfigsResourceResult]:
        """Describe those of some settings that are wanted; the same list again, for the same ones, is encoded once."""
        if configs is not self._last[0] or keys != self._last[1]:
            wanted = set(keys or ())
            self._last = (configs, keys)
            self._last_described = [
                self._describe(effective) for effective in configs if not wanted or effective.definition.name in wanted
            ]
        return self._last_described

    def _configs(self, resource: ConfigResource) -> Iterable[EffectiveConfig]:
        """Return the settings of a resource.

        Raises:
            ApiError: INVALID_REQUEST, INVALID_TOPIC_EXCEPTION or UNKNOWN_TOPIC_OR_PARTITION.
        """
        broker = self._broker
        if self._occurrences[resource] > 1:
            # A small request would otherwise get an answer of any size. Kafka's own clients never ask like that.
            raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this resource more than once.")
        check_resource_name(broker, resource)
        if resource.resource_type == GROUP_RESOURCE:
            return group_configs(broker.config, broker.metadata, resource.name)
        if resource.resource_type != TOPIC_RESOURCE:
            return broker_configs(broker.config, broker.metadata) if resource.name else cluster_configs(broker.metadata)
        validate_topic_name(resource.name)
        topic = broker.metadata.topics_by_name.get(resource.name)
        if topic is None:
            raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic {resource.name!r}.")
        return self._topic_configs.of(topic.configs)

    def _describe(self, effective: EffectiveConfig) -> DescribeConfigsResourceResult:
        definition = effective.definition
        known = self._described.get(definition.name)
        if known is not None and known[0] is effective:
            return known[1]
        request = self._request
        described = DescribeConfigsResourceResult(
            name=definition.name,
            value=effective.value,
            read_only=definition.is_read_only,
            is_default=self._version == 0 and effective.source == ConfigSource.DEFAULT,
            config_source=effective.source,
            synonyms=[
                DescribeConfigsSynonym(name=synonym.name, value=synonym.value, source=synonym.source)
                for synonym in (effective.synonyms if request.include_synonyms else ())
            ],
            config_type=definition.config_type,
            documentation=definition.documentation if request.include_documentation else None,
        )
        self._described[definition.name] = (effective, described)
        return described
