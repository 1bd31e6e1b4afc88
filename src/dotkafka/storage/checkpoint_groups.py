"""The groups of batches in a checkpoint's SQLite file: how they are written, found, replaced and removed.

A group is a row with whole batches of one partition, one after another, and where each begins and ends (`layout`):
far fewer rows than batches, so both saving and reading are quick.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from dotkafka.storage.spi import StoredBatch

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from dotkafka.storage.spi import Buffer, Replacement, TopicIdPartition

BATCH_LAYOUT: Final = struct.Struct(">qqqq")
"""Of one batch of a group: base offset, last offset, largest timestamp, size in bytes."""
_GROUP_BYTES: Final = 256 * 1024
"""A group is closed before it grows past this. A read loads whole groups; a larger batch is a group alone."""
_SWEPT_PARTITIONS: Final = 100
"""How many partitions one sweep looks at."""
_INT64_MAX: Final = 2**63 - 1

_SELECT_GROUPS = (
    "SELECT layout, data, log_start_offset FROM partitions JOIN batch_groups USING (partition_id)"
    " WHERE shard = ? AND topic_id = ? AND partition = ? AND last_offset >= log_start_offset"
)


def read(
    connection: sqlite3.Connection, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int
) -> Sequence[Buffer]:
    """Return whole batches from `offset` on, several in one buffer; see `CheckpointStore.read`."""
    found: list[Buffer] = []
    groups = connection.execute(
        f"{_SELECT_GROUPS} AND last_offset >= ? ORDER BY last_offset",
        (shard, *partition, offset),
    )
    for layout, data, log_start_offset in groups:
        start, end = _range_within(layout, max(offset, log_start_offset), max_bytes, at_least_one=not found)
        if start < end:
            found.append(memoryview(data)[start:end])
        max_bytes -= end - start
        if end < len(data) or max_bytes <= 0:
            break
    groups.close()
    return found


def find_timestamp(
    connection: sqlite3.Connection, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
) -> Buffer | None:
    """Return the first batch that reaches a timestamp; see `CheckpointStore.batch_for_timestamp`."""
    groups = connection.execute(
        f"{_SELECT_GROUPS} AND last_offset >= ? AND max_timestamp_ms >= ? ORDER BY last_offset",
        (shard, *partition, start_offset, timestamp_ms),
    )
    for layout, data, log_start_offset in groups:
        # The group may begin with batches that come before, or that retention has taken out of sight.
        first_offset = max(start_offset, log_start_offset)
        for batch in _batches(layout, data):
            if batch.max_timestamp_ms >= timestamp_ms and batch.last_offset >= first_offset:
                groups.close()
                return batch.data
    return None


def remove_of_deleted(connection: sqlite3.Connection, limit: int) -> int:
    """Remove up to `limit` groups of deleted partitions; return how many."""
    removed = 0
    for (partition_id,) in connection.execute("SELECT partition_id FROM deleted_partitions").fetchall():
        removed += remove_below(connection, partition_id, _INT64_MAX, limit - removed)
        if removed >= limit:
            break
        connection.execute("DELETE FROM deleted_partitions WHERE partition_id = ?", (partition_id,))
    return removed


def sweep(connection: sqlite3.Connection, after_id: int, limit: int) -> tuple[int, int]:
    """Remove up to `limit` groups below log start offsets from the next few partitions.

    Return the last partition that was looked at, 0 if it was the last of all, and how much is left of the limit.

    Those of a partition that changes go anyway; these are for one that nothing happens to any more.
    """
    partitions = connection.execute(
        "SELECT partition_id, log_start_offset FROM partitions WHERE partition_id > ? ORDER BY partition_id LIMIT ?",
        (after_id, _SWEPT_PARTITIONS),
    ).fetchall()
    for partition_id, log_start_offset in partitions:
        limit -= remove_below(connection, partition_id, log_start_offset, limit)
        if limit <= 0:
            # It may have more: the next save begins with it.
            return int(partition_id) - 1, limit
    return (int(partitions[-1][0]) if len(partitions) == _SWEPT_PARTITIONS else 0), limit


def remove_below(connection: sqlite3.Connection, partition_id: int, below_offset: int, limit: int) -> int:
    """Remove up to `limit` groups of a partition that end below an offset; return how many."""
    return connection.execute(
        "DELETE FROM batch_groups WHERE group_id IN (SELECT group_id FROM batch_groups"
        " WHERE partition_id = ? AND last_offset < ? ORDER BY last_offset LIMIT ?)",
        (partition_id, below_offset, limit),
    ).rowcount


def replace(connection: sqlite3.Connection, partition_id: int, replacement: Replacement) -> int:
    """Put batches in the place of those that a range of offsets has; return how many groups were added.

    Groups that reach into the range, and a small one before it, are written anew, so that many small checkpoints do not
    stay many small groups.
    """
    ids, before, after = [], [], []
    for group_id, layout, data in connection.execute(
        "SELECT group_id, layout, data FROM batch_groups WHERE partition_id = ? AND last_offset >= ("
        "SELECT coalesce(max(last_offset), 0) FROM batch_groups WHERE partition_id = ? AND last_offset < ?)"
        " ORDER BY last_offset",
        (partition_id, partition_id, replacement.start_offset),
    ):
        batches = list(_batches(layout, data))
        if batches[0].base_offset >= replacement.end_offset:
            break
        if batches[-1].last_offset < replacement.start_offset and len(data) > _GROUP_BYTES // 2:
            continue
        ids.append((group_id,))
        before += [batch for batch in batches if batch.last_offset < replacement.start_offset]
        after += [batch for batch in batches if batch.base_offset >= replacement.end_offset]
    connection.executemany("DELETE FROM batch_groups WHERE group_id = ?", ids)
    groups = 0
    for group in grouped([*before, *replacement.batches, *after]):
        insert(connection, partition_id, group)
        groups += 1
    return groups


def truncate(connection: sqlite3.Connection, partition_id: int, truncate_to: int, end_offset: int) -> int:
    """Remove batches that reach `truncate_to`; return where the partition then ends."""
    first = connection.execute(
        "SELECT layout, data FROM batch_groups WHERE partition_id = ? AND last_offset >= ? ORDER BY last_offset",
        (partition_id, truncate_to),
    ).fetchone()
    if first is None:
        return min(end_offset, truncate_to)
    connection.execute(
        "DELETE FROM batch_groups WHERE partition_id = ? AND last_offset >= ?", (partition_id, truncate_to)
    )
    batches = list(_batches(*first))
    kept = [batch for batch in batches if batch.last_offset < truncate_to]
    if kept:
        insert(connection, partition_id, kept)
    return min(end_offset, truncate_to, batches[len(kept)].base_offset)


def grouped(batches: Iterable[StoredBatch]) -> Iterator[list[StoredBatch]]:
    """Yield batches in groups of a good size."""
    group: list[StoredBatch] = []
    size = 0
    for batch in batches:
        if group and size + len(batch.data) > _GROUP_BYTES:
            yield group
            group = []
            size = 0
        group.append(batch)
        size += len(batch.data)
    if group:
        yield group


def insert(connection: sqlite3.Connection, partition_id: int, batches: Sequence[StoredBatch]) -> None:
    """Write one group."""
    layout = b"".join(
        BATCH_LAYOUT.pack(batch.base_offset, batch.last_offset, batch.max_timestamp_ms, len(batch.data))
        for batch in batches
    )
    data = batches[0].data if len(batches) == 1 else b"".join(batch.data for batch in batches)
    connection.execute(
        "INSERT INTO batch_groups (partition_id, base_offset, last_offset, max_timestamp_ms, layout, data)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            partition_id,
            batches[0].base_offset,
            batches[-1].last_offset,
            max(batch.max_timestamp_ms for batch in batches),
            layout,
            data,
        ),
    )


def _batches(layout: bytes, data: bytes) -> Iterator[StoredBatch]:
    """Yield the batches of a group."""
    view = memoryview(data)
    position = 0
    for base_offset, last_offset, max_timestamp_ms, size in BATCH_LAYOUT.iter_unpack(layout):
        yield StoredBatch(base_offset, last_offset, max_timestamp_ms, view[position : position + size])
        position += size


def _range_within(layout: bytes, offset: int, max_bytes: int, *, at_least_one: bool) -> tuple[int, int]:
    """Return the byte range of the group's batches that reach `offset` and fit into `max_bytes`."""
    position = 0
    start = -1
    for _, last_offset, _, size in BATCH_LAYOUT.iter_unpack(layout):
        if start < 0 and last_offset >= offset:
            start = position
        if start >= 0 and position + size - start > max_bytes and not (at_least_one and position == start):
            break
        position += size
    return max(start, 0), position
