"""CreateAcls (key 30): create access control entries.

- 1: pattern types (KIP-290). 3: users are resources too (KIP-373).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class CreateAclsRequest:
    """The entries."""

    creations: Array[AclCreation] = field()


@struct
class AclCreation:
    """One entry; pattern type 3 is a literal name, 4 a prefix."""

    resource_type: Int8 = field()
    resource_name: String = field()
    resource_pattern_type: Int8 = field("1+", default=3)
    principal: String = field()
    host: String = field()
    operation: Int8 = field()
    permission_type: Int8 = field()


@struct
class CreateAclsResponse:
    """What became of each entry, in the order of the request."""

    throttle_time_ms: Int32 = field()
    results: Array[AclCreationResult] = field()


@struct
class AclCreationResult:
    """What became of one entry."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


CREATE_ACLS = Api(30, versions="0-3", flexible="2+", request=CreateAclsRequest, response=CreateAclsResponse)
