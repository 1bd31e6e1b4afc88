"""The bytes of one segment of the file write-ahead log: header, entries, and how to tell them from anything else.

Layout, all numbers big-endian:

    0     segment header: magic, version, flags, shard, number, epoch, first sequence, salt, CRC32C of these
    4096  entries, one directly after another: salt, sequence, length, epoch, CRC32C of these and the payload; payload

The rest of the file is of no meaning: zeros, or what an earlier use of the file left. Each use of a file has a salt of
8 bytes that nobody can guess and so no payload can imitate; every entry begins with it. That makes stale entries
invalid, and lets a reader find every later entry with one byte search.

The header fits one disk sector and is durable before the file gets the name of a segment, so an invalid one is damage.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple, Self

import attrs
from crc32c import crc32c

from dotkafka.errors import StorageFailed
from dotkafka.storage.spi import Buffer, FileHandle

ENTRIES_START = 4096
"""Byte position of the first entry: on a page of its own, so that no append rewrites the header's."""

MAGIC = b"dotkwal\n"
VERSION = 1
SALT_SIZE = 8

_SEGMENT_HEADER = struct.Struct(">8sHHIQIQ8s")
_STARTS_OVER = 1

_ENTRY_FIELDS = struct.Struct(">8sQQI")
_CHECKSUM = struct.Struct(">I")
ENTRY_HEADER_SIZE = _ENTRY_FIELDS.size + _CHECKSUM.size

_WINDOW_BYTES = 1024 * 1024


@attrs.frozen
class SegmentHeader:
    """What a segment says about itself."""

    shard: int
    number: int
    """Position of the segment in its log; the file's name. They rise, and may leave numbers out."""
    epoch: int
    """Of the writer that began it. An entry copied into it from an earlier segment keeps its older epoch."""
    first_sequence: int
    """Of its first entry. An earlier segment ends before it, whatever else stands there."""
    salt: bytes
    starts_over: bool = False
    """Whether earlier segments no longer belong to the log."""

    def encode(self) -> bytes:
        """Return the header as it stands at the start of the file."""
        flags = _STARTS_OVER if self.starts_over else 0
        fields = _SEGMENT_HEADER.pack(
            MAGIC, VERSION, flags, self.shard, self.number, self.epoch, self.first_sequence, self.salt
        )
        return fields + _CHECKSUM.pack(crc32c(fields))

    @classmethod
    def decode(cls, data: bytes, name: str) -> Self:
        """Return the header of the segment file `name`, which begins with `data`.

        Raises:
            StorageFailed: it is damaged, or of a version that this release does not know.
        """
        fields = data[: _SEGMENT_HEADER.size]
        checksum = data[_SEGMENT_HEADER.size : _SEGMENT_HEADER.size + _CHECKSUM.size]
        if _CHECKSUM.pack(crc32c(fields)) != checksum:
            raise StorageFailed(f"{name}: the segment header at byte 0 is damaged")
        magic, version, flags, shard, number, epoch, first_sequence, salt = _SEGMENT_HEADER.unpack(fields)
        if magic != MAGIC or version != VERSION:
            raise StorageFailed(f"{name}: version {version} of a write-ahead log; this release reads version {VERSION}")
        return cls(shard, number, epoch, first_sequence, salt, bool(flags & _STARTS_OVER))


def encode_entry_header(salt: bytes, sequence: int, epoch: int, parts: Sequence[Buffer]) -> bytes:
    """Return the bytes that go before the payload made of `parts`."""
    fields = _ENTRY_FIELDS.pack(salt, sequence, sum(map(len, parts)), epoch)
    checksum = crc32c(fields)
    for part in parts:
        checksum = crc32c(part, checksum)
    return fields + _CHECKSUM.pack(checksum)


class ScannedEntry(NamedTuple):
    """A whole entry as it stands in a segment. The payload is a view that stays valid as long as it is held."""

    sequence: int
    epoch: int
    payload: memoryview
    end_position: int


class SegmentScanner:
    """Finds entries in one segment file, reading it through a window so that small entries cost no call each."""

    def __init__(self, file: FileHandle, salt: bytes, *, start: int = ENTRIES_START) -> None:
        self._file = file
        self._salt = salt
        self._size = file.size()
        self._window = b""
        self._window_start = start

    def entry_at(self, position: int) -> ScannedEntry | None:
        """Return the entry that begins at `position`, or None if no whole, undamaged one does.

        Raises:
            OSError: the file cannot be read.
        """
        header = self._view(position, ENTRY_HEADER_SIZE)
        if header[:SALT_SIZE] != self._salt or len(header) < ENTRY_HEADER_SIZE:
            return None
        _, sequence, length, epoch = _ENTRY_FIELDS.unpack_from(header)
        end_position = position + ENTRY_HEADER_SIZE + length
        if end_position > self._size:
            return None
        entry = self._view(position, ENTRY_HEADER_SIZE + length)
        payload = entry[ENTRY_HEADER_SIZE:]
        (checksum,) = _CHECKSUM.unpack_from(entry, _ENTRY_FIELDS.size)
        if len(payload) < length or crc32c(payload, crc32c(entry[: _ENTRY_FIELDS.size])) != checksum:
            return None
        return ScannedEntry(sequence, epoch, payload, end_position)

    def torn_bytes_at(self, position: int) -> int:
        """Return how many bytes an entry that was begun at `position` claims, or 0 if none was begun there."""
        header = self._view(position, ENTRY_HEADER_SIZE)
        if header[:SALT_SIZE] != self._salt:
            return 0
        if len(header) < ENTRY_HEADER_SIZE:
            return len(header)
        length: int = _ENTRY_FIELDS.unpack_from(header)[2]
        return min(ENTRY_HEADER_SIZE + length, self._size - position)

    def find_entry_after(self, position: int, sequence: int) -> int | None:
        """Return the position of a whole entry behind `position` whose sequence is above `sequence`, or None.

        One append is one sync, so an entry behind a broken one means that the broken one had been durable.
        """
        position += 1
        while position < self._size:
            self._view(position, min(ENTRY_HEADER_SIZE, self._size - position))
            found = self._window.find(self._salt, position - self._window_start)
            if found < 0:
                # The salt may lie across the end of the window.
                position = max(self._window_start + len(self._window) - SALT_SIZE + 1, position + 1)
                continue
            position = self._window_start + found
            entry = self.entry_at(position)
            if entry is not None and entry.sequence > sequence:
                return position
            position += 1
        return None

    def _view(self, position: int, size: int) -> memoryview:
        """Return `size` bytes from `position`; fewer at the end of the file."""
        offset = position - self._window_start
        if offset < 0 or offset + size > len(self._window):
            self._window = self._file.read_at(position, max(size, _WINDOW_BYTES))
            self._window_start = position
            offset = 0
        return memoryview(self._window)[offset : offset + size]
