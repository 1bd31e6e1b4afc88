"""EndQuorumEpoch (key 54): a leader of the KRaft quorum steps down, and says who should stand first (KIP-595).

- 1: directory ids; where the leader listens (KIP-853).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, UInt16, Uuid, field, struct


@struct
class EndQuorumEpochRequest:
    """The leader that goes."""

    cluster_id: String | None = field(nullable="0+", default=None)
    topics: Array[EndQuorumEpochRequestTopicData] = field()
    leader_endpoints: Array[LeaderEndpoint] = field("1+", ignorable=True)


@struct
class EndQuorumEpochRequestTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[EndQuorumEpochRequestPartitionData] = field()


@struct
class LeaderEndpoint:
    """One listener of the leader."""

    name: String = field("1+")
    host: String = field("1+")
    port: UInt16 = field("1+")


@struct
class EndQuorumEpochRequestPartitionData:
    """One partition, and who should lead it: the best first."""

    partition_index: Int32 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()
    preferred_successors: Array[Int32] = field("0", ignorable=True)
    preferred_candidates: Array[ReplicaInfo] = field("1+", ignorable=True)


@struct
class ReplicaInfo:
    """One candidate."""

    candidate_id: Int32 = field("1+")
    candidate_directory_id: Uuid = field("1+")


@struct
class EndQuorumEpochResponse:
    """Whether the voter has taken note."""

    error_code: Int16 = field()
    topics: Array[EndQuorumEpochResponseTopicData] = field()
    node_endpoints: Array[NodeEndpoint] = field("1+", tag=0)


@struct
class EndQuorumEpochResponseTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[EndQuorumEpochResponsePartitionData] = field()


@struct
class NodeEndpoint:
    """Where the leader listens."""

    node_id: Int32 = field("1+")
    host: String = field("1+")
    port: UInt16 = field("1+")


@struct
class EndQuorumEpochResponsePartitionData:
    """The leader of one partition that the voter knows."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()


END_QUORUM_EPOCH = Api(
    54, versions="0-1", flexible="1+", request=EndQuorumEpochRequest, response=EndQuorumEpochResponse
)
