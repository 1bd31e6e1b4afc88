"""BeginQuorumEpoch (key 53): a new leader of the KRaft quorum tells the voters (KIP-595).

- 1: directory ids; the voter that is meant; where the leader listens (KIP-853).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, UInt16, Uuid, field, struct


@struct
class BeginQuorumEpochRequest:
    """The leader and its epoch."""

    cluster_id: String | None = field(nullable="0+", default=None)
    voter_id: Int32 = field("1+", default=-1, ignorable=True)
    topics: Array[BeginQuorumEpochRequestTopicData] = field()
    leader_endpoints: Array[LeaderEndpoint] = field("1+", ignorable=True)


@struct
class BeginQuorumEpochRequestTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[BeginQuorumEpochRequestPartitionData] = field()


@struct
class LeaderEndpoint:
    """One listener of the leader."""

    name: String = field("1+")
    host: String = field("1+")
    port: UInt16 = field("1+")


@struct
class BeginQuorumEpochRequestPartitionData:
    """The leader of one partition."""

    partition_index: Int32 = field()
    voter_directory_id: Uuid = field("1+", ignorable=True)
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()


@struct
class BeginQuorumEpochResponse:
    """Whether the voter follows."""

    error_code: Int16 = field()
    topics: Array[BeginQuorumEpochResponseTopicData] = field()
    node_endpoints: Array[NodeEndpoint] = field("1+", tag=0)


@struct
class BeginQuorumEpochResponseTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[BeginQuorumEpochResponsePartitionData] = field()


@struct
class NodeEndpoint:
    """Where the leader listens."""

    node_id: Int32 = field("1+")
    host: String = field("1+")
    port: UInt16 = field("1+")


@struct
class BeginQuorumEpochResponsePartitionData:
    """The leader of one partition that the voter knows."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()


BEGIN_QUORUM_EPOCH = Api(
    53, versions="0-1", flexible="1+", request=BeginQuorumEpochRequest, response=BeginQuorumEpochResponse
)
