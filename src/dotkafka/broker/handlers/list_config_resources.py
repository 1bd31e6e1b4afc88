"""ListConfigResources: what has settings (KIP-1142).

Versions 0-1 are served. Version 0, which was ListClientMetricsResources, asks for client metrics alone: there are none.
Version 1 asks for some types of resources, or with an empty list for all.

Groups are listed that have settings of their own. Left out: client metrics and loggers, which have no settings here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import handles
from dotkafka.metadata.image import BROKER_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.list_config_resources import (
    LIST_CONFIG_RESOURCES,
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

_BROKER_LOGGER, _CLIENT_METRICS = 8, 16
KNOWN_TYPES: Final = frozenset({TOPIC_RESOURCE, BROKER_RESOURCE, _BROKER_LOGGER, _CLIENT_METRICS, GROUP_RESOURCE})


@handles(LIST_CONFIG_RESOURCES, versions="0-1")
def list_config_resources(
    broker: Broker, request: ListConfigResourcesRequest, exchange: Exchange[ListConfigResourcesResponse]
) -> ListConfigResourcesResponse:
    """List the resources of the types asked for."""
    wanted = {_CLIENT_METRICS} if exchange.version == 0 else set(request.resource_types) or KNOWN_TYPES
    if not wanted <= KNOWN_TYPES:
        return ListConfigResourcesResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    resources = []
    if BROKER_RESOURCE in wanted:
        resources.append(ConfigResource(resource_name=str(broker.config.node_id), resource_type=BROKER_RESOURCE))
    if TOPIC_RESOURCE in wanted:
        resources += [
            ConfigResource(resource_name=name, resource_type=TOPIC_RESOURCE) for name in broker.metadata.topics_by_name
        ]
    if GROUP_RESOURCE in wanted:
        resources += [
            ConfigResource(resource_name=resource.name, resource_type=GROUP_RESOURCE)
            for resource in broker.metadata.configs
            if resource.resource_type == GROUP_RESOURCE
        ]
    return ListConfigResourcesResponse(config_resources=resources)
