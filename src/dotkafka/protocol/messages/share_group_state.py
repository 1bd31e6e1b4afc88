"""The records of `__share_group_state`: what share groups have done with partitions (KIP-932).

A key is an int16 record type and the body at version 0. A value is an int16 version and the body at that version;
null deletes. The state of a partition is its last snapshot and the updates of the same snapshot epoch after it.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Array, Int8, Int16, Int32, Int64, Message, String, Uuid, field, struct


@struct
class ShareSnapshotKey:
    """Record type 0: whose state it is."""

    group_id: String = field()
    topic_id: Uuid = field()
    partition: Int32 = field()


@struct
class ShareSnapshotValue:
    """The whole state of a partition."""

    snapshot_epoch: Int32 = field()
    state_epoch: Int32 = field()
    leader_epoch: Int32 = field()
    start_offset: Int64 = field()
    delivery_complete_count: Int32 = field(tag=0, default=-1)
    create_timestamp: Int64 = field()
    write_timestamp: Int64 = field()
    state_batches: Array[StateBatch] = field()


@struct
class StateBatch:
    """Offsets in the same state, both bounds in; 0 available, 2 acknowledged, 4 archived."""

    first_offset: Int64 = field()
    last_offset: Int64 = field()
    delivery_state: Int8 = field()
    delivery_count: Int16 = field()


@struct
class ShareUpdateKey:
    """Record type 1: whose state it is."""

    group_id: String = field()
    topic_id: Uuid = field()
    partition: Int32 = field()


@struct
class ShareUpdateValue:
    """What has changed since the snapshot; -1 is as before."""

    snapshot_epoch: Int32 = field()
    leader_epoch: Int32 = field()
    start_offset: Int64 = field()
    delivery_complete_count: Int32 = field(tag=0, default=-1)
    state_batches: Array[StateBatch] = field()


SHARE_SNAPSHOT_KEY = Message(ShareSnapshotKey, versions="0")
SHARE_SNAPSHOT_VALUE = Message(ShareSnapshotValue, versions="0", flexible="0+")
SHARE_UPDATE_KEY = Message(ShareUpdateKey, versions="0")
SHARE_UPDATE_VALUE = Message(ShareUpdateValue, versions="0", flexible="0+")
