"""ShareGroupDescribe (key 77): describe share groups (KIP-932).

- 0 was a preview in Kafka 4.0 and has gone.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, Uuid, field, struct


@struct
class ShareGroupDescribeRequest:
    """The groups."""

    group_ids: Array[String] = field()
    include_authorized_operations: Boolean = field()


@struct
class ShareGroupDescribeResponse:
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
    """One member and what it reads."""

    member_id: String = field()
    rack_id: String | None = field(nullable="0+", default=None)
    member_epoch: Int32 = field()
    client_id: String = field()
    client_host: String = field()
    subscribed_topic_names: Array[String] = field()
    assignment: Assignment = field()


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


SHARE_GROUP_DESCRIBE = Api(
    77, versions="1", flexible="0+", request=ShareGroupDescribeRequest, response=ShareGroupDescribeResponse
)
