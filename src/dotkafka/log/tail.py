"""L0: the recent batches of one partition, in memory, as they came.

Batches stand in parallel arrays, in offset order and without gaps, so that a read is two bisections and a slice of
views: no object per batch beyond its view. A batch may be forgotten only after it is checkpointed, oldest first, and
only when the owner asks, who shares one byte budget over all partitions.

Memory: a view keeps the whole request frame alive that it points into. A batch that is less than half of its frame (one
of many partitions of a request) is therefore copied, so that the batches keep at most twice their bytes alive. On top
of its bytes every batch costs about `BATCH_OVERHEAD_BYTES`; `size_bytes` counts that in, since small batches are mostly
that.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from operator import sub
from typing import Final, NamedTuple

from dotkafka.log.extents import Extent
from dotkafka.storage.spi import StoredBatch

BATCH_OVERHEAD_BYTES: Final = 320
"""What a batch costs besides its own bytes: its view, the object behind that, and its places in the arrays."""
_COMPACT_AT: Final = 1024
_FORGOTTEN: Final = memoryview(b"")


class TimestampedBatch(NamedTuple):
    """The largest timestamp of a batch, and where the batch begins."""

    max_timestamp_ms: int
    base_offset: int


class Tail:
    """The batches from `start_offset` up to `end_offset`."""

    __slots__ = (
        "_checkpointed",
        "_end_positions",
        "_first",
        "_max_timestamps",
        "_next_offsets",
        "_views",
        "start_offset",
    )

    def __init__(self, start_offset: int) -> None:
        self.start_offset = start_offset
        """Where the oldest batch in memory begins."""
        # An entry of index 0 stands for all that was before, so that what precedes a batch is always at its index - 1.
        self._next_offsets = array("q", (start_offset,))
        self._end_positions = array("q", (0,))
        self._max_timestamps = array("q", (-1,))
        self._views: list[memoryview] = [_FORGOTTEN]
        self._first = 1
        """Index of the oldest batch in memory."""
        self._checkpointed = 1
        """Index of the oldest batch that is not checkpointed."""

    def __len__(self) -> int:
        return len(self._views) - self._first

    @property
    def end_offset(self) -> int:
        """Where the next batch will begin."""
        return self._next_offsets[-1]

    @property
    def checkpointed_offset(self) -> int:
        """Up to where the batches are checkpointed."""
        return self._next_offsets[self._checkpointed - 1]

    @property
    def size_bytes(self) -> int:
        """The memory of all batches here, overhead counted in."""
        data_bytes = self._end_positions[-1] - self._end_positions[self._first - 1]
        return data_bytes + len(self) * BATCH_OVERHEAD_BYTES

    @property
    def uncheckpointed_bytes(self) -> int:
        """The bytes of the batches that are not checkpointed, nothing else counted in."""
        return self._end_positions[-1] - self._end_positions[self._checkpointed - 1]

    def append(self, data: memoryview, next_offset: int, max_timestamp_ms: int) -> None:
        """Add the batch that begins at `end_offset` and ends before `next_offset`."""
        self._views.append(data)
        self._next_offsets.append(next_offset)
        self._end_positions.append(self._end_positions[-1] + len(data))
        self._max_timestamps.append(max_timestamp_ms)

    def read(self, offset: int, max_bytes: int, *, up_to: int, at_least_one: bool) -> list[memoryview]:
        """Return the batches from the one that holds `offset` on, as many as end at or before `up_to` and fit.

        Args:
            offset: at or above `start_offset`.
            max_bytes: of all batches together.
            up_to: a batch that reaches beyond it is left out.
            at_least_one: whether the first batch is returned even if it is larger than `max_bytes`.
        """
        first = bisect_right(self._next_offsets, offset, self._first)
        end = bisect_right(self._next_offsets, up_to, first)
        if first == end:
            return []
        fitting = bisect_right(self._end_positions, self._end_positions[first - 1] + max_bytes, first, end)
        if fitting == first and at_least_one:
            fitting += 1
        return self._views[first:fitting]

    def is_boundary(self, offset: int) -> bool:
        """Whether a batch here begins or ends at `offset`."""
        index = bisect_left(self._next_offsets, offset, self._first - 1)
        return index < len(self._next_offsets) and self._next_offsets[index] == offset

    def uncheckpointed(self, up_to: int) -> list[StoredBatch]:
        """Return the batches that end at or before `up_to` and are not checkpointed."""
        first = self._checkpointed
        end = bisect_right(self._next_offsets, up_to, first)
        return [
            StoredBatch(base_offset, next_offset - 1, max_timestamp_ms, data)
            for base_offset, next_offset, max_timestamp_ms, data in zip(
                self._next_offsets[first - 1 : end - 1],
                self._next_offsets[first:end],
                self._max_timestamps[first:end],
                self._views[first:end],
                strict=True,
            )
        ]

    def bytes_from(self, offset: int) -> int:
        """Return the size of the batches that end beyond `offset`, at or above `start_offset`; nothing else counted."""
        first = bisect_right(self._next_offsets, offset, self._first)
        return self._end_positions[-1] - self._end_positions[first - 1]

    def extents(self, offset: int, up_to: int) -> Iterator[Extent]:
        """Return each batch that ends beyond `offset`, at or above `start_offset`, and at or before `up_to`."""
        first = bisect_right(self._next_offsets, offset, self._first)
        end = bisect_right(self._next_offsets, up_to, first)
        sizes = map(sub, self._end_positions[first:end], self._end_positions[first - 1 : end - 1])
        return map(Extent, self._next_offsets[first:end], sizes, self._max_timestamps[first:end])

    def checkpointed(self, end_offset: int) -> None:
        """Note that the batches that end at or before `end_offset` are checkpointed."""
        self._checkpointed = bisect_right(self._next_offsets, end_offset, self._checkpointed)

    def forget(self, wanted_bytes: int) -> int:
        """Forget the oldest checkpointed batches until `wanted_bytes` are free; return how many are.

        Counted as `size_bytes`. Fewer than wanted if no more are checkpointed; more by less than the last batch.
        """
        freed_bytes = 0
        index = self._first
        while freed_bytes < wanted_bytes and index < self._checkpointed:
            freed_bytes += len(self._views[index]) + BATCH_OVERHEAD_BYTES
            self._views[index] = _FORGOTTEN
            index += 1
        self._first = index
        self.start_offset = self._next_offsets[index - 1]
        if index > _COMPACT_AT and index * 2 > len(self._views):
            self._compact()
        return freed_bytes

    def _compact(self) -> None:
        """Drop what stands for forgotten batches; done seldom enough to cost a constant per batch."""
        gone = self._first - 1
        del self._views[:gone]
        del self._next_offsets[:gone]
        del self._end_positions[:gone]
        del self._max_timestamps[:gone]
        self._first -= gone
        self._checkpointed -= gone

    def truncate_to(self, offset: int) -> None:
        """Remove every batch that ends beyond `offset`, which lies at or above `checkpointed_offset`."""
        end = bisect_right(self._next_offsets, offset, self._checkpointed)
        del self._views[end:]
        del self._next_offsets[end:]
        del self._end_positions[end:]
        del self._max_timestamps[end:]

    def batches_from_timestamp(self, timestamp_ms: int, start_offset: int) -> Iterator[memoryview]:
        """Yield the batches that end beyond `start_offset` and have a timestamp of `timestamp_ms` or later.

        Looks at every batch: timestamps need not increase with offsets.
        """
        first = bisect_right(self._next_offsets, start_offset, self._first)
        for index in range(first, len(self._views)):
            if self._max_timestamps[index] >= timestamp_ms:
                yield self._views[index]

    def max_timestamp(self, start_offset: int, end_offset: int) -> TimestampedBatch | None:
        """Return the first batch with the largest timestamp among those between two offsets, if there is any."""
        first = bisect_right(self._next_offsets, start_offset, self._first)
        end = bisect_right(self._next_offsets, end_offset, first)
        if first == end:
            return None
        largest = max(self._max_timestamps[first:end])
        return TimestampedBatch(largest, self._next_offsets[self._max_timestamps.index(largest, first, end) - 1])

    def check_invariants(self) -> None:
        """Assert what the module promises."""
        count = len(self._views)
        assert count == len(self._next_offsets) == len(self._end_positions) == len(self._max_timestamps)  # noqa: S101 (its purpose)
        assert 1 <= self._first <= self._checkpointed <= count  # noqa: S101 (its purpose)
        assert self.start_offset == self._next_offsets[self._first - 1]  # noqa: S101 (its purpose)
        offsets = list(self._next_offsets)
        assert offsets == sorted(set(offsets))  # noqa: S101 (its purpose)
        for index in range(1, count):
            size = self._end_positions[index] - self._end_positions[index - 1]
            kept = size if index >= self._first else 0
            assert len(self._views[index]) == kept  # noqa: S101 (its purpose)


def own(data: memoryview) -> memoryview:
    """Return `data`, or a copy of it if it would keep alive more than twice its bytes."""
    if 2 * len(data) >= len(data.obj):  # type: ignore[arg-type]
        return data
    return memoryview(bytes(data))
