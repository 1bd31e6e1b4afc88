"""LeaderAndIsr (key 4): the controller told a broker which partitions it leads and follows. Removed in Kafka 4.0.

- 1: whether a partition is new. 2: partitions by topic; the broker epoch (KIP-380). 3: reassignments (KIP-455).
- 5: topics by id too; whether the request names all partitions or some (KIP-516). 6: leader recovery (KIP-704).
- 7: a KRaft controller may ask, on the way from ZooKeeper (KIP-866).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class LeaderAndIsrRequest:
    """The partitions and their states; `type` 1 is some of them, 2 all."""

    controller_id: Int32 = field()
    is_kraft_controller: Boolean = field("7+")
    controller_epoch: Int32 = field()
    broker_epoch: Int64 = field("2+", default=-1, ignorable=True)
    type: Int8 = field("5+")
    ungrouped_partition_states: Array[LeaderAndIsrPartitionState] = field("0-1")
    topic_states: Array[LeaderAndIsrTopicState] = field("2+")
    live_leaders: Array[LeaderAndIsrLiveLeader] = field()


@struct
class LeaderAndIsrTopicState:
    """The partitions of one topic."""

    topic_name: String = field("2+")
    topic_id: Uuid = field("5+", ignorable=True)
    partition_states: Array[LeaderAndIsrPartitionState] = field("2+")


@struct
class LeaderAndIsrLiveLeader:
    """A broker that leads one of the partitions, and where it listens."""

    broker_id: Int32 = field()
    host_name: String = field()
    port: Int32 = field()


@struct
class LeaderAndIsrPartitionState:
    """Leader, replicas and in-sync replicas of one partition."""

    topic_name: String = field("0-1", ignorable=True)
    partition_index: Int32 = field()
    controller_epoch: Int32 = field()
    leader: Int32 = field()
    leader_epoch: Int32 = field()
    isr: Array[Int32] = field()
    partition_epoch: Int32 = field()
    replicas: Array[Int32] = field()
    adding_replicas: Array[Int32] = field("3+", ignorable=True)
    removing_replicas: Array[Int32] = field("3+", ignorable=True)
    is_new: Boolean = field("1+", ignorable=True)
    leader_recovery_state: Int8 = field("6+")


@struct
class LeaderAndIsrResponse:
    """What became of each partition: in a flat list before version 5, by topic since."""

    error_code: Int16 = field()
    partition_errors: Array[LeaderAndIsrPartitionError] = field("0-4")
    topics: Array[LeaderAndIsrTopicError] = field("5+")


@struct
class LeaderAndIsrTopicError:
    """The partitions of one topic."""

    topic_id: Uuid = field("5+")
    partition_errors: Array[LeaderAndIsrPartitionError] = field("5+")


@struct
class LeaderAndIsrPartitionError:
    """What became of one partition."""

    topic_name: String = field("0-4", ignorable=True)
    partition_index: Int32 = field()
    error_code: Int16 = field()


LEADER_AND_ISR = Api(4, versions="0-7", flexible="4+", request=LeaderAndIsrRequest, response=LeaderAndIsrResponse)
