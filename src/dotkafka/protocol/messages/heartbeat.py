"""Heartbeat (key 12): tell the coordinator of a group that a member lives.

- 3: static members (KIP-345).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Int16, Int32, String, field, struct


@struct
class HeartbeatRequest:
    """Which member lives, and which generation it believes in."""

    group_id: String = field()
    generation_id: Int32 = field()
    member_id: String = field()
    group_instance_id: String | None = field("3+", nullable="3+", default=None)


@struct
class HeartbeatResponse:
    """Whether it is still a member, and whether it must join again."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    error_code: Int16 = field()


HEARTBEAT = Api(12, versions="0-4", flexible="4+", request=HeartbeatRequest, response=HeartbeatResponse)
