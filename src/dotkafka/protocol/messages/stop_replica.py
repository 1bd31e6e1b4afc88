"""StopReplica (key 5): the controller told a broker to stop or delete replicas. Removed in Kafka 4.0.

- 0-2: all replicas are deleted, or none. 1: partitions by topic; the broker epoch (KIP-380).
- 3: the leader epoch, and whether to delete, for each partition (KIP-570).
- 4: a KRaft controller may ask, on the way from ZooKeeper (KIP-866).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, field, struct


@struct
class StopReplicaRequest:
    """The partitions to stop; which field holds them depends on the version."""

    controller_id: Int32 = field()
    is_kraft_controller: Boolean = field("4+")
    controller_epoch: Int32 = field()
    broker_epoch: Int64 = field("1+", default=-1, ignorable=True)
    delete_partitions: Boolean = field("0-2")
    ungrouped_partitions: Array[StopReplicaPartitionV0] = field("0")
    topics: Array[StopReplicaTopicV1] = field("1-2")
    topic_states: Array[StopReplicaTopicState] = field("3+")


@struct
class StopReplicaPartitionV0:
    """One partition, as version 0 names it."""

    topic_name: String = field("0")
    partition_index: Int32 = field("0")


@struct
class StopReplicaTopicV1:
    """The partitions of one topic, as versions 1 and 2 name them."""

    name: String = field("1-2")
    partition_indexes: Array[Int32] = field("1-2")


@struct
class StopReplicaTopicState:
    """The partitions of one topic."""

    topic_name: String = field("3+")
    partition_states: Array[StopReplicaPartitionState] = field("3+")


@struct
class StopReplicaPartitionState:
    """One partition; a leader epoch of -2 says that its topic is being deleted."""

    partition_index: Int32 = field("3+")
    leader_epoch: Int32 = field("3+", default=-1)
    delete_partition: Boolean = field("3+")


@struct
class StopReplicaResponse:
    """What became of each partition."""

    error_code: Int16 = field()
    partition_errors: Array[StopReplicaPartitionError] = field()


@struct
class StopReplicaPartitionError:
    """What became of one partition."""

    topic_name: String = field()
    partition_index: Int32 = field()
    error_code: Int16 = field()


STOP_REPLICA = Api(5, versions="0-4", flexible="2+", request=StopReplicaRequest, response=StopReplicaResponse)
