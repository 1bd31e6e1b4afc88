"""ListPartitionReassignments (key 46): list the partitions that are on the move (KIP-455)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, field, struct


@struct
class ListPartitionReassignmentsRequest:
    """The partitions asked for; null asks for all."""

    timeout_ms: Int32 = field(default=60000)
    topics: Array[ListPartitionReassignmentsTopics] | None = field(nullable="0+", default=None)


@struct
class ListPartitionReassignmentsTopics:
    """The partitions of one topic."""

    name: String = field()
    partition_indexes: Array[Int32] = field()


@struct
class ListPartitionReassignmentsResponse:
    """Those of them that are on the move."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    topics: Array[OngoingTopicReassignment] = field()


@struct
class OngoingTopicReassignment:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[OngoingPartitionReassignment] = field()


@struct
class OngoingPartitionReassignment:
    """One partition: its replicas, those to come and those to go."""

    partition_index: Int32 = field()
    replicas: Array[Int32] = field()
    adding_replicas: Array[Int32] = field()
    removing_replicas: Array[Int32] = field()


LIST_PARTITION_REASSIGNMENTS = Api(
    46,
    versions="0",
    flexible="0+",
    request=ListPartitionReassignmentsRequest,
    response=ListPartitionReassignmentsResponse,
)
