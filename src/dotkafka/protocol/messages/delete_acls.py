"""DeleteAcls (key 31): delete the access control entries that match filters.

- 1: pattern types (KIP-290). 3: users are resources too (KIP-373).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class DeleteAclsRequest:
    """The filters."""

    filters: Array[DeleteAclsFilter] = field()


@struct
class DeleteAclsFilter:
    """What an entry must match; null matches any text."""

    resource_type_filter: Int8 = field()
    resource_name_filter: String | None = field(nullable="0+")
    pattern_type_filter: Int8 = field("1+", default=3)
    principal_filter: String | None = field(nullable="0+")
    host_filter: String | None = field(nullable="0+")
    operation: Int8 = field()
    permission_type: Int8 = field()


@struct
class DeleteAclsResponse:
    """What each filter deleted, in the order of the request."""

    throttle_time_ms: Int32 = field()
    filter_results: Array[DeleteAclsFilterResult] = field()


@struct
class DeleteAclsFilterResult:
    """What one filter deleted."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    matching_acls: Array[DeleteAclsMatchingAcl] = field()


@struct
class DeleteAclsMatchingAcl:
    """One entry that matched, and whether it is gone."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    resource_type: Int8 = field()
    resource_name: String = field()
    pattern_type: Int8 = field("1+", default=3)
    principal: String = field()
    host: String = field()
    operation: Int8 = field()
    permission_type: Int8 = field()


DELETE_ACLS = Api(31, versions="0-3", flexible="2+", request=DeleteAclsRequest, response=DeleteAclsResponse)
