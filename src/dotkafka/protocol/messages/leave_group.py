"""LeaveGroup (key 13): leave a group.

- 0-2: one member. 3: a batch of members, by id or by instance id. 5: a reason.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class LeaveGroupRequest:
    """Who leaves: `member_id` before version 3, `members` since."""

    group_id: String = field()
    member_id: String = field("0-2")
    members: Array[MemberIdentity] = field("3+")


@struct
class MemberIdentity:
    """One member that leaves, by its id or, if static, by its instance id."""

    member_id: String = field("3+")
    group_instance_id: String | None = field("3+", nullable="3+", default=None)
    reason: String | None = field("5+", nullable="5+", default=None, ignorable=True)


@struct
class LeaveGroupResponse:
    """What became of each member."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    error_code: Int16 = field()
    members: Array[MemberResponse] = field("3+")


@struct
class MemberResponse:
    """What became of one member."""

    member_id: String = field("3+")
    group_instance_id: String | None = field("3+", nullable="3+")
    error_code: Int16 = field("3+")


LEAVE_GROUP = Api(13, versions="0-5", flexible="4+", request=LeaveGroupRequest, response=LeaveGroupResponse)
