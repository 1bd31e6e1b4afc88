"""L2 in one SQLite file: record batches by partition and offset, and snapshots by name.

Batches are stored in groups (`checkpoint_groups`), in pages of 64 KiB: both are there for speed. The tables are in
`checkpoint_sqlite.sql`. One save is one transaction, durable when it returns.

The journal is a rollback journal: what a save adds is then written once, while a write-ahead journal would copy it
twice. The price is that reads wait while a save writes; what is read here is cold.
TRUNCATE with synchronous=FULL syncs the journal's end too, so that a power cut cannot bring back what a commit has
ended.

What retention, truncation or deletion has taken out of sight is removed in small portions by later saves, so that no
save takes long because a large topic went. Its pages are used again, and the file shrinks as slowly. While there is
nothing to save, `sweep` goes on with it.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.resources import files
from os import PathLike
from pathlib import Path

from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage import checkpoint_groups
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.spi import (
    Buffer,
    Changes,
    Checkpoint,
    PartitionChanges,
    StoredRange,
    TopicIdPartition,
)

SCHEMA_VERSION = 1

_PAGE_BYTES = 64 * 1024
_BUSY_TIMEOUT_S = 30.0
"""How long a read waits for a save, and a save for reads."""
_REMOVED_GROUPS_PER_SAVE = 256
_RELEASED_PAGES_PER_SAVE = 64

_STEPS_PER_CALL = 10_000
"""How often a file that is only read is looked after; it takes a millisecond or less."""
_FREE_CALLS = 1000

_PASSING_CONDITIONS = frozenset(
    {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_CANTOPEN}
)
_PASSING_ERRORS = frozenset({sqlite3.SQLITE_IOERR_NOMEM, sqlite3.SQLITE_IOERR_WRITE})
"""A used-up quota (EDQUOT) is a failed write to SQLite, not a full disk. It has rolled back, and may be tried again;
what no write has reported is found by the sync, whose failure is final."""


class SqliteCheckpointStore:
    """A checkpoint store in the SQLite file at `path`, made if there is none, with the folders above it.

    Args:
        path: of the file.
        read_only: nothing is made, locked or changed; the file must not change meanwhile either, and what a crash has
            left of a save beside it is not looked at.
        connect: makes its connections, instead of `sqlite3.connect(path)`: for tests on other files. It may be called
            from several threads, and they use what it returns one after another.

    Raises:
        StorageFailed: the file is damaged, not a checkpoint store, or made by a newer dotkafka.
        StorageUnavailable: it cannot be opened now.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        read_only: bool = False,
        connect: Callable[[], sqlite3.Connection] | None = None,
    ) -> None:
        self._path = Path(path)
        self._connect = connect or partial(connect_read_only if read_only else connect_to_file, self._path)
        self._closed = False
        self._failure: str | None = None
        self._swept_id = 0
        """The last partition that was looked at for groups that are out of sight."""
        self._has_found_groups = True
        """Whether such groups were there since the first partition was last looked at."""
        self._readers: list[sqlite3.Connection] = []
        with self._translated_errors("opening"):
            if not read_only:
                OsFileSystem(self._path.parent).make_folder("")
            self._writer = self._connect()
            try:
                if read_only:
                    _check_version(self._writer, self._path)
                else:
                    _prepare(self._writer, self._path)
            except BaseException:
                self._writer.close()
                raise

    def load(self, shard: int) -> Checkpoint | None:
        """Return what the shard holds, or None if nothing was ever saved."""
        with self._reader() as connection, _transaction(connection, "DEFERRED"):
            row = connection.execute("SELECT epoch, next_sequence FROM shards WHERE shard = ?", (shard,)).fetchone()
            if row is None:
                return None
            epoch, next_sequence = row
            partitions = connection.execute(
                "SELECT topic_id, partition, log_start_offset, end_offset FROM partitions WHERE shard = ?", (shard,)
            )
            snapshots = connection.execute("SELECT name, data FROM snapshots WHERE shard = ?", (shard,))
            return Checkpoint(
                epoch,
                next_sequence,
                {
                    TopicIdPartition(topic_id, partition): StoredRange(log_start_offset, end_offset)
                    for topic_id, partition, log_start_offset, end_offset in partitions
                },
                dict(snapshots),
            )

    def save(self, shard: int, changes: Changes) -> None:
        """Apply `changes` in one transaction; see `CheckpointStore.save`.

        After a StorageFailed every later save raises it too: what the file holds is then not known until it is opened
        anew.
        """
        connection = self._writer
        with self._translated_errors("saving a checkpoint"):
            with _transaction(connection, "IMMEDIATE"):
                _save_position(connection, shard, changes)
                for partition in changes.deleted:
                    _delete_partition(connection, shard, partition)
                added = sum(
                    _save_partition(connection, shard, partition, partition_changes)
                    for partition, partition_changes in changes.partitions.items()
                )
                _save_snapshots(connection, shard, changes)
                # At least as much goes as comes, so that the file does not grow without end.
                self._sweep(connection, max(_REMOVED_GROUPS_PER_SAVE, 2 * added))
            _release_pages(connection)

    def sweep(self) -> bool:
        """Remove some of what is out of sight and give some of its room back; return whether there may be more."""
        connection = self._writer
        with self._translated_errors("removing what was deleted"):
            with _transaction(connection, "IMMEDIATE"):
                may_have_more = self._sweep(connection, _REMOVED_GROUPS_PER_SAVE)
            _release_pages(connection)
            (free_pages,) = connection.execute("PRAGMA freelist_count").fetchone()
        return may_have_more or free_pages > 0

    def _sweep(self, connection: sqlite3.Connection, limit: int) -> bool:
        """Remove up to `limit` groups that are out of sight; return whether there may be more."""
        begins_a_round = self._swept_id == 0
        left = limit - checkpoint_groups.remove_of_deleted(connection, limit)
        self._swept_id, left = checkpoint_groups.sweep(connection, self._swept_id, left)
        self._has_found_groups = left < limit or (self._has_found_groups and not begins_a_round)
        return self._has_found_groups or self._swept_id != 0

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Return whole batches from `offset` on, several in one buffer; see `CheckpointStore.read`."""
        with self._reader() as connection:
            return checkpoint_groups.read(connection, shard, partition, offset, max_bytes)

    def batch_for_timestamp(
        self, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
    ) -> Buffer | None:
        """Return the first batch that reaches a timestamp; see `CheckpointStore.batch_for_timestamp`.

        Costs one index entry per group from `start_offset` up to it.
        """
        with self._reader() as connection:
            return checkpoint_groups.find_timestamp(connection, shard, partition, timestamp_ms, start_offset)

    def close(self) -> None:
        """Close the file. A read that runs in another thread ends first."""
        self._closed = True
        self._writer.close()
        while self._readers:
            self._readers.pop().close()

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection]:
        """Lend a connection that nobody else has; there are as many as there were readers at a time."""
        with self._translated_errors("reading"):
            try:
                connection = self._readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                yield connection
            finally:
                self._readers.append(connection)
                if self._closed:
                    self.close()

    @contextlib.contextmanager
    def _translated_errors(self, doing: str) -> Iterator[None]:
        if self._closed:
            raise StorageFailed(f"{self._path}: {doing}: the store has been closed")
        if self._failure is not None and doing != "reading":
            raise StorageFailed(self._failure)
        try:
            yield
        except sqlite3.Error as error:
            message = f"{self._path}: {doing}: {error}"
            if _may_pass(error):
                raise StorageUnavailable(message) from error
            self._failure = message
            raise StorageFailed(message) from error
        except OSError as error:
            raise StorageUnavailable(f"{self._path}: {doing}: {error}") from error


def connect_to_file(path: Path) -> sqlite3.Connection:
    """Open a file that one process at a time may change, as a store does by itself."""
    # Connections go from thread to thread, but only one at a time has one.
    return sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)


def _may_pass(error: sqlite3.Error) -> bool:
    """Whether what went wrong may go well later, with the file as it was."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code in _PASSING_ERRORS or code & 0xFF in _PASSING_CONDITIONS


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    try:
        # A disk that fails during this leaves a transaction behind all the same.
        connection.execute(f"BEGIN {kind}")
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite itself has rolled back after some errors, a full disk for one.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Set the connection up for writing, and make the tables if the file is new."""
    # The page size and auto_vacuum hold for a file without tables only, and have to come before the journal mode.
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = TRUNCATE")
    connection.execute("PRAGMA synchronous = FULL")
    # Of macOS only, where a plain fsync leaves data in the drive's cache.
    connection.execute("PRAGMA fullfsync = ON")
    with _transaction(connection, "IMMEDIATE"):
        if _check_version(connection, path) == 0:
            script = files("dotkafka.storage").joinpath("checkpoint_sqlite.sql").read_text(encoding="utf-8")
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _check_version(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the tables, 0 if there are none."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version > SCHEMA_VERSION:
        raise StorageFailed(
            f"{path}: was made by a newer dotkafka: its tables are of version {version}, and this release knows"
            f" versions up to {SCHEMA_VERSION}; nothing was changed"
        )
    if version == 0 and tables:
        raise StorageFailed(f"{path}: is an SQLite file, but not one of dotkafka; nothing was changed")
    return int(version)


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a file that nobody changes, without locks and without a look at its journal.

    The file may be damaged: pages may refer to each other in circles, and values claim any size. So no value is longer
    than the file, and all statements together take no more of SQLite's steps than reading it whole several times does;
    then they are interrupted.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    size_bytes = path.stat().st_size
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, min(size_bytes + _PAGE_BYTES, 2**31 - 1))
    calls = itertools.count()
    most_calls = _FREE_CALLS + size_bytes // _STEPS_PER_CALL
    connection.set_progress_handler(lambda: next(calls) > most_calls, _STEPS_PER_CALL)
    return connection


def _statements(script: str) -> Iterator[str]:
    """Yield the statements of a script one by one: `executescript` would commit before it begins."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _save_position(connection: sqlite3.Connection, shard: int, changes: Changes) -> None:
    row = connection.execute("SELECT epoch FROM shards WHERE shard = ?", (shard,)).fetchone()
    if row is not None and row[0] > changes.epoch:
        raise Fenced(f"shard {shard}: epoch {changes.epoch} is older than epoch {row[0]} of the last checkpoint")
    connection.execute(
        "INSERT INTO shards VALUES (?, ?, ?) ON CONFLICT (shard)"
        " DO UPDATE SET epoch = excluded.epoch, next_sequence = max(next_sequence, excluded.next_sequence)",
        (shard, changes.epoch, changes.next_sequence),
    )


def _save_snapshots(connection: sqlite3.Connection, shard: int, changes: Changes) -> None:
    for name, data in changes.snapshots.items():
        if data is None:
            connection.execute("DELETE FROM snapshots WHERE shard = ? AND name = ?", (shard, name))
        else:
            connection.execute("REPLACE INTO snapshots VALUES (?, ?, ?)", (shard, name, data))


def _delete_partition(connection: sqlite3.Connection, shard: int, partition: TopicIdPartition) -> None:
    connection.execute(
        "INSERT INTO deleted_partitions"
        " SELECT partition_id FROM partitions WHERE shard = ? AND topic_id = ? AND partition = ?",
        (shard, *partition),
    )
    connection.execute("DELETE FROM partitions WHERE shard = ? AND topic_id = ? AND partition = ?", (shard, *partition))


def _release_pages(connection: sqlite3.Connection) -> None:
    """Give some free pages back to the file system."""
    # It releases a page per step, and `execute` makes but one step of a statement without columns.
    connection.executescript(f"PRAGMA incremental_vacuum({_RELEASED_PAGES_PER_SAVE})")


def _save_partition(
    connection: sqlite3.Connection, shard: int, partition: TopicIdPartition, changes: PartitionChanges
) -> int:
    """Apply the changes of one partition; return how many groups were added."""
    row = connection.execute(
        "SELECT partition_id, log_start_offset, end_offset FROM partitions"
        " WHERE shard = ? AND topic_id = ? AND partition = ?",
        (shard, *partition),
    ).fetchone()
    if row is None:
        partition_id = connection.execute(
            "INSERT INTO partitions (shard, topic_id, partition, log_start_offset, end_offset) VALUES (?, ?, ?, 0, 0)",
            (shard, *partition),
        ).lastrowid
        row = (partition_id, 0, 0)
    partition_id, log_start_offset, end_offset = row
    groups = (
        checkpoint_groups.replace(connection, partition_id, changes.replacement)
        if changes.replacement is not None
        else 0
    )
    if changes.truncate_to is not None:
        end_offset = checkpoint_groups.truncate(connection, partition_id, changes.truncate_to, end_offset)
    new = [batch for batch in changes.batches if batch.last_offset >= end_offset]
    for group in checkpoint_groups.grouped(new):
        checkpoint_groups.insert(connection, partition_id, group)
        end_offset = group[-1].last_offset + 1
        groups += 1
    log_start_offset = max(log_start_offset, changes.log_start_offset)
    connection.execute(
        "UPDATE partitions SET log_start_offset = ?, end_offset = ? WHERE partition_id = ?",
        (log_start_offset, max(end_offset, log_start_offset), partition_id),
    )
    checkpoint_groups.remove_below(
        connection, partition_id, log_start_offset, max(_REMOVED_GROUPS_PER_SAVE, 2 * groups)
    )
    return groups
