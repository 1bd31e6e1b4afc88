"""ListConfigResources (key 74): list the resources that can have a configuration.

- 0: client metrics subscriptions only, and no types. 1: any type (KIP-1142).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class ListConfigResourcesRequest:
    """The types of resources asked for; none asks for all."""

    resource_types: Array[Int8] = field("1+")


@struct
class ListConfigResourcesResponse:
    """The resources."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    config_resources: Array[ConfigResource] = field()


@struct
class ConfigResource:
    """One resource; 16 is client metrics."""

    resource_name: String = field()
    resource_type: Int8 = field("1+", default=16, ignorable=True)


LIST_CONFIG_RESOURCES = Api(
    74, versions="0-1", flexible="0+", request=ListConfigResourcesRequest, response=ListConfigResourcesResponse
)
