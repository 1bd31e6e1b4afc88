"""The conformance checks pass an engine that keeps every promise, and each of them catches one that breaks it."""

# ruff: noqa: D101, D102, D106 (each broken engine is named for what it does)

import contextlib
from threading import Event
from typing import Any
from unittest import SkipTest

import attrs
import pytest

from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage import spi
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal, MemoryWalWriter
from dotkafka.storage.spi import Checkpoint, StoredRange
from dotkafka.testing.conformance import CheckpointStoreConformance, WriteAheadLogConformance


class Writer(MemoryWalWriter):
    """A writer that can be disturbed."""

    def __init__(self, wal, shard, state):
        super().__init__(shard, state)
        self.wal = wal
        self.failed = False
        self.unknown = None
        """The sequence of an append whose answer was lost."""

    @property
    def next_sequence(self):
        return super().next_sequence if self.unknown is None else self.unknown

    def append(self, parts):
        self.check()
        if self.wal.fault == "unavailable":
            raise StorageUnavailable("full")
        if self.wal.fault == "failing":
            self.failed = True
            raise StorageFailed("sync")
        if self.unknown is None:
            self.unknown = super().append(parts)
        if self.wal.fault == "unknown":
            raise StorageUnavailable("no answer")
        sequence, self.unknown = self.unknown, None
        return sequence

    def trim(self, before_sequence):
        self.check()
        super().trim(before_sequence)

    def check(self):
        """Raise what every call of a failed or fenced writer raises."""
        self._check_owner()
        if self.failed:
            raise StorageFailed("failed before")


class Wal(MemoryWal):
    """Keeps every promise. `data` outlives a process."""

    writer = Writer
    fault = ""
    damaged_sequence = -1

    def open(self, shard, owner, *, minimum_epoch=0, minimum_sequence=0):
        super().open(shard, owner, minimum_epoch=minimum_epoch, minimum_sequence=minimum_sequence)
        return self.writer(self, shard, self._shards[shard])

    def read(self, shard, from_sequence):
        for entry in super().read(shard, from_sequence):
            if entry.sequence == self.damaged_sequence:
                raise StorageFailed(f"entry {entry.sequence} is damaged")
            yield entry

    def reopened(self, *, crashed=False):
        """A new process on the same data."""
        other = type(self)()
        other._shards = self._shards
        return other


class Store(MemoryCheckpointStore):
    """Keeps every promise."""

    fault = ""
    is_damaged = False

    def save(self, shard, changes):
        if self.fault == "unavailable":
            raise StorageUnavailable("full")
        super().save(shard, changes)
        if self.fault == "unknown":
            raise StorageUnavailable("no answer")

    def read(self, shard, partition, offset, max_bytes):
        if self.is_damaged:
            raise StorageFailed("store is damaged")
        return super().read(shard, partition, offset, max_bytes)

    def reopened(self, *, crashed=False):
        """A new process on the same data."""
        other = type(self)()
        other._shards = dict(self._shards)
        return other


@contextlib.contextmanager
def disturbed(engine, fault):
    """Let an engine be disturbed for a while."""
    engine.fault = fault
    yield
    engine.fault = ""


class Subject:
    """How both kinds of engine are made and broken."""

    engine: Any

    def create_wal(self):
        return self.engine()

    create_store = create_wal

    def restart(self, engine):
        return engine.reopened()

    def crash(self, engine):
        return engine.reopened(crashed=True)

    def elsewhere(self, engine):
        return engine.reopened()

    def unavailable(self, engine):
        return disturbed(engine, "unavailable")

    def unknown_outcome(self, engine):
        return disturbed(engine, "unknown")

    def failing(self, engine):
        return disturbed(engine, "failing")


class TestWalThatKeepsEveryPromise(Subject, WriteAheadLogConformance):
    """No check is skipped."""

    engine = Wal

    def damaged(self, wal, payload):
        other = wal.reopened()
        other.damaged_sequence = next(entry.sequence for entry in wal.read(0, 0) if entry.payload == payload)
        return other, f"entry {other.damaged_sequence}"


class TestStoreThatKeepsEveryPromise(Subject, CheckpointStoreConformance):
    """No check is skipped."""

    engine = Store

    def damaged(self, store):
        other = store.reopened()
        other.is_damaged = True
        return other, "store"


WAL_FAULTS: dict[str, type[Wal]] = {}
STORE_FAULTS: dict[str, type[Store]] = {}


def fails(*checks, faults):
    """Say which checks an engine fails."""

    def plant(engine):
        for check in checks:
            assert check not in faults
            faults[check] = engine
        return engine

    return plant


def wal_fails(*checks):
    """Say which checks a log fails."""
    return fails(*checks, faults=WAL_FAULTS)


def store_fails(*checks):
    """Say which checks a store fails."""
    return fails(*checks, faults=STORE_FAULTS)


@wal_fails("a_new_log_is_empty")
class WalThatBeginsWithAnEntry(Wal):
    def open(self, shard, owner, **minimums):
        writer = super().open(shard, owner, **minimums)
        writer.append([b"opened"])
        return writer


@wal_fails("entries_are_read_back_in_order")
class WalThatReadsBackwards(Wal):
    def read(self, shard, from_sequence):
        return reversed(list(super().read(shard, from_sequence)))


@wal_fails("an_entry_is_the_concatenation_of_its_parts")
class WalThatLosesEmptyEntries(Wal):
    def read(self, shard, from_sequence):
        return (entry for entry in super().read(shard, from_sequence) if entry.payload)


@wal_fails("many_parts_make_one_entry")
class WalThatWritesOnce(Wal):
    class writer(Writer):  # noqa: N801
        def append(self, parts):
            return super().append(parts[:1024])


@wal_fails("large_entries")
class WalWithSmallEntries(Wal):
    class writer(Writer):  # noqa: N801
        def append(self, parts):
            return super().append([part[: 8 << 20] for part in parts])


@wal_fails("reading_starts_at_a_sequence")
class WalThatReadsAll(Wal):
    def read(self, shard, from_sequence):
        return super().read(shard, 0)


@wal_fails("trim_keeps_what_is_not_below_it")
class WalThatTrimsOneMore(Wal):
    class writer(Writer):  # noqa: N801
        def trim(self, before_sequence):
            super().trim(before_sequence + 1)


@wal_fails("a_closed_writer_refuses")
class WalThatIsNeverClosed(Wal):
    class writer(Writer):  # noqa: N801
        def close(self):
            pass


@wal_fails("shards_are_apart")
class WalWithOneShard(Wal):
    def open(self, shard, owner, **minimums):
        return super().open(0, owner, **minimums)

    def read(self, shard, from_sequence):
        return super().read(0, from_sequence)


@wal_fails("it_says_whether_it_is_durable")
class WalThatDoesNotSay(Wal):
    durable = None  # type: ignore[assignment]


@wal_fails("the_next_sequence_is_that_of_the_next_append")
class WalThatCountsItsEntries(Wal):
    class writer(Writer):  # noqa: N801
        @property
        def next_sequence(self):
            return len(self._state.entries)


@wal_fails("reading_goes_on_while_entries_are_appended")
class WalThatShowsTheLastEntries(Wal):
    def read(self, shard, from_sequence):
        yield from list(super().read(shard, from_sequence))[-20:]


@wal_fails("several_may_read_in_turn")
class WalWithOneCursor(Wal):
    position = 0

    def read(self, shard, from_sequence):
        self.position = from_sequence
        while entries := list(super().read(shard, self.position)):
            self.position += 1
            yield entries[0]


@wal_fails("a_newer_writer_fences_the_older", "the_owner_is_not_interpreted")
class WalThatKeepsItsWriter(Wal):
    """Gives every owner the same writer, and files by owner."""

    def open(self, shard, owner, **minimums):
        if "/" in owner:
            raise ValueError(owner)
        writers = self.__dict__.setdefault("writers", {})
        if shard not in writers:
            writers[shard] = super().open(shard, owner, **minimums)
        return writers[shard]


@wal_fails(
    "in_every_order_of_calls_only_the_last_opener_appends",
    "of_racing_openers_one_survives",
    "of_racing_processes_one_survives",
    "another_process_is_fenced_or_refused",
)
class WalThatAppendsAlthoughFenced(Wal):
    class writer(Writer):  # noqa: N801
        def _check_owner(self):
            pass


@wal_fails("the_minimums_of_open")
class WalThatIgnoresMinimums(Wal):
    def open(self, shard, owner, **_minimums):
        return super().open(shard, owner)


@wal_fails("a_restart_finds_everything")
class WalThatForgetsItsEpoch(Wal):
    def reopened(self, *, crashed=False):
        for state in self._shards.values():
            state.epoch = -1
        return super().reopened()


@wal_fails("an_append_survives_a_crash")
class WalThatDoesNotSync(Wal):
    def reopened(self, *, crashed=False):
        for state in self._shards.values():
            if crashed and state.entries:
                state.entries.pop()
        return super().reopened()


@wal_fails("a_trim_and_a_crash_leave_what_was_not_trimmed")
class WalThatKnowsNoSequenceWithoutEntries(Wal):
    def reopened(self, *, crashed=False):
        for state in self._shards.values():
            state.next_sequence = state.entries[-1][0] + 1 if state.entries else 0
        return super().reopened()


@wal_fails("an_append_that_was_not_possible_is_made_again")
class WalThatAppendsWhenFull(Wal):
    class writer(Writer):  # noqa: N801
        def append(self, parts):
            if self.wal.fault == "unavailable":
                MemoryWalWriter.append(self, parts)
            return super().append(parts)


@wal_fails("an_open_that_was_not_possible_leaves_the_shard_as_it_was")
class WalThatClearsBeforeItOpens(Wal):
    def open(self, shard, owner, **minimums):
        if self.fault:
            self._shards[shard].entries.clear()
            raise StorageUnavailable("full")
        return super().open(shard, owner, **minimums)


@wal_fails("an_append_of_unknown_outcome_is_made_again")
class WalThatAppendsTwice(Wal):
    class writer(Writer):  # noqa: N801
        def append(self, parts):
            self.unknown = None
            return super().append(parts)


@wal_fails("an_append_of_unknown_outcome_is_decided_by_the_next_open")
class WalThatShowsWhatIsNotDurable(Wal):
    crashes = 0

    def reopened(self, *, crashed=False):
        other = super().reopened()
        other.crashes = self.crashes + 1
        if other.crashes == 2:
            self._shards[0].entries.pop()
        return other


@wal_fails("a_fenced_writer_does_not_make_an_append_again")
class WalThatTakesAnOldAnswer(Wal):
    class writer(Writer):  # noqa: N801
        def check(self):
            if self.unknown is None:
                super().check()


@wal_fails("a_failed_writer_fails_for_good")
class WalThatTriesASyncAgain(Wal):
    class writer(Writer):  # noqa: N801
        def check(self):
            self._check_owner()


@wal_fails("damage_is_refused_with_its_place")
class WalThatLeavesDamageOut(Wal):
    def read(self, shard, from_sequence):
        return (
            entry for entry in MemoryWal.read(self, shard, from_sequence) if entry.sequence != self.damaged_sequence
        )


@store_fails("a_new_store_is_empty")
class StoreThatBeginsWithACheckpoint(Store):
    def load(self, shard):
        return super().load(shard) or Checkpoint(0, 0, {}, {})


@store_fails("a_checkpoint_is_loaded_as_saved")
class StoreThatForgetsOtherSnapshots(Store):
    def load(self, shard):
        loaded = super().load(shard)
        return loaded and attrs.evolve(loaded, snapshots=dict(list(loaded.snapshots.items())[-1:]))


@store_fails("batches_are_read_from_any_offset")
class StoreThatReadsTheNextBatch(Store):
    def read(self, shard, partition, offset, max_bytes):
        stored = self._find(shard, partition)
        return [batch.data for batch in stored.batches if batch.base_offset >= offset]


@store_fails("reads_keep_to_the_limit")
class StoreThatIgnoresLimits(Store):
    def read(self, shard, partition, offset, max_bytes):
        return super().read(shard, partition, offset, 10**9)


@store_fails("no_batch_is_cut")
class StoreThatCutsAtTheLimit(Store):
    def read(self, shard, partition, offset, max_bytes):
        return [b"".join(super().read(shard, partition, offset, 10**9))[:max_bytes]]


@store_fails("many_and_large_batches", "a_batch_of_16_mib")
class StoreOfSmallBatches(Store):
    def read(self, shard, partition, offset, max_bytes):
        return [data[: 1 << 20] for data in super().read(shard, partition, offset, max_bytes)]


@store_fails("offsets_may_have_gaps")
class StoreThatStopsAtAGap(Store):
    def read(self, shard, partition, offset, max_bytes):
        held = any(b.base_offset <= offset <= b.last_offset for b in self._find(shard, partition).batches)
        return super().read(shard, partition, offset, max_bytes) if held else []


@store_fails("batches_are_found_by_timestamp", "a_timestamp_finds_nothing_that_is_gone")
class StoreThatSearchesFromTheStart(Store):
    def batch_for_timestamp(self, shard, partition, timestamp_ms, start_offset):
        return super().batch_for_timestamp(shard, partition, timestamp_ms, 0)


class StoreThatChangesChanges(Store):
    """Saves something else than it was given."""

    def changed(self, changes):
        return changes

    def save(self, shard, changes):
        partitions = {name: self.changed(each) for name, each in changes.partitions.items()}
        super().save(shard, attrs.evolve(changes, partitions=partitions))


@store_fails("the_log_start_offset_drops_batches")
class StoreWithoutLogStart(StoreThatChangesChanges):
    def changed(self, changes):
        return attrs.evolve(changes, log_start_offset=0)


@store_fails("truncation_removes_batches")
class StoreWithoutTruncation(StoreThatChangesChanges):
    def changed(self, changes):
        return attrs.evolve(changes, truncate_to=None)


@store_fails("compaction_replaces_batches")
class StoreWithoutCompaction(StoreThatChangesChanges):
    def changed(self, changes):
        return attrs.evolve(changes, replacement=None)


@store_fails("truncation_at_its_bounds")
class StoreThatTruncatesOneLess(StoreThatChangesChanges):
    def changed(self, changes):
        return attrs.evolve(changes, truncate_to=changes.truncate_to and changes.truncate_to + 1)


@store_fails("deleted_partitions_are_gone")
class StoreThatDeletesNothing(Store):
    def save(self, shard, changes):
        super().save(shard, attrs.evolve(changes, deleted=()))


@store_fails("an_older_epoch_is_fenced")
class StoreWithoutFencing(Store):
    def save(self, shard, changes):
        try:
            super().save(shard, changes)
        except Fenced:
            self._shards.pop(shard)
            super().save(shard, changes)


@store_fails("the_position_does_not_go_back")
class StoreWhosePositionGoesBack(Store):
    def save(self, shard, changes):
        super().save(shard, changes)
        self._shards[shard] = attrs.evolve(self._shards[shard], next_sequence=changes.next_sequence)


@store_fails("saving_the_same_changes_again_is_safe", "a_save_of_unknown_outcome_is_made_again")
class StoreThatAddsAgain(Store):
    def save(self, shard, changes):
        was = self._shards.get(shard)
        super().save(shard, changes)
        for name, each in changes.partitions.items():
            stored = self._shards[shard].partitions[name]
            again = [b for b in each.batches if was and name in was.partitions and b in was.partitions[name].batches]
            stored.batches.extend(again)
            stored.last_offsets.extend(batch.last_offset for batch in again)


@store_fails("shards_are_apart")
class StoreWithOneShard(Store):
    def load(self, shard):
        return super().load(0)

    def save(self, shard, changes):
        super().save(0, changes)


@store_fails("a_restart_finds_everything", "a_save_survives_a_crash")
class StoreThatForgets(Store):
    def reopened(self, *, crashed=False):
        return type(self)()


@store_fails("many_partitions")
class StoreOfAThousandPartitions(Store):
    def save(self, shard, changes):
        super().save(shard, attrs.evolve(changes, partitions=dict(list(changes.partitions.items())[:1000])))


@store_fails("snapshots_of_any_size_and_name")
class StoreWithoutEmptySnapshots(Store):
    def load(self, shard):
        loaded = super().load(shard)
        return loaded and attrs.evolve(loaded, snapshots={k: v for k, v in loaded.snapshots.items() if v})


class StoreThatChangesRanges(Store):
    """Says something else of partitions than what it holds."""

    def range_of(self, shard, partition):
        raise NotImplementedError

    def load(self, shard):
        loaded = super().load(shard)
        return loaded and attrs.evolve(loaded, partitions={p: self.range_of(shard, p) for p in loaded.partitions})


@store_fails("offsets_and_timestamps_to_the_end_of_their_range")
class StoreOfSmallOffsets(StoreThatChangesRanges):
    def range_of(self, shard, partition):
        stored = self._find(shard, partition)
        return StoredRange(stored.log_start_offset, stored.end_offset & 0xFFFFFFFF)


@store_fails("the_end_offset_outlives_the_batches")
class StoreThatLooksAtItsBatches(StoreThatChangesRanges):
    def range_of(self, shard, partition):
        stored = self._find(shard, partition)
        return StoredRange(stored.log_start_offset, stored.last_offsets[-1] + 1 if stored.batches else 0)


@store_fails("a_save_that_was_not_possible_is_made_again")
class StoreThatSavesWhenFull(Store):
    def save(self, shard, changes):
        if self.fault == "unavailable":
            MemoryCheckpointStore.save(self, shard, changes)
        super().save(shard, changes)


@store_fails("a_save_of_unknown_outcome_is_there_whole_or_not")
class StoreThatSavesHalf(Store):
    def save(self, shard, changes):
        if self.fault == "unknown":
            changes = attrs.evolve(changes, snapshots={})
        super().save(shard, changes)


@store_fails("others_read_while_one_saves")
class StoreThatSavesInTwoSteps(Store):
    def save(self, shard, changes):
        super().save(shard, attrs.evolve(changes, snapshots={} if self.load(shard) else changes.snapshots))
        Event().wait(0.002)
        super().save(shard, changes)


@store_fails("damage_is_refused_with_its_place")
class StoreThatDoesNotLook(Store):
    def read(self, shard, partition, offset, max_bytes):
        return MemoryCheckpointStore.read(self, shard, partition, offset, max_bytes)


@store_fails("a_closed_store_raises_nothing_but_storage_errors")
class StoreThatIsSurprised(Store):
    closed = False

    def close(self):
        self.closed = True

    def load(self, shard):
        if self.closed:
            raise ValueError("closed")
        return super().load(shard)


def checks_of(conformance):
    """The names of all checks."""
    return {name.removeprefix("test_") for name in dir(conformance) if name.startswith("test_")}


@pytest.mark.parametrize("check", sorted(WAL_FAULTS))
def test_broken_logs_are_caught(check):
    """The check of the broken promise fails, and says which one that is."""
    expect_caught(TestWalThatKeepsEveryPromise(), WAL_FAULTS[check], check)


@pytest.mark.parametrize("check", sorted(STORE_FAULTS))
def test_broken_stores_are_caught(check):
    """The check of the broken promise fails, and says which one that is."""
    expect_caught(TestStoreThatKeepsEveryPromise(), STORE_FAULTS[check], check)


def expect_caught(subject, engine, check):
    """The check fails with a message that names the promise, and what was found instead."""
    subject.engine = engine
    with pytest.raises(AssertionError, match=r"(?s)promises: .* But .*: expected|promises: .* But it raises"):
        getattr(subject, f"test_{check}")()


def test_every_check_has_a_broken_engine():
    """A new check needs one here."""
    assert set(WAL_FAULTS) == checks_of(WriteAheadLogConformance)
    assert set(STORE_FAULTS) == checks_of(CheckpointStoreConformance)


@pytest.mark.parametrize(
    ("seam", "conformance"),
    [
        (spi.WriteAheadLog, WriteAheadLogConformance),
        (spi.WalWriter, WriteAheadLogConformance),
        (spi.CheckpointStore, CheckpointStoreConformance),
    ],
)
def test_every_method_of_the_seams_is_checked(seam, conformance):
    """By at least one check that names it."""
    methods = {value for name, value in vars(seam).items() if not name.startswith("_")}
    promised = {getattr(conformance, f"test_{check}").promised_by for check in checks_of(conformance)}
    assert methods <= promised


def test_what_an_author_has_not_written_is_skipped_by_name():
    """So it shows in the report of any runner."""

    class OnlyMade(WriteAheadLogConformance):
        def create_wal(self):
            return Wal()

    with pytest.raises(SkipTest, match="needs `crash`"):
        OnlyMade().test_an_append_survives_a_crash()


@pytest.mark.parametrize(
    ("subject", "needed"), [(WriteAheadLogConformance, "create_wal"), (CheckpointStoreConformance, "create_store")]
)
def test_what_every_author_has_to_write_is_named(subject, needed):
    """By each check, and not as a broken promise."""
    checks = [getattr(subject(), name) for name in dir(subject) if name.startswith("test_")]
    assert checks
    for check in checks:
        with pytest.raises(NotImplementedError, match=f"write {needed}: it returns"):
            check()
