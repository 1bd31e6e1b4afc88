"""The records of `__cluster_metadata` that dotkafka writes, a part of KRaft's.

A record is framed as unsigned varints - frame version 1, record type, version - and the body at that version.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, Uuid, field, struct


@struct
class TopicRecord:
    """Record type 2: a topic was created."""

    name: String = field()
    topic_id: Uuid = field()


@struct
class PartitionRecord:
    """Record type 3: a partition was created, or is as follows."""

    partition_id: Int32 = field(default=-1)
    topic_id: Uuid = field()
    replicas: Array[Int32] = field()
    isr: Array[Int32] = field()
    removing_replicas: Array[Int32] = field()
    adding_replicas: Array[Int32] = field()
    leader: Int32 = field(default=-1)
    leader_recovery_state: Int8 = field(tag=0)
    leader_epoch: Int32 = field(default=-1)
    partition_epoch: Int32 = field(default=-1)
    directories: Array[Uuid] = field("1+")
    eligible_leader_replicas: Array[Int32] | None = field("2+", nullable="2+", tag=1, default=None)
    last_known_elr: Array[Int32] | None = field("2+", nullable="2+", tag=2, default=None)


@struct
class ConfigRecord:
    """Record type 4: a configuration key was set; null removes it."""

    resource_type: Int8 = field()
    resource_name: String = field()
    name: String = field()
    value: String | None = field(nullable="0+")


@struct
class RemoveTopicRecord:
    """Record type 9: a topic was deleted, and its partitions with it."""

    topic_id: Uuid = field()


@struct
class FeatureLevelRecord:
    """Record type 12: the level that a feature runs at."""

    name: String = field()
    feature_level: Int16 = field()


@struct
class ProducerIdsRecord:
    """Record type 15: producer ids up to `next_producer_id` are given out."""

    broker_id: Int32 = field()
    broker_epoch: Int64 = field(default=-1)
    next_producer_id: Int64 = field()


TOPIC_RECORD = Message(TopicRecord, versions="0", flexible="0+")
PARTITION_RECORD = Message(PartitionRecord, versions="0-2", flexible="0+")
CONFIG_RECORD = Message(ConfigRecord, versions="0", flexible="0+")
REMOVE_TOPIC_RECORD = Message(RemoveTopicRecord, versions="0", flexible="0+")
FEATURE_LEVEL_RECORD = Message(FeatureLevelRecord, versions="0", flexible="0+")
PRODUCER_IDS_RECORD = Message(ProducerIdsRecord, versions="0", flexible="0+")
