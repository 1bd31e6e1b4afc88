"""Fetch (key 1): read record batches from partitions: consumers and followers.

- 0-3: what is stored is converted to message sets. 3: a limit for the whole answer; order of partitions matters.
- 4: isolation level, aborted transactions. 5: the log start offset. 7: incremental sessions (KIP-227).
- 9: the leader epoch that the reader believes in. 10: zstd may come back. 11: racks (KIP-392).
- 12: the epoch of the last fetched batch, diverging epochs (KIP-595). 13: topics by id.
- 15: the replica is told in a tagged field. 16: endpoints of new leaders. 17: directory ids. 18: high watermarks.

The last batch of a partition may be cut short.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, Int64, Records, String, Uuid, field, struct


@struct
class FetchRequest:
    """What to read, how much, and how long to wait for it. Limits are in bytes."""

    cluster_id: String | None = field("12+", nullable="12+", tag=0, default=None, ignorable=True)
    replica_id: Int32 = field("0-14", default=-1)
    replica_state: ReplicaState = field("15+", tag=1)
    max_wait_ms: Int32 = field()
    min_bytes: Int32 = field()
    max_bytes: Int32 = field("3+", default=2147483647, ignorable=True)
    isolation_level: Int8 = field("4+", ignorable=True)
    session_id: Int32 = field("7+", ignorable=True)
    session_epoch: Int32 = field("7+", default=-1, ignorable=True)
    topics: Array[FetchTopic] = field()
    forgotten_topics_data: Array[ForgottenTopic] = field("7+")
    rack_id: String = field("11+", ignorable=True)


@struct
class ReplicaState:
    """Which follower asks; -1 for a consumer."""

    replica_id: Int32 = field("15+", default=-1)
    replica_epoch: Int64 = field("15+", default=-1)


@struct
class FetchTopic:
    """The partitions of one topic."""

    topic: String = field("0-12", ignorable=True)
    topic_id: Uuid = field("13+", ignorable=True)
    partitions: Array[FetchPartition] = field()


@struct
class ForgottenTopic:
    """The partitions of one topic that leave the session."""

    topic: String = field("7-12", ignorable=True)
    topic_id: Uuid = field("13+", ignorable=True)
    partitions: Array[Int32] = field("7+")


@struct
class FetchPartition:
    """One partition and the offset to read from."""

    partition: Int32 = field()
    current_leader_epoch: Int32 = field("9+", default=-1, ignorable=True)
    fetch_offset: Int64 = field()
    last_fetched_epoch: Int32 = field("12+", default=-1)
    log_start_offset: Int64 = field("5+", default=-1, ignorable=True)
    partition_max_bytes: Int32 = field()
    replica_directory_id: Uuid = field("17+", tag=0, ignorable=True)
    high_watermark: Int64 = field("18+", tag=1, default=9223372036854775807, ignorable=True)


@struct
class FetchResponse:
    """What was read. Partitions of a session that have no news are left out."""

    throttle_time_ms: Int32 = field("1+", ignorable=True)
    error_code: Int16 = field("7+", ignorable=True)
    session_id: Int32 = field("7+")
    responses: Array[FetchableTopicResponse] = field()
    node_endpoints: Array[NodeEndpoint] = field("16+", tag=0)


@struct
class FetchableTopicResponse:
    """The partitions of one topic."""

    topic: String = field("0-12", ignorable=True)
    topic_id: Uuid = field("13+", ignorable=True)
    partitions: Array[PartitionData] = field()


@struct
class NodeEndpoint:
    """Where a new leader listens."""

    node_id: Int32 = field("16+")
    host: String = field("16+")
    port: Int32 = field("16+")
    rack: String | None = field("16+", nullable="16+", default=None)


@struct
class PartitionData:
    """What was read of one partition, and what its offsets are now."""

    partition_index: Int32 = field()
    error_code: Int16 = field()
    high_watermark: Int64 = field()
    last_stable_offset: Int64 = field("4+", default=-1, ignorable=True)
    log_start_offset: Int64 = field("5+", default=-1, ignorable=True)
    diverging_epoch: EpochEndOffset = field("12+", tag=0)
    current_leader: LeaderIdAndEpoch = field("12+", tag=1)
    snapshot_id: SnapshotId = field("12+", tag=2)
    aborted_transactions: Array[AbortedTransaction] | None = field("4+", nullable="4+", ignorable=True)
    preferred_read_replica: Int32 = field("11+", default=-1)
    records: Records = field(nullable="0+")


@struct
class EpochEndOffset:
    """The last epoch in which follower and leader agree, and where it ends."""

    epoch: Int32 = field("12+", default=-1)
    end_offset: Int64 = field("12+", default=-1)


@struct
class LeaderIdAndEpoch:
    """The leader of a partition, as far as the broker knows."""

    leader_id: Int32 = field("12+", default=-1)
    leader_epoch: Int32 = field("12+", default=-1)


@struct
class SnapshotId:
    """The snapshot that the follower must fetch first."""

    end_offset: Int64 = field(default=-1)
    epoch: Int32 = field(default=-1)


@struct
class AbortedTransaction:
    """One aborted transaction: records of its producer from `first_offset` on are to be left out."""

    producer_id: Int64 = field("4+")
    first_offset: Int64 = field("4+")


FETCH = Api(1, versions="0-18", flexible="12+", request=FetchRequest, response=FetchResponse)
