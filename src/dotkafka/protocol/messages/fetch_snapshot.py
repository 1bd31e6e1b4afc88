"""FetchSnapshot (key 59): read a piece of a snapshot of the metadata log (KIP-630).

- 1: directory ids; where the leader listens (KIP-853).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, Int32, Int64, Records, String, UInt16, Uuid, field, struct


@struct
class FetchSnapshotRequest:
    """Which snapshots, and from which byte on."""

    cluster_id: String | None = field(nullable="0+", tag=0, default=None)
    replica_id: Int32 = field(default=-1)
    max_bytes: Int32 = field(default=2147483647)
    topics: Array[FetchSnapshotRequestTopicSnapshot] = field()


@struct
class FetchSnapshotRequestTopicSnapshot:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[FetchSnapshotRequestPartitionSnapshot] = field()


@struct
class FetchSnapshotRequestPartitionSnapshot:
    """The snapshot of one partition."""

    partition: Int32 = field()
    current_leader_epoch: Int32 = field()
    snapshot_id: SnapshotId = field()
    position: Int64 = field()
    replica_directory_id: Uuid = field("1+", tag=0, ignorable=True)


@struct
class SnapshotId:
    """The offset and the epoch that a snapshot goes up to."""

    end_offset: Int64 = field()
    epoch: Int32 = field()


@struct
class FetchSnapshotResponse:
    """The pieces."""

    throttle_time_ms: Int32 = field(ignorable=True)
    error_code: Int16 = field()
    topics: Array[FetchSnapshotResponseTopicSnapshot] = field()
    node_endpoints: Array[NodeEndpoint] = field("1+", tag=0)


@struct
class FetchSnapshotResponseTopicSnapshot:
    """The partitions of one topic."""

    name: String = field()
    partitions: Array[FetchSnapshotResponsePartitionSnapshot] = field()


@struct
class NodeEndpoint:
    """Where a leader listens."""

    node_id: Int32 = field("1+")
    host: String = field("1+")
    port: UInt16 = field("1+")


@struct
class FetchSnapshotResponsePartitionSnapshot:
    """A piece of the snapshot of one partition, cut anywhere."""

    index: Int32 = field()
    error_code: Int16 = field()
    snapshot_id: SnapshotId = field()
    current_leader: LeaderIdAndEpoch = field(tag=0)
    size: Int64 = field()
    position: Int64 = field()
    unaligned_records: Records = field()


@struct
class LeaderIdAndEpoch:
    """The leader of a partition, as far as the node knows."""

    leader_id: Int32 = field()
    leader_epoch: Int32 = field()


FETCH_SNAPSHOT = Api(59, versions="0-1", flexible="0+", request=FetchSnapshotRequest, response=FetchSnapshotResponse)
