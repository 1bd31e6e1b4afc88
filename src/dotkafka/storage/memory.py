"""Both storage seams in memory, for tests and for brokers whose data may die with the process.

It is also the plainest reading of what `dotkafka.storage.spi` promises.

Nothing is copied: what a caller appends or saves does not change any more, and is kept as it is.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from threading import Lock  # noqa: TID251 (a fenced writer's append must end before its successor starts)
from typing import Self

import attrs

from dotkafka.errors import Fenced, StorageFailed
from dotkafka.storage.spi import (
    Buffer,
    Changes,
    Checkpoint,
    PartitionChanges,
    Replacement,
    StoredBatch,
    StoredRange,
    TopicIdPartition,
    WalEntry,
)


@attrs.define(eq=False)
class _Shard:
    """One shard's log, and who may write it."""

    lock: Lock = attrs.field(factory=Lock)
    epoch: int = -1
    owner: str = ""
    next_sequence: int = 0
    entries: deque[tuple[int, int, tuple[Buffer, ...]]] = attrs.field(factory=deque)
    """Sequence, epoch and the parts of each entry."""


class MemoryWal:
    """A write-ahead log (L1) that lives and dies with this object."""

    durable = False

    def __init__(self) -> None:
        self._lock = Lock()
        self._shards: dict[int, _Shard] = {}

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> "MemoryWalWriter":
        """Become the writer of a shard; see `WriteAheadLog.open`."""
        with self._lock:
            state = self._shards.setdefault(shard, _Shard())
        with state.lock:
            state.epoch = max(state.epoch + 1, minimum_epoch)
            state.owner = owner
            if state.next_sequence < minimum_sequence:
                state.entries.clear()
                state.next_sequence = minimum_sequence
            return MemoryWalWriter(shard, state)

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        """Yield the entries there are at the time of the call; see `WriteAheadLog.read`."""
        state = self._shards.get(shard)
        if state is None:
            return
        with state.lock:
            entries = [entry for entry in state.entries if entry[0] >= from_sequence]
        for sequence, epoch, parts in entries:
            yield WalEntry(sequence, epoch, memoryview(b"".join(parts)))


class MemoryWalWriter:
    """The writer that `MemoryWal.open` returns; see `WalWriter`."""

    def __init__(self, shard: int, state: _Shard) -> None:
        self._shard = shard
        self._state = state
        self._closed = False
        self.epoch = state.epoch

    @property
    def next_sequence(self) -> int:
        """The sequence that the next appended entry will get."""
        return self._state.next_sequence

    def append(self, parts: Sequence[Buffer]) -> int:
        """Append one entry; see `WalWriter.append`."""
        with self._state.lock:
            self._check_owner()
            sequence = self._state.next_sequence
            self._state.entries.append((sequence, self.epoch, tuple(parts)))
            self._state.next_sequence = sequence + 1
            return sequence

    def trim(self, before_sequence: int) -> None:
        """Forget entries below `before_sequence`."""
        with self._state.lock:
            self._check_owner()
            entries = self._state.entries
            while entries and entries[0][0] < before_sequence:
                entries.popleft()

    def close(self) -> None:
        """Give the shard up. Appended entries stay."""
        self._closed = True

    def _check_owner(self) -> None:
        if self.epoch != self._state.epoch:
            raise Fenced(
                f"shard {self._shard}: epoch {self.epoch} is fenced by epoch {self._state.epoch} of {self._state.owner}"
            )
        if self._closed:
            raise StorageFailed(f"shard {self._shard}: this writer has been closed")


@attrs.define(eq=False)
class _StoredPartition:
    """One partition's batches, in offset order; `last_offsets` holds theirs, for searching."""

    log_start_offset: int = 0
    end_offset: int = 0
    batches: list[StoredBatch] = attrs.field(factory=list)
    last_offsets: list[int] = attrs.field(factory=list)

    def changed(self, changes: PartitionChanges) -> "_StoredPartition":
        """Return this partition with the changes applied; this one stays as it is, for readers meanwhile."""
        kept = self.batches
        end_offset = self.end_offset
        if changes.replacement is not None:
            kept = _replaced(kept, changes.replacement)
        if changes.truncate_to is not None:
            count = bisect_left(kept, changes.truncate_to, key=_last_offset)
            first_removed = [kept[count].base_offset] if count < len(kept) else []
            end_offset = min(end_offset, changes.truncate_to, *first_removed)
            kept = kept[:count]
        added = [batch for batch in changes.batches if batch.last_offset >= end_offset]
        log_start_offset = max(self.log_start_offset, changes.log_start_offset)
        batches = [batch for batch in (*kept, *added) if batch.last_offset >= log_start_offset]
        end_offset = added[-1].last_offset + 1 if added else end_offset
        return _StoredPartition(
            log_start_offset,
            max(end_offset, log_start_offset),
            batches,
            [batch.last_offset for batch in batches],
        )


def _replaced(batches: list[StoredBatch], replacement: Replacement) -> list[StoredBatch]:
    first = bisect_left(batches, replacement.start_offset, key=_last_offset)
    end = bisect_left(batches, replacement.end_offset, key=_last_offset)
    return [*batches[:first], *replacement.batches, *batches[end:]]


def _last_offset(batch: StoredBatch) -> int:
    return batch.last_offset


@attrs.frozen
class _StoredShard:
    """One shard as of its last checkpoint. Replaced whole by each save, so a reader never sees half of one."""

    epoch: int
    next_sequence: int
    partitions: Mapping[TopicIdPartition, _StoredPartition]
    snapshots: Mapping[str, bytes]


class MemoryCheckpointStore:
    """A checkpoint store (L2) that lives and dies with this object."""

    def __init__(self) -> None:
        self._shards: dict[int, _StoredShard] = {}

    def __copy__(self) -> Self:
        """Return a store that holds what this one holds now: a later save changes one of the two."""
        other = self.__class__.__new__(self.__class__)
        other.__dict__ |= self.__dict__ | {"_shards": dict(self._shards)}
        return other

    def load(self, shard: int) -> Checkpoint | None:
        """Return what the shard holds, or None if nothing was ever saved."""
        stored = self._shards.get(shard)
        if stored is None:
            return None
        return Checkpoint(
            stored.epoch,
            stored.next_sequence,
            {
                name: StoredRange(partition.log_start_offset, partition.end_offset)
                for name, partition in stored.partitions.items()
            },
            dict(stored.snapshots),
        )

    def save(self, shard: int, changes: Changes) -> None:
        """Apply `changes` in one step; see `CheckpointStore.save`."""
        stored = self._shards.get(shard) or _StoredShard(-1, 0, {}, {})
        if stored.epoch > changes.epoch:
            raise Fenced(
                f"shard {shard}: epoch {changes.epoch} is older than epoch {stored.epoch} of the last checkpoint"
            )
        partitions = dict(stored.partitions)
        for name in changes.deleted:
            partitions.pop(name, None)
        for name, partition_changes in changes.partitions.items():
            partitions[name] = partitions.get(name, _StoredPartition()).changed(partition_changes)
        snapshots = dict(stored.snapshots)
        for snapshot_name, snapshot in changes.snapshots.items():
            if snapshot is None:
                snapshots.pop(snapshot_name, None)
            else:
                snapshots[snapshot_name] = snapshot
        next_sequence = max(stored.next_sequence, changes.next_sequence)
        self._shards[shard] = _StoredShard(changes.epoch, next_sequence, partitions, snapshots)

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Return whole batches from `offset` on; see `CheckpointStore.read`."""
        stored = self._find(shard, partition)
        found: list[Buffer] = []
        for index in range(bisect_left(stored.last_offsets, offset), len(stored.batches)):
            batch = stored.batches[index]
            max_bytes -= len(batch.data)
            if found and max_bytes < 0:
                break
            found.append(batch.data)
        return found

    def batch_for_timestamp(
        self, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
    ) -> Buffer | None:
        """Return the first batch that reaches a timestamp; see `CheckpointStore.batch_for_timestamp`."""
        stored = self._find(shard, partition)
        for index in range(bisect_left(stored.last_offsets, start_offset), len(stored.batches)):
            if stored.batches[index].max_timestamp_ms >= timestamp_ms:
                return stored.batches[index].data
        return None

    def close(self) -> None:
        """Do nothing: what was saved stays as long as this object."""

    def _find(self, shard: int, partition: TopicIdPartition) -> _StoredPartition:
        stored = self._shards.get(shard)
        return stored.partitions.get(partition, _StoredPartition()) if stored else _StoredPartition()
