"""SQLite on files that lie: what a save leaves behind a crash is the checkpoint before it or after it."""

import errno
import sqlite3

import pytest
from tests.testing.test_crash_states import trim_before_the_checkpoint

from dotkafka.broker.shard import Shard
from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.spi import Changes, Checkpoint, PartitionChanges
from dotkafka.testing import faulty_sqlite
from dotkafka.testing.conformance import PARTITION, stored_batches
from dotkafka.testing.crash_model import BrokenPromise
from dotkafka.testing.crash_states import CrashStates
from dotkafka.testing.faulty_file_system import FaultyFileSystem
from dotkafka.testing.faulty_sqlite import SqliteProcess, faulty_checkpoints

SAVES = [
    Changes(1, 1, {PARTITION: PartitionChanges(stored_batches(6, size=40_000))}, (), {"a": b"1"}),
    Changes(1, 2, {PARTITION: PartitionChanges(stored_batches(3, first=5), 15, truncate_to=50)}, (), {"a": b"2"}),
    Changes(2, 3, {}, (), {"a": bytes(100_000), "b": b"3"}),
    Changes(2, 4, {}, (PARTITION,), {"a": None}),
]


def held(store):
    """Everything that a store holds."""
    return store.load(0), b"".join(store.read(0, PARTITION, 0, 1 << 30))


def states_after_crashes(choices=5):
    """Save all, and for each crash before any operation, yield what is found, and what was there before and after."""
    files = FaultyFileSystem()
    store = faulty_checkpoints(files)
    found: list[tuple[Checkpoint | None, bytes]] = []

    def crash():
        choices_now = files.survivals(choices, str(len(files.operations)))
        found.extend(held(faulty_checkpoints(files.fork(keep))) for keep in choices_now)

    for changes in SAVES:
        before = held(store)
        files.before_operation = crash
        store.save(0, changes)
        files.before_operation = None
        yield from ((state, before, held(store)) for state in found)
        found.clear()
        crash()
        yield from ((state, held(store), held(store)) for state in found)
        found.clear()


def test_a_crash_during_a_save_leaves_all_of_it_or_nothing():
    """Whatever sectors of the journal and the database survive; and once it returns, all of it."""
    states = list(states_after_crashes())
    assert all(state in {before, after} for state, before, after in map(as_text, states))
    undone = sum(state == before != after for state, before, after in states)
    done = sum(state == after != before for state, before, after in states)
    assert (undone > 200, done > 10) == (True, True), "both kinds occur"


def as_text(states):
    """Make states hashable, and cheap to compare."""
    return tuple(repr(state) for state in states)


def test_a_sync_that_does_nothing_is_found(monkeypatch):
    """Then what a save returned for is not there, or the file is damaged."""
    monkeypatch.setattr(faulty_sqlite._File, "xSync", lambda _self, _flags: None)
    with pytest.raises((AssertionError, StorageFailed)):
        assert all(state in {before, after} for state, before, after in map(as_text, states_after_crashes()))


def checkpoint_without_sync(files):
    """Return a store with the setting that many use to be quick."""
    store = faulty_checkpoints(files)
    store._writer.execute("PRAGMA synchronous = OFF")
    return store


def test_a_checkpoint_that_is_not_synced_is_found():
    """The log is trimmed, and the batches are nowhere."""
    with pytest.raises(BrokenPromise, match=r"^state 0:"):
        CrashStates(0, make_checkpoints=checkpoint_without_sync, choices=4, steps=60).run()


def test_a_log_that_is_trimmed_too_early_is_found(monkeypatch):
    """Before the checkpoint that covers it has been committed."""
    trim_before_the_checkpoint(monkeypatch)
    assert Shard._begin_checkpoint.__name__ == "begin_and_trim"
    with pytest.raises(BrokenPromise, match=r"^state 0:"):
        CrashStates(0, make_checkpoints=faulty_checkpoints, choices=4, steps=60).run()


def test_a_process_that_ends_during_a_save_leaves_nothing_of_it():
    """All of it that was written is there, and the journal rolls it back."""
    files = FaultyFileSystem()
    store = faulty_checkpoints(files)
    store.save(0, SAVES[0])
    before = held(store)
    connection = store._writer
    connection.execute("PRAGMA cache_size = 1")
    begun = len(files.operations)
    connection.execute("BEGIN EXCLUSIVE")
    connection.execute("UPDATE batch_groups SET data = zeroblob(5000000)")
    assert "write checkpoint.sqlite" in files.operations[begun:], "pages are in the file before the commit"
    survivors = files.fork(lambda: True)
    assert held(faulty_checkpoints(survivors)) == before


def test_connections_of_a_process_see_each_others_locks():
    """A save does not begin while another one runs; readers do not read what is half written."""
    process = SqliteProcess(FaultyFileSystem())
    store = SqliteCheckpointStore("checkpoint.sqlite", connect=process.connect)
    other = process.connect()
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable, match="locked"):
        store.save(0, SAVES[0])
    assert store.load(0) is None
    other.execute("ROLLBACK")
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageUnavailable, match="locked"):
        store.load(0)
    other.close()
    store.save(0, SAVES[0])
    reader = process.connect()
    reader.execute("BEGIN")
    reader.execute("SELECT * FROM shards").fetchall()
    with pytest.raises(StorageUnavailable, match="locked"):
        store.save(0, SAVES[1])
    reader.close()
    store.save(0, SAVES[1])


@pytest.mark.parametrize(
    ("call", "error_number", "code"),
    [
        ("write", errno.ENOSPC, sqlite3.SQLITE_FULL),
        ("write", errno.EIO, sqlite3.SQLITE_IOERR_WRITE),
        ("read", errno.EIO, sqlite3.SQLITE_IOERR_READ),
        ("sync", errno.EIO, sqlite3.SQLITE_IOERR_FSYNC),
        ("create", errno.EMFILE, sqlite3.SQLITE_CANTOPEN),
    ],
)
def test_errors_are_those_of_sqlite3(call, error_number, code):
    """With its codes."""
    files = FaultyFileSystem()
    connection = SqliteProcess(files).connect()
    files.fail_when(lambda each: error_number if each.startswith(call) else 0)
    with pytest.raises(sqlite3.Error) as error:
        connection.execute("CREATE TABLE t (a)")
    assert error.value.sqlite_errorcode == code


def test_large_statements_may_need_temporary_files():
    """Which nobody's crash touches."""
    connection = SqliteProcess(FaultyFileSystem()).connect()
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("CREATE TABLE t (a)")
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    connection.execute(f"{rows} INSERT INTO t SELECT randomblob(1000) FROM n")
    assert len(connection.execute("SELECT a FROM t ORDER BY a").fetchall()) == 3000


def test_the_same_seed_has_the_same_states():
    """SQLite draws random numbers, but not for what it does; so a number means the same tomorrow."""
    operations = []
    for only in (None, 3, -1):
        states = CrashStates(1, make_checkpoints=faulty_checkpoints, steps=10, choices=2, only=only)
        states.run()
        operations.append((states.count, states._workload.storage.files.operations))
    assert operations[0] == operations[1] == operations[2]
