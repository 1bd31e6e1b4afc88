"""A shard: the partitions that share one write-ahead log, and the way of their bytes from memory through L1 to L2.

Appends of all partitions gather in one flush. While a flush is made durable by the append lane, the next one gathers:
group commit without a linger. When a flush is durable the high watermarks of its partitions move, and whoever waited
for it is told. In the background a checkpoint carries durable batches into L2; only when it is durable may L1 be
trimmed and memory (L0) forget.

Invariants: flushes become durable in the order they gathered; a checkpoint holds exactly what L1 holds below its
`next_sequence`; once storage has failed nothing is written any more.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from dotkafka.broker import wal_entry
from dotkafka.broker.flush import Flush
from dotkafka.broker.stalls import Stalls
from dotkafka.broker.storage_work import (
    AppendWork,
    CheckpointWork,
    CompactionWork,
    ReadWork,
    StorageWork,
    SweepWork,
    TimestampSearchWork,
    TrimWork,
)
from dotkafka.broker.sweeping import Sweeping
from dotkafka.errors import ApiError, Fenced, StorageError, StorageUnavailable
from dotkafka.log.partition_log import PartitionLog
from dotkafka.log.snapshot import encode_snapshot
from dotkafka.log.tail import BATCH_OVERHEAD_BYTES
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.storage.spi import Changes, PartitionChanges, Replacement, TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.clock import Instant
    from dotkafka.log.config import LogConfig
    from dotkafka.storage.spi import Buffer, CheckpointStore, WalWriter

logger = logging.getLogger(__name__)

MAX_FLUSH_BYTES: Final = 16 * 1024 * 1024
"""A flush that has gathered this much is closed, and a new one begun behind it: bounds one L1 entry."""
RETRY_INTERVAL_MS: Final = 250
"""Pause before a call is made again that storage could not do now, say because the disk is full."""

TakeSnapshot = Callable[[PartitionLog], Callable[[], bytes] | None]
"""Returns what makes the bytes that stand for all durable records of a log, on whatever thread; None if not now."""


class Shard:
    """Owns the partition logs, their flushes and checkpoints. See the module for the way data goes.

    Args:
        number: of this shard, from 0.
        writer: of its L1, just opened.
        checkpoints: its L2.
        durable: whether L1 survives the process; if not, its calls are made in place.
        config: budgets and intervals.
        on_advance: called with each partition log whose high watermark or log start offset has moved.
    """

    def __init__(
        self,
        number: int,
        writer: WalWriter,
        checkpoints: CheckpointStore,
        *,
        durable: bool,
        config: BrokerConfig,
        on_advance: Callable[[PartitionLog], None],
    ) -> None:
        self.number = number
        self.logs: dict[TopicIdPartition, PartitionLog] = {}
        self.failure: StorageError | None = None
        """Why nothing is written any more, once that is so."""
        self.stalls = Stalls()
        """Of its L1."""
        self._writer = writer
        self._checkpoints = checkpoints
        self._inline = not durable
        self._config = config
        self._on_advance = on_advance
        self._flushes: deque[Flush] = deque([Flush()])
        """The oldest may be in flight; the newest gathers."""
        self._appending: AppendWork | None = None
        self._retry_at_ms: int | None = None
        self._new_work: list[StorageWork] = []
        self._durable_sequence = writer.next_sequence - 1
        self._dirty: set[PartitionLog] = set()
        """Partitions with something durable in L1 that L2 does not know."""
        self._deleted: list[TopicIdPartition] = []
        self._dirty_since_ms: int | None = None
        self._checkpoint_retry_at_ms: int | None = None
        self._checkpointing: CheckpointWork | None = None
        self._checkpoint_ends: dict[PartitionLog, int] = {}
        self._sweeping = Sweeping(checkpoints, inline=not durable)
        self._snapshot_takers: dict[TopicIdPartition, TakeSnapshot] = {}
        self._replacements: dict[PartitionLog, Replacement] = {}
        """What compaction puts in the place of batches in L2, not yet saved."""
        self._tail_order: deque[tuple[PartitionLog, int]] = deque()
        """(partition, memory) of batches in L0, oldest first: in which order memory forgets."""
        self._tail_bytes = 0
        """Memory of L0, all partitions together."""
        self._uncheckpointed_bytes = 0
        self._started: Instant | None = None

    @property
    def leader_epoch(self) -> int:
        """The leader epoch of every partition of this shard: the number of its L1 writer."""
        return self._writer.epoch

    # -- partitions ----------------------------------------------------------------------------------------------------

    def log(self, partition: TopicIdPartition) -> PartitionLog:
        """Return the log of a partition, creating an empty one for a partition that has never held anything."""
        log = self.logs.get(partition)
        if log is None:
            log = self.logs[partition] = PartitionLog(partition)
        return log

    def delete(self, partition: TopicIdPartition) -> None:
        """Forget a partition; what L2 has of it goes with the next checkpoint."""
        log = self.logs.pop(partition, None)
        if log is not None:
            self._dirty.discard(log)
            self._replacements.pop(log, None)
            self._uncheckpointed_bytes -= log.uncheckpointed_bytes
        self._deleted.append(partition)

    def replace_by_snapshots(self, partition: TopicIdPartition, take_snapshot: TakeSnapshot) -> None:
        """With each checkpoint, ask for something to keep in place of a partition's durable records.

        If there is, the checkpoint saves it under `content_name`, and the log begins at its high watermark from then
        on: in one step, so that a crash leaves the old or the new.
        """
        self._snapshot_takers[partition] = take_snapshot

    # -- writing -------------------------------------------------------------------------------------------------------

    @property
    def is_writable(self) -> bool:
        """Whether a write would not be refused now."""
        return self.failure is None and self._retry_at_ms is None

    def check_writable(self) -> None:
        """Refuse a write that could not be made durable.

        Raises:
            ApiError: KAFKA_STORAGE_ERROR, or NOT_LEADER_OR_FOLLOWER if another owner has the shard.
        """
        if self.failure is not None:
            raise refusal_for(self.failure)
        if self._retry_at_ms is not None:
            raise ApiError(ErrorCode.KAFKA_STORAGE_ERROR, "storage does not accept writes at present; try again later")

    def check_room(self) -> None:
        """Refuse a client's batch that memory has no room for while L2 takes nothing from it; after `check_writable`.

        Raises:
            ApiError: KAFKA_STORAGE_ERROR.
        """
        if self._checkpoint_retry_at_ms is not None and not self.has_room:
            raise ApiError(ErrorCode.KAFKA_STORAGE_ERROR, "checkpoints cannot be saved at present; try again later")

    def write_batches(self, log: PartitionLog, base_offset: int, data: memoryview) -> None:
        """Add what a partition log has appended to the gathering flush. `data` must not change any more."""
        flush = self._gathering()
        flush.add(wal_entry.item_header(wal_entry.BATCHES, log.partition, base_offset, len(data)), data)
        flush.end_offsets[log] = log.log_end_offset
        self._entered_tail(log, len(data))

    def append_own(self, partition: TopicIdPartition, batch: bytearray, config: LogConfig, now: Instant) -> None:
        """Append a batch of the broker's own to an internal partition, after `check_writable`."""
        log = self.log(partition)
        result = log.append_as_leader(
            memoryview(batch), leader_epoch=self.leader_epoch, config=config, now=now, from_client=False
        )
        if result.data is not None:
            self.write_batches(log, result.base_offset, result.data)

    def delete_records(self, log: PartitionLog, offset: int) -> None:
        """Move a partition's log start offset to `offset`, not beyond its high watermark; when that is durable.

        Not before, or readers could see it go back with a crash.
        """
        if offset <= log.log_start_offset:
            return
        flush = self._gathering()
        flush.add(wal_entry.item_header(wal_entry.LOG_START_OFFSET, log.partition, offset, 0), None)
        flush.moved_starts[log] = max(offset, flush.moved_starts.get(log, 0))

    def when_durable(self, waiter: Callable[[StorageError | None], None]) -> None:
        """Call `waiter` when all that was written until now is durable: with None, or with why it never will be.

        At once if nothing is on its way.
        """
        if self.failure is not None:
            waiter(self.failure)
        elif self._flushes[-1].parts:
            self._flushes[-1].waiters.append(waiter)
        elif len(self._flushes) > 1:
            self._flushes[-2].waiters.append(waiter)
        else:
            waiter(None)

    def replayed(self, log: PartitionLog, size_bytes: int) -> None:
        """Count what recovery has put into a log from L1: in memory, durable, and unknown to L2."""
        self._dirty.add(log)
        if size_bytes:
            self._entered_tail(log, size_bytes)

    def recovered(self, now: Instant) -> None:
        """Recovery is over: what it replayed is due for a checkpoint as if it had just been written."""
        self._started = now
        self._sweeping.due(now)
        if self._dirty or self._deleted:
            self._dirty_since_ms = now.monotonic_ms

    @property
    def is_overloaded(self) -> bool:
        """Whether L2 lags so far behind that producers must wait; not while they can only be refused."""
        return self.failure is None and self._checkpoint_retry_at_ms is None and not self.has_room

    @property
    def has_room(self) -> bool:
        """Whether L2 is near enough for memory to take another batch of a client."""
        return self._uncheckpointed_bytes < self._config.tail_max_bytes

    def _gathering(self) -> Flush:
        flush = self._flushes[-1]
        if flush.size_bytes >= MAX_FLUSH_BYTES:
            flush = Flush()
            self._flushes.append(flush)
        return flush

    # -- reading from L2 -----------------------------------------------------------------------------------------------

    def read_cold(self, partition: TopicIdPartition, offset: int, max_bytes: int) -> ReadWork:
        """Ask for batches of a partition that memory has forgotten."""
        work = ReadWork(self._checkpoints, self.number, partition, offset, max_bytes, inline=self._inline)
        self._new_work.append(work)
        return work

    def search_timestamp(self, log: PartitionLog, timestamp_ms: int, start_offset: int) -> TimestampSearchWork:
        """Ask for the first batch of a partition in L2, from an offset on, that reaches a timestamp."""
        work = TimestampSearchWork(
            self._checkpoints, self.number, log.partition, timestamp_ms, start_offset, inline=self._inline
        )
        self._new_work.append(work)
        return work

    # -- compaction ----------------------------------------------------------------------------------------------------

    def compact(
        self, log: PartitionLog, offset: int, max_bytes: int, step: Callable[[Sequence[Buffer]], object]
    ) -> CompactionWork:
        """Ask for a step of a compaction with batches of a partition in L2, from `offset` on."""
        work = CompactionWork(self._checkpoints, self.number, log.partition, offset, max_bytes, step)
        self._new_work.append(work)
        return work

    def replace(self, log: PartitionLog, replacement: Replacement, now: Instant) -> None:
        """Have a checkpoint made that puts other batches in the place of some in L2. One at a time for each log."""
        self._replacements[log] = replacement
        self.mark_dirty(log, now)

    def is_replacing(self, log: PartitionLog) -> bool:
        """Whether a replacement is not durable yet; not for a partition that is gone."""
        return log in self._replacements

    def mark_dirty(self, log: PartitionLog, now: Instant) -> None:
        """Have the state of a log saved with the next checkpoint."""
        self._dirty.add(log)
        if self._dirty_since_ms is None:
            self._dirty_since_ms = now.monotonic_ms

    # -- storage work --------------------------------------------------------------------------------------------------

    def take_work(self, now: Instant, *, is_closing: bool = False) -> list[StorageWork]:
        """Return the blocking calls to be made now. With `is_closing`, a checkpoint is due if anything is dirty."""
        if self.failure is None:
            self._begin_append(now)
            self._begin_checkpoint(now, is_closing=is_closing)
            if self._has_nothing_to_save and not is_closing and (sweep := self._sweeping.begin(now)) is not None:
                self._new_work.append(sweep)
        work, self._new_work = self._new_work, []
        return work

    def next_deadline_ms(self) -> int | None:
        """Return when `take_work` will have something for no other reason than time, on the monotonic clock."""
        deadlines: list[int] = []
        if self._retry_at_ms is not None and self._appending is None:
            deadlines.append(self._retry_at_ms)
        if self._dirty_since_ms is not None and self._checkpointing is None:
            due_ms = self._dirty_since_ms + self._config.checkpoint_interval_ms
            deadlines.append(due_ms if self._checkpoint_retry_at_ms is None else self._checkpoint_retry_at_ms)
        if self._has_nothing_to_save and self._sweeping.next_deadline_ms is not None:
            deadlines.append(self._sweeping.next_deadline_ms)
        return min(deadlines, default=None) if self.failure is None else None

    @property
    def is_clean(self) -> bool:
        """Whether nothing is on its way to L1 or L2, and nothing is left for a checkpoint."""
        if self.failure is not None:
            return self._appending is None and self._checkpointing is None and not self._sweeping.is_running
        return not (
            self._appending
            or self._checkpointing
            or self._sweeping.is_running
            or self._flushes[0].parts
            or self._dirty
            or self._deleted
            or self._new_work
        )

    def complete(self, work: StorageWork, now: Instant) -> None:
        """Take back an append, a trim, a checkpoint or a sweep that has run."""
        if isinstance(work, AppendWork):
            self._append_completed(work, now)
        elif isinstance(work, CheckpointWork):
            self._checkpoint_completed(work, now)
        else:
            if isinstance(work, SweepWork):
                self._sweeping.completed(work, now)
            if work.error is not None and not isinstance(work.error, StorageUnavailable):
                self._fail(work.error)

    def _begin_append(self, now: Instant) -> None:
        flush = self._flushes[0]
        if self._appending is not None or not flush.parts:
            return
        if self._retry_at_ms is not None and now.monotonic_ms < self._retry_at_ms:
            return
        if len(self._flushes) == 1:
            self._flushes.append(Flush())
        self.stalls.begin_entry(now.monotonic_ms)
        self._appending = AppendWork(self._writer, flush.parts, inline=self._inline)
        self._new_work.append(self._appending)

    def _append_completed(self, work: AppendWork, now: Instant) -> None:
        self._appending = None
        if self.failure is not None:
            # A checkpoint has failed meanwhile, and everybody who waited was told then.
            return
        if isinstance(work.error, StorageUnavailable):
            if self._retry_at_ms is None:
                logger.error("writes are refused until storage accepts them again: %s", work.error)
            self._retry_at_ms = now.monotonic_ms + RETRY_INTERVAL_MS
            return
        if work.error is not None:
            self._fail(work.error)
            return
        if self._retry_at_ms is not None:
            logger.warning("storage accepts writes again")
            self._retry_at_ms = None
        self.stalls.end_entry(now.monotonic_ms)
        self._durable_sequence = work.sequence
        self._flushed(self._flushes.popleft(), now)

    def _flushed(self, flush: Flush, now: Instant) -> None:
        """A flush is durable: move what it moves, and tell whoever waits."""
        for log, end_offset in flush.end_offsets.items():
            log.advance_high_watermark(end_offset)
        for log, start_offset in flush.moved_starts.items():
            log.increment_log_start_offset(start_offset)
        for log in (*flush.end_offsets, *flush.moved_starts):
            if self.logs.get(log.partition) is log:
                self.mark_dirty(log, now)
        for waiter in flush.waiters:
            waiter(None)
        for log in flush.end_offsets:
            self._on_advance(log)
        for log in flush.moved_starts:
            self._on_advance(log)

    def _begin_checkpoint(self, now: Instant, *, is_closing: bool) -> None:
        if self._checkpointing is not None or not self._is_checkpoint_due(now, is_closing=is_closing):
            return
        self._checkpoint_ends = {log: log.high_watermark for log in self._dirty}
        # A jump of the wall clock makes no producer forgotten, or its next retry would be taken for something new.
        unhurried = now.unhurried(self._started or now)
        partitions: dict[TopicIdPartition, PartitionChanges] = {}
        snapshots: dict[str, Callable[[], bytes]] = {}
        for log, end_offset in self._checkpoint_ends.items():
            log.remove_expired_producers(unhurried, self._config.producer_id_expiration_ms)
            partitions[log.partition] = log.changes_for_checkpoint(self._replacements.get(log))
            snapshots[snapshot_name(log.partition)] = partial(encode_snapshot, log.snapshot(end_offset))
        for partition, take_snapshot in self._snapshot_takers.items():
            log = self.log(partition)
            content = take_snapshot(log)
            if content is not None:
                self._checkpoint_ends[log] = log.high_watermark
                partitions[partition] = PartitionChanges(log_start_offset=log.high_watermark)
                snapshots[snapshot_name(partition)] = partial(encode_snapshot, log.snapshot(log.high_watermark))
                snapshots[content_name(partition)] = content
        changes = Changes(
            epoch=self._writer.epoch,
            next_sequence=self._durable_sequence + 1,
            partitions=partitions,
            deleted=tuple(self._deleted),
            snapshots=dict.fromkeys(map(snapshot_name, self._deleted)),
        )
        self._dirty = set()
        self._deleted = []
        self._dirty_since_ms = None
        self._checkpointing = CheckpointWork(self._checkpoints, self.number, changes, snapshots, inline=self._inline)
        self._new_work.append(self._checkpointing)

    def _is_checkpoint_due(self, now: Instant, *, is_closing: bool) -> bool:
        if self._dirty_since_ms is None:
            return False
        if self._checkpoint_retry_at_ms is not None:
            return now.monotonic_ms >= self._checkpoint_retry_at_ms
        return (
            self._uncheckpointed_bytes >= self._config.checkpoint_bytes
            or self.is_overloaded
            or bool(self._replacements)
            or now.monotonic_ms >= self._dirty_since_ms + self._config.checkpoint_interval_ms
            or (is_closing and self._appending is None and not self._flushes[0].parts)
        )

    def _checkpoint_completed(self, work: CheckpointWork, now: Instant) -> None:
        self._checkpointing = None
        saved, self._checkpoint_ends = self._checkpoint_ends, {}
        alive = {log: end for log, end in saved.items() if self.logs.get(log.partition) is log}
        if work.error is not None:
            self._dirty.update(alive)
            self._deleted.extend(work.changes.deleted)
            self._dirty_since_ms = now.monotonic_ms
            if isinstance(work.error, StorageUnavailable):
                logger.warning("the checkpoint is tried again later: %s", work.error)
                self._checkpoint_retry_at_ms = now.monotonic_ms + RETRY_INTERVAL_MS
            else:
                self._fail(work.error)
            return
        self._checkpoint_retry_at_ms = None
        for log, end_offset in alive.items():
            before = log.uncheckpointed_bytes
            log.checkpointed(end_offset)
            if work.changes.partitions[log.partition].replacement is not None:
                del self._replacements[log]
            self._uncheckpointed_bytes -= before - log.uncheckpointed_bytes
            # Of those that a snapshot has replaced; L2 had it of all others.
            log.increment_log_start_offset(work.changes.partitions[log.partition].log_start_offset)
        self._new_work.append(TrimWork(self._writer, work.changes.next_sequence, inline=self._inline))
        self._sweeping.due(now)
        self._shrink_tail()

    @property
    def _has_nothing_to_save(self) -> bool:
        return self._checkpointing is None and self._dirty_since_ms is None

    def _entered_tail(self, log: PartitionLog, size_bytes: int) -> None:
        self._uncheckpointed_bytes += size_bytes
        size_bytes += BATCH_OVERHEAD_BYTES
        self._tail_order.append((log, size_bytes))
        self._tail_bytes += size_bytes

    def _shrink_tail(self) -> None:
        """Let memory forget the oldest checkpointed batches until L0 is within its budget."""
        while self._tail_bytes > self._config.tail_max_bytes and self._tail_order:
            log, size_bytes = self._tail_order[0]
            if self.logs.get(log.partition) is log and not log.forget(size_bytes):
                break
            self._tail_order.popleft()
            self._tail_bytes -= size_bytes

    def close(self) -> None:
        """Give up the engines."""
        self._writer.close()
        self._checkpoints.close()

    def _fail(self, error: StorageError) -> None:
        """Write no more, for good, and tell everybody who waits."""
        if self.failure is None:
            logger.critical("shard %d writes no more: %s", self.number, error)
            self.failure = error
        flushes, self._flushes = self._flushes, deque([Flush()])
        for flush in flushes:
            for waiter in flush.waiters:
                waiter(error)


def refusal_for(error: StorageError) -> ApiError:
    """Return how a write is refused that storage has given up for good."""
    code = ErrorCode.NOT_LEADER_OR_FOLLOWER if isinstance(error, Fenced) else ErrorCode.KAFKA_STORAGE_ERROR
    return ApiError(code, str(error))


def snapshot_name(partition: TopicIdPartition) -> str:
    """Return the name under which L2 keeps the snapshot of a partition."""
    return f"partition/{partition.topic_id.hex()}/{partition.partition}"


def content_name(partition: TopicIdPartition) -> str:
    """Return the name under which L2 keeps what stands for the records of a partition below its log start."""
    return f"content/{partition.topic_id.hex()}/{partition.partition}"
