"""Bounds of a checkpoint store: large and many, the ends of ranges, what is empty."""

from dotkafka.storage.spi import Changes, CheckpointStore, PartitionChanges, StoredBatch, StoredRange, TopicIdPartition
from dotkafka.testing.conformance.checks import (
    INT64_MAX,
    PARTITION,
    expect,
    expect_true,
    joined,
    promised_by,
    stored_batches,
)
from dotkafka.testing.conformance.store_subject import StoreSubject

_PARTITIONS = 2000


class StoreSizeChecks(StoreSubject):
    """The promises at their bounds."""

    @promised_by(CheckpointStore.read)
    def test_a_batch_of_16_mib(self) -> None:
        """The largest one that anybody sends is read back, alone, and found by its timestamp."""
        store = self.create_store()
        batches = [
            *stored_batches(1),
            StoredBatch(10, 10, 5000, bytes(range(256)) * 65536),
            *stored_batches(1, first=2),
        ]
        batches[2] = batches[2]._replace(base_offset=11)
        self._save(store, 0, PartitionChanges(batches))
        expect_true("it is read back", condition=self._read(store, 10, 1) == batches[1].data)
        found = store.batch_for_timestamp(0, PARTITION, 5000, 0)
        expect_true("it is found by its timestamp", condition=found is not None and bytes(found) == batches[1].data)
        expect(self._read(store, 11, 1), bytes(batches[2].data), "the one after it")
        store.close()

    @promised_by(CheckpointStore.read)
    def test_no_batch_is_cut(self) -> None:
        """Wherever a limit falls, each buffer ends where a batch ends."""
        store = self.create_store()
        batches = [batch._replace(data=b"%d" % n * (n * 37 % 90 + 1)) for n, batch in enumerate(stored_batches(40))]
        ends = {sum(len(batch.data) for batch in batches[:count]) for count in range(41)}
        self._save(store, 0, PartitionChanges(batches))
        for max_bytes in range(0, 2500, 61):
            position = 0
            for buffer in store.read(0, PARTITION, 0, max_bytes):
                position += len(buffer)
                expect_true(f"a buffer within {max_bytes} ends with a batch", condition=position in ends)
            expect_true(f"at least one batch within {max_bytes}", condition=position > 0)
        store.close()

    @promised_by(Changes)
    def test_many_partitions(self) -> None:
        """One save may change thousands of partitions; each has its own batches and range, after deletions too."""
        store = self.create_store()
        names = [TopicIdPartition(number.to_bytes(16, "big"), number % 7) for number in range(_PARTITIONS)]
        changes = {
            name: PartitionChanges([StoredBatch(0, number, number, b"batch of %d" % number)])
            for number, name in enumerate(names)
        }
        store.save(0, Changes(0, 0, changes))
        store.save(0, Changes(0, 1, {}, names[::2]))
        checkpoint = store.load(0)
        expected = {name: StoredRange(0, number + 1) for number, name in enumerate(names) if number % 2}
        expect_true(
            "the ranges of those left", condition=checkpoint is not None and dict(checkpoint.partitions) == expected
        )
        for number in (0, 1, _PARTITIONS // 2 + 1, _PARTITIONS - 1):
            found = b"".join(store.read(0, names[number], 0, 100))
            expect(found, b"batch of %d" % number if number % 2 else b"", f"what is read of partition {number}")
        store.close()

    @promised_by(Changes)
    def test_snapshots_of_any_size_and_name(self) -> None:
        """A snapshot is opaque: empty, or megabytes; its name is any text."""
        store = self.create_store()
        snapshots = {"": b"", "a/b": bytes(3_000_000), "ß\n'\"": b"\x00\xff" * 100, "z" * 300: b"z"}
        store.save(0, Changes(0, 0, {}, (), snapshots))
        checkpoint = store.load(0)
        expect_true("all are loaded", condition=checkpoint is not None and dict(checkpoint.snapshots) == snapshots)
        store.save(0, Changes(0, 1, {}, (), dict.fromkeys(snapshots)))
        checkpoint = store.load(0)
        expect(checkpoint and dict(checkpoint.snapshots), {}, "the snapshots, when all are removed")
        store.close()

    @promised_by(StoredBatch)
    def test_offsets_and_timestamps_to_the_end_of_their_range(self) -> None:
        """Offsets, timestamps, epochs and sequences may be as large as the protocol allows."""
        store = self.create_store()
        batch = StoredBatch(INT64_MAX - 10, INT64_MAX - 1, INT64_MAX, b"last")
        early = StoredBatch(0, 0, -1, b"without timestamp")
        store.save(0, Changes(2**31 - 1, INT64_MAX, {PARTITION: PartitionChanges([early, batch])}))
        checkpoint = store.load(0)
        expect(checkpoint and (checkpoint.epoch, checkpoint.next_sequence), (2**31 - 1, INT64_MAX), "the position")
        expect(self._range(store), StoredRange(0, INT64_MAX), "the range")
        expect(self._read(store, INT64_MAX - 1), b"last", "from the last offset")
        found = store.batch_for_timestamp(0, PARTITION, INT64_MAX, 0)
        expect(found and bytes(found), b"last", "the batch for the last timestamp")
        store.close()

    @promised_by(PartitionChanges)
    def test_truncation_at_its_bounds(self) -> None:
        """Truncating to the end removes nothing, to an offset inside a batch that batch too, to 0 everything."""
        store = self.create_store()
        batches = stored_batches(6)
        self._save(store, 0, PartitionChanges(batches))
        self._save(store, 1, PartitionChanges(truncate_to=60))
        expect(self._read(store, 0), joined(batches), "truncated to the end")
        self._save(store, 2, PartitionChanges(truncate_to=1000))
        expect((self._range(store), self._read(store, 0)), (StoredRange(0, 60), joined(batches)), "truncated beyond it")
        self._save(store, 3, PartitionChanges(truncate_to=59))
        expect(self._range(store), StoredRange(0, 50), "the range, truncated to the last offset")
        self._save(store, 4, PartitionChanges(truncate_to=0))
        expect((self._range(store), self._read(store, 0)), (StoredRange(0, 0), b""), "truncated to 0")
        self._save(store, 5, PartitionChanges(batches[:2]))
        expect(self._read(store, 0), joined(batches[:2]), "what is added after")
        store.close()

    @promised_by(CheckpointStore.batch_for_timestamp)
    def test_a_timestamp_finds_nothing_that_is_gone(self) -> None:
        """Neither a batch that was truncated, nor one of a deleted partition, nor one before `start_offset`."""
        store = self.create_store()
        batches = stored_batches(6)
        self._save(store, 0, PartitionChanges(batches))
        found = store.batch_for_timestamp(0, PARTITION, 0, 25)
        expect(found and bytes(found), batches[2].data, "the first from offset 25 on")
        self._save(store, 1, PartitionChanges(log_start_offset=40, truncate_to=50))
        found = store.batch_for_timestamp(0, PARTITION, 0, 40)
        expect(found and bytes(found), batches[4].data, "the first that is left")
        expect(store.batch_for_timestamp(0, PARTITION, 4001, 40), None, "a truncated one")
        store.save(0, Changes(0, 2, {}, (PARTITION,)))
        expect(store.batch_for_timestamp(0, PARTITION, 0, 0), None, "one of a deleted partition")
        store.close()

    @promised_by(StoredRange)
    def test_the_end_offset_outlives_the_batches(self) -> None:
        """Also when retention has removed every batch, and after a restart, it is one more than the last ever saved."""
        store = self.create_store()
        self._save(store, 0, PartitionChanges(stored_batches(5)))
        self._save(store, 1, PartitionChanges(log_start_offset=50))
        expect((self._range(store), self._read(store, 0)), (StoredRange(50, 50), b""), "the range")
        self._save(store, 2, PartitionChanges(stored_batches(5)))
        expect((self._range(store), self._read(store, 0)), (StoredRange(50, 50), b""), "the range, saved again")
        store.close()
        if (restarted := self.restart(store)) is not None:
            expect(self._range(restarted), StoredRange(50, 50), "the range after a restart")
            restarted.close()
