"""The conformance checks catch engines that break a promise."""

from collections.abc import Iterator, Sequence

import pytest

from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal, MemoryWalWriter
from dotkafka.storage.spi import Buffer, Changes, CheckpointStore, TopicIdPartition, WalEntry, WriteAheadLog
from dotkafka.testing.storage_conformance import CheckpointStoreConformance, WriteAheadLogConformance


class WalWithoutFencing(MemoryWal):
    """Gives every owner the same writer."""

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> MemoryWalWriter:
        """Return the first writer again."""
        writers: dict[int, MemoryWalWriter] = self.__dict__.setdefault("writers", {})
        if shard not in writers:
            writers[shard] = super().open(shard, owner)
        return writers[shard]


class WalThatLosesEmptyEntries(MemoryWal):
    """Takes an empty entry for none."""

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        """Leave empty entries out."""
        return (entry for entry in super().read(shard, from_sequence) if entry.payload)


class StoreThatIgnoresLimits(MemoryCheckpointStore):
    """Always reads everything."""

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Read everything."""
        return super().read(shard, partition, offset, 10**9)


class StoreWithoutFencing(MemoryCheckpointStore):
    """Takes checkpoints of any epoch."""

    def save(self, shard: int, changes: Changes) -> None:
        """Forget the epoch first."""
        self._shards.pop(shard, None)
        super().save(shard, changes)


@pytest.mark.parametrize(
    ("engine", "check"),
    [
        (WalWithoutFencing, "test_a_newer_writer_fences_the_older"),
        (WalWithoutFencing, "test_the_minimums_of_open"),
        (WalThatLosesEmptyEntries, "test_an_entry_is_the_concatenation_of_its_parts"),
    ],
)
def test_broken_logs_are_caught(engine: type[WriteAheadLog], check: str) -> None:
    """The check of the broken promise fails with a message."""
    conformance = WriteAheadLogConformance()
    conformance.create_wal = engine  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="expected"):
        getattr(conformance, check)()


@pytest.mark.parametrize(
    ("engine", "check"),
    [
        (StoreThatIgnoresLimits, "test_reads_keep_to_the_limit"),
        (StoreWithoutFencing, "test_an_older_epoch_is_fenced"),
        (StoreWithoutFencing, "test_a_checkpoint_is_loaded_as_saved"),
    ],
)
def test_broken_stores_are_caught(engine: type[CheckpointStore], check: str) -> None:
    """The check of the broken promise fails with a message."""
    conformance = CheckpointStoreConformance()
    conformance.create_store = engine  # type: ignore[method-assign]
    with pytest.raises(AssertionError, match="expected"):
        getattr(conformance, check)()
