"""ShareGroupHeartbeat (key 76): join, stay in and leave a share group (KIP-932).

- 0 was a preview in Kafka 4.0 and has gone.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, Uuid, field, struct


@struct
class ShareGroupHeartbeatRequest:
    """Epoch 0 joins, -1 leaves; null says "as before"."""

    group_id: String = field()
    member_id: String = field()
    member_epoch: Int32 = field()
    rack_id: String | None = field(nullable="0+", default=None)
    subscribed_topic_names: Array[String] | None = field(nullable="0+", default=None)


@struct
class ShareGroupHeartbeatResponse:
    """The member's epoch; no assignment where it has not changed."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    member_id: String | None = field(nullable="0+", default=None)
    member_epoch: Int32 = field()
    heartbeat_interval_ms: Int32 = field()
    assignment: Assignment | None = field(nullable="0+", default=None)


@struct
class Assignment:
    """All that the member is to read."""

    topic_partitions: Array[TopicPartitions] = field()


@struct
class TopicPartitions:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()


SHARE_GROUP_HEARTBEAT = Api(
    76, versions="1", flexible="0+", request=ShareGroupHeartbeatRequest, response=ShareGroupHeartbeatResponse
)
