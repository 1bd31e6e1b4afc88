"""The history of one partition: gives offsets to batches, remembers what it must, and answers what can be read.

Decides, and never does I/O: `append_as_leader` returns the bytes that must go to L1 and its owner makes them durable,
then says so (`advance_high_watermark`); `changes_for_checkpoint` and `snapshot` return what must go to L2 and its owner
saves it, then says so (`checkpointed`); only what L2 holds may be forgotten here (`forget`). Compaction makes gaps in
what L2 holds: `begin_compaction` says what is to be done, `compacted` learns of it.

Invariants: offsets are given without gaps; log start offset <= last stable offset <= high watermark <= log end offset;
L0 holds at least everything from the last checkpoint on; a refused batch changes nothing.

A snapshot of any batch boundary from the last checkpoint on equals the state that replaying the log up to there gives,
but for how `Extents` has grouped batches, and when producers were heard. In a compacted log it remembers more than what
is left: its producers.
"""

from enum import Enum
from typing import Final, Literal, NamedTuple

from dotkafka.clock import Instant
from dotkafka.errors import ApiError, DecodeError, StorageFailed
from dotkafka.log.compaction import Compacted, CompactionPass, Dirtiness, dirtiness
from dotkafka.log.config import LogConfig
from dotkafka.log.leader_epochs import EpochEndOffset, LeaderEpochs
from dotkafka.log.log_state import LogState
from dotkafka.log.offsets import LogOffsets
from dotkafka.log.retention import log_start_offset_after_retention
from dotkafka.log.snapshot import LogSnapshot, decode_snapshot
from dotkafka.log.tail import Tail, TimestampedBatch, own
from dotkafka.log.timestamps import TimestampOffset, find_max_timestamp, find_timestamp
from dotkafka.log.transactions import AbortedTransaction, read_marker
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
from dotkafka.records.control import ControlRecord
from dotkafka.storage.spi import PartitionChanges, Replacement, StoredRange, TopicIdPartition

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

    __slots__ = ("_offsets", "_state", "_tail", "partition")

    def __init__(self, partition: TopicIdPartition) -> None:
        self.partition = partition
        self._offsets = LogOffsets()
        self._tail = Tail(0)
        self._state = LogState(self._tail)

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
    def leader_epochs(self) -> LeaderEpochs:
        """Under which leader epochs the batches were written."""
        return self._state.leader_epochs

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
        return self._state.size_bytes(self.log_start_offset)

    @property
    def producer_count(self) -> int:
        """How many idempotent producers are remembered."""
        return len(self._state.producers)

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

    def append_recovered(self, data: memoryview, *, may_leave_gap: bool = False) -> None:
        """Append batches that have their offsets, as L1 gives them back at restart. What the log has is skipped.

        `data` is kept, and must not change. The high watermark stays where it is. Only what compaction has left may
        leave gaps.

        Raises:
            StorageFailed: the batches leave a gap after the log end that they may not, or are none.
        """
        try:
            for position, header in batch_headers(data):
                log_end_offset = self._offsets.log_end_offset
                if header.next_offset <= log_end_offset:
                    continue
                if header.base_offset < log_end_offset or (header.base_offset > log_end_offset and not may_leave_gap):
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
            self._offsets.settle(self._state.transactions.first_unstable_offset(offset))

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
        self._state.truncate_to(end_offset)

    def increment_log_start_offset(self, offset: int) -> bool:
        """Delete the records below `offset`, as far as readers can tell. Never goes back; tell whether it moved.

        Raises:
            ApiError: OFFSET_OUT_OF_RANGE, if `offset` lies beyond the high watermark.
        """
        if not self._offsets.increment_log_start_offset(offset):
            return False
        self._state.truncate_from_start(offset)
        return True

    def log_start_offset_after_retention(self, config: LogConfig, now_ms: int) -> int:
        """Return where the log should begin now by the topic's `retention.ms` and `retention.bytes`.

        At most the high watermark. Costs O(what may go).

        Args:
            config: of the topic.
            now_ms: wall clock time, see `dotkafka.broker.retention`.
        """
        return log_start_offset_after_retention(
            self._state.extents(self.log_start_offset, self.high_watermark),
            log_start_offset=self.log_start_offset,
            size_bytes=self.size_bytes,
            config=config,
            now_ms=now_ms,
        )

    def remove_expired_producers(self, now: Instant, producer_id_expiration_ms: int) -> int:
        """Forget producers that have been silent for so long and are in no transaction; return how many."""
        return self._state.producers.remove_expired(now, producer_id_expiration_ms, self._state.transactions.is_open)

    def _check_producer(self, header: BatchHeader, *, from_client: bool) -> AppendResult | None:
        """Refuse a batch of records that its producer may not append now; answer one that it has appended before."""
        if from_client:
            duplicate = self._state.producers.duplicate_of(header)
            if duplicate is not None:
                return AppendResult(
                    duplicate.base_offset,
                    duplicate.last_offset,
                    duplicate.timestamp_ms,
                    self._offsets.log_start_offset,
                    is_duplicate=True,
                    data=None,
                )
        self._state.producers.check(header, check_sequence=from_client)
        if not header.attributes & TRANSACTIONAL_FLAG and self._state.transactions.is_open(header.producer_id):
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
            self._state.producers.check_marker(header, marker.coordinator_epoch)
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
        self._state.append(header, base_offset, leader_epoch, marker)
        self._tail.append(data, next_offset, header.max_timestamp_ms)
        self._offsets.log_end_offset = next_offset
        return next_offset

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
        return self._state.transactions.aborted(start_offset, end_offset)

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
            and timestamp_ms <= self._state.forgotten_max_timestamp_ms
        ):
            return COLD
        for batch in self._tail.batches_from_timestamp(timestamp_ms, start_offset):
            found = find_timestamp(batch, timestamp_ms, start_offset)
            if found is not None:
                return found if found.offset < up_to else None
        return None

    def max_timestamp(self, *, up_to: int) -> TimestampOffset | Literal[Cold.COLD] | None:
        """Return the first record with the largest timestamp below `up_to`, None if no record has a timestamp.

        COLD if its batch is only in L2: search there for the timestamp of `max_timestamp_batch`, from its offset on,
        and give what is found to `timestamps.find_max_timestamp`.

        Raises:
            ApiError: as `timestamps.find_timestamp`.
        """
        largest = self.max_timestamp_batch(up_to=up_to)
        if largest is None:
            return None
        if largest.base_offset < self._tail.start_offset:
            return COLD
        batches = self._tail.batches_from_timestamp(largest.max_timestamp_ms, largest.base_offset)
        batch = next(batches, None)
        return None if batch is None else find_max_timestamp(batch)

    def max_timestamp_batch(self, *, up_to: int) -> TimestampedBatch | None:
        """Return the largest timestamp of the batches below `up_to`; see `LogState.max_timestamp`."""
        return self._state.max_timestamp(self.log_start_offset, up_to)

    # -- compaction ----------------------------------------------------------------------------------------------------

    @property
    def first_dirty_offset(self) -> int:
        """Below it the log is compacted."""
        return self._state.first_dirty_offset

    def dirtiness(self, config: LogConfig, now_ms: int) -> Dirtiness:
        """Return what part of the log could be compacted now; O(extents).

        Args:
            config: of the topic.
            now_ms: wall clock time, see `Broker.trusted_wall_ms`.
        """
        return dirtiness(
            self._state.saved_extents(),
            log_start_offset=self.log_start_offset,
            first_dirty_offset=self.first_dirty_offset,
            end_offset=min(self.checkpointed_offset, self.last_stable_offset),
            config=config,
            now_ms=now_ms,
        )

    def begin_compaction(self, dirty: Dirtiness, config: LogConfig, *, max_keys: int, now_ms: int) -> CompactionPass:
        """Return a pass over what is dirty; see `CompactionPass` for how it goes and for the arguments."""
        return CompactionPass(
            dirty,
            self._state.transactions.aborted(self.log_start_offset, dirty.end_offset),
            max_keys=max_keys,
            delete_retention_ms=config.delete_retention_ms,
            now_ms=now_ms,
        )

    def compacted(self, compacted: Compacted) -> None:
        """Note what a pass has made of a portion; its owner saves that with the next checkpoint."""
        self._state.compacted(compacted, self.log_start_offset)

    def compacted_to(self, offset: int) -> None:
        """Note that a pass has ended at `offset`."""
        self._state.first_dirty_offset = max(self._state.first_dirty_offset, offset)

    # -- checkpoints ---------------------------------------------------------------------------------------------------

    def changes_for_checkpoint(self, replacement: Replacement | None = None) -> PartitionChanges:
        """Return the durable batches that L2 does not have, the log start offset, and what compaction replaces."""
        return PartitionChanges(
            batches=self._tail.uncheckpointed(self.high_watermark),
            log_start_offset=self.log_start_offset,
            replacement=replacement,
        )

    def snapshot(self, end_offset: int) -> LogSnapshot:
        """Return the state that replaying all batches below `end_offset` gives.

        Args:
            end_offset: where a batch ends; not below the last checkpoint or the log start.

        Raises:
            ValueError: no batch ends there, or none that can be gone back to.
        """
        oldest = max(self._tail.checkpointed_offset, self.log_start_offset)
        if end_offset < oldest or not self._tail.is_boundary(end_offset):
            raise ValueError(f"offset {end_offset} of {self!r} is no end of a batch from {oldest} on")
        return self._state.snapshot(self.log_start_offset, end_offset)

    def checkpointed(self, end_offset: int) -> None:
        """Note that L2 has everything below `end_offset`, which L0 may forget from now on.

        Raises:
            ValueError: it is beyond the high watermark.
        """
        if end_offset > self.high_watermark:
            raise ValueError(f"offset {end_offset} lies beyond the high watermark {self.high_watermark}")
        if end_offset <= self._tail.checkpointed_offset:
            return
        self._state.checkpointed(self.log_start_offset, end_offset)
        self._tail.checkpointed(end_offset)

    def forget(self, wanted_bytes: int) -> int:
        """Let L0 forget its oldest checkpointed batches until `wanted_bytes` are free; return how many are.

        Counted as `tail_bytes`. Fewer than wanted if no more batches are checkpointed; never half a batch.
        """
        freed_bytes = self._tail.forget(wanted_bytes)
        if freed_bytes:
            self._state.forgotten()
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
        self._state = LogState(self._tail)
        if snapshot is None:
            return
        state = decode_snapshot(snapshot)
        if state.end_offset != end_offset:
            raise StorageFailed(
                f"partition {self.partition}: the snapshot is of offset {state.end_offset}, but the batches end at "
                f"{end_offset}"
            )
        self._state.restore(state, stored.log_start_offset)
        self._offsets.settle(self._state.transactions.first_unstable_offset(end_offset))

    def check_invariants(self) -> None:
        """Assert what the module promises."""
        self._offsets.check_invariants()
        self._tail.check_invariants()
        self._state.check_invariants(self.log_end_offset)
        assert self._tail.end_offset == self.log_end_offset  # noqa: S101 (its purpose)
        assert self._tail.checkpointed_offset <= self.high_watermark  # noqa: S101 (its purpose)
