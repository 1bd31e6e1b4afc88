"""Storage of your own: write-ahead log and checkpoints in one SQLite database, with what is in Python already.

It shows the shape of any backend on a database: one transaction per call, fencing by a number that each transaction
looks at, every error translated into one of three. It copies each batch twice and is not quick; it loses nothing.
`docs/storage.md` goes through it, and dotkafka's own tests run it through the conformance checks and crash states.

Run it: `python examples/sqlite_storage.py`. It needs `pip install dotkafka confluent-kafka`.
"""

import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

from confluent_kafka import Consumer, Producer

import dotkafka
from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage.spi import Buffer, Changes, Checkpoint, PartitionChanges, StoredRange, TopicIdPartition, WalEntry

TABLES = """
CREATE TABLE IF NOT EXISTS shards (shard PRIMARY KEY, epoch, next_sequence);
CREATE TABLE IF NOT EXISTS entries (shard, sequence, epoch, crc, payload, PRIMARY KEY (shard, sequence));
CREATE TABLE IF NOT EXISTS checkpoints (shard PRIMARY KEY, epoch, next_sequence);
CREATE TABLE IF NOT EXISTS snapshots (shard, name, data, PRIMARY KEY (shard, name));
CREATE TABLE IF NOT EXISTS partitions (shard, topic_id, number, start, end, PRIMARY KEY (shard, topic_id, number));
CREATE TABLE IF NOT EXISTS batches
    (shard, topic_id, number, base, last, timestamp, data, PRIMARY KEY (shard, topic_id, number, last));
"""
PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN}
INSERT_BATCH = "INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)"
OF_PARTITION = "shard = ? AND topic_id = ? AND number = ?"


class Database:
    """One connection, one transaction at a time; `connect` is another way to make it, for tests."""

    def __init__(self, path: Path, connect: Callable[[], sqlite3.Connection] | None = None) -> None:
        self.path = path
        self._lock = Lock()  # the server calls from several threads
        self._connection = (
            connect() if connect else sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        )
        # FULL does not sync the removal of the journal: after a power cut it would undo the last commit.
        self._connection.execute("PRAGMA synchronous = EXTRA")
        with self.transaction() as sql:
            for statement in TABLES.split(";\n")[:-1]:
                sql.execute(statement)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run what is inside in one durable step, or not at all. No other process writes meanwhile."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                try:
                    yield self._connection
                    self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                passes = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF in PASSING
                raise (StorageUnavailable if passes else StorageFailed)(f"{self.path}: {error}") from error

    def close(self) -> None:
        """Close the connection; whoever comes later gets StorageFailed."""
        with self._lock:
            self._connection.close()


class SqliteLog:
    """L1, a row per entry. Who opens a shard raises its epoch, and each append looks whether it is still its own."""

    durable = True

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> "SqliteLogWriter":
        """Become the writer of a shard."""
        del owner  # any earlier one is fenced, so nobody has to be told who holds it
        with self._database.transaction() as sql:
            row = sql.execute("SELECT epoch, next_sequence FROM shards WHERE shard = ?", (shard,)).fetchone()
            epoch, next_sequence = row or (-1, 0)
            epoch = max(epoch + 1, minimum_epoch)
            if next_sequence < minimum_sequence:
                sql.execute("DELETE FROM entries WHERE shard = ?", (shard,))
            next_sequence = max(next_sequence, minimum_sequence)
            sql.execute("REPLACE INTO shards VALUES (?, ?, ?)", (shard, epoch, next_sequence))
        return SqliteLogWriter(self._database, shard, epoch, next_sequence)

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        """Yield entries in order. SQLite notices no damage inside a row: that is what the checksum is for."""
        columns = "sequence, epoch, crc, payload"
        query = f"SELECT {columns} FROM entries WHERE shard = ? AND sequence >= ? ORDER BY sequence LIMIT 1"
        expected = None
        while True:
            with self._database.transaction() as sql:
                row = sql.execute(query, (shard, from_sequence)).fetchone()
            if row is None:
                return
            sequence, epoch, crc, payload = row
            if zlib.crc32(payload) != crc or expected not in {None, sequence}:
                raise StorageFailed(
                    f"{self._database.path}: shard {shard}: entry {sequence}, or one before, is damaged"
                )
            yield WalEntry(sequence, epoch, memoryview(payload))
            expected = from_sequence = sequence + 1


class SqliteLogWriter:
    """The writer of a shard, as long as the epoch in the database is its own."""

    def __init__(self, database: Database, shard: int, epoch: int, next_sequence: int) -> None:
        self._database = database
        self._shard = shard
        self._failure: StorageFailed | None = None
        self.epoch = epoch
        self.next_sequence = next_sequence

    def append(self, parts: Sequence[Buffer]) -> int:
        """Append one entry; it is durable when this returns."""
        payload = b"".join(parts)
        sequence = self.next_sequence
        with self._owned() as sql:
            row = (self._shard, sequence, self.epoch, zlib.crc32(payload), payload)
            sql.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", row)
            sql.execute("UPDATE shards SET next_sequence = ? WHERE shard = ?", (sequence + 1, self._shard))
        self.next_sequence = sequence + 1
        return sequence

    def trim(self, before_sequence: int) -> None:
        """Forget entries below `before_sequence`."""
        with self._owned() as sql:
            sql.execute("DELETE FROM entries WHERE shard = ? AND sequence < ?", (self._shard, before_sequence))

    def close(self) -> None:
        """Give the shard up."""
        self._failure = self._failure or StorageFailed("this writer has been closed")

    @contextmanager
    def _owned(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction that is undone if a newer writer has opened the shard. This is all there is to fencing."""
        try:
            with self._database.transaction() as sql:
                (epoch,) = sql.execute("SELECT epoch FROM shards WHERE shard = ?", (self._shard,)).fetchone()
                if epoch != self.epoch:
                    raise Fenced(f"shard {self._shard}: epoch {self.epoch} is fenced by epoch {epoch}")
                if self._failure is not None:
                    raise self._failure
                yield sql
        except StorageFailed as error:
            self._failure = error
            raise


class SqliteCheckpoints:
    """L2, a row per batch."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self, shard: int) -> Checkpoint | None:
        """Return what the shard holds."""
        with self._database.transaction() as sql:
            row = sql.execute("SELECT epoch, next_sequence FROM checkpoints WHERE shard = ?", (shard,)).fetchone()
            ranges = sql.execute("SELECT topic_id, number, start, end FROM partitions WHERE shard = ?", (shard,))
            partitions = {TopicIdPartition(*name): StoredRange(start, end) for *name, start, end in ranges}
            snapshots = sql.execute("SELECT name, data FROM snapshots WHERE shard = ?", (shard,))
            return Checkpoint(row[0], row[1], partitions, dict(snapshots)) if row else None

    def save(self, shard: int, changes: Changes) -> None:
        """Apply changes in one transaction."""
        with self._database.transaction() as sql:
            row = sql.execute("SELECT epoch, next_sequence FROM checkpoints WHERE shard = ?", (shard,)).fetchone()
            epoch, next_sequence = row or (-1, 0)
            if epoch > changes.epoch:
                raise Fenced(f"shard {shard}: epoch {changes.epoch} is older than {epoch}, the last one saved")
            next_sequence = max(next_sequence, changes.next_sequence)
            sql.execute("REPLACE INTO checkpoints VALUES (?, ?, ?)", (shard, changes.epoch, next_sequence))
            for name in changes.deleted:
                for table in ("partitions", "batches"):
                    sql.execute(f"DELETE FROM {table} WHERE {OF_PARTITION}", (shard, *name))
            for name, each in changes.partitions.items():
                self._save_partition(sql, (shard, *name), each)
            for snapshot, data in changes.snapshots.items():
                sql.execute("DELETE FROM snapshots WHERE shard = ? AND name = ?", (shard, snapshot))
                if data is not None:
                    sql.execute("INSERT INTO snapshots VALUES (?, ?, ?)", (shard, snapshot, data))

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Return whole batches, at least one if there is one."""
        found: list[Buffer] = []
        query = f"SELECT data FROM batches WHERE {OF_PARTITION} AND last >= ? ORDER BY last"
        with self._database.transaction() as sql:
            for (data,) in sql.execute(query, (shard, *partition, offset)):
                max_bytes -= len(data)
                if found and max_bytes < 0:
                    break
                found.append(data)
        return found

    def batch_for_timestamp(
        self, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
    ) -> Buffer | None:
        """Return the first batch that reaches a timestamp."""
        query = f"SELECT data FROM batches WHERE {OF_PARTITION} AND last >= ? AND timestamp >= ? ORDER BY last LIMIT 1"
        with self._database.transaction() as sql:
            row = sql.execute(query, (shard, *partition, start_offset, timestamp_ms)).fetchone()
        return row[0] if row else None

    def close(self) -> None:
        """Close the database, whose log is closed already."""
        self._database.close()

    @staticmethod
    def _save_partition(sql: sqlite3.Connection, name: tuple[int, bytes, int], changes: PartitionChanges) -> None:
        row = sql.execute(f"SELECT start, end FROM partitions WHERE {OF_PARTITION}", name).fetchone()
        start, end = row or (0, 0)
        if (compacted := changes.replacement) is not None:
            inside = (*name, compacted.start_offset, compacted.end_offset)
            sql.execute(f"DELETE FROM batches WHERE {OF_PARTITION} AND last >= ? AND last < ?", inside)
            sql.executemany(INSERT_BATCH, [(*name, *batch) for batch in compacted.batches])
        if (cut := changes.truncate_to) is not None:
            query = f"SELECT min(base) FROM batches WHERE {OF_PARTITION} AND last >= ?"
            (base,) = sql.execute(query, (*name, cut)).fetchone()
            end = min(end, cut, cut if base is None else base)
            sql.execute(f"DELETE FROM batches WHERE {OF_PARTITION} AND last >= ?", (*name, cut))
        for batch in changes.batches:
            if batch.last_offset >= end:  # else a save whose outcome was unknown has brought it already
                sql.execute(INSERT_BATCH, (*name, *batch))
                end = batch.last_offset + 1
        start = max(start, changes.log_start_offset)
        sql.execute(f"DELETE FROM batches WHERE {OF_PARTITION} AND last < ?", (*name, start))
        sql.execute("REPLACE INTO partitions VALUES (?, ?, ?, ?, ?)", (*name, start, max(start, end)))


def sqlite_storage(path: Path) -> dotkafka.Storage:
    """Return storage for `dotkafka.serve`, in one file."""
    database = Database(path)
    return dotkafka.Storage(SqliteLog(database), SqliteCheckpoints(database))


def main() -> None:
    """Write to a broker, and read from another one on the same file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "broker.sqlite"
        with (
            dotkafka.run_in_thread("127.0.0.1:0", data=sqlite_storage(path)) as server,
            Producer({"bootstrap.servers": server.bootstrap}) as producer,
        ):
            for number in range(3):
                producer.produce("letters", f"letter {number}")
        with dotkafka.run_in_thread("127.0.0.1:0", data=sqlite_storage(path)) as server:
            settings = {"bootstrap.servers": server.bootstrap, "group.id": "readers", "auto.offset.reset": "earliest"}
            with Consumer(settings) as consumer:
                consumer.subscribe(["letters"])
                for message in consumer.consume(3, timeout=20):
                    print(f"from the file: {message.value()!r}")


if __name__ == "__main__":
    main()
