"""A data directory opened for reading, and the batches in it that are proven to be what was written.

A batch of L2 is proven by its own CRC, and by the row that repeats its offsets and size; one of L1 by the checksum of
its entry too. What is not proven is reported and left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from dotkafka.broker import wal_entry
from dotkafka.broker.recovery import SHARD
from dotkafka.errors import DecodeError, Fenced, StorageFailed, StorageUnavailable
from dotkafka.records.batch import batch_headers, read_header, verify_crc
from dotkafka.storage.checkpoint_groups import BATCH_LAYOUT
from dotkafka.storage.checkpoint_inspection import CheckpointInspection
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.wal_inspection import WalInspection

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from types import TracebackType

    from dotkafka.records.batch import BatchHeader
    from dotkafka.storage.checkpoint_inspection import FoundGroup, FoundPartition
    from dotkafka.storage.file_system import OsFolderLock
    from dotkafka.storage.spi import TopicIdPartition
    from dotkafka.storage.wal_inspection import Report

WAL_FOLDER = f"wal/{SHARD}"
CHECKPOINT_FILE = "checkpoint.sqlite"


class FoundBatch(NamedTuple):
    """A proven batch. The data are valid until the next one is asked for."""

    partition: TopicIdPartition
    header: BatchHeader
    data: memoryview


class FoundItem(NamedTuple):
    """A proven batch of L1, or a log start offset."""

    sequence: int
    partition: TopicIdPartition
    header: BatchHeader | None
    """None for a log start offset."""
    offset: int
    data: memoryview
    file: str
    position: int
    """Of the batch in the file."""


class Contents:
    """The directory. No server can begin to use it until it is closed.

    Raises:
        Fenced: a server uses it.
        StorageUnavailable: there is no such directory, or it is none of dotkafka.
        OSError: it cannot be looked at.
    """

    def __init__(self, directory: str | os.PathLike[str], report: Report) -> None:
        self.path = Path(directory)
        self.report = report
        if not self.path.is_dir():
            raise StorageUnavailable(f"{self.path}: there is no such directory")
        checkpoint = self.path / CHECKPOINT_FILE
        self.has_checkpoint_file = checkpoint.exists()
        """Whether there is one, even if it cannot be read."""
        if not self.has_checkpoint_file and not (self.path / WAL_FOLDER).is_dir():
            raise StorageUnavailable(f"{self.path}: not a data directory: it has neither wal/ nor {CHECKPOINT_FILE}")
        self.file_system = OsFileSystem(self.path, read_only=True)
        self._lock = self._keep_servers_out()
        try:
            self.checkpoint = self._open_checkpoint(checkpoint)
            self.partitions: dict[int, FoundPartition] = {}
            """What L2 knows, by the number that it has for them."""
            self.position: tuple[int, int] | None = None
            """Epoch and next sequence of the last save."""
            self._damaged: set[TopicIdPartition] = set()
            self._has_strays = False
            if self.checkpoint is not None:
                self.partitions = self.checkpoint.partitions(SHARD)
                self.position = self.checkpoint.position(SHARD)
            self.wal = WalInspection(self.file_system, WAL_FOLDER, report, self.next_sequence)
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.checkpoint is not None:
            self.checkpoint.close()
        self._release()

    @property
    def is_newer(self) -> bool:
        """Whether a newer dotkafka has made it, so that nothing of it can be judged here."""
        return self.checkpoint is not None and self.checkpoint.is_newer

    @property
    def next_sequence(self) -> int:
        """The entry of L1 that L2 does not cover."""
        return self.position[1] if self.position is not None else 0

    def is_doubtful(self, partition: TopicIdPartition) -> bool:
        """Tell, after `checkpoint_batches`, whether L2 may have had batches of a partition that were not yielded."""
        is_damaged = self.checkpoint is None or self.checkpoint.is_damaged
        return is_damaged or self._has_strays or partition in self._damaged

    def checkpoint_batches(self) -> Iterator[FoundBatch]:
        """Yield the proven batches of L2; those of one partition in offset order."""
        if self.checkpoint is None:
            return
        deleted = self.checkpoint.deleted_row_ids()
        for group in self.checkpoint.groups():
            found = self.partitions.get(group.row_id)
            if found is not None:
                yield from self._proven(group, found.partition)
            elif group.row_id not in deleted:
                self._has_strays = True
                self.report("checkpoint-batch", self._place(group), "belongs to a partition that is not known")

    def wal_items(self) -> Iterator[FoundItem]:
        """Yield what the whole entries of L1 hold, in order."""
        for entry in self.wal.entries():
            position = entry.payload_position
            where = f"{entry.file}, byte {position}"
            try:
                for item in wal_entry.items(entry.payload):
                    position += wal_entry.ITEM_HEADER_SIZE
                    if item.kind == wal_entry.LOG_START_OFFSET:
                        yield FoundItem(
                            entry.sequence, item.partition, None, item.offset, item.data, entry.file, position
                        )
                    else:
                        for at, header in batch_headers(item.data):
                            data = item.data[at : at + header.size_bytes]
                            if not verify_crc(data, 0, header):
                                raise DecodeError(f"the batch at byte {position + at} does not match its CRC")
                            yield FoundItem(
                                entry.sequence,
                                item.partition,
                                header,
                                header.base_offset,
                                data,
                                entry.file,
                                position + at,
                            )
                    position += len(item.data)
            except (StorageFailed, DecodeError) as error:
                self.report("wal-entry", where, f"entry {entry.sequence}: {error}")

    def _proven(self, group: FoundGroup, partition: TopicIdPartition) -> Iterator[FoundBatch]:
        assert self.checkpoint is not None  # noqa: S101 (a group comes from it)
        place = self._place(group)
        if self.checkpoint.is_denied(group):
            self._doubt(partition, place, "the index says that it stands elsewhere")
            return
        rows = list(
            BATCH_LAYOUT.iter_unpack(group.layout[: len(group.layout) // BATCH_LAYOUT.size * BATCH_LAYOUT.size])
        )
        if (
            len(group.layout) % BATCH_LAYOUT.size
            or not rows
            or sum(row[3] for row in rows) != len(group.data)
            or (rows[0][0], rows[-1][1], max(row[2] for row in rows)) != group[2:5]
        ):
            self._doubt(partition, place, "its layout does not fit its batches")
        view = memoryview(group.data)
        position = 0
        for base_offset, last_offset, max_timestamp_ms, size in rows:
            if size <= 0 or position + size > len(view):
                return
            data = view[position : position + size]
            position += size
            try:
                header = read_header(data)
            except DecodeError as error:
                self._doubt(partition, f"{place}, offset {base_offset}", str(error))
                continue
            if header.size_bytes != size or not verify_crc(data, 0, header):
                self._doubt(partition, f"{place}, offset {base_offset}", "does not match its CRC")
            elif (header.base_offset, header.last_offset, header.max_timestamp_ms) != (
                base_offset,
                last_offset,
                max_timestamp_ms,
            ):
                self._doubt(partition, f"{place}, offset {base_offset}", "header and layout contradict each other")
            else:
                yield FoundBatch(partition, header, data)

    def _doubt(self, partition: TopicIdPartition, place: str, what: str) -> None:
        self._damaged.add(partition)
        self.report("checkpoint-batch", place, what)

    def _place(self, group: FoundGroup) -> str:
        found = self.partitions.get(group.row_id)
        of = f" of topic id {found.partition.topic_id.hex()}-{found.partition.partition}" if found else ""
        offsets = f"offsets {group.base_offset} to {group.last_offset}"
        return f"{self.path / CHECKPOINT_FILE}, group {group.group_id}{of}, {offsets}"

    def _open_checkpoint(self, path: Path) -> CheckpointInspection | None:
        if not self.has_checkpoint_file:
            return None
        try:
            return CheckpointInspection(path, self.report)
        except OSError as error:
            self.report("unreadable", str(path), f"cannot be read: {error.strerror or error}")
            return None

    def _keep_servers_out(self) -> OsFolderLock | None:
        try:
            return self.file_system.lock_against_writers(f"{WAL_FOLDER}/lock")
        except FileNotFoundError:
            return None
        except BlockingIOError as error:
            raise Fenced(
                f"{self.path} is in use by {error.strerror}: what is being written cannot be judged; stop the server"
            ) from error

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
