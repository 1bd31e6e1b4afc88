"""RemoveRaftVoter (key 81): remove a voter from the KRaft quorum (KIP-853)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Int16, Int32, String, Uuid, field, struct


@struct
class RemoveRaftVoterRequest:
    """The voter."""

    cluster_id: String | None = field(nullable="0+")
    voter_id: Int32 = field()
    voter_directory_id: Uuid = field()


@struct
class RemoveRaftVoterResponse:
    """Whether it is gone."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", ignorable=True)


REMOVE_RAFT_VOTER = Api(
    81, versions="0", flexible="0+", request=RemoveRaftVoterRequest, response=RemoveRaftVoterResponse
)
