"""AddRaftVoter (key 80): add a voter to the KRaft quorum (KIP-853).

- 1: the answer need not wait until the change is committed (KIP-1186).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Boolean, Int16, Int32, String, UInt16, Uuid, field, struct


@struct
class AddRaftVoterRequest:
    """The voter and where it listens."""

    cluster_id: String | None = field(nullable="0+")
    timeout_ms: Int32 = field()
    voter_id: Int32 = field()
    voter_directory_id: Uuid = field()
    listeners: Array[Listener] = field()
    ack_when_committed: Boolean = field("1+", default=True)


@struct
class Listener:
    """One listener of the voter."""

    name: String = field()
    host: String = field()
    port: UInt16 = field()


@struct
class AddRaftVoterResponse:
    """Whether it is a voter."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+", ignorable=True)


ADD_RAFT_VOTER = Api(80, versions="0-1", flexible="0+", request=AddRaftVoterRequest, response=AddRaftVoterResponse)
