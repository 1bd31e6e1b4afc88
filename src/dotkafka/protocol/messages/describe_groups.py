"""DescribeGroups (key 15): describe groups: state, members, assignments.

- 3: authorized operations. 4: static members. 6: an unknown group is an error, with a message (KIP-1043).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Bytes, Int16, Int32, String, field, struct


@struct
class DescribeGroupsRequest:
    """The groups to describe."""

    groups: Array[String] = field()
    include_authorized_operations: Boolean = field("3+")


@struct
class DescribeGroupsResponse:
    """What each group is like."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    groups: Array[DescribedGroup] = field()


@struct
class DescribedGroup:
    """One group: its state, protocol and members."""

    error_code: Int16 = field()
    error_message: String | None = field("6+", nullable="6+", default=None)
    group_id: String = field()
    group_state: String = field()
    protocol_type: String = field()
    protocol_data: String = field()
    members: Array[DescribedGroupMember] = field()
    authorized_operations: Int32 = field("3+", default=-2147483648)


@struct
class DescribedGroupMember:
    """One member, with the bytes it joined with and the bytes it was assigned."""

    member_id: String = field()
    group_instance_id: String | None = field("4+", nullable="4+", default=None, ignorable=True)
    client_id: String = field()
    client_host: String = field()
    member_metadata: Bytes = field()
    member_assignment: Bytes = field()


DESCRIBE_GROUPS = Api(15, versions="0-6", flexible="5+", request=DescribeGroupsRequest, response=DescribeGroupsResponse)
