"""What every storage engine must do, as checks that an author runs over an engine of their own.

Subclass in a test module, say how to make the engine, and pytest (or any runner of `test_` methods) does the rest:

    class TestMyWal(WriteAheadLogConformance):
        def create_wal(self) -> WriteAheadLog:
            return MyWal(new_empty_place())

        def restart(self, wal: WriteAheadLog) -> WriteAheadLog:
            return MyWal(same_place_as(wal))

The methods need nothing but the engine; how it survives crashes is for its own tests (`faulty_file_system` helps).
"""

from collections.abc import Callable, Sequence

from dotkafka.errors import Fenced, StorageFailed
from dotkafka.storage.spi import (
    Buffer,
    Changes,
    CheckpointStore,
    PartitionChanges,
    Replacement,
    StoredBatch,
    StoredRange,
    TopicIdPartition,
    WriteAheadLog,
)


def expect(actual: object, expected: object, promise: str) -> None:
    """Raise AssertionError with both values unless they are equal."""
    if actual != expected:
        raise AssertionError(f"{promise}: expected {expected!r}, got {actual!r}")


def expect_true(promise: str, *, condition: bool) -> None:
    """Raise AssertionError unless the condition holds: for values too long to print."""
    if not condition:
        raise AssertionError(f"{promise}: expected to hold")


def expect_error(kind: type[Exception], call: Callable[[], object], promise: str) -> None:
    """Raise AssertionError unless the call raises `kind`."""
    try:
        result = call()
    except kind:
        return
    raise AssertionError(f"{promise}: expected {kind.__name__}, got {result!r}")


def payloads(wal: WriteAheadLog, shard: int = 0, from_sequence: int = 0) -> list[bytes]:
    """Return copies of the payloads that the log reads back."""
    return [bytes(entry.payload) for entry in wal.read(shard, from_sequence)]


class WriteAheadLogConformance:
    """The promises of `WriteAheadLog` and `WalWriter`."""

    def create_wal(self) -> WriteAheadLog:
        """Return an engine over an empty place."""
        raise NotImplementedError

    def restart(self, wal: WriteAheadLog) -> WriteAheadLog | None:
        """Return an engine as a new process would find it after `wal`, whose writers are closed; None if none can."""
        del wal
        return None

    def test_a_new_log_is_empty(self) -> None:
        """Reading a shard that nobody wrote yields nothing."""
        wal = self.create_wal()
        expect(payloads(wal), [], "before it is opened")
        writer = wal.open(0, "test")
        expect(writer.next_sequence, 0, "the first sequence")
        expect(payloads(wal), [], "after it is opened")
        writer.close()

    def test_entries_are_read_back_in_order(self) -> None:
        """Entries come back whole, in order, with consecutive sequences and the epoch of their writer."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        expected = [b"%d-" % number * number for number in range(40)]
        for sequence, payload in enumerate(expected):
            expect(writer.append([payload]), sequence, "the sequence of an append")
        expect(writer.next_sequence, 40, "the next sequence")
        entries = [(entry.sequence, entry.epoch, bytes(entry.payload)) for entry in wal.read(0, 0)]
        expect(entries, [(n, writer.epoch, payload) for n, payload in enumerate(expected)], "what is read back")
        writer.close()

    def test_an_entry_is_the_concatenation_of_its_parts(self) -> None:
        """Parts of any buffer type, empty ones and none at all make one entry."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"bytes", bytearray(b"bytearray"), b"", memoryview(b"a view")[2:]])
        writer.append([])
        expect(payloads(wal), [b"bytesbytearrayview", b""], "the entries")
        writer.close()

    def test_many_parts_make_one_entry(self) -> None:
        """There is no limit to the number of parts (operating systems have one)."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        parts = [b"%d," % number for number in range(5000)]
        writer.append(parts)
        expect(payloads(wal), [b"".join(parts)], "the entry")
        writer.close()

    def test_large_entries(self) -> None:
        """An entry may be larger than whatever unit the engine writes in, and others follow it."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        expected = [b"before", bytes(range(256)) * 4096 * 5, b"after"]
        for payload in expected:
            writer.append([payload])
        expect_true("large entries are read back", condition=payloads(wal) == expected)
        writer.close()

    def test_reading_starts_at_a_sequence(self) -> None:
        """Entries before the sequence asked for are left out; one past the end yields nothing."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        for number in range(5):
            writer.append([b"%d" % number])
        expect(payloads(wal, from_sequence=3), [b"3", b"4"], "from sequence 3")
        expect(payloads(wal, from_sequence=5), [], "from the end")
        expect(payloads(wal, from_sequence=99), [], "from behind the end")
        writer.close()

    def test_trim_keeps_what_is_not_below_it(self) -> None:
        """After a trim every entry from there on is there; older ones may be, in order and without a gap."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        for number in range(30):
            writer.append([b"%d" % number * 1000])
        writer.trim(20)
        sequences = [entry.sequence for entry in wal.read(0, 0)]
        expect(sequences, list(range(sequences[0], 30)), "sequences without a gap")
        expect_true("entry 20 is kept", condition=sequences[0] <= 20)
        writer.trim(30)
        expect(writer.append([b"next"]), 30, "sequences go on after everything was trimmed")
        expect(payloads(wal, from_sequence=30), [b"next"], "the entry after the trim")
        writer.close()

    def test_a_newer_writer_fences_the_older(self) -> None:
        """From the moment of the second open, the first writer appends and trims nothing, and says Fenced."""
        wal = self.create_wal()
        first = wal.open(0, "first")
        first.append([b"of the first"])
        second = wal.open(0, "second")
        expect_true("the newer epoch is higher", condition=second.epoch > first.epoch)
        expect_error(Fenced, lambda: first.append([b"late"]), "an append of the fenced writer")
        expect_error(Fenced, lambda: first.trim(1), "a trim of the fenced writer")
        expect(second.append([b"of the second"]), 1, "the newer writer continues the sequences")
        first.close()
        expect_error(Fenced, lambda: first.append([b"late"]), "an append of the fenced writer after its close")
        expect(second.append([b"again"]), 2, "closing a fenced writer does not end its successor")
        expect(payloads(wal), [b"of the first", b"of the second", b"again"], "the entries of both")
        second.close()

    def test_a_closed_writer_refuses(self) -> None:
        """A closed writer raises StorageFailed; closing twice is no error; entries stay for the next one."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"kept"])
        writer.close()
        writer.close()
        expect_error(StorageFailed, lambda: writer.append([b"late"]), "an append after close")
        successor = wal.open(0, "test")
        expect_true("the next epoch is higher", condition=successor.epoch > writer.epoch)
        expect(successor.next_sequence, 1, "the next sequence")
        expect(payloads(wal), [b"kept"], "the entries")
        successor.close()

    def test_shards_are_apart(self) -> None:
        """Each shard has sequences, entries and an owner of its own."""
        wal = self.create_wal()
        first = wal.open(0, "test")
        second = wal.open(7, "test")
        expect([first.append([b"a"]), second.append([b"b"]), first.append([b"c"])], [0, 0, 1], "sequences by shard")
        expect([payloads(wal, 0), payloads(wal, 7)], [[b"a", b"c"], [b"b"]], "entries by shard")
        first.close()
        second.close()

    def test_the_minimums_of_open(self) -> None:
        """A log behind its checkpoint starts over at the checkpoint; one that is not, ignores the minimums."""
        wal = self.create_wal()
        writer = wal.open(0, "test", minimum_epoch=7, minimum_sequence=100)
        expect((writer.epoch, writer.next_sequence), (7, 100), "the minimums of an empty log")
        writer.append([b"old"])
        writer = wal.open(0, "test", minimum_epoch=3, minimum_sequence=50)
        expect((writer.epoch, writer.next_sequence), (8, 101), "minimums already reached")
        expect(payloads(wal), [b"old"], "entries kept")
        writer = wal.open(0, "test", minimum_sequence=200)
        expect(payloads(wal), [], "entries dropped, as the checkpoint is ahead of them")
        expect(writer.append([b"new"]), 200, "the sequence continues the checkpoint's")
        writer = wal.open(0, "test")
        expect(payloads(wal), [b"new"], "entries after another open")
        writer.close()

    def test_a_restart_finds_everything(self) -> None:
        """What was appended is there after a restart, again and again, and sequences and epochs go on rising."""
        wal = self.create_wal()
        expected: list[bytes] = []
        epoch = -1
        for life in range(4):
            writer = wal.open(0, "test")
            expect_true("the epoch rises", condition=writer.epoch > epoch)
            epoch = writer.epoch
            expect(writer.next_sequence, len(expected), "the next sequence")
            expect(payloads(wal), expected, "entries of earlier lives")
            for number in range(life):
                expected.append(b"%d.%d" % (life, number))
                writer.append([expected[-1]])
            writer.close()
            restarted = self.restart(wal)
            if restarted is None:
                return
            wal = restarted


PARTITION = TopicIdPartition(bytes(range(16)), 3)


def stored_batches(count: int, *, first: int = 0, size: int = 100, offsets: int = 10) -> list[StoredBatch]:
    """Return batches of `offsets` records each; batch n begins at `n * offsets` and has timestamp `n * 1000`."""
    return [
        StoredBatch(n * offsets, (n + 1) * offsets - 1, n * 1000, (b"%08d" % n * (size // 8 + 1))[:size])
        for n in range(first, first + count)
    ]


class CheckpointStoreConformance:
    """The promises of `CheckpointStore`."""

    def create_store(self) -> CheckpointStore:
        """Return an engine over an empty place."""
        raise NotImplementedError

    def restart(self, store: CheckpointStore) -> CheckpointStore | None:
        """Return an engine as a new process would find it after `store`, which is closed; None if none can."""
        del store
        return None

    def test_a_new_store_is_empty(self) -> None:
        """There is no checkpoint, no batch, and no error."""
        store = self.create_store()
        expect(store.load(0), None, "the checkpoint")
        expect(self._read(store, 0), b"", "what is read")
        expect(store.batch_for_timestamp(0, PARTITION, 0, 0), None, "the batch for a timestamp")
        store.close()

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

    def test_batches_are_read_from_any_offset(self) -> None:
        """A read begins with the batch that holds the offset, or the first after it."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches[:4]))
        self._save(store, 1, PartitionChanges(batches[4:]))
        for offset in (0, 9, 10, 35, 40, 99):
            expect(self._read(store, offset), _joined(batches[offset // 10 :]), f"from offset {offset}")
        expect(self._read(store, 100), b"", "from the end")
        store.close()

    def test_reads_keep_to_the_limit(self) -> None:
        """As many whole batches as fit, and at least one."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches))
        for max_bytes, count in ((0, 1), (1, 1), (100, 1), (199, 1), (200, 2), (950, 9), (1000, 10), (10**9, 10)):
            expect(self._read(store, 0, max_bytes), _joined(batches[:count]), f"within {max_bytes} bytes")
        store.close()

    def test_many_and_large_batches(self) -> None:
        """Batches larger than the engine's unit, and many in one save, are read back the same."""
        store = self.create_store()
        batches = [*stored_batches(3, size=1_500_000), *stored_batches(3000, first=3, size=700)]
        self._save(store, 0, PartitionChanges(batches))
        expect_true("all batches are read back", condition=self._read(store, 0) == _joined(batches))
        expect_true("the large batch that holds offset 15", condition=self._read(store, 15, 1) == batches[1].data)
        expect_true("the batch that holds offset 20005", condition=self._read(store, 20_005, 1) == batches[2000].data)
        store.close()

    def test_offsets_may_have_gaps(self) -> None:
        """After a gap (compaction makes them) a read continues with the next batch."""
        store = self.create_store()
        batches = stored_batches(10)
        del batches[3:6]
        self._save(store, 0, PartitionChanges(batches))
        expect(self._read(store, 42), _joined(batches[3:]), "from within the gap")
        store.close()

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

    def test_the_log_start_offset_drops_batches(self) -> None:
        """Batches below it may go, the one that holds it stays; it does not go back."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches))
        self._save(store, 1, PartitionChanges(log_start_offset=35))
        expect(self._range(store), StoredRange(35, 100), "the range")
        expect(self._read(store, 35), _joined(batches[3:]), "from the log start offset")
        self._save(store, 2, PartitionChanges(log_start_offset=20))
        expect(self._range(store), StoredRange(35, 100), "the range after a lower log start offset")
        self._save(store, 3, PartitionChanges(log_start_offset=100))
        expect(self._range(store), StoredRange(100, 100), "the range when everything is dropped")
        self._save(store, 4, PartitionChanges(stored_batches(1, first=10), 100))
        expect(self._range(store), StoredRange(100, 110), "the range when it goes on")
        store.close()

    def test_truncation_removes_batches(self) -> None:
        """Batches that reach the offset are removed before new ones are added."""
        store = self.create_store()
        batches = stored_batches(10)
        self._save(store, 0, PartitionChanges(batches))
        self._save(store, 1, PartitionChanges(truncate_to=65))
        expect(self._range(store), StoredRange(0, 60), "the range")
        expect(self._read(store, 45), _joined(batches[4:6]), "what is left")
        expect(self._read(store, 60), b"", "what was removed")
        other = [batch._replace(data=b"other" * 3) for batch in stored_batches(2, first=3)]
        self._save(store, 2, PartitionChanges(other, truncate_to=30))
        expect(self._read(store, 0), _joined([*batches[:3], *other]), "after another truncation with new batches")
        store.close()

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
        expect(_joined_buffers(store.read(0, other, 0, 10**9)), _joined(again.batches), "the partition made anew")
        store.close()

    def test_an_older_epoch_is_fenced(self) -> None:
        """A checkpoint of an older epoch changes nothing."""
        store = self.create_store()
        store.save(0, Changes(5, 10, {}, (), {"a": b"1"}))
        expect_error(Fenced, lambda: store.save(0, Changes(4, 99, {}, (), {"a": b"2"})), "an older epoch")
        checkpoint = store.load(0)
        expect(checkpoint and (checkpoint.epoch, checkpoint.snapshots["a"]), (5, b"1"), "the checkpoint")
        store.save(1, Changes(1, 0))
        store.save(0, Changes(6, 11))
        store.close()

    def test_saving_the_same_changes_again_is_safe(self) -> None:
        """A save whose outcome was not known is made again: batches are there once."""
        store = self.create_store()
        batches = stored_batches(5)
        for _ in range(2):
            self._save(store, 0, PartitionChanges(batches[:3]))
        for _ in range(2):
            self._save(store, 1, PartitionChanges(batches[2:], truncate_to=20))
        expect(self._read(store, 0), _joined(batches), "the batches")
        store.close()

    def test_shards_are_apart(self) -> None:
        """The same partition in two shards is two."""
        store = self.create_store()
        store.save(1, Changes(0, 5, {PARTITION: PartitionChanges(stored_batches(2))}, (), {"a": b"1"}))
        expect(store.load(0), None, "the other shard's checkpoint")
        expect(self._read(store, 0), b"", "the other shard's batches")
        store.close()

    def test_a_restart_finds_everything(self) -> None:
        """What was saved is there after a restart."""
        store = self.create_store()
        batches = stored_batches(20)
        store.save(0, Changes(3, 7, {PARTITION: PartitionChanges(batches, 15)}, (), {"a": b"1"}))
        before = store.load(0)
        store.close()
        restarted = self.restart(store)
        if restarted is None:
            return
        expect(restarted.load(0), before, "the checkpoint")
        expect(self._read(restarted, 15), _joined(batches[1:]), "the batches")
        restarted.close()

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
        expect(self._read(store, 0), _joined(expected), "all batches")
        expect(self._read(store, 65), _joined(expected[6:]), "from within a gap")
        expect(store.batch_for_timestamp(0, PARTITION, 6500, 0), b"short", "the batch for a timestamp")
        self._save(store, 11, PartitionChanges(log_start_offset=85, replacement=Replacement(50, 90)))
        expect(self._read(store, 85), _joined(expected[7:]), "what is left above the log start offset")
        self._save(store, 12, PartitionChanges(replacement=Replacement(90, 210, [added[0]._replace(data=b"")])))
        expect((self._range(store), self._read(store, 85)), (StoredRange(85, 210), b""), "an end without bytes")
        store.close()

    def _save(self, store: CheckpointStore, next_sequence: int, changes: PartitionChanges) -> None:
        store.save(0, Changes(0, next_sequence, {PARTITION: changes}))

    def _read(self, store: CheckpointStore, offset: int, max_bytes: int = 10**9) -> bytes:
        return _joined_buffers(store.read(0, PARTITION, offset, max_bytes))

    def _range(self, store: CheckpointStore) -> StoredRange | None:
        checkpoint = store.load(0)
        return checkpoint.partitions.get(PARTITION) if checkpoint else None


def _joined(batches: Sequence[StoredBatch]) -> bytes:
    return b"".join(batch.data for batch in batches)


def _joined_buffers(buffers: Sequence[Buffer]) -> bytes:
    return b"".join(buffers)
