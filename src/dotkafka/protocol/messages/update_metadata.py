"""UpdateMetadata (key 6): the controller told brokers what clients shall see of the cluster. Removed in Kafka 4.0.

- 1: several listeners per broker. 2: racks. 3: names of listeners. 4: offline replicas.
- 5: partitions by topic; the broker epoch (KIP-380). 7: topic ids (KIP-516).
- 8: a KRaft controller may ask, on the way from ZooKeeper (KIP-866).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int8, Int16, Int32, Int64, String, Uuid, field, struct


@struct
class UpdateMetadataRequest:
    """The brokers that live, and the partitions that changed."""

    controller_id: Int32 = field()
    is_kraft_controller: Boolean = field("8+")
    type: Int8 = field("8+", tag=0)
    controller_epoch: Int32 = field()
    broker_epoch: Int64 = field("5+", default=-1, ignorable=True)
    ungrouped_partition_states: Array[UpdateMetadataPartitionState] = field("0-4")
    topic_states: Array[UpdateMetadataTopicState] = field("5+")
    live_brokers: Array[UpdateMetadataBroker] = field()


@struct
class UpdateMetadataTopicState:
    """The partitions of one topic."""

    topic_name: String = field("5+")
    topic_id: Uuid = field("7+", ignorable=True)
    partition_states: Array[UpdateMetadataPartitionState] = field("5+")


@struct
class UpdateMetadataBroker:
    """One broker and where it listens."""

    id: Int32 = field()
    v0_host: String = field("0", ignorable=True)
    v0_port: Int32 = field("0", ignorable=True)
    endpoints: Array[UpdateMetadataEndpoint] = field("1+", ignorable=True)
    rack: String | None = field("2+", nullable="0+", ignorable=True)


@struct
class UpdateMetadataEndpoint:
    """One listener of a broker."""

    port: Int32 = field("1+")
    host: String = field("1+")
    listener: String = field("3+", ignorable=True)
    security_protocol: Int16 = field("1+")


@struct
class UpdateMetadataPartitionState:
    """Leader, replicas and in-sync replicas of one partition."""

    topic_name: String = field("0-4", ignorable=True)
    partition_index: Int32 = field()
    controller_epoch: Int32 = field()
    leader: Int32 = field()
    leader_epoch: Int32 = field()
    isr: Array[Int32] = field()
    zk_version: Int32 = field()
    replicas: Array[Int32] = field()
    offline_replicas: Array[Int32] = field("4+", ignorable=True)


@struct
class UpdateMetadataResponse:
    """Whether the broker took it over."""

    error_code: Int16 = field()


UPDATE_METADATA = Api(6, versions="0-8", flexible="6+", request=UpdateMetadataRequest, response=UpdateMetadataResponse)
