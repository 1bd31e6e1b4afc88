"""AlterConfigs (key 33): replace the whole configuration of a resource. IncrementalAlterConfigs changes single keys."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, field, struct


@struct
class AlterConfigsRequest:
    """The resources, each with the whole of its new configuration."""

    resources: Array[AlterConfigsResource] = field()
    validate_only: Boolean = field()


@struct
class AlterConfigsResource:
    """One resource; what is not in `configs` goes back to its default."""

    resource_type: Int8 = field()
    resource_name: String = field()
    configs: Array[AlterableConfig] = field()


@struct
class AlterableConfig:
    """One configuration key and its value."""

    name: String = field()
    value: String | None = field(nullable="0+")


@struct
class AlterConfigsResponse:
    """What became of each resource."""

    throttle_time_ms: Int32 = field()
    responses: Array[AlterConfigsResourceResponse] = field()


@struct
class AlterConfigsResourceResponse:
    """What became of one resource."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    resource_type: Int8 = field()
    resource_name: String = field()


ALTER_CONFIGS = Api(33, versions="0-2", flexible="2+", request=AlterConfigsRequest, response=AlterConfigsResponse)
