"""The SQLite checkpoint store keeps the promises of the seam, and says clearly what is wrong with a file."""

import contextlib
import errno
import itertools
import random
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.storage.checkpoint_groups import _SELECT_GROUPS
from dotkafka.storage.checkpoint_sqlite import SCHEMA_VERSION, SqliteCheckpointStore, connect_read_only
from dotkafka.storage.memory import MemoryCheckpointStore
from dotkafka.storage.spi import (
    Changes,
    CheckpointStore,
    PartitionChanges,
    Replacement,
    StoredBatch,
    TopicIdPartition,
)
from dotkafka.testing.conformance import PARTITION, CheckpointStoreConformance, stored_batches
from dotkafka.testing.conformance.store_outcomes import StoreOutcomeChecks
from dotkafka.testing.faulty_file_system import FaultyFileSystem
from dotkafka.testing.faulty_sqlite import ConnectionLikeSqlite3, faulty_checkpoints


class TestSqliteCheckpointStore(CheckpointStoreConformance):
    """The conformance checks on a real file."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        """Give each test an empty data directory."""
        self.path = tmp_path / "data" / "checkpoint.db"

    def create_store(self) -> CheckpointStore:
        """Return a store over the directory."""
        return SqliteCheckpointStore(self.path)

    def restart(self, store: CheckpointStore) -> CheckpointStore:
        """Return a store over the same file."""
        return self.create_store()

    def damaged(self, store: CheckpointStore) -> tuple[CheckpointStore | None, str]:
        """Overwrite the pages behind the first one."""
        data = self.path.read_bytes()
        self.path.write_bytes(data[:65536] + b"\xa5" * (len(data) - 65536))
        return self.create_store(), self.path.name


class TestSqliteCheckpointStoreOnFaultyFiles(StoreOutcomeChecks):
    """The checks of crashes and errors, with power cuts and full disks."""

    def create_store(self) -> CheckpointStore:
        """Return a store over files that lie."""
        self.files = FaultyFileSystem()
        self.dice = random.Random(1)
        return faulty_checkpoints(self.files)

    def crash(self, store: CheckpointStore) -> CheckpointStore:
        """Lose power, and with it some of what is unsynced."""
        self.files.crash(lambda: self.dice.random() < 0.5)
        return faulty_checkpoints(self.files)

    @contextlib.contextmanager
    def unavailable(self, store: CheckpointStore) -> Iterator[None]:
        """The disk is full."""
        self.files.fail_when(lambda call: errno.ENOSPC if call.startswith("write") else 0)
        yield
        self.files.fail_when(None)

    @contextlib.contextmanager
    def unknown_outcome(self, store: CheckpointStore) -> Iterator[None]:
        """It is full after the commit, when pages are to be released."""

        def full(_connection: ConnectionLikeSqlite3, _script: str) -> None:
            error = sqlite3.OperationalError("full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ConnectionLikeSqlite3, "executescript", full)
            yield

    test_damage_is_refused_with_its_place = None  # type: ignore[assignment]  # on a real file, above
    test_others_read_while_one_saves = None  # type: ignore[assignment]  # these files are not for several threads


def test_the_file_has_large_pages_and_a_version(tmp_path: Path) -> None:
    """64 KiB pages and incremental vacuum are set before the first table; commits are durable."""
    store = SqliteCheckpointStore(tmp_path / "checkpoint.db")
    names = ("page_size", "auto_vacuum", "user_version", "journal_mode", "synchronous")
    settings = [store._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    store.close()
    full = 2
    assert settings == [65536, 2, SCHEMA_VERSION, "truncate", full]


def test_a_newer_file_is_refused(tmp_path: Path) -> None:
    """A file of a newer release is left alone, and the message says so."""
    path = tmp_path / "checkpoint.db"
    SqliteCheckpointStore(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StorageFailed, match=r"checkpoint\.db.*newer dotkafka.*99"):
        SqliteCheckpointStore(path)


def test_a_file_of_another_program_is_refused(tmp_path: Path) -> None:
    """An SQLite file with other tables is not written to."""
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other (a)")
    connection.close()
    with pytest.raises(StorageFailed, match="not one of dotkafka"):
        SqliteCheckpointStore(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    """Any bytes are an error of the seam, not of sqlite3."""
    path = tmp_path / "checkpoint.db"
    path.write_bytes(b"anything but a database" * 1000)
    with pytest.raises(StorageFailed, match="not a database"):
        SqliteCheckpointStore(path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A path below a file is an error of the seam."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageUnavailable):
        SqliteCheckpointStore(tmp_path / "file" / "checkpoint.db")


def test_a_save_under_a_foreign_lock_may_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process that holds the database is a condition that passes."""
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._BUSY_TIMEOUT_S", 0.0)
    path = tmp_path / "checkpoint.db"
    store = SqliteCheckpointStore(path)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    changes = Changes(0, 1, {PARTITION: PartitionChanges(stored_batches(3))})
    with pytest.raises(StorageUnavailable, match="locked"):
        store.save(0, changes)
    assert store.load(0) is None
    other.execute("ROLLBACK")
    other.close()
    store.save(0, changes)
    assert b"".join(store.read(0, PARTITION, 0, 10**6)) == b"".join(batch.data for batch in stored_batches(3))
    store.close()


def test_a_full_disk_is_unavailable_and_changes_nothing(tmp_path: Path) -> None:
    """After SQLITE_FULL the same changes may be saved again, and nothing of the failed save is seen."""
    store = SqliteCheckpointStore(tmp_path / "checkpoint.db")
    (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
    store._writer.execute(f"PRAGMA max_page_count = {pages + 4}")
    changes = Changes(0, 1, {PARTITION: PartitionChanges(stored_batches(20, size=100_000))}, (), {"a": b"1"})
    with pytest.raises(StorageUnavailable, match="full"):
        store.save(0, changes)
    assert store.load(0) is None
    store._writer.execute("PRAGMA max_page_count = 1000000")
    store.save(0, changes)
    assert len(b"".join(store.read(0, PARTITION, 0, 10**9))) == 20 * 100_000
    store.close()


def test_a_damaged_file_ends_saving(tmp_path: Path) -> None:
    """Damage is StorageFailed for good; it is never an sqlite3 error."""
    path = tmp_path / "checkpoint.db"
    store = SqliteCheckpointStore(path)
    store.save(0, Changes(0, 1, {PARTITION: PartitionChanges(stored_batches(50, size=10_000))}))
    store.close()
    data = bytearray(path.read_bytes())
    for page in range(65536, len(data), 65536):
        data[page : page + 4096] = b"\xff" * 4096
    path.write_bytes(data)
    damaged = SqliteCheckpointStore(path)
    changes = Changes(1, 1, {PARTITION: PartitionChanges(stored_batches(5, first=50))})
    with pytest.raises(StorageFailed, match="malformed"):
        damaged.save(0, changes)
    with pytest.raises(StorageFailed, match="malformed"):
        damaged.save(0, Changes(1, 2))
    damaged.close()


def test_reads_go_on_during_a_save(tmp_path: Path) -> None:
    """A reader sees the last checkpoint while the next one is being written."""
    store = SqliteCheckpointStore(tmp_path / "checkpoint.db")
    store.save(0, Changes(0, 1, {PARTITION: PartitionChanges(stored_batches(2))}))
    store._writer.execute("BEGIN IMMEDIATE")
    store._writer.execute("DELETE FROM batch_groups")
    assert b"".join(store.read(0, PARTITION, 0, 10**6)) == b"".join(batch.data for batch in stored_batches(2))
    checkpoint = store.load(0)
    assert checkpoint is not None
    assert checkpoint.next_sequence == 1
    store._writer.execute("ROLLBACK")
    store.close()


def test_a_deleted_partition_leaves_the_file_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large deletion is spread over saves, ends, and the file shrinks."""
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._REMOVED_GROUPS_PER_SAVE", 10)
    path = tmp_path / "checkpoint.db"
    store = SqliteCheckpointStore(path)
    store.save(0, Changes(0, 0, {PARTITION: PartitionChanges(stored_batches(36, size=300_000))}))
    store.save(0, Changes(0, 3, {}, (PARTITION,)))
    groups = "SELECT count(*) FROM batch_groups"
    assert store._writer.execute(groups).fetchone() == (36 - 10,)
    for number in range(4, 12):
        store.save(0, Changes(0, number))
    assert store._writer.execute(groups).fetchone() == (0,)
    assert store._writer.execute("SELECT count(*) FROM deleted_partitions").fetchone() == (0,)
    store.close()
    assert path.stat().st_size < 3 * 1024 * 1024


def test_what_retention_takes_leaves_the_file_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of partitions that nothing happens to any more, whatever their number, and after a restart."""
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._REMOVED_GROUPS_PER_SAVE", 5)
    monkeypatch.setattr("dotkafka.storage.checkpoint_groups._SWEPT_PARTITIONS", 2)
    path = tmp_path / "checkpoint.db"
    store = SqliteCheckpointStore(path)
    partitions = [TopicIdPartition(PARTITION.topic_id, index) for index in range(5)]
    stored = PartitionChanges(stored_batches(12, size=300_000))
    store.save(0, Changes(0, 0, dict.fromkeys(partitions, stored)))
    size_bytes = path.stat().st_size
    store.save(0, Changes(0, 1, dict.fromkeys(partitions, PartitionChanges(log_start_offset=110))))
    groups = "SELECT count(*) FROM batch_groups"
    (left,) = store._writer.execute(groups).fetchone()
    assert 5 < left < 5 * 12
    store.close()
    store = SqliteCheckpointStore(path)
    for number in range(2, 20):
        store.save(0, Changes(0, number))
    assert store._writer.execute(groups).fetchone() == (5,)
    assert [len(store.read(0, partition, 0, 10**9)) for partition in partitions] == [1] * 5
    store.close()
    assert path.stat().st_size < size_bytes / 4


def test_sweeping_frees_all_there_is_and_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a save, portion by portion: deleted partitions, what retention took, and then the file's free pages."""
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._REMOVED_GROUPS_PER_SAVE", 5)
    monkeypatch.setattr("dotkafka.storage.checkpoint_groups._SWEPT_PARTITIONS", 2)
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._RELEASED_PAGES_PER_SAVE", 20)
    path = tmp_path / "checkpoint.db"
    store = SqliteCheckpointStore(path)
    partitions = [TopicIdPartition(PARTITION.topic_id, index) for index in range(5)]
    stored = PartitionChanges(stored_batches(12, size=300_000))
    store.save(0, Changes(0, 0, dict.fromkeys(partitions, stored)))
    shortened = dict.fromkeys(partitions[:4], PartitionChanges(log_start_offset=110))
    store.save(0, Changes(0, 1, shortened, deleted=partitions[4:]))
    store.close()
    store = SqliteCheckpointStore(path)
    sweeps = 1
    while store.sweep():
        sweeps += 1
        assert sweeps < 100
    assert sweeps > 5
    assert store._writer.execute("SELECT count(*) FROM batch_groups").fetchone() == (4,)
    assert store._writer.execute("SELECT count(*) FROM deleted_partitions").fetchone() == (0,)
    assert store._writer.execute("PRAGMA freelist_count").fetchone() == (0,)
    assert [len(store.read(0, partition, 0, 10**9)) for partition in partitions[:4]] == [1] * 4
    store.close()
    assert path.stat().st_size < 4 * 300_000 + 20 * 65536


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    """Calls after close are StorageFailed; closing twice is no error."""
    store = SqliteCheckpointStore(tmp_path / "checkpoint.db")
    store.close()
    store.close()
    with pytest.raises(StorageFailed, match="closed"):
        store.read(0, TopicIdPartition(bytes(16), 0), 0, 1)
    with pytest.raises(StorageFailed, match="closed"):
        store.save(0, Changes(0, 0))


def test_reads_use_the_index(tmp_path: Path) -> None:
    """Neither reads nor searches for a timestamp scan or sort the batches of a partition."""
    store = SqliteCheckpointStore(tmp_path / "checkpoint.db")
    for condition in ("last_offset >= ?", "max_timestamp_ms >= ?"):
        plan = store._writer.execute(
            f"EXPLAIN QUERY PLAN {_SELECT_GROUPS} AND {condition} ORDER BY last_offset",
            (0, bytes(16), 0, 0),
        ).fetchall()
        details = [row[3] for row in plan]
        assert len(details) == 2, details
        assert all(detail.startswith("SEARCH") for detail in details), details
        assert "batch_groups_by_offset (partition_id=? AND last_offset>?)" in details[1]
    store.close()


def test_reads_from_threads_while_saving(tmp_path: Path) -> None:
    """Every read sees whole batches from its offset on, whatever is saved meanwhile."""
    store = SqliteCheckpointStore(tmp_path / "checkpoint.db")
    store.save(0, Changes(0, 0, {PARTITION: PartitionChanges(stored_batches(30))}))

    def read(number: int) -> bool:
        offset = number % 30 * 10
        expected = b"".join(batch.data for batch in stored_batches(3, first=number % 30))
        return b"".join(store.read(0, PARTITION, offset, 10**6)).startswith(expected[: (30 - number % 30) * 100])

    with ThreadPoolExecutor(3) as threads:
        results = threads.map(read, range(200))
        for number in range(1, 20):
            batches = stored_batches(30, first=30 * number)
            store.save(0, Changes(0, number, {PARTITION: PartitionChanges(batches)}))
        assert all(results)
    assert len(store._readers) <= 3
    store.close()


@settings(max_examples=15, deadline=None)
@st.composite
def replacements(draw: st.DrawFn, present: Sequence[StoredBatch]) -> Replacement | None:
    """Return what compaction may put in the place of some of these batches."""
    first, end = sorted(draw(st.tuples(*[st.integers(0, len(present))] * 2)))
    if first == end:
        return None
    left = [batch for batch in present[first:end] if draw(st.booleans())]
    changed = [batch._replace(data=b"left of " + bytes(batch.data), max_timestamp_ms=3) for batch in left]
    return Replacement(present[first].base_offset, present[end - 1].last_offset + 1, changed)


@given(st.data())
def test_it_does_what_the_store_in_memory_does(data: st.DataObject) -> None:
    """For any changes, checkpoints, reads and searches are the same."""
    partitions = [TopicIdPartition(bytes(16), number) for number in range(2)]
    memory = MemoryCheckpointStore()
    # Closed also where Hypothesis gives an example up half-way.
    with (
        TemporaryDirectory() as directory,
        contextlib.closing(SqliteCheckpointStore(Path(directory) / "checkpoint.db")) as store,
    ):
        for sequence in range(data.draw(st.integers(1, 6))):
            loaded = memory.load(0)
            changes = {}
            for partition in data.draw(st.sets(st.sampled_from(partitions))):
                stored = loaded.partitions.get(partition) if loaded else None
                start, end = stored or (0, 0)
                truncate_to = data.draw(st.none() | st.integers(start, end))
                first = (end if truncate_to is None else truncate_to) + 1
                batches = [
                    StoredBatch(
                        first + 10 * number,
                        first + 10 * number + data.draw(st.integers(0, 9)),
                        data.draw(st.integers(0, 9)),
                        b"%d.%d;" % (sequence, number) * data.draw(st.integers(1, 20)),
                    )
                    for number in range(data.draw(st.integers(0, 5)))
                ]
                log_start_offset = data.draw(st.integers(0, first + 20))
                present = memory._shards[0].partitions[partition].batches if stored else []
                replacement = data.draw(replacements(present))
                changes[partition] = PartitionChanges(batches, log_start_offset, truncate_to, replacement)
            deleted = data.draw(st.sets(st.sampled_from(partitions), max_size=1))
            for engine in (memory, store):
                engine.save(0, Changes(0, sequence, changes, tuple(deleted)))
            assert store.load(0) == memory.load(0)
        for partition in partitions:
            for offset, max_bytes in itertools.product(range(0, 120, 7), (0, 150, 10**6)):
                expected = b"".join(memory.read(0, partition, offset, max_bytes))
                assert b"".join(store.read(0, partition, offset, max_bytes)) == expected
            for timestamp_ms, offset in itertools.product(range(11), (0, 33, 70)):
                expected_batch = memory.batch_for_timestamp(0, partition, timestamp_ms, offset)
                assert store.batch_for_timestamp(0, partition, timestamp_ms, offset) == expected_batch


@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
def test_a_used_up_quota_passes_like_a_full_disk(error_number: int) -> None:
    """SQLite has another error for it, a failed write; the same save works once there is space."""
    files = FaultyFileSystem()
    store = faulty_checkpoints(files)
    files.fail_when(lambda call: error_number if call.startswith("write") else 0)
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            store.save(0, Changes(epoch=1, next_sequence=1))
    files.fail_when(None)
    assert store.load(0) is None
    store.save(0, Changes(epoch=1, next_sequence=1))
    assert store.load(0) is not None


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n", "interrupted"),
        ("SELECT zeroblob(1000000000)", "too big"),
    ],
)
def test_reading_what_may_be_damaged_is_bounded(tmp_path, statement, error):
    """Pages that lead in circles do not keep it busy for ever, and a value is not longer than the file."""
    SqliteCheckpointStore(tmp_path / "checkpoint.sqlite").close()
    with contextlib.closing(connect_read_only(tmp_path / "checkpoint.sqlite")) as connection:
        assert connection.execute("SELECT count(*) FROM shards").fetchone() == (0,)
        with pytest.raises(sqlite3.Error, match=error):
            connection.execute(statement).fetchone()
