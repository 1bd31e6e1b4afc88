"""What goes wrong with a checkpoint store: crashes, outcomes that nobody knows, damage, readers beside a save."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.storage.spi import Changes, CheckpointStore, PartitionChanges
from dotkafka.testing.conformance.checks import (
    PARTITION,
    expect,
    expect_error,
    expect_storage_error,
    expect_true,
    given,
    joined,
    promised_by,
    stored_batches,
)
from dotkafka.testing.conformance.store_subject import StoreSubject


def _changes(number: int) -> Changes:
    """Return the checkpoint after `number` others: one more batch, and a snapshot that says so."""
    return Changes(
        1, number, {PARTITION: PartitionChanges(stored_batches(1, first=number))}, (), {"count": b"%d" % (number + 1)}
    )


class StoreOutcomeChecks(StoreSubject):
    """The promises that are about errors, crashes and threads."""

    @promised_by(CheckpointStore.save)
    def test_a_save_survives_a_crash(self) -> None:
        """What a save has returned for is there after a crash, all of it."""
        store = self.create_store()
        for number in range(5):
            store.save(0, _changes(number))
            expected = store.load(0)
            store = given(self.crash(store), "crash")
            expect(store.load(0), expected, "the checkpoint")
            expect(self._read(store, 0), joined(stored_batches(number + 1)), "the batches")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_a_save_that_was_not_possible_is_made_again(self) -> None:
        """StorageUnavailable leaves what was there; the same changes can be saved later."""
        store = self.create_store()
        store.save(0, _changes(0))
        before = store.load(0)
        with given(self.unavailable(store), "unavailable"):
            for _ in range(3):
                expect_error(StorageUnavailable, lambda: store.save(0, _changes(1)), "a save that is not possible")
        expect(store.load(0), before, "the checkpoint meanwhile")
        expect(self._read(store, 0), joined(stored_batches(1)), "the batches meanwhile")
        store.save(0, _changes(1))
        expect(self._read(store, 0), joined(stored_batches(2)), "the batches")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_a_save_of_unknown_outcome_is_made_again(self) -> None:
        """If it had been done, saving the same again, or the same and more, gives each batch once."""
        store = self.create_store()
        store.save(0, _changes(0))
        with given(self.unknown_outcome(store), "unknown_outcome"):
            expect_error(StorageUnavailable, lambda: store.save(0, _changes(1)), "a lost answer")
        store.save(0, Changes(1, 2, {PARTITION: PartitionChanges(stored_batches(2, first=1))}, (), {"count": b"3"}))
        expect(self._read(store, 0), joined(stored_batches(3)), "the batches")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_a_save_of_unknown_outcome_is_there_whole_or_not(self) -> None:
        """If the process ends then, the next one finds the checkpoint before or after, and can save the same again."""
        store = self.create_store()
        store.save(0, _changes(0))
        with given(self.unknown_outcome(store), "unknown_outcome"):
            expect_error(StorageUnavailable, lambda: store.save(0, _changes(1)), "a lost answer")
        store = given(self.crash(store), "crash")
        self._expect_consistent(store)
        store.save(0, _changes(1))
        expect(self._read(store, 0), joined(stored_batches(2)), "the batches")
        store.close()

    @promised_by(CheckpointStore.save)
    def test_damage_is_refused_with_its_place(self) -> None:
        """A store that is damaged raises StorageFailed, which names the place, and gives no wrong bytes."""
        store = self.create_store()
        batches = stored_batches(300, size=3000)
        self._save(store, 0, PartitionChanges(batches))
        store.close()
        damaged, place = given(self.damaged(store), "damaged")
        if damaged is None:
            return
        try:
            found = self._read(damaged, 0)
            self._save(damaged, 1, PartitionChanges(stored_batches(300, first=300, size=3000), 2500))
        except StorageFailed as error:
            expect_true(f"the message names the place, {place!r}: {error}", condition=place in str(error))
            return
        finally:
            damaged.close()
        raise AssertionError(f"damage: expected StorageFailed, got {len(found)} bytes")

    @promised_by(CheckpointStore)
    def test_others_read_while_one_saves(self) -> None:
        """Every reader sees one checkpoint whole: its batches, its snapshots, its position, never half of one."""
        store = self.create_store()
        store.save(0, _changes(0))
        done = Event()

        def read_often() -> int:
            count = 0
            while not done.is_set() or not count:
                self._expect_consistent(store)
                count += 1
            return count

        with ThreadPoolExecutor(3) as pool:
            reads = [pool.submit(read_often) for _ in range(3)]
            try:
                for number in range(1, 40):
                    store.save(0, _changes(number))
            finally:
                done.set()
        for read in reads:
            read.result()
        expect(self._read(store, 0), joined(stored_batches(40)), "the batches in the end")
        store.close()

    @promised_by(CheckpointStore.close)
    def test_a_closed_store_raises_nothing_but_storage_errors(self) -> None:
        """Closing twice is no error, and whoever is late gets a StorageError at most."""
        store = self.create_store()
        store.save(0, _changes(0))
        store.close()
        store.close()
        expect_storage_error(lambda: store.save(0, _changes(1)), "a save after close")
        expect_storage_error(lambda: store.load(0), "a load after close")
        expect_storage_error(lambda: store.read(0, PARTITION, 0, 1), "a read after close")
        expect_storage_error(lambda: store.batch_for_timestamp(0, PARTITION, 0, 0), "a search after close")

    def _expect_consistent(self, store: CheckpointStore) -> None:
        """Raise AssertionError unless what is loaded, and then read, stems from one of `_changes`, whole."""
        checkpoint = store.load(0)
        if checkpoint is None:
            raise AssertionError("the checkpoint: expected one, got None")
        count = checkpoint.next_sequence + 1
        end_offset = checkpoint.partitions[PARTITION].end_offset
        expect((end_offset, checkpoint.snapshots["count"]), (count * 10, b"%d" % count), "end and snapshot")
        found = self._read(store, 0)
        # A newer checkpoint may be there by now.
        expect_true("there are as many batches as that, or more", condition=len(found) >= count * 100)
        expect_true("they are whole and in order", condition=found == joined(stored_batches(len(found) // 100)))
