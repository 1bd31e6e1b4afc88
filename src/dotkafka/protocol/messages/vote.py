"""Vote (key 52): a candidate asks a voter of the KRaft quorum for its vote (KIP-595).

- 1: directory ids; the voter that is meant (KIP-853).
- 2: a candidate may ask whether it would get the vote, before it starts an epoch (KIP-996).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, Int64, String, UInt16, Uuid, field, struct


@struct
class VoteRequest:
    """The candidate, and how far its log goes."""

    cluster_id: String | None = field(nullable="0+", default=None)
    voter_id: Int32 = field("1+", default=-1, ignorable=True)
    topics: Array[VoteRequestTopicData] = field()


@struct
class VoteRequestTopicData:
    """The partitions of one topic: always the one of the metadata log."""

    topic_name: String = field()
    partitions: Array[VoteRequestPartitionData] = field()


@struct
class VoteRequestPartitionData:
    """The candidate's epoch, and the end of its log."""

    partition_index: Int32 = field()
    replica_epoch: Int32 = field()
    replica_id: Int32 = field()
    replica_directory_id: Uuid = field("1+", ignorable=True)
    voter_directory_id: Uuid = field("1+", ignorable=True)
    last_offset_epoch: Int32 = field()
    last_offset: Int64 = field()
    pre_vote: Boolean = field("2+")


@struct
class VoteResponse:
    """Whether it has the vote."""

    error_code: Int16 = field()
    topics: Array[VoteResponseTopicData] = field()
    node_endpoints: Array[NodeEndpoint] = field("1+", tag=0)


@struct
class VoteResponseTopicData:
    """The partitions of one topic."""

    topic_name: String = field()
    partitions: Array[VoteResponsePartitionData] = field()


@struct
class NodeEndpoint:
    """Where the leader listens."""

    node_id: Int32 = field("1+")
    host: String = field("1+")
    port: UInt16 = field("1+")


@struct
class VoteResponsePartitionData:
    """The vote, and the leader that the voter knows."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    leader_id: Int32 = field()
    leader_epoch: Int32 = field()
    vote_granted: Boolean = field()


VOTE = Api(52, versions="0-2", flexible="0+", request=VoteRequest, response=VoteResponse)
