"""What the records of control batches hold: ends of transactions; leaders, voters and snapshots of KRaft.

The key is an int16 version and `ControlRecordTypeSchema`. Its type says what the value is: 0 an abort and 1 a commit,
both an int16 version and `EndTxnMarker`; 2 `LeaderChangeMessage`; 3 and 4 the header and the footer of a snapshot,
`SnapshotHeaderRecord` and `SnapshotFooterRecord`; 5 `KRaftVersionRecord`; 6 `VotersRecord`. The values of KRaft have no
version in front: their first field is one. Newer versions are read as the highest known.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int16, Int32, Int64, Message, String, UInt16, Uuid, field, struct


@struct
class ControlRecordTypeSchema:
    """The key of a control record."""

    type: Int16 = field()


@struct
class EndTxnMarker:
    """The value of a record that commits or aborts a transaction."""

    coordinator_epoch: Int32 = field()


@struct
class LeaderChangeMessage:
    """The first record of each epoch of the metadata log: who leads it, and who voted for that."""

    version: Int16 = field()
    leader_id: Int32 = field()
    voters: Array[LeaderChangeVoter] = field()
    granting_voters: Array[LeaderChangeVoter] = field()


@struct
class LeaderChangeVoter:
    """One voter."""

    voter_id: Int32 = field()
    voter_directory_id: Uuid = field("1+")


@struct
class SnapshotHeaderRecord:
    """The first record of a snapshot of the metadata log: the timestamp in ms of the last batch that went into it."""

    version: Int16 = field()
    last_contained_log_timestamp: Int64 = field()


@struct
class SnapshotFooterRecord:
    """The last record of a snapshot: without it, the snapshot is not whole."""

    version: Int16 = field()


@struct
class KRaftVersionRecord:
    """The level of the KRaft protocol that the quorum runs at."""

    version: Int16 = field()
    kraft_version: Int16 = field()


@struct
class VotersRecord:
    """The voters of the quorum, from this record on."""

    version: Int16 = field()
    voters: Array[QuorumVoter] = field()


@struct
class QuorumVoter:
    """One voter, where it listens and what it can do."""

    voter_id: Int32 = field()
    voter_directory_id: Uuid = field()
    endpoints: Array[Endpoint] = field()
    kraft_version_feature: KRaftVersionFeature = field()


@struct
class Endpoint:
    """One listener of a voter."""

    name: String = field()
    host: String = field()
    port: UInt16 = field()


@struct
class KRaftVersionFeature:
    """The levels of the KRaft protocol that a voter can run at."""

    min_supported_version: Int16 = field()
    max_supported_version: Int16 = field()


CONTROL_RECORD_TYPE_SCHEMA = Message(ControlRecordTypeSchema, versions="0")
END_TXN_MARKER = Message(EndTxnMarker, versions="0")
LEADER_CHANGE_MESSAGE = Message(LeaderChangeMessage, versions="0-1", flexible="0+")
SNAPSHOT_HEADER_RECORD = Message(SnapshotHeaderRecord, versions="0", flexible="0+")
SNAPSHOT_FOOTER_RECORD = Message(SnapshotFooterRecord, versions="0", flexible="0+")
KRAFT_VERSION_RECORD = Message(KRaftVersionRecord, versions="0", flexible="0+")
VOTERS_RECORD = Message(VotersRecord, versions="0", flexible="0+")
