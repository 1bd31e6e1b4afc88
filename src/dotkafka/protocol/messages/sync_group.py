"""SyncGroup (key 14): hand in the leader's assignments, fetch one's own.

- 3: static members (KIP-345). 5: protocol type and name, to be checked against the group's.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Bytes, Int16, Int32, String, field, struct


@struct
class SyncGroupRequest:
    """Who asks; the assignments come from the leader alone."""

    group_id: String = field()
    generation_id: Int32 = field()
    member_id: String = field()
    group_instance_id: String | None = field("3+", nullable="3+", default=None)
    protocol_type: String | None = field("5+", nullable="5+", default=None, ignorable=True)
    protocol_name: String | None = field("5+", nullable="5+", default=None, ignorable=True)
    assignments: Array[SyncGroupRequestAssignment] = field()


@struct
class SyncGroupRequestAssignment:
    """What one member gets."""

    member_id: String = field()
    assignment: Bytes = field()


@struct
class SyncGroupResponse:
    """What the member that asks gets."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    error_code: Int16 = field()
    protocol_type: String | None = field("5+", nullable="5+", default=None, ignorable=True)
    protocol_name: String | None = field("5+", nullable="5+", default=None, ignorable=True)
    assignment: Bytes = field()


SYNC_GROUP = Api(14, versions="0-5", flexible="4+", request=SyncGroupRequest, response=SyncGroupResponse)
