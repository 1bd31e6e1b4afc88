"""AlterPartition (key 56): a leader asks the controller to change the in-sync replicas (KIP-497).

- 1: leader recovery (KIP-704). 2: topics by id (KIP-841). 3: epochs of the brokers in sync (KIP-903).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class AlterPartitionRequest:
    """The partitions that the broker leads."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field(default=-1)
    topics: Array[AlterPartitionRequestTopicData] = field()


@struct
class AlterPartitionRequestTopicData:
    """The partitions of one topic."""

    topic_name: String = field("0-1", ignorable=True)
    topic_id: Uuid = field("2+", ignorable=True)
    partitions: Array[AlterPartitionRequestPartitionData] = field()


@struct
class AlterPartitionRequestPartitionData:
    """The in-sync replicas that one partition shall have."""

    partition_index: Int32 = field()
    leader_epoch: Int32 = field()
    new_isr: Array[Int32] = field("0-2")
    new_isr_with_epochs: Array[BrokerState] = field("3+")
    leader_recovery_state: Int8 = field("1+")
    partition_epoch: Int32 = field()


@struct
class BrokerState:
    """One broker in sync, and the epoch in which the leader knows it."""

    broker_id: Int32 = field("3+")
    broker_epoch: Int64 = field("3+", default=-1)


@struct
class AlterPartitionResponse:
    """What became of each partition."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    topics: Array[AlterPartitionResponseTopicData] = field()


@struct
class AlterPartitionResponseTopicData:
    """The partitions of one topic."""

    topic_name: String = field("0-1", ignorable=True)
    topic_id: Uuid = field("2+", ignorable=True)
    partitions: Array[AlterPartitionResponsePartitionData] = field()


@struct
class AlterPartitionResponsePartitionData:
    """What one partition is like now."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()
    isr: Array[Int32] = field()
    leader_recovery_state: Int8 = field("1+", ignorable=True)
    partition_epoch: Int32 = field()


ALTER_PARTITION = Api(56, versions="0-3", flexible="0+", request=AlterPartitionRequest, response=AlterPartitionResponse)
