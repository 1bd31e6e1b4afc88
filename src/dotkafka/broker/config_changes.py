"""ConfigChanges: what one request changes in the settings of topics, groups and brokers, written in one change.

A broker resource is this broker by its number, or with an empty name all brokers of the cluster. Of a broker's
settings, those can be changed while it runs that topics inherit.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from dotkafka.broker.effective_configs import dynamic_broker_configs, group_config_bounds
from dotkafka.broker.log_configs import inherited_topic_configs
from dotkafka.errors import ApiError
from dotkafka.metadata.broker_configs import BROKER_CONFIGS
from dotkafka.metadata.configs import ConfigDefinition, ConfigType, listed
from dotkafka.metadata.group_configs import GROUP_CONFIGS, validate_group_configs
from dotkafka.metadata.image import BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE, ConfigResource
from dotkafka.metadata.topic_configs import TOPIC_CONFIGS, validate_topic_configs
from dotkafka.metadata.topic_names import validate_topic_name
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.metadata_records import ConfigRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dotkafka.broker.broker import Broker

_DEFINITIONS: Final = {TOPIC_RESOURCE: TOPIC_CONFIGS, BROKER_RESOURCE: BROKER_CONFIGS, GROUP_RESOURCE: GROUP_CONFIGS}
"""What can be set of which type of resource."""


class ConfigChanges:
    """The settings that one request changes.

    Args:
        broker: whose metadata are changed.
        resources: everything that the request names, to find what it names twice.
    """

    def __init__(self, broker: Broker, resources: Iterable[ConfigResource]) -> None:
        self._broker = broker
        self._image = broker.metadata
        self._occurrences = Counter(resources)
        self._inherited = inherited_topic_configs(broker.config, broker.metadata)
        self._records: list[ConfigRecord] = []

    def check_resource(self, resource: ConfigResource, names: Iterable[str], nulls: Iterable[str]) -> None:
        """Refuse a resource that cannot be changed, or not in this way.

        Args:
            resource: what is to be changed.
            names: of the settings to be changed.
            nulls: those of them that have no value and need one.

        Raises:
            ApiError: INVALID_REQUEST, INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION, or KAFKA_STORAGE_ERROR.
        """
        self._broker.shard.check_writable()
        if self._occurrences[resource] > 1:
            raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this resource more than once.")
        repeated = [name for name, count in Counter(names).items() if count > 1]
        if repeated:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"The request names settings more than once: {listed(repeated)}.")
        missing = list(nulls)
        if missing:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"These settings have no value: {listed(missing)}.")
        check_resource_name(self._broker, resource)
        if resource.resource_type == TOPIC_RESOURCE:
            validate_topic_name(resource.name)
            if resource.name not in self._image.topics_by_name:
                raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"There is no topic {resource.name!r}.")

    def current(self, resource: ConfigResource) -> Mapping[str, str]:
        """Return the settings that a resource, which has been checked, has of its own."""
        if resource.resource_type == BROKER_RESOURCE:
            return dynamic_broker_configs(self._image, resource.name)
        if resource.resource_type == GROUP_RESOURCE:
            return self._image.group_configs(resource.name)
        return self._image.topics_by_name[resource.name].configs

    def definition(self, resource: ConfigResource, name: str) -> ConfigDefinition | None:
        """Return the definition of a setting, if the resource can have it."""
        return _DEFINITIONS[resource.resource_type].get(name)

    def current_list(self, resource: ConfigResource, name: str) -> list[str]:
        """Return the items of a setting that is a list, its own or inherited.

        Raises:
            ApiError: INVALID_CONFIG, if it is none.
        """
        definition = self.definition(resource, name)
        if definition is None or definition.config_type != ConfigType.LIST:
            raise ApiError(
                ErrorCode.INVALID_CONFIG, f"{listed([name])} is no list: nothing can be added to or taken from it."
            )
        text = self.current(resource).get(name)
        if text is None and resource.resource_type == TOPIC_RESOURCE:
            text = self._inherited.get(name)
        return list(definition.parse(text if text is not None else definition.default or ""))

    def add(self, resource: ConfigResource, configs: Mapping[str, str]) -> None:
        """Make `configs` all that a resource has of its own.

        Raises:
            ApiError: INVALID_CONFIG, or INVALID_REQUEST for a broker's setting that cannot be changed.
        """
        if resource.resource_type == TOPIC_RESOURCE:
            validate_topic_configs(configs, self._inherited)
        elif resource.resource_type == GROUP_RESOURCE:
            validate_group_configs(configs, group_config_bounds(self._broker.config))
        else:
            _validate_broker_configs(configs)
        current = self.current(resource)
        for name in sorted(current.keys() | configs.keys()):
            if current.get(name) != configs.get(name):
                self._records.append(
                    ConfigRecord(
                        resource_type=resource.resource_type,
                        resource_name=resource.name,
                        name=name,
                        value=configs.get(name),
                    )
                )

    def commit(self) -> bool:
        """Write what was added, and return whether that was anything. It is durable later."""
        if self._records:
            self._broker.metadata_log.change(self._records)
        return bool(self._records)


def check_resource_name(broker: Broker, resource: ConfigResource) -> None:
    """Refuse a resource that has no settings here: of another type, another broker's, or a group without a name.

    Raises:
        ApiError: INVALID_REQUEST.
    """
    if resource.resource_type not in _DEFINITIONS:
        raise ApiError(
            ErrorCode.INVALID_REQUEST, f"Resources of type {resource.resource_type} have no settings in this broker."
        )
    if resource.resource_type == BROKER_RESOURCE and resource.name not in {"", str(broker.config.node_id)}:
        raise ApiError(
            ErrorCode.INVALID_REQUEST,
            f"This is broker {broker.config.node_id}; {listed([resource.name])} is neither that nor empty.",
        )
    if resource.resource_type == GROUP_RESOURCE and not resource.name:
        raise ApiError(ErrorCode.INVALID_REQUEST, "A group needs a name.")


def _validate_broker_configs(configs: Mapping[str, str]) -> None:
    unknown = configs.keys() - BROKER_CONFIGS.keys()
    if unknown:
        raise ApiError(ErrorCode.INVALID_CONFIG, f"There is no broker setting {listed(sorted(unknown))}.")
    fixed = [name for name in configs if BROKER_CONFIGS[name].is_read_only]
    if fixed:
        raise ApiError(
            ErrorCode.INVALID_REQUEST, f"These settings cannot be changed while the broker runs: {listed(fixed)}."
        )
    try:
        validate_topic_configs(
            {
                definition.name: configs[definition.broker_synonym]
                for definition in TOPIC_CONFIGS.values()
                if definition.broker_synonym is not None and definition.broker_synonym in configs
            },
            {},
        )
    except ApiError as error:
        # Kafka's own code for a broker's value, though a topic's has INVALID_CONFIG (KAFKA-13609).
        raise ApiError(ErrorCode.INVALID_REQUEST, error.message) from error
