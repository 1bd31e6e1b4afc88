"""IncrementalAlterConfigs (key 44): set, delete, append to or subtract from single configuration keys.

- `config_operation`: 0 set, 1 delete, 2 append, 3 subtract.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, field, struct


@struct
class IncrementalAlterConfigsRequest:
    """The resources to change."""

    resources: Array[AlterConfigsResource] = field()
    validate_only: Boolean = field()


@struct
class AlterConfigsResource:
    """One resource and the changes to it."""

    resource_type: Int8 = field()
    resource_name: String = field()
    configs: Array[AlterableConfig] = field()


@struct
class AlterableConfig:
    """One configuration key, and what to do to it."""

    name: String = field()
    config_operation: Int8 = field()
    value: String | None = field(nullable="0+")


@struct
class IncrementalAlterConfigsResponse:
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


INCREMENTAL_ALTER_CONFIGS = Api(
    44, versions="0-1", flexible="1+", request=IncrementalAlterConfigsRequest, response=IncrementalAlterConfigsResponse
)
