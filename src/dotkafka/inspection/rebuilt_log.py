"""One partition on its way from a damaged directory to a new one: every batch at its own offset, the holes filled.

What is lost is filled with batches without records, as compaction leaves them in Kafka: so offsets keep their meaning,
consumers go on behind a hole, and nothing that was read is thrown away. The partition's state is what its batches give.
Where compaction has removed batches, nothing is filled, and nothing put back: records that were deleted stay deleted.
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from dotkafka.log.partition_log import PartitionLog
from dotkafka.log.snapshot import encode_snapshot
from dotkafka.records.batch import encode_empty_batch, read_header
from dotkafka.storage.spi import PartitionChanges, StoredRange

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.storage.spi import FileSystem, TopicIdPartition

_MOST_OFFSETS: Final = 2**31
"""Of one batch."""
BELIEVED_OFFSETS: Final = 2**31
"""How far an end offset that no batch proves may lie behind the last batch."""


class LoggedBatch(NamedTuple):
    """Where a proven batch of L1 is."""

    base_offset: int
    next_offset: int
    file: str
    position: int
    size_bytes: int


class RebuiltLog:
    """A partition that is built anew.

    Args:
        partition: which.
        first_offset: where it begins.
        logged: its batches in L1, by offset, those that L2 has too included.
        file_system: to read them from.
        may_lack: tells whether compaction may have left a hole up to, not including, an offset.
    """

    def __init__(
        self,
        partition: TopicIdPartition,
        first_offset: int,
        logged: list[LoggedBatch],
        file_system: FileSystem,
        may_lack: Callable[[int], bool],
    ) -> None:
        self.partition = partition
        self.lost: list[tuple[int, int]] = []
        """Offset ranges: from, up to but not including."""
        self.batches = 0
        self.records = 0
        self._logged = logged
        self._next_logged = 0
        self._file_system = file_system
        self._may_lack = may_lack
        self.log = PartitionLog(partition)
        self.log.restore(StoredRange(first_offset, first_offset), None)

    @property
    def end(self) -> int:
        """The offset behind the last batch."""
        return self.log.log_end_offset

    @property
    def pending_bytes(self) -> int:
        """How much waits to be saved."""
        return self.log.tail_bytes

    def append(self, data: bytes, record_count: int) -> None:
        """Take a batch that begins at the end, or behind a hole of compaction."""
        self.batches += 1
        self.records += record_count
        self._append(data)

    def fill_to(self, offset: int) -> None:
        """Go on to `offset`: with what L1 has up to there, and holes for the rest."""
        if offset > self.end and not self._may_lack(offset):
            self.append_logged(offset)
            self._lose_to(offset)

    def append_logged(self, up_to: int | None = None) -> None:
        """Append what L1 has behind the end, as far as it ends at or below `up_to`."""
        while self._next_logged < len(self._logged):
            batch = self._logged[self._next_logged]
            if up_to is not None and batch.next_offset > up_to:
                return
            self._next_logged += 1
            if batch.base_offset >= self.end:
                with closing(self._file_system.open(batch.file)) as file:
                    data = file.read_at(batch.position, batch.size_bytes)
                self._lose_to(batch.base_offset)
                self.append(data, int.from_bytes(data[57:61], "big"))

    def restore(self, snapshot: bytes) -> None:
        """Take over what the partition remembered, instead of what its batches give; all of them are saved.

        Raises:
            StorageFailed: the snapshot is not of this end.
        """
        log = PartitionLog(self.partition)
        log.restore(StoredRange(self.log.log_start_offset, self.end), snapshot)
        self.log = log

    def changes(self) -> tuple[PartitionChanges, bytes]:
        """Return what is to be saved, and the snapshot that belongs to it."""
        changes = self.log.changes_for_checkpoint()
        # The log takes each batch to begin where the one before has ended; behind a hole of compaction it does not.
        batches = [batch._replace(base_offset=read_header(batch.data).base_offset) for batch in changes.batches]
        return attrs.evolve(changes, batches=batches), encode_snapshot(self.log.snapshot(self.end))

    def saved(self) -> None:
        """Forget what was saved."""
        self.log.checkpointed(self.end)
        self.log.forget(self.log.tail_bytes)

    def _lose_to(self, offset: int) -> None:
        if offset > self.end:
            if self.lost and self.lost[-1][1] == self.end:
                self.lost[-1] = (self.lost[-1][0], offset)
            else:
                self.lost.append((self.end, offset))
        while self.end < offset:
            last_offset = min(offset, self.end + _MOST_OFFSETS) - 1
            self._append(bytes(encode_empty_batch(self.end, last_offset, max(self.log.leader_epochs.latest, 0))))

    def _append(self, data: bytes) -> None:
        self.log.append_recovered(memoryview(data), may_leave_gap=True)
        self.log.advance_high_watermark(self.end)
