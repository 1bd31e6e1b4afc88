"""DescribeQuorum (key 55): who leads, votes and observes in the KRaft quorum, and how far each is (KIP-595).

- 1: when a replica last fetched, and when it last was level (KIP-836).
- 2: directory ids, error messages, where the nodes listen (KIP-853).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, String, UInt16, Uuid, field, struct


@struct
class DescribeQuorumRequest:
    """The partitions asked for: the one of the metadata log."""

    topics: Array[DescribeQuorumRequestTopicData] = field()


@struct
class DescribeQuorumRequestTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[DescribeQuorumRequestPartitionData] = field()


@struct
class DescribeQuorumRequestPartitionData:
    """One partition."""

    partition_index: Int32 = field()


@struct
class DescribeQuorumResponse:
    """The quorum of each partition."""

    error_code: Int16 = field()
    error_message: String | None = field("2+", nullable="2+", ignorable=True)
    topics: Array[DescribeQuorumResponseTopicData] = field()
    nodes: Array[Node] = field("2+")


@struct
class DescribeQuorumResponseTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[DescribeQuorumResponsePartitionData] = field()


@struct
class Node:
    """One node of the quorum."""

    node_id: Int32 = field("2+")
    listeners: Array[Listener] = field("2+")


@struct
class DescribeQuorumResponsePartitionData:
    """The quorum of one partition."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field("2+", nullable="2+", ignorable=True)
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()
    high_watermark: Int64 = field()
    current_voters: Array[ReplicaState] = field()
    observers: Array[ReplicaState] = field()


@struct
class Listener:
    """One listener of a node."""

    name: String = field("2+")
    host: String = field("2+")
    port: UInt16 = field("2+")


@struct
class ReplicaState:
    """How far one replica is; times are -1 where the leader does not know."""

    replica_id: Int32 = field()
    replica_directory_id: Uuid = field("2+")
    log_end_offset: Int64 = field()
    last_fetch_timestamp: Int64 = field("1+", default=-1, ignorable=True)
    last_caught_up_timestamp: Int64 = field("1+", default=-1, ignorable=True)


DESCRIBE_QUORUM = Api(55, versions="0-2", flexible="0+", request=DescribeQuorumRequest, response=DescribeQuorumResponse)
