"""The records of `__consumer_offsets` of groups of Kafka Streams (KIP-1071).

Keys and values are framed as in `consumer_offsets`: a group is the sum of its records 17 to 23; there is no 18.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, UInt16, field, struct


@struct
class StreamsGroupMetadataKey:
    """Record type 17: which group it is."""

    group_id: String = field()


@struct
class StreamsGroupMetadataValue:
    """The group's epoch, what it was last assigned with, and a hash of what it knows of its topics."""

    epoch: Int32 = field()
    metadata_hash: Int64 = field()
    validated_topology_epoch: Int32 = field(tag=0, default=-1)
    last_assignment_configs: Array[LastAssignmentConfig] | None = field(nullable="0+", tag=1)


@struct
class LastAssignmentConfig:
    """One setting of the assignor."""

    key: String = field()
    value: String = field()


@struct
class StreamsGroupMemberMetadataKey:
    """Record type 19: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class StreamsGroupMemberMetadataValue:
    """What a member is, and where it answers queries."""

    instance_id: String | None = field(nullable="0+")
    rack_id: String | None = field(nullable="0+")
    client_id: String = field()
    client_host: String = field()
    rebalance_timeout_ms: Int32 = field(default=-1)
    topology_epoch: Int32 = field()
    process_id: String = field()
    user_endpoint: Endpoint | None = field(nullable="0+", default=None)
    client_tags: Array[KeyValue] = field()


@struct
class Endpoint:
    """Where the application answers interactive queries."""

    host: String = field()
    port: UInt16 = field()


@struct
class KeyValue:
    """A tag of the client."""

    key: String = field()
    value: String = field()


@struct
class StreamsGroupTargetAssignmentMetadataKey:
    """Record type 20: which group it is."""

    group_id: String = field()


@struct
class StreamsGroupTargetAssignmentMetadataValue:
    """The epoch that the target assignment was made for, and when."""

    assignment_epoch: Int32 = field()
    assignment_timestamp: Int64 = field(tag=0, ignorable=True)


@struct
class StreamsGroupTargetAssignmentMemberKey:
    """Record type 21: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class StreamsGroupTargetAssignmentMemberValue:
    """The tasks that a member shall have."""

    active_tasks: Array[TargetTaskIds] = field()
    standby_tasks: Array[TargetTaskIds] = field()
    warmup_tasks: Array[TargetTaskIds] = field()


@struct
class TargetTaskIds:
    """Tasks of one subtopology, by partition."""

    subtopology_id: String = field()
    partitions: Array[Int32] = field()


@struct
class StreamsGroupCurrentMemberAssignmentKey:
    """Record type 22: which member it is."""

    group_id: String = field()
    member_id: String = field()


@struct
class StreamsGroupCurrentMemberAssignmentValue:
    """The tasks that a member has, and those it still has to give up."""

    member_epoch: Int32 = field()
    previous_member_epoch: Int32 = field()
    state: Int8 = field()
    active_tasks: Array[CurrentTaskIds] = field()
    standby_tasks: Array[CurrentTaskIds] = field()
    warmup_tasks: Array[CurrentTaskIds] = field()
    active_tasks_pending_revocation: Array[CurrentTaskIds] = field()
    standby_tasks_pending_revocation: Array[CurrentTaskIds] = field()
    warmup_tasks_pending_revocation: Array[CurrentTaskIds] = field()


@struct
class CurrentTaskIds:
    """Tasks of one subtopology, by partition, and the epoch that each was assigned in."""

    subtopology_id: String = field()
    partitions: Array[Int32] = field()
    assignment_epochs: Array[Int32] | None = field(nullable="0+", tag=0)


@struct
class StreamsGroupTopologyKey:
    """Record type 23: which group it is."""

    group_id: String = field()


@struct
class StreamsGroupTopologyValue:
    """What the application is made of."""

    epoch: Int32 = field()
    subtopologies: Array[Subtopology] = field()


@struct
class Subtopology:
    """A part that tasks are made of, one for each of its partitions; regular expressions are RE2."""

    subtopology_id: String = field()
    source_topics: Array[String] = field()
    source_topic_regex: Array[String] = field()
    state_changelog_topics: Array[TopicInfo] = field()
    repartition_sink_topics: Array[String] = field()
    repartition_source_topics: Array[TopicInfo] = field()
    copartition_groups: Array[CopartitionGroup] = field()


@struct
class CopartitionGroup:
    """Topics that must have equally many partitions, by their place in the lists of the subtopology."""

    source_topics: Array[Int16] = field()
    source_topic_regex: Array[Int16] = field()
    repartition_source_topics: Array[Int16] = field()


@struct
class TopicConfig:
    """One setting of an internal topic."""

    key: String = field()
    value: String = field()


@struct
class TopicInfo:
    """An internal topic; 0 partitions or replicas leave the number to the broker."""

    name: String = field()
    partitions: Int32 = field()
    replication_factor: Int16 = field()
    topic_configs: Array[TopicConfig] = field()


STREAMS_GROUP_METADATA_KEY = Message(StreamsGroupMetadataKey, versions="0")
STREAMS_GROUP_METADATA_VALUE = Message(StreamsGroupMetadataValue, versions="0", flexible="0+")
STREAMS_GROUP_MEMBER_METADATA_KEY = Message(StreamsGroupMemberMetadataKey, versions="0")
STREAMS_GROUP_MEMBER_METADATA_VALUE = Message(StreamsGroupMemberMetadataValue, versions="0", flexible="0+")
STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_KEY = Message(StreamsGroupTargetAssignmentMetadataKey, versions="0")
STREAMS_GROUP_TARGET_ASSIGNMENT_METADATA_VALUE = Message(
    StreamsGroupTargetAssignmentMetadataValue, versions="0", flexible="0+"
)
STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_KEY = Message(StreamsGroupTargetAssignmentMemberKey, versions="0")
STREAMS_GROUP_TARGET_ASSIGNMENT_MEMBER_VALUE = Message(
    StreamsGroupTargetAssignmentMemberValue, versions="0", flexible="0+"
)
STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_KEY = Message(StreamsGroupCurrentMemberAssignmentKey, versions="0")
STREAMS_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE = Message(
    StreamsGroupCurrentMemberAssignmentValue, versions="0", flexible="0+"
)
STREAMS_GROUP_TOPOLOGY_KEY = Message(StreamsGroupTopologyKey, versions="0")
STREAMS_GROUP_TOPOLOGY_VALUE = Message(StreamsGroupTopologyValue, versions="0", flexible="0+")
