"""The files of one shard of the file write-ahead log: which segments there are, and how one comes and goes.

    <folder>/lock                        whoever holds it owns the shard; its text says who
    <folder>/00000000000000000017.wal    segment 17
    <folder>/00000000000000000012.spare  an allocated file without meaning, to be the next segment

A segment becomes visible by a rename, after its header (and what it begins with) is durable; so a file called `.wal`
always has a valid header, and a crash before the rename leaves a spare. Segments go oldest first, each one durably
before the next, so that no crash leaves a hole.

An OSError means that nothing has changed and the call may be made again. A sync that fails is `StorageFailed`: what is
on disk is then not known, and asking again would get a false yes.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from errno import EAGAIN, EDQUOT, EMFILE, ENFILE, ENOMEM, ENOSPC

import attrs

from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage.spi import Buffer, FileHandle, FileSystem
from dotkafka.storage.wal_segment import ENTRIES_START, SegmentHeader

SEGMENT_SUFFIX = ".wal"
SPARE_SUFFIX = ".spare"

_PASSING_CONDITIONS = frozenset({EAGAIN, EDQUOT, EMFILE, ENFILE, ENOMEM, ENOSPC})


@contextlib.contextmanager
def translated_errors(doing: str) -> Iterator[None]:
    """Make an OSError inside a `StorageUnavailable` if it may pass (a full disk), else a `StorageFailed`."""
    try:
        yield
    except OSError as error:
        kind = StorageUnavailable if error.errno in _PASSING_CONDITIONS else StorageFailed
        raise kind(f"{doing}: {error}") from error


def sync_for_good(sync: Callable[[], None], name: str) -> None:
    """Call `sync`, and take its failure as final.

    After a failed sync the kernel may have dropped what it could not write, and report success the next time.
    """
    try:
        sync()
    except OSError as error:
        raise StorageFailed(
            f"{name}: cannot be made durable: {error}; nothing more is written until the log is opened anew"
        ) from error


@attrs.frozen
class Segment:
    """A segment that belongs to the log."""

    name: str
    header: SegmentHeader
    size_bytes: int


def in_use(segments: Sequence[Segment]) -> list[Segment]:
    """Return the last one, and those before it of which a later one has not made everything obsolete."""
    kept: list[Segment] = []
    for segment in segments:
        if segment.header.starts_over:
            kept.clear()
        if kept and kept[-1].header.first_sequence == segment.header.first_sequence:
            kept.pop()
        kept.append(segment)
    return kept


class WalFolder:
    """The segments of one shard."""

    def __init__(self, file_system: FileSystem, folder: str, *, segment_bytes: int, spare_segments: int) -> None:
        self._file_system = file_system
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._spare_segments = spare_segments

    def open(self, segment: Segment) -> FileHandle:
        """Open a segment's file."""
        return self._file_system.open(segment.name)

    def sync(self) -> None:
        """Return once the names of all files are durable."""
        sync_for_good(lambda: self._file_system.sync_folder(self._folder), self._folder)

    def segments(self) -> list[Segment]:
        """Return the segments of the log, oldest first, from what their headers say.

        Raises:
            StorageFailed: a header is damaged, or contradicts the file's name or the segments before.
        """
        segments: list[Segment] = []
        for name in self._names(SEGMENT_SUFFIX):
            segment = self._read_segment(name)
            header = segment.header
            if name != self._name(header.number, SEGMENT_SUFFIX):
                raise StorageFailed(f"{name}: its header at byte 0 says that it is segment {header.number}")
            if segments and header.first_sequence < segments[-1].header.first_sequence:
                raise StorageFailed(
                    f"{name}: its header at byte 0 says that it begins with entry {header.first_sequence}, but "
                    f"{segments[-1].name} before it begins with entry {segments[-1].header.first_sequence}"
                )
            segments.append(segment)
        return segments

    def publish(self, header: SegmentHeader, entry: Sequence[Buffer], room_bytes: int) -> tuple[Segment, FileHandle]:
        """Begin a segment, durably, with `entry` (encoded; or none) and room for at least `room_bytes` of entries.

        Raises:
            Fenced: another owner has begun a segment of this number or a higher one.
            OSError: nothing has changed.
            StorageFailed: a sync failed.
        """
        size_bytes = max(self._segment_bytes, ENTRIES_START + room_bytes)
        name = self._name(header.number, SEGMENT_SUFFIX)
        segments = self._names(SEGMENT_SUFFIX)
        if segments and segments[-1] >= name:
            raise Fenced(f"{segments[-1]}: another owner has begun this segment")
        spare = self._spare(header.number, size_bytes)
        file = self._file_system.open(spare)
        try:
            file.write_at(0, [header.encode()])
            if entry:
                file.write_at(ENTRIES_START, entry)
            sync_for_good(file.sync, spare)
            self._file_system.rename(spare, name)
            self.sync()
        except BaseException:
            file.close()
            raise
        return Segment(name, header, size_bytes), file

    def retire(self, segment: Segment) -> None:
        """Take the oldest segment out of the log, durably; keep its file as a spare if it can serve as one.

        Raises:
            OSError: nothing has changed.
            StorageFailed: a sync failed.
        """
        if segment.size_bytes == self._segment_bytes and len(self._names(SPARE_SUFFIX)) < self._spare_segments:
            self._file_system.rename(segment.name, self._name(segment.header.number, SPARE_SUFFIX))
        else:
            self._file_system.remove(segment.name)
        self.sync()

    def remove_useless_spares(self) -> None:
        """Remove spares of another size (an allocation that a crash cut), and those above the bound."""
        kept = 0
        for name in self._names(SPARE_SUFFIX):
            if kept < self._spare_segments and self._size_of(name) == self._segment_bytes:
                kept += 1
            else:
                self._file_system.remove(name)

    def _spare(self, number: int, size_bytes: int) -> str:
        """Return the name of a spare file of this size, made if there is none."""
        spares = self._names(SPARE_SUFFIX)
        for spare in spares:
            if self._size_of(spare) == size_bytes:
                return spare
        name = self._name(number, SPARE_SUFFIX)
        if name in spares:
            self._file_system.remove(name)
        file = self._file_system.open(name, create=True)
        try:
            file.allocate(size_bytes)
        except BaseException:
            with contextlib.suppress(OSError):
                self._file_system.remove(name)
            raise
        finally:
            file.close()
        return name

    def _read_segment(self, name: str) -> Segment:
        file = self._file_system.open(name)
        try:
            return Segment(name, SegmentHeader.decode(file.read_at(0, ENTRIES_START), name), file.size())
        finally:
            file.close()

    def _size_of(self, name: str) -> int:
        file = self._file_system.open(name)
        try:
            return file.size()
        finally:
            file.close()

    def _names(self, suffix: str) -> list[str]:
        names = self._file_system.list(self._folder)
        return [f"{self._folder}/{name}" for name in names if name.endswith(suffix)]

    def _name(self, number: int, suffix: str) -> str:
        return f"{self._folder}/{number:020d}{suffix}"
