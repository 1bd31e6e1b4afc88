"""StreamsGroupHeartbeat (key 88): join, stay in and leave a group of Kafka Streams (KIP-1071)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, Int64, String, UInt16, field, struct


@struct
class StreamsGroupHeartbeatRequest:
    """Epoch 0 joins, -1 leaves, -2 leaves for a while; null says "as before"."""

    group_id: String = field()
    member_id: String = field()
    member_epoch: Int32 = field()
    endpoint_information_epoch: Int32 = field()
    instance_id: String | None = field(nullable="0+", default=None)
    rack_id: String | None = field(nullable="0+", default=None)
    rebalance_timeout_ms: Int32 = field(default=-1)
    topology: Topology | None = field(nullable="0+", default=None)
    active_tasks: Array[TaskIds] | None = field(nullable="0+", default=None)
    standby_tasks: Array[TaskIds] | None = field(nullable="0+", default=None)
    warmup_tasks: Array[TaskIds] | None = field(nullable="0+", default=None)
    process_id: String | None = field(nullable="0+", default=None)
    user_endpoint: Endpoint | None = field(nullable="0+", default=None)
    client_tags: Array[KeyValue] | None = field(nullable="0+", default=None)
    task_offsets: Array[TaskOffset] | None = field(nullable="0+", default=None)
    task_end_offsets: Array[TaskOffset] | None = field(nullable="0+", default=None)
    shutdown_application: Boolean = field()


@struct
class Topology:
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
class TaskIds:
    """Tasks of one subtopology, by partition."""

    subtopology_id: String = field()
    partitions: Array[Int32] = field()


@struct
class StreamsGroupHeartbeatResponse:
    """The member's epoch; no tasks where they have not changed."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", default=None)
    member_id: String = field()
    member_epoch: Int32 = field()
    heartbeat_interval_ms: Int32 = field()
    acceptable_recovery_lag: Int32 = field()
    task_offset_interval_ms: Int32 = field()
    status: Array[Status] | None = field(nullable="0+")
    active_tasks: Array[TaskIds] | None = field(nullable="0+", default=None)
    standby_tasks: Array[TaskIds] | None = field(nullable="0+", default=None)
    warmup_tasks: Array[TaskIds] | None = field(nullable="0+", default=None)
    endpoint_information_epoch: Int32 = field()
    partitions_by_user_endpoint: Array[EndpointToPartitions] | None = field(nullable="0+", default=None)


@struct
class EndpointToPartitions:
    """The partitions that an application answers queries of."""

    user_endpoint: Endpoint = field()
    active_partitions: Array[TopicPartition] = field()
    standby_partitions: Array[TopicPartition] = field()


@struct
class Status:
    """Something that the group is missing, such as topics."""

    status_code: Int8 = field()
    status_detail: String = field()


@struct
class TopicPartition:
    """The partitions of one topic."""

    topic: String = field()
    partitions: Array[Int32] = field()


STREAMS_GROUP_HEARTBEAT = Api(
    88, versions="0", flexible="0+", request=StreamsGroupHeartbeatRequest, response=StreamsGroupHeartbeatResponse
)
