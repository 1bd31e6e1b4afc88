"""AlterPartitionReassignments (key 45): move partitions to other brokers, or call that off (KIP-455).

- 1: a change of the number of replicas can be forbidden (KIP-860).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, field, struct


@struct
class AlterPartitionReassignmentsRequest:
    """The partitions to move."""

    timeout_ms: Int32 = field(default=60000)
    allow_replication_factor_change: Boolean = field("1+", default=True)
    topics: Array[ReassignableTopic] = field()


@struct
class ReassignableTopic:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[ReassignablePartition] = field()


@struct
class ReassignablePartition:
    """The brokers that one partition shall be on; null calls the move off."""

    partition_index: Int32 = field()
    replicas: Array[Int32] | None = field(nullable="0+", default=None)


@struct
class AlterPartitionReassignmentsResponse:
    """What became of each partition."""

    throttle_time_ms: Int32 = field()
    allow_replication_factor_change: Boolean = field("1+", default=True, ignorable=True)
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    responses: Array[ReassignableTopicResponse] = field()


@struct
class ReassignableTopicResponse:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[ReassignablePartitionResponse] = field()


@struct
class ReassignablePartitionResponse:
    """What became of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


ALTER_PARTITION_REASSIGNMENTS = Api(
    45,
    versions="0-1",
    flexible="0+",
    request=AlterPartitionReassignmentsRequest,
    response=AlterPartitionReassignmentsResponse,
)
