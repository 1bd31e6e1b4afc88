"""The blocking calls that the broker needs made: to L1 and L2, by whoever runs the broker, on whatever thread.

The broker never blocks. It hands out work; `run` makes the call and keeps its outcome; `Broker.complete` takes it
back on the thread of the core. A piece of work touches only its own data and the storage engine, nothing of the
broker.

Work of one lane is run one at a time and in order; the lanes are independent of each other.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, get_args

import attrs

from dotkafka.errors import StorageError, StorageFailed
from dotkafka.storage.spi import Buffer, Changes, CheckpointStore, SweepingStore, TopicIdPartition, WalWriter

_logger = logging.getLogger(__name__)

Lane = Literal["append", "checkpoint", "read", "compaction"]
LANES: Final[Sequence[Lane]] = get_args(Lane)


class StorageWork:
    """One blocking call. `error` is None if it succeeded."""

    lane: Lane

    def __init__(self, *, inline: bool) -> None:
        self.inline = inline
        """Whether the call is so quick that it may be made in place: storage in memory."""
        self.error: StorageError | None = None

    def run(self) -> None:
        """Make the call. Never raises: what went wrong is in `error` afterwards."""
        try:
            self._call()
        except StorageError as error:
            self.error = error
        except Exception as error:
            # A foreign engine broke its promise: its author wants to know where, and the broker must hear of it.
            _logger.exception("a storage engine raised what is no StorageError")
            self.error = StorageFailed(f"the storage engine raised {error!r}")
            self.error.__cause__ = error

    def _call(self) -> None:
        raise NotImplementedError


class AppendWork(StorageWork):
    """Make one flush durable in L1."""

    lane: Lane = "append"

    def __init__(self, writer: WalWriter, parts: Sequence[Buffer], *, inline: bool) -> None:
        super().__init__(inline=inline)
        self._writer = writer
        self._parts = parts
        self.sequence = -1
        """Of the entry, once it is durable."""

    def _call(self) -> None:
        self.sequence = self._writer.append(self._parts)


class TrimWork(StorageWork):
    """Let L1 forget what a checkpoint covers. On the lane of appends: a writer has one caller at a time."""

    lane: Lane = "append"

    def __init__(self, writer: WalWriter, before_sequence: int, *, inline: bool) -> None:
        super().__init__(inline=inline)
        self._writer = writer
        self._before_sequence = before_sequence

    def _call(self) -> None:
        self._writer.trim(self._before_sequence)


class CheckpointWork(StorageWork):
    """Save one checkpoint in L2, with `snapshots` encoded here, since that takes too long to be done in the core."""

    lane: Lane = "checkpoint"

    def __init__(
        self,
        store: CheckpointStore,
        shard: int,
        changes: Changes,
        snapshots: Mapping[str, Callable[[], bytes]],
        *,
        inline: bool,
    ) -> None:
        super().__init__(inline=inline)
        self._store = store
        self._shard = shard
        self.changes = changes
        self._snapshots = snapshots

    def _call(self) -> None:
        encoded = {name: encode() for name, encode in self._snapshots.items()}
        self._store.save(self._shard, attrs.evolve(self.changes, snapshots={**self.changes.snapshots, **encoded}))


class SweepWork(StorageWork):
    """Let L2 free some of the room of what it has been told to forget."""

    lane: Lane = "checkpoint"

    def __init__(self, store: SweepingStore, *, inline: bool) -> None:
        super().__init__(inline=inline)
        self._store = store
        self.may_have_more = False

    def _call(self) -> None:
        self.may_have_more = self._store.sweep()


class ReadWork(StorageWork):
    """Read batches of one partition from L2, from an offset on."""

    lane: Lane = "read"

    def __init__(
        self,
        store: CheckpointStore,
        shard: int,
        partition: TopicIdPartition,
        offset: int,
        max_bytes: int,
        *,
        inline: bool,
    ) -> None:
        super().__init__(inline=inline)
        self._store = store
        self._shard = shard
        self.partition = partition
        self.offset = offset
        self._max_bytes = max_bytes
        self.batches: Sequence[Buffer] = ()

    def _call(self) -> None:
        self.batches = self._store.read(self._shard, self.partition, self.offset, self._max_bytes)


class TimestampSearchWork(StorageWork):
    """Find in L2 the first batch of a partition that reaches a timestamp."""

    lane: Lane = "read"

    def __init__(
        self,
        store: CheckpointStore,
        shard: int,
        partition: TopicIdPartition,
        timestamp_ms: int,
        start_offset: int,
        *,
        inline: bool,
    ) -> None:
        super().__init__(inline=inline)
        self._store = store
        self._shard = shard
        self._partition = partition
        self._timestamp_ms = timestamp_ms
        self.start_offset = start_offset
        self.batch: Buffer | None = None

    def _call(self) -> None:
        self.batch = self._store.batch_for_timestamp(
            self._shard, self._partition, self._timestamp_ms, self.start_offset
        )


class CompactionWork(StorageWork):
    """Read some batches of one partition from L2, and take a step of a compaction with them.

    Never in place: decoding takes time, wherever the batches come from.
    """

    lane: Lane = "compaction"

    def __init__(
        self,
        store: CheckpointStore,
        shard: int,
        partition: TopicIdPartition,
        offset: int,
        max_bytes: int,
        step: Callable[[Sequence[Buffer]], object],
    ) -> None:
        super().__init__(inline=False)
        self._store = store
        self._shard = shard
        self._partition = partition
        self._offset = offset
        self._max_bytes = max_bytes
        self._step = step

    def _call(self) -> None:
        self._step(self._store.read(self._shard, self._partition, self._offset, self._max_bytes))
