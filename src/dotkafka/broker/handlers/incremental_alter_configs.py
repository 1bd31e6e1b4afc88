"""IncrementalAlterConfigs: change single settings of topics, groups and brokers (KIP-339).

Versions 0-1 are served, both with the same meaning. A setting is set or reset; a list has items added or taken away.
Each resource succeeds or fails as a whole.

Left out: settings of client metrics and loggers, refused with INVALID_REQUEST.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from dotkafka.broker.config_changes import ConfigChanges
from dotkafka.broker.dispatch import error_for, handles
from dotkafka.errors import ApiError
from dotkafka.metadata.configs import listed
from dotkafka.metadata.image import ConfigResource
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


class Operation(IntEnum):
    """What is done to a setting."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@handles(INCREMENTAL_ALTER_CONFIGS, versions="0-1")
def incremental_alter_configs(
    broker: Broker, request: IncrementalAlterConfigsRequest, exchange: Exchange[IncrementalAlterConfigsResponse]
) -> IncrementalAlterConfigsResponse | None:
    """Change what can be changed, and answer when that is durable."""
    changes = ConfigChanges(broker, map(_resource, request.resources))
    response = IncrementalAlterConfigsResponse(responses=[_alter(changes, resource) for resource in request.resources])
    if request.validate_only or not changes.commit():
        return response
    broker.respond_when_durable(exchange, response)
    return None


def _resource(resource: AlterConfigsResource) -> ConfigResource:
    return ConfigResource(resource.resource_type, resource.resource_name)


def _alter(changes: ConfigChanges, altered: AlterConfigsResource) -> AlterConfigsResourceResponse:
    """Add the changes of one resource, and return its part of the answer."""
    resource = _resource(altered)
    response = AlterConfigsResourceResponse(
        resource_type=altered.resource_type, resource_name=altered.resource_name, error_message=None
    )
    nulls = [
        config.name
        for config in altered.configs
        if config.value is None and config.config_operation != Operation.DELETE
    ]
    try:
        changes.check_resource(resource, [config.name for config in altered.configs], nulls)
        configs = dict(changes.current(resource))
        for config in altered.configs:
            _apply(changes, resource, configs, config)
        changes.add(resource, configs)
    except ApiError as error:
        response.error_code, response.error_message = error_for(error)
    return response


def _apply(changes: ConfigChanges, resource: ConfigResource, configs: dict[str, str], change: AlterableConfig) -> None:
    """Change one setting in `configs`.

    Raises:
        ApiError: INVALID_REQUEST for an unknown operation, or INVALID_CONFIG for what cannot be done to the setting.
    """
    value = change.value or ""
    match change.config_operation:
        case Operation.SET:
            configs[change.name] = value
        case Operation.DELETE:
            if changes.definition(resource, change.name) is None:
                raise ApiError(ErrorCode.INVALID_CONFIG, f"There is no setting {listed([change.name])}.")
            configs.pop(change.name, None)
        case Operation.APPEND:
            items = changes.current_list(resource, change.name)
            added = [item for item in dict.fromkeys(value.split(",")) if item not in items]
            configs[change.name] = ",".join(items + added)
        case Operation.SUBTRACT:
            removed = set(value.split(","))
            items = changes.current_list(resource, change.name)
            configs[change.name] = ",".join(item for item in items if item not in removed)
        case operation:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"There is no operation {operation} on settings.")
