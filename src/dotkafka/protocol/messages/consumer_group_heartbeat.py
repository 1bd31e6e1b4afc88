"""ConsumerGroupHeartbeat (key 68): join, stay in and leave a group of the new consumer protocol (KIP-848).

- 0: the coordinator chooses member ids. 1: members do (KIP-1082); subscription by a regular expression.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, Uuid, field, struct


@struct
class ConsumerGroupHeartbeatRequest:
    """Epoch 0 joins, -1 leaves, -2 leaves for a while; null says "as before"."""

    group_id: String = field()
    member_id: String = field()
    member_epoch: Int32 = field()
    instance_id: String | None = field(nullable="0+", default=None)
    rack_id: String | None = field(nullable="0+", default=None)
    rebalance_timeout_ms: Int32 = field(default=-1)
    subscribed_topic_names: Array[String] | None = field(nullable="0+", default=None)
    subscribed_topic_regex: String | None = field("1+", nullable="1+", default=None)
    server_assignor: String | None = field(nullable="0+", default=None)
    topic_partitions: Array[TopicPartitions] | None = field(nullable="0+", default=None)


@struct
class TopicPartitions:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()


@struct
class ConsumerGroupHeartbeatResponse:
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


CONSUMER_GROUP_HEARTBEAT = Api(
    68, versions="0-1", flexible="0+", request=ConsumerGroupHeartbeatRequest, response=ConsumerGroupHeartbeatResponse
)
