"""What the author of a checkpoint store says of it: how to make one, and how to break it."""

from dotkafka.storage.spi import Changes, CheckpointStore, PartitionChanges, StoredRange
from dotkafka.testing.conformance.checks import PARTITION, Fault


class StoreSubject:
    """`create_store` is needed. A check that needs another one which is not written is skipped, and says so."""

    def create_store(self) -> CheckpointStore:
        """Return an engine over an empty place."""
        raise NotImplementedError("write create_store: it returns a store of yours over an empty place")

    def restart(self, store: CheckpointStore) -> CheckpointStore | None:
        """Return an engine as a new process would find it after `store`, which is closed; None if none can."""
        del store
        return None

    def crash(self, store: CheckpointStore) -> CheckpointStore | None:
        """Return an engine as a new process finds it after `store` was cut off: a power cut, with it open."""
        del store
        return None

    def unavailable(self, store: CheckpointStore) -> Fault | None:
        """Return what lets a save of `store` raise StorageUnavailable with nothing done: a full disk."""
        del store
        return None

    def unknown_outcome(self, store: CheckpointStore) -> Fault | None:
        """Return what lets a save of `store` raise StorageUnavailable when it has been done: a lost answer."""
        del store
        return None

    def damaged(self, store: CheckpointStore) -> tuple[CheckpointStore | None, str] | None:
        """Damage what holds the batches of `store`, which is closed.

        Return an engine as a new process finds it, None if it already refused with StorageFailed; and a part of what
        the message has to say, such as the name of the file.
        """
        del store
        return None

    def _save(self, store: CheckpointStore, next_sequence: int, changes: PartitionChanges) -> None:
        store.save(0, Changes(0, next_sequence, {PARTITION: changes}))

    def _read(self, store: CheckpointStore, offset: int, max_bytes: int = 10**9) -> bytes:
        return b"".join(store.read(0, PARTITION, offset, max_bytes))

    def _range(self, store: CheckpointStore) -> StoredRange | None:
        checkpoint = store.load(0)
        return checkpoint.partitions.get(PARTITION) if checkpoint else None
