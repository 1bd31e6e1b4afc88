"""Compaction: has the newest record of each key replace the older ones, one partition at a time.

Whenever it has nothing to do, it looks every `log.cleaner.backoff.ms` for the partition whose uncompacted share is the
largest of those that are due. A pass (see `dotkafka.log.compaction`) reads L2 in portions, on a thread of its own; what
is left of a portion goes into a checkpoint, and only when that is durable the next portion is looked at. Appends and
reads go on meanwhile. A pass of which something goes wrong, or whose partition is deleted, is given up; the next one
does its work. While storage takes no writes, it waits.

Only what L2 has is compacted, and decided transactions only: what is not checkpointed yet is what Kafka calls the
active segment. `__consumer_offsets` is compacted as any topic with `cleanup.policy=compact` is.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dotkafka.errors import StorageUnavailable
from dotkafka.log.compaction import KEY_BYTES, Compacted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.storage_work import CompactionWork
    from dotkafka.log.compaction import CompactionPass, Dirtiness
    from dotkafka.log.config import LogConfig
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.storage.spi import Buffer

logger = logging.getLogger(__name__)


class _Running:
    """A pass, and the log that it is for."""

    def __init__(self, log: PartitionLog, compaction: CompactionPass) -> None:
        self.log = log
        self.compaction = compaction
        self.start_offset = compaction.end_offset
        self.next_offset = log.log_start_offset
        """From where on the log is still to be compacted."""
        self.outcome: Compacted | None = None
        """What is left of the portion from there on, once that is known."""

    def next_step(self) -> tuple[int, Callable[[Sequence[Buffer]], None]] | None:
        """Return from where on batches are needed, and what is to be done with them; None at the end."""
        if not self.compaction.is_indexed:
            return self.compaction.end_offset, self.compaction.index
        if self.compaction.is_done or self.compaction.end_offset <= self.start_offset:
            return None
        self.next_offset = max(self.next_offset, self.log.log_start_offset)
        return self.next_offset, self._compact

    def _compact(self, portion: Sequence[Buffer]) -> None:
        self.outcome = self.compaction.compact(portion)


class Compaction:
    """Which partition is compacted when; what stays of it, its log decides."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._interval_ms = broker.config.log_cleaner_backoff_ms
        self._deadline_ms = broker.now.monotonic_ms + self._interval_ms
        self._running: _Running | None = None
        self._work: CompactionWork | None = None
        self._uncleanable: set[PartitionLog] = set()
        """Those that storage could not read; left alone until the next start, as in Kafka."""
        self._warned: set[str] = set()

    @property
    def is_working(self) -> bool:
        """Whether a call is under way."""
        return self._work is not None

    def next_deadline_ms(self) -> int | None:
        """Return when `handle_timeouts` is due, on the monotonic clock."""
        return self._deadline_ms if self._running is None and self._broker.shard.failure is None else None

    def handle_timeouts(self) -> None:
        """Begin a pass, if it is time to look and there is one to be made."""
        now_ms = self._broker.now.monotonic_ms
        if self._running is None and now_ms >= self._deadline_ms:
            self._deadline_ms = now_ms + self._interval_ms
            self._begin()

    def completed(self, work: CompactionWork) -> None:
        """Take back a step that has run."""
        self._work = None
        running = self._running
        if running is None or work.error is None:
            return
        self._running = None
        if isinstance(work.error, StorageUnavailable):
            logger.warning("partition %s is compacted later: %s", running.log.partition, work.error)
        else:
            logger.error("partition %s is not compacted any more: %s", running.log.partition, work.error)
            self._uncleanable.add(running.log)

    def proceed(self) -> None:
        """Take the next step of the pass, if there is one and nothing has to be waited for."""
        running = self._running
        if running is None or self._work is not None:
            return
        shard = self._broker.shard
        if shard.logs.get(running.log.partition) is not running.log or shard.failure is not None:
            self._running = None
            return
        outcome, running.outcome = running.outcome, None
        if outcome is not None:
            self._take_effect(running, outcome)
        if shard.is_replacing(running.log) or not shard.is_writable or self._broker.is_closing:
            return
        step = running.next_step()
        if step is not None:
            portion_bytes = self._broker.config.log_cleaner_io_buffer_size
            self._work = shard.compact(running.log, step[0], portion_bytes, step[1])
        else:
            self._end(running)

    def _take_effect(self, running: _Running, outcome: Compacted) -> None:
        log = running.log
        if log.log_start_offset > running.next_offset:
            # Records were deleted meanwhile, and not only what is left counts as replaced: once more, from there.
            running.compaction.is_done = False
            return
        log.compacted(outcome)
        running.next_offset = outcome.replacement.end_offset
        if running.compaction.is_done:
            log.compacted_to(running.compaction.end_offset)
        if outcome.is_changed:
            self._broker.shard.replace(log, outcome.replacement, self._broker.now)
        elif running.compaction.is_done:
            self._broker.shard.mark_dirty(log, self._broker.now)

    def _begin(self) -> None:
        broker = self._broker
        if not broker.shard.is_writable or broker.is_closing:
            return
        now_ms = broker.trusted_wall_ms()
        due = [(log, config, dirty) for log, config, dirty in self._dirty_logs(now_ms) if dirty.is_due]
        if due:
            log, config, dirty = max(due, key=lambda candidate: candidate[2].ratio)
            max_keys = max(broker.config.log_cleaner_dedupe_buffer_size // KEY_BYTES, 1)
            self._running = _Running(log, log.begin_compaction(dirty, config, max_keys=max_keys, now_ms=now_ms))
            self.proceed()

    def _dirty_logs(self, now_ms: int) -> Iterator[tuple[PartitionLog, LogConfig, Dirtiness]]:
        """Yield the compacted partitions of which something is not."""
        broker = self._broker
        for topic in broker.metadata.topics_by_id.values():
            config = broker.log_config(topic)
            if not config.is_compacted:
                continue
            for partition in topic.partitions():
                log = broker.shard.logs.get(partition)
                if (
                    log is not None
                    and log.first_dirty_offset < log.checkpointed_offset
                    and log not in self._uncleanable
                ):
                    yield log, config, log.dirtiness(config, now_ms)

    def _end(self, running: _Running) -> None:
        self._running = None
        compaction = running.compaction
        for reason in compaction.unreadable - self._warned:
            logger.warning("partition %s: some batches stay uncompacted: %s", running.log.partition, reason)
        self._warned |= compaction.unreadable
        logger.debug("partition %s is compacted up to offset %d", running.log.partition, compaction.end_offset)
        if compaction.end_offset > running.start_offset:
            # There may be another one that is due.
            self._deadline_ms = self._broker.now.monotonic_ms
