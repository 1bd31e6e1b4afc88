"""AlterConfigs: replace all settings that a topic, group or broker has of its own.

Versions 0-2 are served, all with the same meaning. What the request does not name is reset: IncrementalAlterConfigs is
the better way. Each resource succeeds or fails as a whole.

Left out: settings of client metrics and loggers, refused with INVALID_REQUEST.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.config_changes import ConfigChanges
from dotkafka.broker.dispatch import error_for, handles
from dotkafka.errors import ApiError
from dotkafka.metadata.image import ConfigResource
from dotkafka.protocol.messages.alter_configs import (
    ALTER_CONFIGS,
    AlterConfigsRequest,
    AlterConfigsResource,
    AlterConfigsResourceResponse,
    AlterConfigsResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(ALTER_CONFIGS, versions="0-2")
def alter_configs(
    broker: Broker, request: AlterConfigsRequest, exchange: Exchange[AlterConfigsResponse]
) -> AlterConfigsResponse | None:
    """Change what can be changed, and answer when that is durable."""
    changes = ConfigChanges(broker, map(_resource, request.resources))
    response = AlterConfigsResponse(responses=[_alter(changes, resource) for resource in request.resources])
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
    configs = {config.name: config.value for config in altered.configs if config.value is not None}
    nulls = [config.name for config in altered.configs if config.value is None]
    try:
        changes.check_resource(resource, [config.name for config in altered.configs], nulls)
        changes.add(resource, configs)
    except ApiError as error:
        response.error_code, response.error_message = error_for(error)
    return response
