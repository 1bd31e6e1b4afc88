"""Metadata (key 3): brokers, topics and partitions, with leaders and replicas.

- 0: an empty list asks for all topics. From 1: null asks for all, an empty list for none.
- 4: topics may be created by asking. 5: offline replicas. 7: leader epochs.
- 8: authorized operations (those of the cluster at 8-10 only).
- 10: topic ids. 12: topics may be asked for by id. 13: an error code for the whole answer (KIP-1102).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, Uuid, field, struct


@struct
class MetadataRequest:
    """The topics asked for."""

    topics: Array[MetadataRequestTopic] | None = field(nullable="1+")
    allow_auto_topic_creation: Boolean = field("4+", default=True)
    include_cluster_authorized_operations: Boolean = field("8-10")
    include_topic_authorized_operations: Boolean = field("8+")


@struct
class MetadataRequestTopic:
    """One topic, by name or by id."""

    topic_id: Uuid = field("10+", ignorable=True)
    name: String | None = field(nullable="10+")


@struct
class MetadataResponse:
    """The brokers and the topics."""

    throttle_time_ms: Int32 = field("3+", ignorable=True)
    brokers: Array[MetadataResponseBroker] = field()
    cluster_id: String | None = field("2+", nullable="2+", default=None, ignorable=True)
    controller_id: Int32 = field("1+", default=-1, ignorable=True)
    topics: Array[MetadataResponseTopic] = field()
    cluster_authorized_operations: Int32 = field("8-10", default=-2147483648)
    error_code: Int16 = field("13+", ignorable=True)


@struct
class MetadataResponseBroker:
    """One broker and where it listens."""

    node_id: Int32 = field()
    host: String = field()
    port: Int32 = field()
    rack: String | None = field("1+", nullable="1+", default=None, ignorable=True)


@struct
class MetadataResponseTopic:
    """One topic and its partitions."""

    error_code: Int16 = field()
    name: String | None = field(nullable="12+")
    topic_id: Uuid = field("10+", ignorable=True)
    is_internal: Boolean = field("1+", ignorable=True)
    partitions: Array[MetadataResponsePartition] = field()
    topic_authorized_operations: Int32 = field("8+", default=-2147483648)


@struct
class MetadataResponsePartition:
    """One partition: its leader, replicas, and those of them that are in sync."""

    error_code: Int16 = field()
    partition_index: Int32 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field("7+", default=-1, ignorable=True)
    replica_nodes: Array[Int32] = field()
    isr_nodes: Array[Int32] = field()
    offline_replicas: Array[Int32] = field("5+", ignorable=True)


METADATA = Api(3, versions="0-13", flexible="9+", request=MetadataRequest, response=MetadataResponse)
