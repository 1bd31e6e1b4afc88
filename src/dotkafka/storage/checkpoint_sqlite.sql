-- The tables of a checkpoint store, version 1 (PRAGMA user_version).

CREATE TABLE shards (
    shard INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    next_sequence INTEGER NOT NULL
) STRICT;

CREATE TABLE snapshots (
    shard INTEGER NOT NULL,
    name TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (shard, name)
) STRICT;

-- AUTOINCREMENT: a number is never used again, as batches of a deleted partition are removed later than it.
CREATE TABLE partitions (
    partition_id INTEGER PRIMARY KEY AUTOINCREMENT,
    shard INTEGER NOT NULL,
    topic_id BLOB NOT NULL,
    partition INTEGER NOT NULL,
    log_start_offset INTEGER NOT NULL,
    end_offset INTEGER NOT NULL,
    UNIQUE (shard, topic_id, partition)
) STRICT;

-- Consecutive batches of one partition. `layout` has one row of four numbers per batch (base offset, last offset,
-- largest timestamp, size in bytes), `data` the batches one after another. Small columns first: SQLite reads a row
-- from its start.
CREATE TABLE batch_groups (
    group_id INTEGER PRIMARY KEY,
    partition_id INTEGER NOT NULL,
    base_offset INTEGER NOT NULL,
    last_offset INTEGER NOT NULL,
    max_timestamp_ms INTEGER NOT NULL,
    layout BLOB NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- Groups do not overlap, so their order by last offset is the order by base offset. The timestamp is there so that a
-- search for one reads no table row but that of the answer.
CREATE UNIQUE INDEX batch_groups_by_offset ON batch_groups (partition_id, last_offset, max_timestamp_ms);

-- Partitions whose groups are still to be removed.
CREATE TABLE deleted_partitions (
    partition_id INTEGER PRIMARY KEY
) STRICT;
