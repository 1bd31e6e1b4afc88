"""The records of `__consumer_offsets` of the new consumer protocol (KIP-848).

Keys and values are framed as in `consumer_offsets`: a group is the sum of its records 3 to 8 and 16.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Bytes, Int8, Int32, Int64, Message, String, Uuid, field, struct


@struct
class ConsumerGroupMetadataKey:
    """Record type 3: which group it is."""

    group_id: String = field()


@struct
class ConsumerGroupMetadataValue:
    """The group's epoch, and a hash of what it knows of its topics."""

    epoch: Int32 = field()
    metadata_hash: Int64 = field(tag=0)


@struct
class ConsumerGroupPartitionMetadataKey:
    """Record type 4, written by Kafka before 4.1: which group it is."""

    group_id: String = field()


@struct
class ConsumerGroupPartitionMetadataValue:
    """The topics that the group's assignment was made with."""

    topics: Array[TopicMetadata] = field()


@struct
class TopicMetadata:
    """One topic and its number of partitions."""

    topic_id: Uuid = field()
    topic_name: String = field()
    num_partitions: Int32 = field()
    partition_metadata: Array[PartitionMetadata] = field()


@struct
class PartitionMetadata:
    """One partition, and the racks of its replicas."""

    partition: Int32 = field()
    racks: Array[String] = field()


@struct
class ConsumerGroupMemberMetadataKey:
    """Record type 5: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class ConsumerGroupMemberMetadataValue:
    """What a member is and wants; classic members have what they joined with too."""

    instance_id: String | None = field(nullable="0+")
    rack_id: String | None = field(nullable="0+")
    client_id: String = field()
    client_host: String = field()
    subscribed_topic_names: Array[String] = field()
    subscribed_topic_regex: String | None = field(nullable="0+")
    rebalance_timeout_ms: Int32 = field(default=-1)
    server_assignor: String | None = field(nullable="0+")
    classic_member_metadata: ClassicMemberMetadata | None = field(nullable="0+", tag=0)


@struct
class ClassicMemberMetadata:
    """What a member that uses the classic protocol joined with."""

    session_timeout_ms: Int32 = field()
    supported_protocols: Array[ClassicProtocol] = field()


@struct
class ClassicProtocol:
    """One protocol and what the member says about it."""

    name: String = field()
    metadata: Bytes = field()


@struct
class ConsumerGroupTargetAssignmentMetadataKey:
    """Record type 6: which group it is."""

    group_id: String = field()


@struct
class ConsumerGroupTargetAssignmentMetadataValue:
    """The epoch that the target assignment was made for, and when."""

    assignment_epoch: Int32 = field()
    assignment_timestamp: Int64 = field(tag=0, ignorable=True)


@struct
class ConsumerGroupTargetAssignmentMemberKey:
    """Record type 7: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class ConsumerGroupTargetAssignmentMemberValue:
    """What a member shall have."""

    topic_partitions: Array[TopicPartition] = field()


@struct
class TopicPartition:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()


@struct
class ConsumerGroupCurrentMemberAssignmentKey:
    """Record type 8: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class ConsumerGroupCurrentMemberAssignmentValue:
    """What a member has, and what it still has to give up."""

    member_epoch: Int32 = field()
    previous_member_epoch: Int32 = field()
    state: Int8 = field()
    assigned_partitions: Array[TopicPartitions] = field()
    partitions_pending_revocation: Array[TopicPartitions] = field()


@struct
class TopicPartitions:
    """The partitions of one topic, and the epoch that each was assigned in."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()
    assignment_epochs: Array[Int32] | None = field(nullable="0+", tag=0)


@struct
class ConsumerGroupRegularExpressionKey:
    """Record type 16: whose expression it is."""

    group_id: String = field()
    regular_expression: String = field()


@struct
class ConsumerGroupRegularExpressionValue:
    """The topics that matched an expression, and what they were matched against."""

    topics: Array[String] = field()
    version: Int64 = field()
    timestamp: Int64 = field()


CONSUMER_GROUP_METADATA_KEY = Message(ConsumerGroupMetadataKey, versions="0")
CONSUMER_GROUP_METADATA_VALUE = Message(ConsumerGroupMetadataValue, versions="0", flexible="0+")
CONSUMER_GROUP_PARTITION_METADATA_KEY = Message(ConsumerGroupPartitionMetadataKey, versions="0")
CONSUMER_GROUP_PARTITION_METADATA_VALUE = Message(ConsumerGroupPartitionMetadataValue, versions="0", flexible="0+")
CONSUMER_GROUP_MEMBER_METADATA_KEY = Message(ConsumerGroupMemberMetadataKey, versions="0")
CONSUMER_GROUP_MEMBER_METADATA_VALUE = Message(ConsumerGroupMemberMetadataValue, versions="0", flexible="0+")
CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_KEY = Message(ConsumerGroupTargetAssignmentMetadataKey, versions="0")
CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE = Message(
    ConsumerGroupTargetAssignmentMetadataValue, versions="0", flexible="0+"
)
CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY = Message(ConsumerGroupTargetAssignmentMemberKey, versions="0")
CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE = Message(
    ConsumerGroupTargetAssignmentMemberValue, versions="0", flexible="0+"
)
CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY = Message(ConsumerGroupCurrentMemberAssignmentKey, versions="0")
CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE = Message(
    ConsumerGroupCurrentMemberAssignmentValue, versions="0", flexible="0+"
)
CONSUMER_GROUP_REGULAR_EXPRESSION_KEY = Message(ConsumerGroupRegularExpressionKey, versions="0")
CONSUMER_GROUP_REGULAR_EXPRESSION_VALUE = Message(ConsumerGroupRegularExpressionValue, versions="0", flexible="0+")
