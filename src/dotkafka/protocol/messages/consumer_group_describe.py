"""ConsumerGroupDescribe (key 69): describe groups of the new consumer protocol (KIP-848).

- 1: whether a member uses the classic protocol (KIP-1099).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, String, Uuid, field, struct


@struct
class ConsumerGroupDescribeRequest:
    """The groups."""

    group_ids: Array[String] = field()
    include_authorized_operations: Boolean = field()


@struct
class ConsumerGroupDescribeResponse:
    """What each group is like."""

    throttle_time_ms: Int32 = field()
    groups: Array[DescribedGroup] = field()


@struct
class DescribedGroup:
    """One group: its state, epochs and members."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    group_id: String = field()
    group_state: String = field()
    group_epoch: Int32 = field()
    assignment_epoch: Int32 = field()
    assignor_name: String = field()
    members: Array[Member] = field()
    authorized_operations: Int32 = field(default=-2147483648)


@struct
class Member:
    """One member: what it has and what it shall have; `member_type` 0 is classic, 1 consumer, -1 unknown."""

    member_id: String = field()
    instance_id: String | None = field(nullable="0+", default=None)
    rack_id: String | None = field(nullable="0+", default=None)
    member_epoch: Int32 = field()
    client_id: String = field()
    client_host: String = field()
    subscribed_topic_names: Array[String] = field()
    subscribed_topic_regex: String | None = field(nullable="0+", default=None)
    assignment: Assignment = field()
    target_assignment: Assignment = field()
    member_type: Int8 = field("1+", default=-1, ignorable=True)


@struct
class TopicPartitions:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    topic_name: String = field()
    partitions: Array[Int32] = field()


@struct
class Assignment:
    """The partitions of a member."""

    topic_partitions: Array[TopicPartitions] = field()


CONSUMER_GROUP_DESCRIBE = Api(
    69, versions="0-1", flexible="0+", request=ConsumerGroupDescribeRequest, response=ConsumerGroupDescribeResponse
)
