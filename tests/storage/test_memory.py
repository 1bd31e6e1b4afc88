"""The engines in memory keep every promise of the seams but durability."""

from copy import copy

from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal
from dotkafka.storage.spi import Changes, CheckpointStore, WriteAheadLog
from dotkafka.testing.conformance import CheckpointStoreConformance, WriteAheadLogConformance


class TestMemoryWal(WriteAheadLogConformance):
    """The conformance checks; a restart is a new writer of the same object."""

    def create_wal(self) -> WriteAheadLog:
        """Return an empty log."""
        return MemoryWal()

    def restart(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Return the log itself."""
        return wal

    def test_it_does_not_claim_durability(self) -> None:
        """The server may run it inline."""
        assert not self.create_wal().durable


class TestMemoryCheckpointStore(CheckpointStoreConformance):
    """The conformance checks; a restart is the same object."""

    def create_store(self) -> CheckpointStore:
        """Return an empty store."""
        return MemoryCheckpointStore()

    def restart(self, store: CheckpointStore) -> CheckpointStore:
        """Return the store itself."""
        return store

    def test_a_copy_goes_its_own_way(self) -> None:
        """It holds what the store held; what is saved later, the other does not have."""
        store = MemoryCheckpointStore()
        store.save(0, Changes(epoch=1, next_sequence=1))
        other = copy(store)
        store.save(0, Changes(epoch=1, next_sequence=2))
        loaded = [each.load(0) for each in (store, other)]
        assert [checkpoint and checkpoint.next_sequence for checkpoint in loaded] == [2, 1]
