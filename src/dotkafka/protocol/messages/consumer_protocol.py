"""What members of protocol type `consumer` put into the bytes of JoinGroup and SyncGroup.

Each is an int16 version and the body. A version above the highest known is read as that one, and what follows the
fields of that one is ignored.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Bytes, Int32, Message, String, field, struct


@struct
class ConsumerProtocolSubscription:
    """What a member wants: topics, and from version 1 the partitions that it owns already."""

    topics: Array[String] = field()
    user_data: Bytes | None = field(nullable="0+", default=None)
    owned_partitions: Array[ConsumerProtocolSubscriptionTopicPartition] = field("1+", ignorable=True)
    generation_id: Int32 = field("2+", default=-1, ignorable=True)
    rack_id: String | None = field("3+", nullable="3+", default=None, ignorable=True)


@struct
class ConsumerProtocolSubscriptionTopicPartition:
    """The partitions of one topic that the member owns."""

    topic: String = field("1+")
    partitions: Array[Int32] = field("1+")


@struct
class ConsumerProtocolAssignment:
    """What a member gets."""

    assigned_partitions: Array[ConsumerProtocolAssignmentTopicPartition] = field()
    user_data: Bytes | None = field(nullable="0+", default=None)


@struct
class ConsumerProtocolAssignmentTopicPartition:
    """The partitions of one topic that the member is to read."""

    topic: String = field()
    partitions: Array[Int32] = field()


CONSUMER_PROTOCOL_SUBSCRIPTION = Message(ConsumerProtocolSubscription, versions="0-3")
CONSUMER_PROTOCOL_ASSIGNMENT = Message(ConsumerProtocolAssignment, versions="0-3")
