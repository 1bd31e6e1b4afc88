"""What stands in the files of a write-ahead log, whatever has happened to them; they are never changed.

`dotkafka.storage.wal_file` refuses damage; here it is reported, and reading goes on behind it: every entry carries a
checksum and its segment's salt, so the next whole one is found and is what it says.
"""

from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise

import attrs

from dotkafka.errors import StorageFailed
from dotkafka.storage.spi import FileSystem
from dotkafka.storage.wal_folder import SEGMENT_SUFFIX, SPARE_SUFFIX, Segment, in_use
from dotkafka.storage.wal_segment import (
    ENTRIES_START,
    ENTRY_HEADER_SIZE,
    SALT_SIZE,
    SegmentHeader,
    SegmentScanner,
)

Report = Callable[[str, str, str], None]
"""Takes what is wrong: kind of problem, where, what."""


@attrs.frozen
class FoundEntry:
    """A whole entry. The payload is valid until the next one is asked for."""

    sequence: int
    epoch: int
    payload: memoryview
    file: str
    payload_position: int
    """Of the payload in the file."""


@attrs.frozen
class TornTail:
    """An append that a crash has cut, at the end of the log. It was never acknowledged."""

    file: str
    position: int
    size_bytes: int


class WalInspection:
    """The log of one shard in `folder`.

    Args:
        file_system: need not be writable.
        folder: of the shard.
        report: told of everything that is wrong, when it is found.
        covered: entries below this sequence are in the checkpoint, too.

    Raises:
        OSError: the folder cannot be listed.
    """

    def __init__(self, file_system: FileSystem, folder: str, report: Report, covered: int = 0) -> None:
        self._file_system = file_system
        self._report = report
        self._covered = covered
        names = file_system.list(folder)
        self.unread: list[str] = []
        """Segment files of which nothing is known but that they are there, or that are not what they are called."""
        self.segments: list[Segment] = self._find_segments(
            [f"{folder}/{name}" for name in names if name.endswith(SEGMENT_SUFFIX)]
        )
        """Those that can be read, oldest first."""
        self.spare_count = sum(name.endswith(SPARE_SUFFIX) for name in names)
        self.epoch = max((segment.header.epoch for segment in self.segments), default=-1)
        self.torn: TornTail | None = None
        """Known when all entries have been read, as the rest is."""
        self.first_sequence: int | None = None
        """Of the oldest entry; None if there is none."""
        self.next_sequence = 0
        """Behind the last one."""
        self.lost: list[tuple[int, int]] = []
        """Sequences that are damaged or missing in the middle: from, up to but not including."""

    @property
    def size_bytes(self) -> int:
        """What the segments take on disk."""
        return sum(segment.size_bytes for segment in self.segments)

    def entries(self) -> Iterator[FoundEntry]:
        """Yield every whole entry that belongs to the log, in order; report what is between them."""
        self.torn, self.first_sequence, self.next_sequence, self.lost = None, None, 0, []
        segments = in_use(self.segments)
        epoch = -1
        for index, segment in enumerate(segments):
            end = segments[index + 1].header.first_sequence if index + 1 < len(segments) else None
            self.next_sequence = max(self.next_sequence, segment.header.first_sequence)
            try:
                with closing(self._file_system.open(segment.name)) as file:
                    for entry in self._read(SegmentScanner(file, segment.header.salt), segment, end):
                        if entry.epoch < epoch or entry.epoch > segment.header.epoch:
                            self._report(
                                "wal-epoch",
                                f"{segment.name}, byte {entry.payload_position - ENTRY_HEADER_SIZE}",
                                f"entry {entry.sequence} is of epoch {entry.epoch}, after entries of epoch {epoch} and"
                                f" in a segment of epoch {segment.header.epoch}",
                            )
                        epoch = max(epoch, entry.epoch)
                        if self.first_sequence is None:
                            self.first_sequence = entry.sequence
                        self.next_sequence = max(self.next_sequence, entry.sequence + 1)
                        yield entry
            except OSError as error:
                self._report("unreadable", segment.name, f"cannot be read: {error.strerror or error}")
                self._lose(self.next_sequence, self.next_sequence + 1 if end is None else end)

    def _read(self, scanner: SegmentScanner, segment: Segment, end: int | None) -> Iterator[FoundEntry]:
        position = ENTRIES_START
        sequence = segment.header.first_sequence
        while end is None or sequence < end:
            entry = scanner.entry_at(position)
            if entry is not None and entry.sequence == sequence:
                yield FoundEntry(sequence, entry.epoch, entry.payload, segment.name, position + ENTRY_HEADER_SIZE)
                position = entry.end_position
                sequence += 1
                continue
            later = scanner.find_entry_after(position, sequence)
            found = None if later is None else scanner.entry_at(later)
            if later is None or found is None:
                self._end(scanner, segment, position, sequence, end)
                return
            self._report(
                self._kind_of_damage(found.sequence),
                f"{segment.name}, byte {position}",
                f"{_entries(sequence, found.sequence)} damaged; entry {found.sequence} at byte {later} is whole",
            )
            self._lose(sequence, found.sequence if end is None else min(found.sequence, end))
            position, sequence = later, found.sequence

    def _end(self, scanner: SegmentScanner, segment: Segment, position: int, sequence: int, end: int | None) -> None:
        """No whole entry stands at `position` or behind it."""
        torn_bytes = scanner.torn_bytes_at(position)
        where = f"{segment.name}, byte {position}"
        if end is not None:
            what = "damaged" if torn_bytes else "missing"
            self._report(
                self._kind_of_damage(end),
                where,
                f"{_entries(sequence, end)} {what}: the next segment begins with {end}",
            )
            self._lose(sequence, end)
        elif torn_bytes and position + torn_bytes >= segment.size_bytes:
            # An append never begins without room for all of it.
            self._report(
                self._kind_of_damage(sequence + 1),
                where,
                f"the file ends inside entry {sequence}: it has been cut, or is damaged",
            )
            self._lose(sequence, sequence + 1)
        elif torn_bytes:
            self.torn = TornTail(segment.name, position, torn_bytes)

    def _kind_of_damage(self, end: int) -> str:
        return "wal-covered" if end <= self._covered else "wal-damage"

    def _lose(self, first: int, end: int) -> None:
        if first < end:
            self.lost.append((first, end))

    def _find_segments(self, names: list[str]) -> list[Segment]:
        segments: dict[int, Segment] = {}
        for name in names:
            try:
                segment = self._read_header(name)
            except OSError as error:
                self._report("unreadable", name, f"cannot be read: {error.strerror or error}")
                segment = None
            if segment is None:
                self.unread.append(name)
                continue
            number = segment.header.number
            is_named = name.rpartition("/")[2] == f"{number:020d}{SEGMENT_SUFFIX}"
            if not is_named:
                self._report("wal-segment", f"{name}, byte 0", f"the header says that this is segment {number}")
                self.unread.append(name)
            if is_named or number not in segments:
                segments[number] = segment
        found = [segments[number] for number in sorted(segments)]
        for before, after in pairwise(found):
            if after.header.first_sequence < before.header.first_sequence or after.header.epoch < before.header.epoch:
                self._report(
                    "wal-segment",
                    f"{after.name}, byte 0",
                    f"begins with entry {after.header.first_sequence} of epoch {after.header.epoch}, but {before.name}"
                    f" before it with entry {before.header.first_sequence} of epoch {before.header.epoch}",
                )
        return found

    def _read_header(self, name: str) -> Segment | None:
        with closing(self._file_system.open(name)) as file:
            size_bytes = file.size()
            try:
                return Segment(name, SegmentHeader.decode(file.read_at(0, ENTRIES_START), name), size_bytes)
            except StorageFailed as error:
                self._report("wal-segment", f"{name}, byte 0", str(error).removeprefix(f"{name}: "))
            # The salt stands in front of every entry, too, and the first entry proves it.
            salt = file.read_at(ENTRIES_START, SALT_SIZE)
            number = name.rpartition("/")[2].removesuffix(SEGMENT_SUFFIX)
            if len(salt) < SALT_SIZE or not (number.isascii() and number.isdecimal()):
                return None
            first = SegmentScanner(file, salt).entry_at(ENTRIES_START)
            if first is None:
                return None
            return Segment(name, SegmentHeader(0, int(number), first.epoch, first.sequence, salt), size_bytes)


def _entries(first: int, end: int) -> str:
    return f"entry {first} is" if end == first + 1 else f"entries {first} to {end - 1} are"
