"""The checks of a checkpoint store; those of what goes wrong and of sizes are in the modules beside."""

from dotkafka.errors import Fenced
from dotkafka.storage.spi import Changes, CheckpointStore, PartitionChanges, Replacement, StoredRange, TopicIdPartition
from dotkafka.testing.conformance.checks import (
    PARTITION,
    expect,
    expect_error,
    expect_true,
    given,
    joined,
    promised_by,
    stored_batches,
)
from dotkafka.testing.conformance.store_outcomes import StoreOutcomeChecks
from dotkafka.testing.conformance.store_sizes import StoreSizeChecks


class CheckpointStoreConformance(StoreOutcomeChecks, StoreSizeChecks):
    """The promises of `CheckpointStore`. What you can say of yours is in `StoreSubject`."""

    @promised_by(CheckpointStore.load)
    def test_a_new_store_is_empty(self) -> None:
        """There is no checkpoint, no batch, and no error."""
        store = self.create_store()
        expect(store.load(0), None, "the checkpoint")
        expect(self._read(store, 0), b"", "what is read")
        expect(store.batch_for_timestamp(0, PARTITION, 0, 0), None, "the batch for a timestamp")
        store.close()

    @promised_by(CheckpointStore.load)
    def test_a_checkpoint_is_loaded_as_saved(self) -> None:
        """Epoch, sequence, ranges and snapshots come back; later ones replace earlier ones by name."""
        store = self.create_store()
        store.save(0, Changes(2, 50, {PARTITION: PartitionChanges(stored_batches(3))}, (), {"a": b"1", "b": b"2"}))
        store.save(0, Changes(2, 60, {}, (), {"a": b"new", "b": None, "c": b"", "unknown": None}))
        checkpoint = store.load(0)
        if checkpoint is None:
            raise AssertionError("nothing was saved")
        expect((checkpoint.epoch, checkpoint.next_sequence), (2, 60), "epoch and sequence")
        expect(dict(checkpoint.partitions), {PARTITION: StoredRange(0, 30)}, "partitions")
        expect(dict(checkpoint.snapshots), {"a": b"new", "c": b""}, "snapshots")
        store.close()

    @promised_by(CheckpointStore.read)
    def test_batches_are_read_from_any_offset(self) -> None:
        """A read begins with the batch that holds the offset, or the first after it."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches[:4]))
        self._save(store, 1, PartitionChanges(batches[4:]))
        for offset in (0, 9, 10, 35, 40, 99):
            expect(self._read(store, offset), joined(batches[offset // 10 :]), f"from offset {offset}")
        expect(self._read(store, 100), b"", "from the end")
        store.close()

    @promised_by(CheckpointStore.read)
    def test_reads_keep_to_the_limit(self) -> None:
        """As many whole batches as fit, and at least one."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches))
        for max_bytes, count in ((0, 1), (1, 1), (100, 1), (199, 1), (200, 2), (950, 9), (1000, 10), (10**9, 10)):
            expect(self._read(store, 0, max_bytes), joined(batches[:count]), f"within {max_bytes} bytes")
        store.close()

    @promised_by(CheckpointStore.read)
    def test_many_and_large_batches(self) -> None:
        """Batches larger than the engine's unit, and many in one save, are read back the same."""
        store = self.create_store()
        batches = [*stored_batches(3, size=1_500_000), *stored_batches(3000, first=3, size=700)]
        self._save(store, 0, PartitionChanges(batches))
        expect_true("all batches are read back", condition=self._read(store, 0) == joined(batches))
        expect_true("the large batch that holds offset 15", condition=self._read(store, 15, 1) == batches[1].data)
        expect_true("the batch that holds offset 20005", condition=self._read(store, 20_005, 1) == batches[2000].data)
        store.close()

    @promised_by(CheckpointStore.read)
    def test_offsets_may_have_gaps(self) -> None:
        """After a gap (compaction makes them) a read continues with the next batch."""
        store = self.create_store()
        batches = stored_batches(10)
        del batches[3:6]
        self._save(store, 0, PartitionChanges(batches))
        expect(self._read(store, 42), joined(batches[3:]), "from within the gap")
        store.close()

    @promised_by(CheckpointStore.batch_for_timestamp)
    def test_batches_are_found_by_timestamp(self) -> None:
        """The first batch whose largest timestamp is the one asked for or later."""
        store = self.create_store()
        batches = stored_batches(6)
        batches[2] = batches[2]._replace(max_timestamp_ms=9000)
        self._save(store, 0, PartitionChanges(batches[:4]))
        self._save(store, 1, PartitionChanges(batches[4:]))
        for timestamp_ms, number in ((-1, 0), (0, 0), (1, 1), (1000, 1), (1001, 2), (3000, 2), (9000, 2)):
            found = store.batch_for_timestamp(0, PARTITION, timestamp_ms, 0)
            expect(found, batches[number].data, f"the batch for timestamp {timestamp_ms}")
        expect(store.batch_for_timestamp(0, PARTITION, 9001, 0), None, "a timestamp above all")
        for start_offset in (batches[3].base_offset, batches[3].last_offset):
            found = store.batch_for_timestamp(0, PARTITION, 0, start_offset)
            expect(found, batches[3].data, f"the batch for any timestamp from offset {start_offset} on")
        store.close()

    @promised_by(PartitionChanges)
    def test_the_log_start_offset_drops_batches(self) -> None:
        """Batches below it may go, the one that holds it stays; it does not go back."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches))
        self._save(store, 1, PartitionChanges(log_start_offset=35))
        expect(self._range(store), StoredRange(35, 100), "the range")
        expect(self._read(store, 35), joined(batches[3:]), "from the log start offset")
        self._save(store, 2, PartitionChanges(log_start_offset=20))
        expect(self._range(store), StoredRange(35, 100), "the range after a lower log start offset")
        self._save(store, 3, PartitionChanges(log_start_offset=100))
        expect(self._range(store), StoredRange(100, 100), "the range when everything is dropped")
        self._save(store, 4, PartitionChanges(stored_batches(1, first=10), 100))
        expect(self._range(store), StoredRange(100, 110), "the range when it goes on")
        store.close()

    @promised_by(PartitionChanges)
    def test_truncation_removes_batches(self) -> None:
        """Batches that reach the offset are removed before new ones are added."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches))
        self._save(store, 1, PartitionChanges(truncate_to=65))
        expect(self._range(store), StoredRange(0, 60), "the range")
        expect(self._read(store, 45), joined(batches[4:6]), "what is left")
        expect(self._read(store, 60), b"", "what was removed")
        other = [batch._replace(data=b"other" * 3) for batch in stored_batches(2, first=3)]
        self._save(store, 2, PartitionChanges(other, truncate_to=30))
        expect(self._read(store, 0), joined([*batches[:3], *other]), "after another truncation with new batches")
        store.close()

    @promised_by(Changes)
    def test_deleted_partitions_are_gone(self) -> None:
        """Nothing of a deleted partition can be read, also when one of the same name is made in the same step."""
        store = self.create_store()
        other = TopicIdPartition(PARTITION.topic_id, 4)
        changes = PartitionChanges(stored_batches(5))
        store.save(0, Changes(0, 0, {PARTITION: changes, other: changes}))
        store.save(0, Changes(0, 1, {}, (PARTITION, TopicIdPartition(bytes(16), 9))))
        checkpoint = store.load(0)
        expect(checkpoint and dict(checkpoint.partitions), {other: StoredRange(0, 50)}, "what is left")
        expect(self._read(store, 0), b"", "what is read")
        again = PartitionChanges(stored_batches(1))
        store.save(0, Changes(0, 2, {other: again}, (other,)))
        expect(b"".join(store.read(0, other, 0, 10**9)), joined(again.batches), "the partition made anew")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_an_older_epoch_is_fenced(self) -> None:
        """A checkpoint of an older epoch changes nothing."""
        store = self.create_store()
        store.save(0, Changes(5, 10, {}, (), {"a": b"1"}))
        before = store.load(0)
        late = Changes(4, 99, {PARTITION: PartitionChanges(stored_batches(1))}, (), {"a": b"2"})
        expect_error(Fenced, lambda: store.save(0, late), "an older epoch")
        expect(store.load(0), before, "the checkpoint")
        expect(self._read(store, 0), b"", "the batches of the older epoch")
        store.save(1, Changes(1, 0))
        store.save(0, Changes(6, 11))
        store.close()

    @promised_by(CheckpointStore.save)
    def test_the_position_does_not_go_back(self) -> None:
        """A new owner raises the epoch and saves nothing else; what it knew of the position may be old."""
        store = self.create_store()
        store.save(0, Changes(5, 10, {}, (), {"a": b"1"}))
        store.save(0, Changes(6, 7))
        checkpoint = store.load(0)
        if checkpoint is None:
            raise AssertionError("nothing was saved")
        expect((checkpoint.epoch, checkpoint.next_sequence), (6, 10), "epoch and sequence")
        expect(dict(checkpoint.snapshots), {"a": b"1"}, "snapshots")
        expect_error(Fenced, lambda: store.save(0, Changes(5, 12)), "the former owner's epoch")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_saving_the_same_changes_again_is_safe(self) -> None:
        """A save whose outcome was not known is made again: batches are there once."""
        store = self.create_store()
        batches = stored_batches(5)
        for _ in range(2):
            self._save(store, 0, PartitionChanges(batches[:3]))
        for _ in range(2):
            self._save(store, 1, PartitionChanges(batches[2:], truncate_to=20))
        expect(self._read(store, 0), joined(batches), "the batches")
        store.close()

    @promised_by(CheckpointStore)
    def test_shards_are_apart(self) -> None:
        """The same partition in two shards is two."""
        store = self.create_store()
        store.save(1, Changes(0, 5, {PARTITION: PartitionChanges(stored_batches(2))}, (), {"a": b"1"}))
        expect(store.load(0), None, "the other shard's checkpoint")
        expect(self._read(store, 0), b"", "the other shard's batches")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_a_restart_finds_everything(self) -> None:
        """What was saved is there after a restart."""
        store = self.create_store()
        batches = stored_batches(20)
        store.save(0, Changes(3, 7, {PARTITION: PartitionChanges(batches, 15)}, (), {"a": b"1"}))
        before = store.load(0)
        store.close()
        restarted = given(self.restart(store), "restart")
        expect(restarted.load(0), before, "the checkpoint")
        expect(self._read(restarted, 15), joined(batches[1:]), "the batches")
        restarted.close()

    @promised_by(PartitionChanges)
    def test_compaction_replaces_batches(self) -> None:
        """Batches within a range of offsets give way to others; what is around them, and all offsets, stay."""
        store = self.create_store()
        batches = stored_batches(20)
        for number in range(10):
            self._save(store, number, PartitionChanges(batches[2 * number : 2 * number + 2]))
        short = [batch._replace(data=b"short", max_timestamp_ms=7000) for batch in (batches[5], batches[7])]
        added = stored_batches(1, first=20)
        for _ in range(2):
            self._save(store, 10, PartitionChanges(added, replacement=Replacement(50, 90, short)))
        expected = [*batches[:5], *short, *batches[9:], *added]
        expect(self._range(store), StoredRange(0, 210), "the range")
        expect(self._read(store, 0), joined(expected), "all batches")
        expect(self._read(store, 65), joined(expected[6:]), "from within a gap")
        expect(store.batch_for_timestamp(0, PARTITION, 6500, 0), b"short", "the batch for a timestamp")
        self._save(store, 11, PartitionChanges(log_start_offset=85, replacement=Replacement(50, 90)))
        expect(self._read(store, 85), joined(expected[7:]), "what is left above the log start offset")
        self._save(store, 12, PartitionChanges(replacement=Replacement(90, 210, [added[0]._replace(data=b"")])))
        expect((self._range(store), self._read(store, 85)), (StoredRange(85, 210), b""), "an end without bytes")
        store.close()
