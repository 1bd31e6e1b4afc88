"""DescribeAcls (key 29): find access control entries.

- 1: pattern types (KIP-290). 3: users are resources too (KIP-373).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class DescribeAclsRequest:
    """What an entry must match; null matches any text."""

    resource_type_filter: Int8 = field()
    resource_name_filter: String | None = field(nullable="0+")
    pattern_type_filter: Int8 = field("1+", default=3)
    principal_filter: String | None = field(nullable="0+")
    host_filter: String | None = field(nullable="0+")
    operation: Int8 = field()
    permission_type: Int8 = field()


@struct
class DescribeAclsResponse:
    """The entries, by resource pattern."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    resources: Array[DescribeAclsResource] = field()


@struct
class DescribeAclsResource:
    """One resource pattern and its entries."""

    resource_type: Int8 = field()
    resource_name: String = field()
    pattern_type: Int8 = field("1+", default=3)
    acls: Array[AclDescription] = field()


@struct
class AclDescription:
    """One entry: who may or may not do what, from where."""

    principal: String = field()
    host: String = field()
    operation: Int8 = field()
    permission_type: Int8 = field()


DESCRIBE_ACLS = Api(29, versions="0-3", flexible="2+", request=DescribeAclsRequest, response=DescribeAclsResponse)
