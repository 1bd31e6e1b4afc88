"""Storage work: one blocking call each, whose outcome is kept, whatever it is."""

import pytest

from dotkafka.broker.storage_work import (
    AppendWork,
    CheckpointWork,
    CompactionWork,
    ReadWork,
    TimestampSearchWork,
    TrimWork,
)
from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage.spi import Changes, PartitionChanges, StoredBatch, TopicIdPartition

PARTITION = TopicIdPartition(bytes(15) + b"\x01", 0)


@pytest.fixture
def writer(machine):
    """The writer of a log in memory."""
    return machine.wal.open(0, "test")


def changes(next_sequence=1):
    """A checkpoint of two batches."""
    batches = [StoredBatch(0, 4, 100, b"first"), StoredBatch(5, 9, 200, b"second")]
    return Changes(epoch=0, next_sequence=next_sequence, partitions={PARTITION: PartitionChanges(batches)})


def test_append(machine, writer):
    """The parts become one entry, and the work knows its sequence."""
    work = AppendWork(writer, [b"a", memoryview(b"bc")], inline=True)
    work.run()
    assert (work.lane, work.error, work.sequence) == ("append", None, 0)
    assert [bytes(entry.payload) for entry in machine.wal.read(0, 0)] == [b"abc"]


def test_trim(machine, writer):
    """Entries below the given one go; on the lane of appends, since a writer has one caller at a time."""
    for _ in range(3):
        writer.append([b"x"])
    work = TrimWork(writer, 2, inline=True)
    work.run()
    assert (work.lane, work.error) == ("append", None)
    assert [entry.sequence for entry in machine.wal.read(0, 0)] == [2]


def test_checkpoint_read_and_search(machine):
    """What one piece of work has saved, another reads."""
    save = CheckpointWork(machine.checkpoints, 0, changes(), {"late": lambda: b"encoded"}, inline=False)
    save.run()
    assert (save.lane, save.inline, save.error) == ("checkpoint", False, None)
    assert machine.checkpoints.load(0).snapshots["late"] == b"encoded"
    read = ReadWork(machine.checkpoints, 0, PARTITION, 6, 100, inline=True)
    read.run()
    assert (read.lane, read.error, [bytes(batch) for batch in read.batches]) == ("read", None, [b"second"])
    search = TimestampSearchWork(machine.checkpoints, 0, PARTITION, 50, 0, inline=True)
    search.run()
    assert (search.lane, search.error, search.batch) == ("read", None, b"first")


@pytest.mark.parametrize("error", [StorageUnavailable("full"), StorageFailed("fsync"), Fenced("newer")])
def test_errors_are_kept(machine, writer, error):
    """`run` does not raise: it is called on a thread where nobody would catch it."""
    machine.wal.errors.append(error)
    work = AppendWork(writer, [b"a"], inline=True)
    work.run()
    assert work.error is error


def test_an_engine_that_breaks_its_promise(machine, writer, caplog):
    """Any other exception of an engine is a failure of storage, with its cause; the log says where it was raised."""
    broken = ZeroDivisionError("engine")
    machine.wal.errors.append(broken)
    work = AppendWork(writer, [b"a"], inline=True)
    work.run()
    assert isinstance(work.error, StorageFailed)
    assert work.error.__cause__ is broken
    (logged,) = caplog.records
    assert logged.exc_info[1] is broken


def test_compaction(machine):
    """The step gets what the store has from the offset on; what goes wrong in it is kept; never in place."""
    machine.checkpoints.save(0, changes())
    given: list[object] = []
    work = CompactionWork(machine.checkpoints, 0, PARTITION, 5, 100, given.append)
    work.run()
    assert (work.lane, work.inline, work.error, given) == ("compaction", False, None, [[b"second"]])
    work = CompactionWork(machine.checkpoints, 0, PARTITION, 5, 100, lambda _batches: 1 // 0)
    work.run()
    assert isinstance(work.error, StorageFailed)
