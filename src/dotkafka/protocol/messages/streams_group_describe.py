"""StreamsGroupDescribe (key 89): describe groups of Kafka Streams (KIP-1071)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, UInt16, field, struct


@struct
class StreamsGroupDescribeRequest:
    """The groups."""

    group_ids: Array[String] = field()
    include_authorized_operations: Boolean = field()


@struct
class StreamsGroupDescribeResponse:
    """What each group is like."""

    throttle_time_ms: Int32 = field()
    groups: Array[DescribedGroup] = field()


@struct
class DescribedGroup:
    """One group: its state, epochs, topology and members."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    group_id: String = field()
    group_state: String = field()
    group_epoch: Int32 = field()
    assignment_epoch: Int32 = field()
    topology: Topology | None = field(nullable="0+", default=None)
    members: Array[Member] = field()
    authorized_operations: Int32 = field(default=-2147483648)


@struct
class Topology:
    """What the application is made of; null while there is none."""

    epoch: Int32 = field()
    subtopologies: Array[Subtopology] | None = field(nullable="0+", default=None)


@struct
class Member:
    """One member: what it is, what it has and what it shall have."""

    member_id: String = field()
    member_epoch: Int32 = field()
    instance_id: String | None = field(nullable="0+", default=None)
    rack_id: String | None = field(nullable="0+", default=None)
    client_id: String = field()
    client_host: String = field()
    topology_epoch: Int32 = field()
    process_id: String = field()
    user_endpoint: Endpoint | None = field(nullable="0+", default=None)
    client_tags: Array[KeyValue] = field()
    task_offsets: Array[TaskOffset] = field()
    task_end_offsets: Array[TaskOffset] = field()
    assignment: Assignment = field()
    target_assignment: Assignment = field()
    is_classic: Boolean = field()


@struct
class Subtopology:
    """A part that tasks are made of, one for each of its partitions."""

    subtopology_id: String = field()
    source_topics: Array[String] = field()
    repartition_sink_topics: Array[String] = field()
    state_changelog_topics: Array[TopicInfo] = field()
    repartition_source_topics: Array[TopicInfo] = field()


@struct
class Endpoint:
    """Where the application answers interactive queries."""

    host: String = field()
    port: UInt16 = field()


@struct
class TaskOffset:
    """How far one task is."""

    subtopology_id: String = field()
    partition: Int32 = field()
    offset: Int64 = field()


@struct
class Assignment:
    """The tasks of a member."""

    active_tasks: Array[TaskIds] = field()
    standby_tasks: Array[TaskIds] = field()
    warmup_tasks: Array[TaskIds] = field()


@struct
class TaskIds:
    """Tasks of one subtopology, by partition."""

    subtopology_id: String = field()
    partitions: Array[Int32] = field()


@struct
class KeyValue:
    """A key and its value."""

    key: String = field()
    value: String = field()


@struct
class TopicInfo:
    """An internal topic; 0 partitions or replicas leave the number to the broker."""

    name: String = field()
    partitions: Int32 = field()
    replication_factor: Int16 = field()
    topic_configs: Array[KeyValue] = field()


STREAMS_GROUP_DESCRIBE = Api(
    89, versions="0", flexible="0+", request=StreamsGroupDescribeRequest, response=StreamsGroupDescribeResponse
)
