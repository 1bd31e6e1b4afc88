"""Named points of storage: a file system, an L1 and an L2 that say what they are about to do and have done.

A process that is killed at such a point leaves what a crash at that very moment leaves:

    def passed(point: str) -> None:
        if point == "after append.write":
            os.kill(os.getpid(), signal.SIGKILL)

    points = Failpoints(passed)
    wal = points.wal(FileWal(points.file_system(OsFileSystem(directory))))
    checkpoints = points.checkpoints(SqliteCheckpointStore(path))

A point is `before` or `after` a call, or `in` it. A call of the file system bears the name of what it is made for:
`append.write`, `trim.rename`, `open.sync`. Where an append opens a file, it begins a new segment: from then on until
the folder is synced, its calls are `roll.create`, `roll.write` and so on. After a call that has raised there is no
point.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dotkafka.storage.spi import (
        Buffer,
        Changes,
        Checkpoint,
        CheckpointStore,
        FileHandle,
        FileSystem,
        FolderLock,
        PartitionChanges,
        StoredBatch,
        TopicIdPartition,
        WalEntry,
        WalWriter,
        WriteAheadLog,
    )


def _around(*calls: str) -> tuple[str, ...]:
    return tuple(f"{when} {call}" for call in calls for when in ("before", "after"))


START_POINTS = (
    *_around("load", "open", "open.write", "open.sync", "open.rename", "open.sync_folder", "read"),
    "in read",
)
"""Passed when a broker starts on what another has left. `in read` is after the first entry of L1."""
SERVING_POINTS = (
    *_around("append", "append.write", "append.sync"),
    *_around("roll.create", "roll.allocate", "roll.write", "roll.sync", "roll.rename", "roll.sync_folder"),
    *_around("trim", "trim.rename", "trim.remove", "trim.sync_folder", "save"),
    "in save",
)
"""Passed while a broker serves on our write-ahead log in files. `in save` is between the batches of a partition."""
STOP_POINTS = _around("close wal", "close checkpoints")
"""Passed when a broker stops."""


class Failpoints:
    """Wraps storage so that `passed` is called with the name of each point, in the thread that passes it."""

    def __init__(self, passed: Callable[[str], None]) -> None:
        self.passed = passed
        self._local = threading.local()

    def file_system(self, files: FileSystem) -> FileSystem:
        """Return the file system with points around all that changes something."""
        return _FileSystem(files, self)

    def wal(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Return the write-ahead log with points around its calls."""
        return _Wal(wal, self)

    def checkpoints(self, store: CheckpointStore) -> CheckpointStore:
        """Return the checkpoint store with points around its calls, and one amid the batches of a save."""
        return _Checkpoints(store, self)

    @property
    def phase(self) -> str:
        """Which call of a log this thread is in; empty outside of them."""
        return getattr(self._local, "phase", "")

    @phase.setter
    def phase(self, phase: str) -> None:
        self._local.phase = phase

    @contextlib.contextmanager
    def around(self, call: str) -> Iterator[None]:
        """Pass the points before and after a call."""
        self.passed(f"before {call}")
        yield
        self.passed(f"after {call}")

    @contextlib.contextmanager
    def during(self, phase: str) -> Iterator[None]:
        """Pass the points around a call of a log, and name those within after it."""
        self.phase = phase
        try:
            with self.around(phase):
                yield
        finally:
            self.phase = ""

    def around_file(self, call: str) -> contextlib.AbstractContextManager[None]:
        """Pass the points around a call of the file system."""
        return self.around(f"{self.phase}.{call}" if self.phase else call)


@attrs.frozen
class _FileSystem:
    _files: FileSystem
    _points: Failpoints

    def open(self, name: str, *, create: bool = False) -> FileHandle:
        if self._points.phase == "append":
            self._points.phase = "roll"
        if not create:
            return _File(self._files.open(name), self._points)
        with self._points.around_file("create"):
            return _File(self._files.open(name, create=True), self._points)

    def list(self, folder: str) -> Sequence[str]:
        return self._files.list(folder)

    def make_folder(self, folder: str) -> None:
        with self._points.around_file("make_folder"):
            self._files.make_folder(folder)

    def rename(self, old: str, new: str) -> None:
        with self._points.around_file("rename"):
            self._files.rename(old, new)

    def remove(self, name: str) -> None:
        with self._points.around_file("remove"):
            self._files.remove(name)

    def sync_folder(self, folder: str) -> None:
        with self._points.around_file("sync_folder"):
            self._files.sync_folder(folder)
        if self._points.phase == "roll":
            self._points.phase = "append"

    def lock(self, name: str, holder: str) -> FolderLock:
        return self._files.lock(name, holder)


@attrs.frozen
class _File:
    _file: FileHandle
    _points: Failpoints

    def write_at(self, position: int, parts: Sequence[Buffer]) -> None:
        with self._points.around_file("write"):
            self._file.write_at(position, parts)

    def read_at(self, position: int, size: int) -> bytes:
        return self._file.read_at(position, size)

    def allocate(self, size: int) -> None:
        with self._points.around_file("allocate"):
            self._file.allocate(size)

    def size(self) -> int:
        return self._file.size()

    def sync(self) -> None:
        with self._points.around_file("sync"):
            self._file.sync()

    def close(self) -> None:
        self._file.close()


@attrs.frozen
class _Wal:
    _wal: WriteAheadLog
    _points: Failpoints

    @property
    def durable(self) -> bool:
        return self._wal.durable

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> WalWriter:
        with self._points.during("open"):
            writer = self._wal.open(shard, owner, minimum_epoch=minimum_epoch, minimum_sequence=minimum_sequence)
        return _Writer(writer, self._points)

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        self._points.passed("before read")
        for number, entry in enumerate(self._wal.read(shard, from_sequence)):
            yield entry
            if number == 0:
                self._points.passed("in read")
        self._points.passed("after read")


@attrs.frozen
class _Writer:
    _writer: WalWriter
    _points: Failpoints

    @property
    def epoch(self) -> int:
        return self._writer.epoch

    @property
    def next_sequence(self) -> int:
        return self._writer.next_sequence

    def append(self, parts: Sequence[Buffer]) -> int:
        with self._points.during("append"):
            return self._writer.append(parts)

    def trim(self, before_sequence: int) -> None:
        with self._points.during("trim"):
            self._writer.trim(before_sequence)

    def close(self) -> None:
        with self._points.around("close wal"):
            self._writer.close()


@attrs.frozen
class _Checkpoints:
    _store: CheckpointStore
    _points: Failpoints

    def load(self, shard: int) -> Checkpoint | None:
        with self._points.around("load"):
            return self._store.load(shard)

    def save(self, shard: int, changes: Changes) -> None:
        with self._points.around("save"):
            self._store.save(shard, attrs.evolve(changes, partitions=self._with_point(changes)))

    def _with_point(self, changes: Changes) -> Mapping[TopicIdPartition, PartitionChanges]:
        return {
            partition: attrs.evolve(of_partition, batches=_Batches(of_partition.batches, self._points.passed))
            for partition, of_partition in changes.partitions.items()
        }

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        return self._store.read(shard, partition, offset, max_bytes)

    def batch_for_timestamp(
        self, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
    ) -> Buffer | None:
        return self._store.batch_for_timestamp(shard, partition, timestamp_ms, start_offset)

    def close(self) -> None:
        with self._points.around("close checkpoints"):
            self._store.close()


class _Batches(list["StoredBatch"]):
    """The batches of one partition, with a point between the first and the rest."""

    def __init__(self, batches: Sequence[StoredBatch], passed: Callable[[str], None]) -> None:
        super().__init__(batches)
        self._passed = passed

    def __iter__(self) -> Iterator[StoredBatch]:
        for number, batch in enumerate(super().__iter__()):
            if number == 1:
                self._passed("in save")
            yield batch
