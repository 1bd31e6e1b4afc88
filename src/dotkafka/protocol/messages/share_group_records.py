"""The records of `__consumer_offsets` of share groups (KIP-932).

Keys and values are framed as in `consumer_offsets`: a group is the sum of its records 10 to 15.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int8, Int32, Int64, Message, String, Uuid, field, struct


@struct
class ShareGroupMemberMetadataKey:
    """Record type 10: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class ShareGroupMemberMetadataValue:
    """What a member is and wants."""

    rack_id: String | None = field(nullable="0+")
    client_id: String = field()
    client_host: String = field()
    subscribed_topic_names: Array[String] = field()


@struct
class ShareGroupMetadataKey:
    """Record type 11: which group it is."""

    group_id: String = field()


@struct
class ShareGroupMetadataValue:
    """The group's epoch, and a hash of what it knows of its topics."""

    epoch: Int32 = field()
    metadata_hash: Int64 = field()


@struct
class ShareGroupTargetAssignmentMetadataKey:
    """Record type 12: which group it is."""

    group_id: String = field()


@struct
class ShareGroupTargetAssignmentMetadataValue:
    """The epoch that the target assignment was made for, and when."""

    assignment_epoch: Int32 = field()
    assignment_timestamp: Int64 = field(tag=0, ignorable=True)


@struct
class ShareGroupTargetAssignmentMemberKey:
    """Record type 13: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class ShareGroupTargetAssignmentMemberValue:
    """What a member shall have."""

    topic_partitions: Array[TopicPartition] = field()


@struct
class TopicPartition:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()


@struct
class ShareGroupCurrentMemberAssignmentKey:
    """Record type 14: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class ShareGroupCurrentMemberAssignmentValue:
    """What a member has."""

    member_epoch: Int32 = field()
    previous_member_epoch: Int32 = field()
    state: Int8 = field()
    assigned_partitions: Array[TopicPartitions] = field()


@struct
class TopicPartitions:
    """The partitions of one topic."""

    topic_id: Uuid = field()
    partitions: Array[Int32] = field()


@struct
class ShareGroupStatePartitionMetadataKey:
    """Record type 15: which group it is."""

    group_id: String = field()


@struct
class ShareGroupStatePartitionMetadataValue:
    """Which partitions have share state, and which are about to get it or to lose it."""

    initializing_topics: Array[TopicPartitionsInfo] = field()
    initialized_topics: Array[TopicPartitionsInfo] = field()
    deleting_topics: Array[TopicInfo] = field()


@struct
class TopicPartitionsInfo:
    """The partitions of one topic, by id and name."""

    topic_id: Uuid = field()
    topic_name: String = field()
    partitions: Array[Int32] = field()


@struct
class TopicInfo:
    """One topic, by id and name."""

    topic_id: Uuid = field()
    topic_name: String = field()


SHARE_GROUP_MEMBER_METADATA_KEY = Message(ShareGroupMemberMetadataKey, versions="0")
SHARE_GROUP_MEMBER_METADATA_VALUE = Message(ShareGroupMemberMetadataValue, versions="0", flexible="0+")
SHARE_GROUP_METADATA_KEY = Message(ShareGroupMetadataKey, versions="0")
SHARE_GROUP_METADATA_VALUE = Message(ShareGroupMetadataValue, versions="0", flexible="0+")
SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_KEY = Message(ShareGroupTargetAssignmentMetadataKey, versions="0")
SHARE_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE = Message(
    ShareGroupTargetAssignmentMetadataValue, versions="0", flexible="0+"
)
SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY = Message(ShareGroupTargetAssignmentMemberKey, versions="0")
SHARE_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE = Message(ShareGroupTargetAssignmentMemberValue, versions="0", flexible="0+")
SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY = Message(ShareGroupCurrentMemberAssignmentKey, versions="0")
SHARE_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE = Message(
    ShareGroupCurrentMemberAssignmentValue, versions="0", flexible="0+"
)
SHARE_GROUP_STATE_PARTITION_METADATA_KEY = Message(ShareGroupStatePartitionMetadataKey, versions="0")
SHARE_GROUP_STATE_PARTITION_METADATA_VALUE = Message(ShareGroupStatePartitionMetadataValue, versions="0", flexible="0+")
