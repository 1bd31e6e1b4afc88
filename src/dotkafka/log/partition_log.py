"""The history of one partition: gives offsets to batches, remembers what it must, and answers what can be read.

Decides, and never does I/O: `append_as_leader` returns the bytes that must go to L1 and its owner makes them durable,
then says so (`advance_high_watermark`); `changes_for_checkpoint` and `snapshot` return what must go to L2 and its owner
saves it, then says so (`checkpointed`); only what L2 holds may be forgotten here (`forget`).

Invariants: offsets have no gaps; log start offset <= last stable offset <= high watermark <= log end offset; L0 holds
at least everything from the last checkpoint on; a refused batch changes nothing.

A snapshot of any batch boundary from the last checkpoint on equals the state that replaying the log up to there gives,
but for how `Extents` has grouped batches.
"""

from enum import Enum
from itertools import chain
from typing import Final, Literal, NamedTuple

from dotkafka.clock import Instant
from dotkafka.errors import ApiError, DecodeError, StorageFailed
from dotkafka.log.config import LogConfig
from dotkafka.log.extents import Extents
from dotkafka.log.leader_epochs import EpochEndOffset, LeaderEpochs
from dotkafka.log.offsets import LogOffsets
from dotkafka.log.producer_state import ProducerStates
from dotkafka.log.retention import log_start_offset_after_retention
from dotkafka.log.snapshot import LogSnapshot, decode_snapshot, encode_snapshot
from dotkafka.log.tail import Tail, TimestampedBatch, own
from dotkafka.log.timestamps import TimestampOffset, find_max_timestamp, find_timestamp
from dotkafka.log.transactions import AbortedTransaction, Transactions, read_marker
from dotkafka.log.validation import validate_batch
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import (
    CONTROL_FLAG,
    NO_TIMESTAMP,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    batch_headers,
    patch_log_append_time,
    patch_offset_and_epoch,
)
from dotkafka.records.control import ControlRecord, ControlRecordType
from dotkafka.storage.spi import PartitionChanges, StoredRange, TopicIdPartition

__all__ = ["COLD", "AppendResult", "Cold", "LogConfig", "PartitionLog"]


class Cold(Enum):
    """The type of `COLD`."""

    COLD = "cold"


COLD: Final = Cold.COLD
"""The answer lies below L0: L2 must be asked."""


class AppendResult(NamedTuple):
    """What an append gives."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    """-1 if records keep the producer's timestamps. Of a duplicate: the original's largest timestamp, as in Kafka."""
    log_start_offset: int
    is_duplicate: bool
    """The batch had been appended before, at these offsets; its sender waits like the first time."""
    data: memoryview | None
    """What must go to L1, and must not change any more. None for a duplicate."""


class PartitionLog:
    """The log of one partition, empty at first; see the module for how its owner drives it."""

    __slots__ = (
        "_extents",
        "_forgotten_max_timestamp_ms",
        "_max_timestamp",
        "_offsets",
        "_producers",
        "_saved_max_timestamp",
        "_tail",
        "_transactions",
        "leader_epochs",
        "partition",
    )

    def __init__(self, partition: TopicIdPartition) -> None:
        self.partition = partition
        self.leader_epochs = LeaderEpochs()
        self._offsets = LogOffsets()
        self._tail = Tail(0)
        self._producers = ProducerStates()
        self._transactions = Transactions()
        self._extents = Extents()
        """Of the batches that are checkpointed; those that are not stand one by one in the tail."""
        self._max_timestamp: TimestampedBatch | None = None
        """Of all batches that the log has had."""
        self._saved_max_timestamp: TimestampedBatch | None = None
        """Of those that are checkpointed."""
        self._forgotten_max_timestamp_ms = NO_TIMESTAMP
        """Of those that are not in L0 any more: an upper bound."""

    def __repr__(self) -> str:
        return (
            f"<PartitionLog {self.partition} [{self.log_start_offset}, {self.high_watermark}, {self.log_end_offset}]>"
        )

    # -- where it stands -----------------------------------------------------------------------------------------------

    @property
    def log_start_offset(self) -> int:
        """The first offset that can be read."""
        return self._offsets.log_start_offset

    @property
    def last_stable_offset(self) -> int:
        """Below it every transaction is decided; readers of committed records stop here."""
        return self._offsets.last_stable_offset

    @property
    def high_watermark(self) -> int:
        """Below it everything is durable; other readers stop here."""
        return self._offsets.high_watermark

    @property
    def log_end_offset(self) -> int:
        """The offset that the next record gets."""
        return self._offsets.log_end_offset

    @property
    def checkpointed_offset(self) -> int:
        """Below it everything is in L2."""
        return self._tail.checkpointed_offset

    @property
    def tail_start_offset(self) -> int:
        """Below it L0 has forgotten everything."""
        return self._tail.start_offset

    @property
    def tail_bytes(self) -> int:
        """The memory that L0 takes: the bytes of its batches and `tail.BATCH_OVERHEAD_BYTES` for each."""
        return self._tail.size_bytes

    @property
    def size_bytes(self) -> int:
        """The bytes of all batches from the log start on, wherever they are."""
        return self._extents.size_bytes + self._tail.bytes_from(self._unsaved_offset)

    @property
    def _unsaved_offset(self) -> int:
        """Where the batches begin that `_extents` does not have."""
        return max(self._tail.checkpointed_offset, self.log_start_offset)

    @property
    def producer_count(self) -> int:
        """How many idempotent producers are remembered."""
        return len(self._producers.entries(self.log_end_offset))

    @property
    def uncheckpointed_bytes(self) -> int:
        """The bytes of the batches that L2 does not have."""
        return self._tail.uncheckpointed_bytes

    # -- writing -------------------------------------------------------------------------------------------------------

    def append_as_leader(
        self, records: memoryview, *, leader_epoch: int, config: LogConfig, now: Instant, from_client: bool = True
    ) -> AppendResult:
        """Give the one batch in `records` its offsets and leader epoch, in place, and keep a view of it in L0.

        Args:
            records: a writable view, of the request frame as a rule, which the log keeps.
            leader_epoch: of the shard's present owner.
            config: of the topic.
            now: bounds timestamps, and is the timestamp with LogAppendTime.
            from_client: False for batches that the broker makes: control batches are allowed, sequences not needed.

        Raises:
            ApiError: the codes of `validation.validate_batch` and of `ProducerStates`; INVALID_TXN_STATE for a batch
                outside of the transaction that its producer is in; NOT_LEADER_OR_FOLLOWER if a later leader has
                written.
        """
        header = validate_batch(records, config, now, from_client=from_client)
        if leader_epoch < self.leader_epochs.latest:
            raise ApiError(
                ErrorCode.NOT_LEADER_OR_FOLLOWER,
                f"leader epoch {self.leader_epochs.latest} has written; {leader_epoch} is over",
            )
        marker = None
        if header.producer_id >= 0:
            if header.attributes & CONTROL_FLAG:
                marker = self._check_marker(records, header)
            else:
                duplicate = self._check_producer(header, from_client=from_client)
                if duplicate is not None:
                    return duplicate
        base_offset = self._offsets.log_end_offset
        log_append_time_ms = NO_TIMESTAMP
        if config.uses_log_append_time:
            log_append_time_ms = now.wall_ms
            patch_log_append_time(records, 0, log_append_time_ms)
            header = header._replace(max_timestamp_ms=log_append_time_ms)
        patch_offset_and_epoch(records, 0, base_offset, leader_epoch)
        data = own(records)
        next_offset = self._append(header, base_offset, leader_epoch, marker, data)
        return AppendResult(
            base_offset,
            next_offset - 1,
            log_append_time_ms,
            self._offsets.log_start_offset,
            is_duplicate=False,
            data=data,
        )

    def append_recovered(self, data: memoryview) -> None:
        """Append batches that have their offsets, as L1 gives them back at restart. What the log has is skipped.

        `data` is kept, and must not change. The high watermark stays where it is.

        Raises:
            StorageFailed: the batches leave a gap after the log end, or are none.
        """
        try:
            for position, header in batch_headers(data):
                log_end_offset = self._offsets.log_end_offset
                if header.next_offset <= log_end_offset:
                    continue
                if header.base_offset != log_end_offset:
                    raise StorageFailed(
                        f"partition {self.partition}: a batch at offset {header.base_offset} is to follow the log end "
                        f"offset {log_end_offset}"
                    )
                view = own(data[position : position + header.size_bytes])
                is_marker = header.producer_id >= 0 and header.is_control
                marker = read_marker(view) if is_marker else None
                self._append(header, header.base_offset, header.partition_leader_epoch, marker, view)
        except (DecodeError, ValueError) as error:
            raise StorageFailed(f"partition {self.partition}: a recovered batch is damaged: {error}") from error

    def advance_high_watermark(self, offset: int) -> None:
        """Note that everything below `offset` is durable. Never goes back.

        Raises:
            ValueError: `offset` lies beyond the log end offset.
        """
        if self._offsets.advance_high_watermark(offset):
            self._offsets.settle(self._transactions.first_unstable_offset(offset))

    def truncate_to(self, offset: int) -> None:
        """Remove what is not durable from `offset` on: batches that end beyond it, and all that was learnt from them.

        Raises:
            ValueError: something durable would go.
        """
        if offset < self.high_watermark:
            raise ValueError(f"offset {offset} lies below the high watermark {self.high_watermark}: it is durable")
        self._tail.truncate_to(offset)
        end_offset = self._tail.end_offset
        self._offsets.log_end_offset = end_offset
        self._producers.truncate_to(end_offset)
        self._transactions.truncate_to(end_offset)
        self.leader_epochs.truncate_from_end(end_offset)
        self._max_timestamp = self._max_timestamp_at(end_offset)

    def increment_log_start_offset(self, offset: int) -> bool:
        """Delete the records below `offset`, as far as readers can tell. Never goes back; tell whether it moved.

        Raises:
            ApiError: OFFSET_OUT_OF_RANGE, if `offset` lies beyond the high watermark.
        """
        if not self._offsets.increment_log_start_offset(offset):
            return False
        self.leader_epochs.truncate_from_start(offset)
        self._transactions.truncate_from_start(offset)
        self._extents.remove_below(offset)
        return True

    def log_start_offset_after_retention(self, config: LogConfig, now_ms: int) -> int:
        """Return where the log should begin now by the topic's `retention.ms` and `retention.bytes`.

        At most the high watermark. Costs O(what may go).

        Args:
            config: of the topic.
            now_ms: wall clock time, see `dotkafka.broker.retention`.
        """
        return log_start_offset_after_retention(
            chain(self._extents, self._tail.extents(self._unsaved_offset, self.high_watermark)),
            log_start_offset=self.log_start_offset,
            size_bytes=self.size_bytes,
            config=config,
            now_ms=now_ms,
        )

    def remove_expired_producers(self, now: Instant, producer_id_expiration_ms: int) -> int:
        """Forget producers that have been silent for so long and are in no transaction; return how many."""
        return self._producers.remove_expired(now, producer_id_expiration_ms, self._transactions.is_open)

    def _check_producer(self, header: BatchHeader, *, from_client: bool) -> AppendResult | None:
        """Refuse a batch of records that its producer may not append now; answer one that it has appended before."""
        if from_client:
            duplicate = self._producers.duplicate_of(header)
            if duplicate is not None:
                return AppendResult(
                    duplicate.base_offset,
                    duplicate.last_offset,
                    duplicate.timestamp_ms,
                    self._offsets.log_start_offset,
                    is_duplicate=True,
                    data=None,
                )
        self._producers.check(header, check_sequence=from_client)
        if not header.attributes & TRANSACTIONAL_FLAG and self._transactions.is_open(header.producer_id):
            raise ApiError(
                ErrorCode.INVALID_TXN_STATE,
                f"producer id {header.producer_id} is in a transaction, and the batch is not part of it",
            )
        return None

    def _check_marker(self, records: memoryview, header: BatchHeader) -> ControlRecord | None:
        try:
            marker = read_marker(records)
        except DecodeError as error:
            raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from error
        if marker is not None:
            self._producers.check_marker(header, marker.coordinator_epoch)
        return marker

    def _append(
        self,
        header: BatchHeader,
        base_offset: int,
        leader_epoch: int,
        marker: ControlRecord | None,
        data: memoryview,
    ) -> int:
        """Take in a batch that was checked or comes from L1; return the new log end offset."""
        next_offset = base_offset + header.last_offset_delta + 1
        max_timestamp_ms = header.max_timestamp_ms
        if leader_epoch != self.leader_epochs.latest:
            self.leader_epochs.assign(leader_epoch, base_offset)
        if header.producer_id >= 0:
            self._remember_producer(header, base_offset, marker)
        self._tail.append(data, next_offset, max_timestamp_ms)
        if self._max_timestamp is None or max_timestamp_ms > self._max_timestamp.max_timestamp_ms:
            self._max_timestamp = TimestampedBatch(max_timestamp_ms, base_offset)
        self._offsets.log_end_offset = next_offset
        return next_offset

    def _remember_producer(self, header: BatchHeader, base_offset: int, marker: ControlRecord | None) -> None:
        producer_id = header.producer_id
        if marker is not None:
            self._producers.append_marker(header, base_offset, marker.coordinator_epoch)
            self._transactions.complete(producer_id, base_offset, is_abort=marker.type is ControlRecordType.ABORT)
        elif not header.attributes & CONTROL_FLAG:
            self._producers.append(header, base_offset, header.max_timestamp_ms)
            if header.attributes & TRANSACTIONAL_FLAG and not self._transactions.is_open(producer_id):
                self._transactions.begin(producer_id, base_offset)

    # -- reading -------------------------------------------------------------------------------------------------------

    def read(
        self, offset: int, max_bytes: int, *, up_to: int, at_least_one: bool
    ) -> list[memoryview] | Literal[Cold.COLD]:
        """Return whole batches, from the one that holds `offset` on, or COLD if that one is only in L2.

        Args:
            offset: from the log start offset to the log end offset.
            max_bytes: of all batches together.
            up_to: the high watermark or the last stable offset; a batch that reaches beyond it is left out.
            at_least_one: whether the first batch is returned even if it is larger than `max_bytes`.

        Raises:
            ApiError: OFFSET_OUT_OF_RANGE.
        """
        self._offsets.check_readable(offset)
        if offset >= up_to:
            return []
        if offset < self._tail.start_offset:
            return COLD
        return self._tail.read(offset, max_bytes, up_to=up_to, at_least_one=at_least_one)

    def aborted_transactions(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]:
        """Return the aborted transactions that may have records from `start_offset` up to before `end_offset`."""
        return self._transactions.aborted(start_offset, end_offset)

    def end_offset_for_epoch(self, leader_epoch: int) -> EpochEndOffset:
        """Return how far the log agrees with a reader whose last record was written under `leader_epoch`."""
        return self.leader_epochs.end_offset_for(leader_epoch, self.log_end_offset)

    def offset_for_timestamp(
        self, timestamp_ms: int, *, up_to: int, skip_cold: bool = False
    ) -> TimestampOffset | Literal[Cold.COLD] | None:
        """Return the first record with a timestamp of `timestamp_ms` or later, None if there is none below `up_to`.

        COLD if L2 may hold it: ask for its first such batch, and that with `timestamps.find_timestamp`. If L2 has none,
        call again with `skip_cold`. Looks at every batch in L0, and decodes the one that has it.

        Raises:
            ApiError: as `timestamps.find_timestamp`.
        """
        start_offset = self.log_start_offset
        if (
            not skip_cold
            and start_offset < self._tail.start_offset
            and timestamp_ms <= self._forgotten_max_timestamp_ms
        ):
            return COLD
        for batch in self._tail.batches_from_timestamp(timestamp_ms, start_offset):
            found = find_timestamp(batch, timestamp_ms, start_offset)
            if found is not None:
                return found if found.offset < up_to else None
        return None

    def max_timestamp(self, *, up_to: int) -> TimestampOffset | Literal[Cold.COLD] | None:
        """Return the first record with the largest timestamp below `up_to`, None if no record has a timestamp.

        COLD if its batch, the one at `max_timestamp_offset`, is only in L2: read that, and give it to
        `timestamps.find_max_timestamp`.

        Raises:
            ApiError: as `timestamps.find_timestamp`.
        """
        offset = self.max_timestamp_offset(up_to=up_to)
        if offset is None:
            return None
        if offset < self._tail.start_offset:
            return COLD
        return find_max_timestamp(self._tail.read(offset, 0, up_to=up_to, at_least_one=True)[0])

    def max_timestamp_offset(self, *, up_to: int) -> int | None:
        """Return where the batch begins that has the largest timestamp of those below `up_to`.

        Once that batch is deleted, the largest of what L0 holds stands for the largest of all.
        """
        largest = self._max_timestamp
        if largest is not None and largest.base_offset >= up_to:
            largest = self._max_timestamp_at(up_to)
        if largest is not None and largest.base_offset < self.log_start_offset:
            largest = self._tail.max_timestamp(self.log_start_offset, up_to)
        return None if largest is None or largest.max_timestamp_ms == NO_TIMESTAMP else largest.base_offset

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def changes_for_checkpoint(self) -> PartitionChanges:
        """Return the durable batches that L2 does not have, and the log start offset."""
        return PartitionChanges(
            batches=self._tail.uncheckpointed(self.high_watermark), log_start_offset=self.log_start_offset
        )

    def snapshot(self, end_offset: int) -> bytes:
        """Return the state that replaying all batches below `end_offset` gives.

        Args:
            end_offset: where a batch ends; not below the last checkpoint or the log start.

        Raises:
            ValueError: no batch ends there, or none that can be gone back to.
        """
        oldest = max(self._tail.checkpointed_offset, self.log_start_offset)
        if end_offset < oldest or not self._tail.is_boundary(end_offset):
            raise ValueError(f"offset {end_offset} of {self!r} is no end of a batch from {oldest} on")
        return encode_snapshot(
            LogSnapshot(
                end_offset=end_offset,
                max_timestamp=self._max_timestamp_at(end_offset),
                leader_epochs=self.leader_epochs.entries(end_offset),
                producers=self._producers.entries(end_offset),
                transactions=self._transactions.image(end_offset),
                extents=list(self._extents_at(end_offset)),
            )
        )

    def checkpointed(self, end_offset: int) -> None:
        """Note that L2 has everything below `end_offset`, which L0 may forget from now on.

        Raises:
            ValueError: it is beyond the high watermark.
        """
        if end_offset > self.high_watermark:
            raise ValueError(f"offset {end_offset} lies beyond the high watermark {self.high_watermark}")
        if end_offset <= self._tail.checkpointed_offset:
            return
        self._saved_max_timestamp = self._max_timestamp_at(end_offset)
        self._extents = self._extents_at(end_offset)
        self._tail.checkpointed(end_offset)
        self._producers.checkpointed(end_offset)
        self._transactions.checkpointed(end_offset)

    def forget(self, wanted_bytes: int) -> int:
        """Let L0 forget its oldest checkpointed batches until `wanted_bytes` are free; return how many are.

        Counted as `tail_bytes`. Fewer than wanted if no more batches are checkpointed; never half a batch.
        """
        freed_bytes = self._tail.forget(wanted_bytes)
        if freed_bytes and self._saved_max_timestamp is not None:
            self._forgotten_max_timestamp_ms = self._saved_max_timestamp.max_timestamp_ms
        return freed_bytes

    def restore(self, stored: StoredRange, snapshot: bytes | None) -> None:
        """Become the log that L2 holds: its offsets, and what it remembered. All of it is durable and checkpointed.

        Only for a log that nothing was appended to.

        Raises:
            StorageFailed: the snapshot is damaged, or of another offset than the stored batches.
        """
        end_offset = stored.end_offset
        self._offsets = LogOffsets(stored.log_start_offset, end_offset)
        self._tail = Tail(end_offset)
        if snapshot is None:
            return
        state = decode_snapshot(snapshot)
        if state.end_offset != end_offset:
            raise StorageFailed(
                f"partition {self.partition}: the snapshot is of offset {state.end_offset}, but the batches end at "
                f"{end_offset}"
            )
        self.leader_epochs = LeaderEpochs(state.leader_epochs)
        self._producers = ProducerStates(state.producers)
        self._transactions = Transactions(state.transactions)
        self._extents = Extents(state.extents)
        self._extents.remove_below(stored.log_start_offset)
        self._max_timestamp = self._saved_max_timestamp = state.max_timestamp
        if state.max_timestamp is not None:
            self._forgotten_max_timestamp_ms = state.max_timestamp.max_timestamp_ms
        self.leader_epochs.truncate_from_start(stored.log_start_offset)
        self._transactions.truncate_from_start(stored.log_start_offset)
        self._offsets.settle(self._transactions.first_unstable_offset(end_offset))

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

    def _extents_at(self, end_offset: int) -> Extents:
        """Return the extents up to `end_offset`, at or above the last checkpoint."""
        extents = Extents(self._extents)
        extents.extend(self._tail.extents(self._unsaved_offset, end_offset))
        return extents

    def check_invariants(self) -> None:
        """Assert what the module promises."""
        self._extents.check_invariants()
        self._offsets.check_invariants()
        self._tail.check_invariants()
        self._producers.check_invariants(self.checkpointed_offset)
        self._transactions.check_invariants(self.checkpointed_offset)
        self.leader_epochs.check_invariants()
        assert self._tail.end_offset == self.log_end_offset  # noqa: S101 (its purpose)
        assert self._tail.checkpointed_offset <= self.high_watermark  # noqa: S101 (its purpose)
        assert self._max_timestamp is None or self._max_timestamp.base_offset < self.log_end_offset  # noqa: S101 (its purpose)
