"""Retention: deletes the records that have become too old or too many, partition by partition.

Every `log.retention.check.interval.ms` all partitions are looked at, a few at a time so that nobody waits for it. What
goes, goes the way of DeleteRecords: the log start offset moves when that is durable, and L2 forgets with a later
checkpoint. Settings are read at each look, so a change holds from the next one on. Internal topics are left alone.

No jump of the wall clock while the broker runs deletes anything. The time that counts is the wall clock's, but never
later than the monotonic clock allows since the start: a clock that jumps ahead is not believed before the next start,
one that goes back only keeps records longer.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.broker.broker import Broker
    from dotkafka.metadata.image import MetadataImage
    from dotkafka.storage.spi import TopicIdPartition

INITIAL_DELAY_MS: Final = 30_000
"""After a start, at most; as in Kafka."""
PARTITIONS_PER_STEP: Final = 100
STEP_INTERVAL_MS: Final = 10
"""Between two steps of one round others have their turn."""


class Retention:
    """When and where retention looks; what may go, each log decides."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._interval_ms = broker.config.log_retention_check_interval_ms
        self._deadline_ms = broker.now.monotonic_ms + min(self._interval_ms, INITIAL_DELAY_MS)
        self._round: Iterator[TopicIdPartition] | None = None
        """What is left of the round that has begun."""

    def next_deadline_ms(self) -> int | None:
        """Return when `handle_timeouts` is due, on the monotonic clock."""
        return self._deadline_ms if self._broker.shard.failure is None else None

    def handle_timeouts(self) -> None:
        """Take the next step, if it is due."""
        broker = self._broker
        now_ms = broker.now.monotonic_ms
        if now_ms < self._deadline_ms:
            return
        if not broker.shard.is_writable:
            self._deadline_ms = now_ms + self._interval_ms
            return
        if self._round is None:
            self._round = _partitions(broker.metadata)
        partitions = list(islice(self._round, PARTITIONS_PER_STEP))
        for partition in partitions:
            self._look_at(partition)
        if len(partitions) < PARTITIONS_PER_STEP:
            self._round = None
            self._deadline_ms = now_ms + self._interval_ms
        else:
            self._deadline_ms = now_ms + STEP_INTERVAL_MS

    def _look_at(self, partition: TopicIdPartition) -> None:
        broker = self._broker
        topic = broker.metadata.topics_by_id.get(partition.topic_id)
        log = broker.shard.logs.get(partition)
        if topic is not None and log is not None:
            offset = log.log_start_offset_after_retention(broker.log_config(topic), broker.trusted_wall_ms())
            broker.shard.delete_records(log, offset)


def _partitions(image: MetadataImage) -> Iterator[TopicIdPartition]:
    """Yield every partition that retention may be for."""
    for topic in image.topics_by_id.values():
        if not topic.is_internal:
            yield from topic.partitions()
