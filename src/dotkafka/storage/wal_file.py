"""L1 in files: one append-only log of segments per shard, shared by all its partitions.

What a segment looks like is in `dotkafka.storage.wal_segment`, how segments come and go in
`dotkafka.storage.wal_folder`. Here: appending, fencing, and recovery. The rules that make it safe:

- One append is one write and one sync, and the next begins only after it. So at most the last append can be torn.
- Opening never goes on writing in an old segment. It begins a new one, whose header says with which sequence; whatever
  an older segment holds from that sequence on (a torn append, one given up for lack of space) is no longer read.
- The last whole entry may be one whose sync failed, and stand in the page cache only. Opening copies it into the new
  segment, so that it is durable before anybody acts on it. All earlier entries were, before it was written.
- Segments have their blocks allocated, and are used again after a trim: an append then changes no file system metadata,
  which is what makes the sync quick. The disk is trusted to write a sector whole or not at all, and to leave the
  sectors beside it alone.

After `StorageFailed` from a writer, the only way on is to stop acknowledging, open the shard again, and rebuild memory
from `read`: an append whose outcome was not known may then be in the log, or not. The new segment is a file of its own;
if the disk still fails, opening it does too.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from secrets import token_bytes  # noqa: TID251 (only a default; a simulation passes its own)
from threading import Lock  # noqa: TID251 (a fenced writer's append must end before its successor reads the log)

import attrs

from dotkafka.errors import Fenced, StorageFailed
from dotkafka.storage.spi import Buffer, FileHandle, FileSystem, FolderLock, WalEntry
from dotkafka.storage.wal_folder import Segment, WalFolder, in_use, sync_for_good, translated_errors
from dotkafka.storage.wal_segment import (
    ENTRIES_START,
    ENTRY_HEADER_SIZE,
    SALT_SIZE,
    ScannedEntry,
    SegmentHeader,
    SegmentScanner,
    encode_entry_header,
)

_LOG = logging.getLogger(__name__)


@attrs.frozen
class Recovery:
    """What opening a shard found."""

    first_sequence: int
    """Of the oldest entry kept; equal to `next_sequence` if there is none."""
    next_sequence: int
    torn_file: str = ""
    """The file that ended in an append which a crash had cut; empty if none did."""
    torn_position: int = 0
    torn_bytes: int = 0
    """How many bytes the cut append had claimed."""


@attrs.frozen
class _Tail:
    """How the log ends: `last_entry` is the last one of the last segment, None if that has none."""

    next_sequence: int
    last_entry: ScannedEntry | None
    torn_position: int
    torn_bytes: int


class FileWal:
    """A write-ahead log in the files of one data directory.

    Args:
        file_system: the files.
        segment_bytes: size of a segment. An entry that is larger gets a segment of its own size.
        spare_segments: how many trimmed segments to keep for use again.
        folder: where in the file system; each shard has a folder below it.
        random_bytes: gives the salts; they must be unguessable.
    """

    durable = True

    def __init__(
        self,
        file_system: FileSystem,
        *,
        segment_bytes: int = 32 * 1024 * 1024,
        spare_segments: int = 4,
        folder: str = "wal",
        random_bytes: Callable[[int], bytes] = token_bytes,
    ) -> None:
        self._file_system = file_system
        self._segment_bytes = segment_bytes
        self._spare_segments = spare_segments
        self._folder = folder
        self._random_bytes = random_bytes
        self._lock = Lock()
        self._writers: dict[int, FileWalWriter] = {}

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> "FileWalWriter":
        """Become the writer of a shard; see `WriteAheadLog.open`. What it found is in `FileWalWriter.recovery`.

        Only the last segment is searched for damage; `read` checks the others, as they are read anyway.
        """
        with self._lock:
            folder_lock = self._become_owner(shard, owner)
            try:
                writer = self._open_writer(shard, folder_lock, minimum_epoch, minimum_sequence)
            except BaseException:
                folder_lock.release()
                raise
            self._writers[shard] = writer
            return writer

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        """Yield entries in order; see `WriteAheadLog.read`."""
        writer = self._writers.get(shard)
        log_end = writer.next_sequence if writer is not None and writer.is_live else None
        folder = self._shard_folder(shard)
        with translated_errors(f"reading the write-ahead log of shard {shard}"):
            segments = in_use(folder.segments())
        ends = [segment.header.first_sequence for segment in segments[1:]]
        for segment, end in zip(segments, [*ends, log_end], strict=False):
            if end is None or end > from_sequence:
                with translated_errors(f"reading {segment.name}"):
                    file = folder.open(segment)
                try:
                    yield from _read_segment(file, segment, from_sequence, end)
                finally:
                    file.close()

    def _become_owner(self, shard: int, owner: str) -> FolderLock:
        """Fence this object's own writer and take its lock over, or take the lock."""
        previous = self._writers.pop(shard, None)
        folder_lock = previous.fence(owner) if previous else None
        if folder_lock is not None:
            return folder_lock
        folder = f"{self._folder}/{shard}"
        with translated_errors(f"opening the write-ahead log of shard {shard}"):
            self._file_system.make_folder(folder)
            try:
                return self._file_system.lock(f"{folder}/lock", owner)
            except BlockingIOError as error:
                raise Fenced(f"{folder}: shard {shard} is owned by {error.strerror}") from error

    def _open_writer(
        self, shard: int, folder_lock: FolderLock, minimum_epoch: int, minimum_sequence: int
    ) -> "FileWalWriter":
        folder = self._shard_folder(shard)
        with translated_errors(f"opening the write-ahead log of shard {shard}"):
            # What is seen from here on must not come back otherwise after a power cut.
            folder.sync()
            folder.remove_useless_spares()
            found = folder.segments()
            tail = _find_tail(folder, found)
            entry = tail.last_entry
            next_sequence = tail.next_sequence
            starts_over = next_sequence < minimum_sequence
            if starts_over:
                entry, next_sequence = None, minimum_sequence
            number = found[-1].header.number + 1 if found else 0
            epoch = max(found[-1].header.epoch + 1 if found else 0, minimum_epoch)
            salt = self._random_bytes(SALT_SIZE)
            encoded: list[Buffer] = []
            if entry is not None:
                encoded = [encode_entry_header(salt, entry.sequence, entry.epoch, [entry.payload]), entry.payload]
            first_sequence = entry.sequence if entry else next_sequence
            header = SegmentHeader(shard, number, epoch, first_sequence, salt, starts_over)
            size = sum(map(len, encoded))
            segment, file = folder.publish(header, encoded, size)
        segments = in_use([*found, segment])
        recovery = Recovery(segments[0].header.first_sequence, next_sequence)
        if tail.torn_bytes:
            recovery = attrs.evolve(
                recovery,
                torn_file=found[-1].name,
                torn_position=tail.torn_position,
                torn_bytes=tail.torn_bytes,
            )
            _LOG.warning(
                "%s: cut a torn append of %d bytes at byte %d; entry %d was never acknowledged",
                recovery.torn_file,
                recovery.torn_bytes,
                recovery.torn_position,
                tail.next_sequence,
            )
        writer = FileWalWriter(folder, folder_lock, segments, file, ENTRIES_START + size, recovery, self._random_bytes)
        try:
            with translated_errors(f"opening the write-ahead log of shard {shard}"):
                for obsolete in found:
                    if obsolete not in segments:
                        folder.retire(obsolete)
        except BaseException:
            file.close()
            raise
        return writer

    def _shard_folder(self, shard: int) -> WalFolder:
        return WalFolder(
            self._file_system,
            f"{self._folder}/{shard}",
            segment_bytes=self._segment_bytes,
            spare_segments=self._spare_segments,
        )


class FileWalWriter:
    """The writer that `FileWal.open` returns; see `WalWriter`.

    A lock makes every call wait for the one before it; so a writer that is fenced while it appends either returns
    before its successor looks at the log, or raises.
    """

    def __init__(  # noqa: PLR0917 (one call, in this module)
        self,
        folder: WalFolder,
        folder_lock: FolderLock,
        segments: list[Segment],
        file: FileHandle,
        position: int,
        recovery: Recovery,
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._folder = folder
        self._folder_lock: FolderLock | None = folder_lock
        self._segments = segments
        self._file = file
        self._position = position
        self._next_sequence = recovery.next_sequence
        self._random_bytes = random_bytes
        self._lock = Lock()
        self._ended: Callable[[], Exception] | None = None
        self.recovery = recovery
        self.epoch = segments[-1].header.epoch

    @property
    def next_sequence(self) -> int:
        """The sequence that the next appended entry will get."""
        return self._next_sequence

    @property
    def is_live(self) -> bool:
        """Whether it has been neither closed nor fenced, and has not failed."""
        return self._ended is None

    def append(self, parts: Sequence[Buffer]) -> int:
        """Append one entry; see `WalWriter.append`."""
        with self._lock:
            self._check_live()
            try:
                return self._append(parts)
            except (Fenced, StorageFailed) as error:
                self._end(type(error), str(error))
                raise

    def trim(self, before_sequence: int) -> None:
        """Forget whole segments of entries below `before_sequence`; see `WalWriter.trim`."""
        with self._lock:
            self._check_live()
            try:
                with translated_errors("trimming the write-ahead log"):
                    while len(self._segments) > 1 and self._segments[1].header.first_sequence <= before_sequence:
                        self._folder.retire(self._segments[0])
                        del self._segments[0]
            except StorageFailed as error:
                self._end(StorageFailed, str(error))
                raise

    def close(self) -> None:
        """Give the shard up. Appended entries stay."""
        with self._lock:
            if self._folder_lock is not None:
                self._folder_lock.release()
                self._folder_lock = None
            self._end(StorageFailed, "this writer of the write-ahead log has been closed")

    def fence(self, owner: str) -> FolderLock | None:
        """End this writer once its running call has ended, and hand its lock over; None if it was given back."""
        with self._lock:
            folder_lock, self._folder_lock = self._folder_lock, None
            if folder_lock is not None:
                self._end(Fenced, f"epoch {self.epoch} of the write-ahead log is fenced by a newer writer of {owner}")
            return folder_lock

    def _append(self, parts: Sequence[Buffer]) -> int:
        size = ENTRY_HEADER_SIZE + sum(map(len, parts))
        if self._position + size > self._segments[-1].size_bytes:
            with translated_errors("beginning a segment of the write-ahead log"):
                self._begin_segment(size)
        segment = self._segments[-1]
        sequence = self._next_sequence
        header = encode_entry_header(segment.header.salt, sequence, self.epoch, parts)
        # An error leaves the position where it was, so the next try writes over whatever this one wrote.
        with translated_errors(f"writing {segment.name} at byte {self._position}"):
            self._file.write_at(self._position, [header, *parts])
        sync_for_good(self._file.sync, segment.name)
        self._position += size
        self._next_sequence = sequence + 1
        return sequence

    def _begin_segment(self, room_bytes: int) -> None:
        last = self._segments[-1].header
        header = SegmentHeader(
            last.shard, last.number + 1, self.epoch, self._next_sequence, self._random_bytes(SALT_SIZE)
        )
        segment, file = self._folder.publish(header, (), room_bytes)
        self._file.close()
        self._segments.append(segment)
        self._file = file
        self._position = ENTRIES_START

    def _check_live(self) -> None:
        if self._ended is not None:
            raise self._ended()

    def _end(self, kind: type[Fenced | StorageFailed], message: str) -> None:
        """Make every later call raise; the first reason stays, except that a fenced writer says so."""
        self._file.close()
        if self._ended is None or kind is Fenced:
            self._ended = lambda: kind(message)


def _find_tail(folder: WalFolder, segments: Sequence[Segment]) -> _Tail:
    if not segments:
        return _Tail(0, None, ENTRIES_START, 0)
    segment = segments[-1]
    file = folder.open(segment)
    try:
        scanner = SegmentScanner(file, segment.header.salt)
        last_entry = None
        position = ENTRIES_START
        sequence = segment.header.first_sequence
        while (entry := scanner.entry_at(position)) is not None and entry.sequence == sequence:
            last_entry = entry
            position = entry.end_position
            sequence += 1
        _refuse_damage(scanner, segment, position, sequence)
        return _Tail(sequence, last_entry, position, scanner.torn_bytes_at(position))
    finally:
        file.close()


def _refuse_damage(scanner: SegmentScanner, segment: Segment, position: int, sequence: int) -> None:
    """Raise if what stands at `position`, where entry `sequence` would begin, is damage and not the end of the log."""
    later = scanner.find_entry_after(position, sequence)
    if later is not None:
        raise StorageFailed(
            f"{segment.name}: entry {sequence} at byte {position} is damaged: a later entry, at byte {later}, is whole"
        )


def _read_segment(file: FileHandle, segment: Segment, from_sequence: int, end: int | None) -> Iterator[WalEntry]:
    """Yield the segment's entries up to, not including, sequence `end`; if that is None, up to the end of the log."""
    position = ENTRIES_START
    sequence = segment.header.first_sequence
    with translated_errors(f"reading {segment.name}"):
        scanner = SegmentScanner(file, segment.header.salt)
    while end is None or sequence < end:
        with translated_errors(f"reading {segment.name} at byte {position}"):
            entry = scanner.entry_at(position)
            if entry is None or entry.sequence != sequence:
                if end is None:
                    _refuse_damage(scanner, segment, position, sequence)
                    return
                raise StorageFailed(
                    f"{segment.name}: entry {sequence} at byte {position} is damaged or missing: the log ends at {end}"
                )
        if sequence >= from_sequence:
            yield WalEntry(sequence, entry.epoch, entry.payload)
        position = entry.end_position
        sequence += 1
