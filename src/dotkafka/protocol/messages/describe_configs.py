"""DescribeConfigs (key 32): describe the configuration of topics, brokers, groups and loggers.

- 0: `is_default`; from 1: `config_source`, and the synonyms a value comes from. 3: types and documentation.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, field, struct


@struct
class DescribeConfigsRequest:
    """The resources to describe."""

    resources: Array[DescribeConfigsResource] = field()
    include_synonyms: Boolean = field("1+")
    include_documentation: Boolean = field("3+")


@struct
class DescribeConfigsResource:
    """One resource; null asks for all of its keys."""

    resource_type: Int8 = field()
    resource_name: String = field()
    configuration_keys: Array[String] | None = field(nullable="0+")


@struct
class DescribeConfigsResponse:
    """The configuration of each resource."""

    throttle_time_ms: Int32 = field()
    results: Array[DescribeConfigsResult] = field()


@struct
class DescribeConfigsResult:
    """The configuration of one resource."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    resource_type: Int8 = field()
    resource_name: String = field()
    configs: Array[DescribeConfigsResourceResult] = field()


@struct
class DescribeConfigsResourceResult:
    """One key: its value, where that comes from, and what else it could have come from."""

    name: String = field()
    value: String | None = field(nullable="0+")
    read_only: Boolean = field()
    is_default: Boolean = field("0")
    config_source: Int8 = field("1+", default=-1, ignorable=True)
    is_sensitive: Boolean = field()
    synonyms: Array[DescribeConfigsSynonym] = field("1+", ignorable=True)
    config_type: Int8 = field("3+", ignorable=True)
    documentation: String | None = field("3+", nullable="3+", ignorable=True)


@struct
class DescribeConfigsSynonym:
    """One place that the value of a key can come from, the one in force first."""

    name: String = field("1+")
    value: String | None = field("1+", nullable="1+")
    source: Int8 = field("1+")


DESCRIBE_CONFIGS = Api(
    32, versions="0-4", flexible="4+", request=DescribeConfigsRequest, response=DescribeConfigsResponse
)
