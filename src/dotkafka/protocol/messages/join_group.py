"""JoinGroup (key 11): join a group; answered when its next generation has formed.

- 0: the rebalance timeout is the session timeout.
- 4: a new member is refused once, with the member id that it is to join with (KIP-394).
- 5: static members (KIP-345). 7: the protocol type comes back. 8: a reason.
- 9: the leader may be told to skip the assignment (KIP-814).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Bytes, Int16, Int32, String, field, struct


@struct
class JoinGroupRequest:
    """Who joins, with which protocols, the one it likes best first."""

    group_id: String = field()
    session_timeout_ms: Int32 = field()
    rebalance_timeout_ms: Int32 = field("1+", default=-1, ignorable=True)
    member_id: String = field()
    group_instance_id: String | None = field("5+", nullable="5+", default=None)
    protocol_type: String = field()
    protocols: Array[JoinGroupRequestProtocol] = field()
    reason: String | None = field("8+", nullable="8+", default=None, ignorable=True)


@struct
class JoinGroupRequestProtocol:
    """One protocol and what the member tells the leader about it."""

    name: String = field()
    metadata: Bytes = field()


@struct
class JoinGroupResponse:
    """The new generation; only its leader gets the members."""

    throttle_time_ms: Int32 = field("2+", ignorable=True)
    error_code: Int16 = field()
    generation_id: Int32 = field(default=-1)
    protocol_type: String | None = field("7+", nullable="7+", default=None, ignorable=True)
    protocol_name: String | None = field(nullable="7+")
    leader: String = field()
    skip_assignment: Boolean = field("9+")
    member_id: String = field()
    members: Array[JoinGroupResponseMember] = field()


@struct
class JoinGroupResponseMember:
    """One member and what it told the leader."""

    member_id: String = field()
    group_instance_id: String | None = field("5+", nullable="5+", default=None, ignorable=True)
    metadata: Bytes = field()


JOIN_GROUP = Api(11, versions="0-9", flexible="6+", request=JoinGroupRequest, response=JoinGroupResponse)
