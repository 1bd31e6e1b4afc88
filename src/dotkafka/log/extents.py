"""What retention must know of the batches that L2 has: where they end, how big and how old they are.

Of a log of many batches, neighbours are remembered together, so that what is remembered does not grow with the log: at
most `MAX_EXTENTS`. An extent of several batches has at most a 32nd of the bytes that the log had when they were
joined; a log of up to `MAX_EXTENTS` batches is known batch by batch.

Which neighbours are joined depends on when: two logs of the same batches may be grouped differently, never with other
bytes or later timestamps.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

MAX_EXTENTS: Final = 128
"""A snapshot is written with each checkpoint of its partition, and an extent takes some 35 bytes of it."""


class Extent(NamedTuple):
    """Some consecutive batches; they begin where those before them end, or after a gap that compaction has left."""

    next_offset: int
    size_bytes: int
    max_timestamp_ms: int


class Extents:
    """Batches that follow each other, oldest first."""

    __slots__ = ("_max_timestamps", "_next_offsets", "_sizes", "size_bytes")

    def __init__(self, extents: Iterable[Extent] = ()) -> None:
        self._clear()
        self.extend(extents)

    def _clear(self) -> None:
        self._next_offsets = array("q")
        self._sizes = array("q")
        self._max_timestamps = array("q")
        self.size_bytes = 0
        """Of all batches."""

    def __iter__(self) -> Iterator[Extent]:
        return map(Extent, self._next_offsets, self._sizes, self._max_timestamps)

    def __eq__(self, other: object) -> bool:
        return self.columns() == other.columns() if isinstance(other, Extents) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._next_offsets)

    def copy(self) -> "Extents":
        """Return the same again, which does not change with this one."""
        copy = Extents()
        copy._next_offsets, copy._sizes, copy._max_timestamps = (column[:] for column in self.columns())
        copy.size_bytes = self.size_bytes
        return copy

    def columns(self) -> "tuple[array[int], array[int], array[int]]":
        """Return the next offsets, the sizes and the largest timestamps, to be read only."""
        return self._next_offsets, self._sizes, self._max_timestamps

    def extend(self, extents: Iterable[Extent]) -> None:
        """Add the batches that follow, joining neighbours if there are too many."""
        for extent in extents:
            self._append(extent)
            self.size_bytes += extent.size_bytes
        if len(self) > MAX_EXTENTS:
            self._join()

    def replace(self, start_offset: int, end_offset: int, old_size_bytes: int, extents: Iterable[Extent]) -> None:
        """Put others in the place of the batches between two offsets, which had so many bytes.

        What else is in an extent that was joined stays with what follows them, or comes before them.
        """
        present = list(self)
        first = bisect_right(self._next_offsets, start_offset)
        last = bisect_left(self._next_offsets, end_offset, first)
        before, covered, after = present[:first], present[first : last + 1], present[last + 1 :]
        new = list(extents)
        other_bytes = sum(extent.size_bytes for extent in covered) - old_size_bytes
        if covered and other_bytes > 0:
            if covered[-1].next_offset > end_offset:
                new.append(covered[-1]._replace(size_bytes=other_bytes))
            elif (before[-1].next_offset if before else 0) < start_offset:
                new.insert(0, covered[0]._replace(next_offset=start_offset, size_bytes=other_bytes))
        self._clear()
        self.extend(chain(before, new, after))

    def remove_below(self, offset: int) -> None:
        """Forget the extents that end at or before `offset`; one that holds it stays whole."""
        gone = 0
        while gone < len(self) and self._next_offsets[gone] <= offset:
            self.size_bytes -= self._sizes[gone]
            gone += 1
        for column in (self._next_offsets, self._sizes, self._max_timestamps):
            del column[:gone]

    def _append(self, extent: Extent) -> None:
        next_offset, size_bytes, max_timestamp_ms = extent
        self._next_offsets.append(next_offset)
        self._sizes.append(size_bytes)
        self._max_timestamps.append(max_timestamp_ms)

    def _join(self) -> None:
        """Join neighbours up to a limit: any two that are left exceed it, so about half of `MAX_EXTENTS` are left."""
        limit_bytes = 4 * self.size_bytes // MAX_EXTENTS
        extents = list(self)
        self._next_offsets, self._sizes, self._max_timestamps = array("q"), array("q"), array("q")
        joined = extents[0]
        for extent in extents[1:]:
            size_bytes = joined.size_bytes + extent.size_bytes
            if size_bytes <= limit_bytes:
                joined = Extent(extent.next_offset, size_bytes, max(joined.max_timestamp_ms, extent.max_timestamp_ms))
            else:
                self._append(joined)
                joined = extent
        self._append(joined)

    def check_invariants(self) -> None:
        """Assert what the module promises."""
        assert len(self) <= MAX_EXTENTS  # noqa: S101 (its purpose)
        assert self.size_bytes == sum(self._sizes)  # noqa: S101 (its purpose)
        assert list(self._next_offsets) == sorted(set(self._next_offsets))  # noqa: S101 (its purpose)
