"""The records of `__consumer_offsets` under the classic protocol: committed offsets and groups.

A key is an int16 record type and the body at version 0: types 0 and 1 are offsets, 2 is a group. A value is an int16
version and the body at that version; null deletes. Writers use type 1, whose key looks like that of type 0.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Bytes, Int32, Int64, Message, String, Uuid, field, struct


@struct
class LegacyOffsetCommitKey:
    """Record type 0, written by Kafka before 0.9."""

    group: String = field()
    topic: String = field()
    partition: Int32 = field()


@struct
class LegacyOffsetCommitValue:
    """A committed offset, as Kafka before 0.9 wrote it."""

    offset: Int64 = field()
    metadata: String = field()
    commit_timestamp: Int64 = field()


@struct
class OffsetCommitKey:
    """Record type 1: whose offset it is."""

    group: String = field()
    topic: String = field()
    partition: Int32 = field()


@struct
class OffsetCommitValue:
    """A committed offset."""

    offset: Int64 = field()
    leader_epoch: Int32 = field("3+", default=-1, ignorable=True)
    metadata: String = field()
    commit_timestamp: Int64 = field()
    expire_timestamp: Int64 = field("1", default=-1, ignorable=True)
    topic_id: Uuid = field("4+", tag=0, ignorable=True)


@struct
class GroupMetadataKey:
    """Record type 2: which group it is."""

    group: String = field()


@struct
class GroupMetadataValue:
    """A generation of a group: its protocol, leader and members."""

    protocol_type: String = field()
    generation: Int32 = field()
    protocol: String | None = field(nullable="0+")
    leader: String | None = field(nullable="0+")
    current_state_timestamp: Int64 = field("2+", default=-1, ignorable=True)
    members: Array[MemberMetadata] = field()


@struct
class MemberMetadata:
    """One member of a generation, with what it subscribed to and what it was assigned."""

    member_id: String = field()
    group_instance_id: String | None = field("3+", nullable="3+", default=None, ignorable=True)
    client_id: String = field()
    client_host: String = field()
    rebalance_timeout: Int32 = field("1+", default=-1, ignorable=True)
    session_timeout: Int32 = field()
    subscription: Bytes = field()
    assignment: Bytes = field()


LEGACY_OFFSET_COMMIT_KEY = Message(LegacyOffsetCommitKey, versions="0")
LEGACY_OFFSET_COMMIT_VALUE = Message(LegacyOffsetCommitValue, versions="0")
OFFSET_COMMIT_KEY = Message(OffsetCommitKey, versions="0")
OFFSET_COMMIT_VALUE = Message(OffsetCommitValue, versions="0-4", flexible="4+")
GROUP_METADATA_KEY = Message(GroupMetadataKey, versions="0")
GROUP_METADATA_VALUE = Message(GroupMetadataValue, versions="0-4", flexible="4+")
