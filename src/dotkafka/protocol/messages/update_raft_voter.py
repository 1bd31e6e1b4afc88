"""UpdateRaftVoter (key 82): a voter of the KRaft quorum tells where it listens now, and what it can do (KIP-853)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, String, UInt16, Uuid, field, struct


@struct
class UpdateRaftVoterRequest:
    """The voter."""

    cluster_id: String | None = field(nullable="0+")
    current_leader_epoch: Int32 = field()
    voter_id: Int32 = field()
    voter_directory_id: Uuid = field()
    listeners: Array[Listener] = field()
    kraft_version_feature: KRaftVersionFeature = field()


@struct
class Listener:
    """One listener of the voter."""

    name: String = field()
    host: String = field()
    port: UInt16 = field()


@struct
class KRaftVersionFeature:
    """The levels of the KRaft protocol that the voter can run at."""

    min_supported_version: Int16 = field()
    max_supported_version: Int16 = field()


@struct
class UpdateRaftVoterResponse:
    """Whether the leader took note."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    current_leader: CurrentLeader = field(tag=0)


@struct
class CurrentLeader:
    """The leader that the node knows, and where it listens."""

    leader_id: Int32 = field(default=-1)
    leader_epoch: Int32 = field(default=-1)
    host: String = field()
    port: Int32 = field()


UPDATE_RAFT_VOTER = Api(
    82, versions="0", flexible="0+", request=UpdateRaftVoterRequest, response=UpdateRaftVoterResponse
)
