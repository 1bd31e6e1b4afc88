"""What a log remembers of its batches beside their bytes: producers, transactions, leader epochs, timestamps, sizes.

All of it follows from the batches, one after another; a snapshot of it saves replaying them. What has happened since
the last checkpoint can be undone, so the state at any batch boundary from there on can be had.
"""

from collections.abc import Iterator
from itertools import chain

from dotkafka.log.compaction import Compacted
from dotkafka.log.extents import Extent, Extents
from dotkafka.log.leader_epochs import LeaderEpochs
from dotkafka.log.producer_state import ProducerStates
from dotkafka.log.snapshot import LogSnapshot
from dotkafka.log.tail import Tail, TimestampedBatch
from dotkafka.log.transactions import Transactions
from dotkafka.records.batch import CONTROL_FLAG, NO_TIMESTAMP, TRANSACTIONAL_FLAG, BatchHeader
from dotkafka.records.control import ControlRecord, ControlRecordType


class LogState:
    """The memory of one log, whose recent batches are in `tail`."""

    __slots__ = (
        "_extents",
        "_max_timestamp",
        "_saved_max_timestamp",
        "_tail",
        "first_dirty_offset",
        "forgotten_max_timestamp_ms",
        "leader_epochs",
        "producers",
        "transactions",
    )

    def __init__(self, tail: Tail) -> None:
        self._tail = tail
        self.leader_epochs = LeaderEpochs()
        self.producers = ProducerStates()
        self.transactions = Transactions()
        self._extents = Extents()
        """Of the batches that are checkpointed; those that are not stand one by one in the tail."""
        self._max_timestamp: TimestampedBatch | None = None
        """Of all batches that the log has had."""
        self._saved_max_timestamp: TimestampedBatch | None = None
        """Of those that are checkpointed."""
        self.first_dirty_offset = 0
        """Below it the log is compacted."""
        self.forgotten_max_timestamp_ms = NO_TIMESTAMP
        """Of those that are not in L0 any more: an upper bound."""

    # -- batches come and go -------------------------------------------------------------------------------------------

    def append(
        self,
        header: BatchHeader,
        base_offset: int,
        leader_epoch: int,
        marker: ControlRecord | None,
    ) -> None:
        """Take in a batch that is to follow in the tail."""
        if leader_epoch != self.leader_epochs.latest:
            self.leader_epochs.assign(leader_epoch, base_offset)
        if header.producer_id >= 0:
            self._remember_producer(header, base_offset, marker)
        max_timestamp_ms = header.max_timestamp_ms
        if self._max_timestamp is None or max_timestamp_ms > self._max_timestamp.max_timestamp_ms:
            self._max_timestamp = TimestampedBatch(max_timestamp_ms, base_offset)

    def _remember_producer(self, header: BatchHeader, base_offset: int, marker: ControlRecord | None) -> None:
        producer_id = header.producer_id
        if marker is not None:
            self.producers.append_marker(header, base_offset, marker.coordinator_epoch)
            self.transactions.complete(producer_id, base_offset, is_abort=marker.type is ControlRecordType.ABORT)
        elif not header.attributes & CONTROL_FLAG:
            self.producers.append(header, base_offset, header.max_timestamp_ms)
            if header.attributes & TRANSACTIONAL_FLAG and not self.transactions.is_open(producer_id):
                self.transactions.begin(producer_id, base_offset)

    def truncate_to(self, end_offset: int) -> None:
        """Go back to when the log ended at `end_offset`, as the tail does already."""
        self.producers.truncate_to(end_offset)
        self.transactions.truncate_to(end_offset)
        self.leader_epochs.truncate_from_end(end_offset)
        self._max_timestamp = self._max_timestamp_at(end_offset)

    def truncate_from_start(self, offset: int) -> None:
        """Forget what lies below the log start `offset` as a whole."""
        self.leader_epochs.truncate_from_start(offset)
        self.transactions.truncate_from_start(offset)
        self._extents.remove_below(offset)

    def compacted(self, compacted: Compacted, log_start_offset: int) -> None:
        """Compaction puts other batches in the place of some that are checkpointed."""
        replacement = compacted.replacement
        start_offset, end_offset = replacement.start_offset, replacement.end_offset
        self._extents.replace(start_offset, end_offset, compacted.old_size_bytes, compacted.extents())
        self._extents.remove_below(log_start_offset)
        self.transactions.forget_aborted(compacted.dropped_aborts)
        largest = self._saved_max_timestamp
        if largest is not None and largest.base_offset < end_offset:
            self._saved_max_timestamp = self._largest_extent(log_start_offset)
            if self._max_timestamp == largest:
                self._max_timestamp = None
                self._max_timestamp = self._max_timestamp_at(self._tail.end_offset)

    def _largest_extent(self, log_start_offset: int) -> TimestampedBatch | None:
        """Return the largest timestamp that is checkpointed, and an offset from which on its batch is the first."""
        largest: TimestampedBatch | None = None
        base_offset = log_start_offset
        for next_offset, _, max_timestamp_ms in self._extents:
            if largest is None or max_timestamp_ms > largest.max_timestamp_ms:
                largest = TimestampedBatch(max_timestamp_ms, base_offset)
            base_offset = max(next_offset, log_start_offset)
        return largest

    # -- what follows from it ------------------------------------------------------------------------------------------

    def size_bytes(self, log_start_offset: int) -> int:
        """Return the bytes of all batches from the log start on, wherever they are."""
        return self._extents.size_bytes + self._tail.bytes_from(self._unsaved_offset(log_start_offset))

    def saved_extents(self) -> Iterator[Extent]:
        """Yield the extents of what is checkpointed."""
        return iter(self._extents)

    def extents(self, log_start_offset: int, end_offset: int) -> Iterator[Extent]:
        """Yield the extents from the log start up to `end_offset`, at or above the last checkpoint."""
        return chain(self._extents, self._tail.extents(self._unsaved_offset(log_start_offset), end_offset))

    def max_timestamp(self, log_start_offset: int, up_to: int) -> TimestampedBatch | None:
        """Return the largest timestamp below `up_to` with the offset of its batch, None if no batch has one.

        Where compaction has removed batches, it may be the offset of an earlier one: none from there to it has that
        timestamp. Once that batch is deleted, the largest of what L0 holds stands for the largest of all.
        """
        largest = self._max_timestamp
        if largest is not None and largest.base_offset >= up_to:
            largest = self._max_timestamp_at(up_to)
        if largest is not None and largest.base_offset < log_start_offset:
            largest = self._tail.max_timestamp(log_start_offset, up_to)
        return None if largest is None or largest.max_timestamp_ms == NO_TIMESTAMP else largest

    def _unsaved_offset(self, log_start_offset: int) -> int:
        """Return where the batches begin that `_extents` does not have."""
        return max(self._tail.checkpointed_offset, log_start_offset)

    def _max_timestamp_at(self, end_offset: int) -> TimestampedBatch | None:
        """Return the largest timestamp when the log ended at `end_offset`, at or above the last checkpoint."""
        largest = self._max_timestamp
        if largest is not None and largest.base_offset < end_offset:
            return largest
        saved = self._saved_max_timestamp
        newer = self._tail.max_timestamp(self._tail.checkpointed_offset, end_offset)
        if saved is None or (newer is not None and newer.max_timestamp_ms > saved.max_timestamp_ms):
            return newer
        return saved

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def snapshot(self, log_start_offset: int, end_offset: int) -> LogSnapshot:
        """Return the state when the log ended at `end_offset`, at or above the last checkpoint."""
        producers = self.producers.entries(end_offset)
        return LogSnapshot(
            end_offset=end_offset,
            max_timestamp=self._max_timestamp_at(end_offset),
            leader_epochs=self.leader_epochs.entries(end_offset),
            producers=producers,
            heard_ms=self.producers.heard_ms(producers),
            transactions=self.transactions.image(end_offset),
            extents=self._extents_at(log_start_offset, end_offset),
            first_dirty_offset=self.first_dirty_offset,
        )

    def checkpointed(self, log_start_offset: int, end_offset: int) -> None:
        """Give up going back beyond `end_offset`. The tail learns of it later."""
        self._saved_max_timestamp = self._max_timestamp_at(end_offset)
        self._extents.extend(self._tail.extents(self._unsaved_offset(log_start_offset), end_offset))
        self.producers.checkpointed(end_offset)
        self.transactions.checkpointed(end_offset)

    def forgotten(self) -> None:
        """Note that L0 has forgotten some of its checkpointed batches."""
        if self._saved_max_timestamp is not None:
            self.forgotten_max_timestamp_ms = self._saved_max_timestamp.max_timestamp_ms

    def restore(self, snapshot: LogSnapshot, log_start_offset: int) -> None:
        """Become the state that a snapshot has, of a log that begins at `log_start_offset` by now."""
        self.leader_epochs = LeaderEpochs(snapshot.leader_epochs)
        self.producers = ProducerStates(snapshot.producers, snapshot.heard_ms)
        self.transactions = Transactions(snapshot.transactions)
        self._extents = snapshot.extents.copy()
        self._max_timestamp = self._saved_max_timestamp = snapshot.max_timestamp
        self.first_dirty_offset = snapshot.first_dirty_offset
        self.forgotten()
        self.truncate_from_start(log_start_offset)

    def _extents_at(self, log_start_offset: int, end_offset: int) -> Extents:
        """Return the extents up to `end_offset`, at or above the last checkpoint."""
        extents = self._extents.copy()
        extents.extend(self._tail.extents(self._unsaved_offset(log_start_offset), end_offset))
        return extents

    def check_invariants(self, log_end_offset: int) -> None:
        """Assert what the module promises."""
        self._extents.check_invariants()
        self.producers.check_invariants(self._tail.checkpointed_offset)
        self.transactions.check_invariants(self._tail.checkpointed_offset)
        self.leader_epochs.check_invariants()
        assert self._max_timestamp is None or self._max_timestamp.base_offset < log_end_offset  # noqa: S101 (its purpose)
