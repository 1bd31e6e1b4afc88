"""The storage seams: what a write-ahead log (L1) and a checkpoint store (L2) promise.

A partition's recent batches live in memory (L0, `dotkafka.log.tail`). What is here makes them survive: L1 is where an
acknowledged byte is durable, L2 is where it ends up, lazily, so that L1 can be trimmed and memory can forget.

All calls are synchronous and may block; the server runs them in threads, tests run them inline. One writer at a time
owns a shard: `WriteAheadLog.open` fences whoever had it before. The engine treats payloads as opaque bytes.

Errors, and nothing else, leave an engine: `Fenced`, `StorageUnavailable`, `StorageFailed` (see `dotkafka.errors`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import attrs

Buffer = bytes | bytearray | memoryview
"""What the seams take and give as bytes. Nobody changes them any more, so an engine may keep them without a copy."""


class TopicIdPartition(NamedTuple):
    """One partition of one incarnation of a topic: the id (16 bytes) tells a deleted topic from its re-creation."""

    topic_id: bytes
    partition: int


class WalEntry(NamedTuple):
    """One entry of a write-ahead log, as it was appended."""

    sequence: int
    epoch: int
    payload: memoryview


class WalWriter(Protocol):
    """The one writer of a shard's write-ahead log, until it is closed or fenced. One thread at a time calls it."""

    @property
    def epoch(self) -> int:
        """This writer's number, higher than that of every writer before it on the shard. It is Kafka's leader epoch."""
        ...

    @property
    def next_sequence(self) -> int:
        """The sequence that the next appended entry will get."""
        ...

    def append(self, parts: Sequence[Buffer]) -> int:
        """Append one entry, the concatenation of `parts`, and return its sequence once it survives a crash.

        All or nothing: after a crash the entry is read back whole or not at all, and never without all before it.

        `parts` are contiguous buffers of single bytes.

        Raises:
            Fenced: a newer writer exists; nothing was appended.
            StorageUnavailable: nothing is known to be appended (a full disk, say); the same call may be made again, and
                then appends one entry, not two.
            StorageFailed: the log cannot be trusted any more (a failed fsync); every later call raises it too.
        """
        ...

    def trim(self, before_sequence: int) -> None:
        """Allow entries with a sequence below `before_sequence` to be forgotten. May keep more than asked.

        Raises:
            Fenced: a newer writer exists.
            StorageUnavailable: not done now. It is not asked for again, but the next trim is one of a later sequence.
            StorageFailed: the log cannot be trusted any more.
        """
        ...

    def close(self) -> None:
        """Give the shard up. Appended entries stay."""
        ...


class WriteAheadLog(Protocol):
    """L1: the durability point and the fencing point of every shard."""

    @property
    def durable(self) -> bool:
        """Whether entries survive the process. If not, appending is quick and may be done inline."""
        ...

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> WalWriter:
        """Become the writer of a shard; any earlier writer gets `Fenced` from then on.

        A torn tail (an append that a crash cut) is removed, and the log continues after the last whole entry. What is
        then in the log is durable, also what an earlier writer appended without learning that it succeeded.

        The minimums are for a log that is behind its checkpoint store, because it lives in memory or was removed: pass
        `checkpoint.epoch + 1` and `checkpoint.next_sequence`, else the store refuses the new epoch as an old one, and
        new entries look as if they were in the checkpoint.

        Args:
            shard: number of the shard, from 0.
            owner: who asks, for messages to people; not interpreted.
            minimum_epoch: the writer's epoch will be this or higher.
            minimum_sequence: if the log ends before it, its entries are dropped and it starts over from here.

        Raises:
            Fenced: another live owner holds the shard, and this engine cannot fence it.
            StorageUnavailable: not possible now (a full disk, say); the shard is as it was.
            StorageFailed: an entry in the middle is damaged; the message names the file and the offset.
        """
        ...

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        """Yield entries in order, from `from_sequence` (or the oldest kept, if that is later) to the end.

        Payloads are valid until the next entry is asked for. Entries appended after the call may be left out. Not to be
        used while a writer trims what is being read.

        Raises:
            StorageFailed: an entry in the middle is damaged or missing; the message names the file and the offset.
        """
        ...


class StoredBatch(NamedTuple):
    """A record batch to be kept in L2, and what is needed to find it."""

    base_offset: int
    last_offset: int
    max_timestamp_ms: int
    data: Buffer


@attrs.frozen
class Replacement:
    """What compaction has left of some consecutive batches that the store has."""

    start_offset: int
    """Where the first of them begins."""
    end_offset: int
    """Where the last of them ends: one more than its last offset. No stored batch lies across either of the two."""
    batches: Sequence[StoredBatch] = ()
    """What stands in their place, in offset order and within the two offsets; there may be gaps."""


@attrs.frozen
class PartitionChanges:
    """What has happened to one partition since the last checkpoint."""

    batches: Sequence[StoredBatch] = ()
    """To be added, in offset order, above all that the store has. Those it has already (from a save whose outcome was
    unknown) are skipped."""
    log_start_offset: int = 0
    """Batches that end below it may be dropped. A batch that holds it stays whole. It never goes back."""
    truncate_to: int | None = None
    """If set: stored batches with `last_offset >= truncate_to` are removed before `batches` are added."""
    replacement: Replacement | None = None
    """If set: stored batches within its offsets are removed, and its own put there. May be made again, as all of this.
    It changes neither `end_offset` nor anything else, and comes before `truncate_to`."""


@attrs.frozen
class Changes:
    """One checkpoint, saved whole or not at all. An empty one still raises the epoch: so a new owner fences others."""

    epoch: int
    """Of the writer that made it; the store refuses one older than it holds."""
    next_sequence: int
    """L1 entries below this sequence are covered by this checkpoint and those before it. It never goes back: if the
    store holds a higher one, that stays."""
    partitions: Mapping[TopicIdPartition, PartitionChanges] = attrs.field(factory=dict)
    deleted: Sequence[TopicIdPartition] = ()
    """Partitions to be dropped with everything in them. Deleting an unknown one is no error."""
    snapshots: Mapping[str, bytes | None] = attrs.field(factory=dict)
    """Opaque state by name, replacing what the store had under that name; None removes it. Others stay."""


class StoredRange(NamedTuple):
    """What a checkpoint holds of one partition: batches from `log_start_offset` up to, not including, `end_offset`.

    `end_offset` is one more than the last offset ever saved, also when retention has removed every batch. Compaction
    leaves gaps between batches, but always one that ends there.
    """

    log_start_offset: int
    end_offset: int


@attrs.frozen
class Checkpoint:
    """The state of a checkpoint store at start."""

    epoch: int
    """Of the last save."""
    next_sequence: int
    """Of the last save: L1 is read from this entry on."""
    partitions: Mapping[TopicIdPartition, StoredRange]
    """All that were saved and not deleted, also those without batches."""
    snapshots: Mapping[str, bytes]
    """All that were saved and not removed, by name."""


class CheckpointStore(Protocol):
    """L2: where batches and snapshots end up. One thread at a time saves; others may read meanwhile."""

    def load(self, shard: int) -> Checkpoint | None:
        """Return what the shard holds, or None if nothing was ever saved.

        Raises:
            StorageUnavailable: not possible now.
            StorageFailed: the store is damaged; the message names the place.
        """
        ...

    def save(self, shard: int, changes: Changes) -> None:
        """Apply `changes` in one durable step: after a crash all of them are there, or none.

        Raises:
            Fenced: the store holds a checkpoint of a newer epoch; nothing was changed.
            StorageUnavailable: not done now; the same changes may be saved again.
            StorageFailed: the store is damaged.
        """
        ...

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Return whole batches in order, the first of them the one that holds `offset` or the first one after it.

        As many as fit into `max_bytes`, but always at least one if there is one. Empty if there is none, or the
        partition is not known. A buffer holds one or more batches; none is cut.

        Raises:
            StorageUnavailable: not possible now.
            StorageFailed: what is asked for is damaged; the message names the place.
        """
        ...

    def batch_for_timestamp(
        self, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
    ) -> Buffer | None:
        """Return the first batch, from the one that holds `start_offset` on, that reaches a timestamp, or None.

        That batch alone: the first whose largest timestamp is `timestamp_ms` or later.

        Raises:
            StorageUnavailable, StorageFailed: as `read` does.
        """
        ...

    def close(self) -> None:
        """Release files and connections. What was saved stays."""
        ...


@runtime_checkable
class SweepingStore(Protocol):
    """What a checkpoint store has besides, if it frees room later than it is told to forget what takes it."""

    def sweep(self) -> bool:
        """Free a portion, in a bounded time; return whether there may be more. On the thread that saves."""
        ...


class FileHandle(Protocol):
    """An open file of a `FileSystem`."""

    def write_at(self, position: int, parts: Sequence[Buffer]) -> None:
        """Write all `parts`, one after another, from byte `position` on; a short write is continued until done."""
        ...

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from byte `position`; fewer only at the end of the file."""
        ...

    def allocate(self, size: int) -> None:
        """Make the file `size` bytes long with its blocks on disk, so that writes within need no new space."""
        ...

    def size(self) -> int:
        """Return the length of the file in bytes."""
        ...

    def sync(self) -> None:
        """Return once everything written is on disk (fdatasync, or fsync where the length changed)."""
        ...

    def close(self) -> None:
        """Close the file."""
        ...


class FileSystem(Protocol):
    """The files of one data directory. Names are relative, with `/` between folders.

    Errors of the operating system come out as OSError; the engines decide what each means.
    """

    def open(self, name: str, *, create: bool = False) -> FileHandle:
        """Open a file for reading and writing. With `create`, it must not exist yet and is empty."""
        ...

    def list(self, folder: str) -> Sequence[str]:
        """Return the names of the files in a folder, sorted; empty if the folder does not exist."""
        ...

    def make_folder(self, folder: str) -> None:
        """Create a folder and those above it, durably; no error if it exists."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename a file, replacing what has the new name. Durable only after `sync_folder`."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file. Durable only after `sync_folder`."""
        ...

    def sync_folder(self, folder: str) -> None:
        """Return once the folder's entries (creations, renames, removals) are on disk."""
        ...

    def lock(self, name: str, holder: str) -> "FolderLock":
        """Take an exclusive lock that ends with the process; `holder` is told to those who come too late.

        Raises:
            BlockingIOError: it is taken; its `strerror` names the holder.
        """
        ...


class FolderLock(Protocol):
    """An exclusive lock held on a data directory."""

    def release(self) -> None:
        """Give the lock back."""
        ...
