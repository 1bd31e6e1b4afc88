"""ElectLeaders (key 43): elect leaders of partitions.

- 0: preferred replicas only. 1: `election_type` 1 takes one that is not in sync, where no other lives (KIP-460).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class ElectLeadersRequest:
    """The partitions; null asks for all."""

    election_type: Int8 = field("1+")
    topic_partitions: Array[TopicPartitions] | None = field(nullable="0+")
    timeout_ms: Int32 = field(default=60000)


@struct
class TopicPartitions:
    """The partitions of one topic."""

    topic: String = field()
    partitions: Array[Int32] = field()


@struct
class ElectLeadersResponse:
    """What became of each election."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field("1+")
    replica_election_results: Array[ReplicaElectionResult] = field()


@struct
class ReplicaElectionResult:
    """The partitions of one topic."""

    topic: String = field()
    partition_result: Array[PartitionResult] = field()


@struct
class PartitionResult:
    """What became of one election."""

    partition_id: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


ELECT_LEADERS = Api(43, versions="0-2", flexible="2+", request=ElectLeadersRequest, response=ElectLeadersResponse)
