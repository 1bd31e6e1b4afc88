"""What stands in the file of a checkpoint store, whatever has happened to it: read as far as it goes, never changed.

Rows are read in the order of their keys, through the table alone. Where a page is damaged, the next key that can be
reached is looked for, in small steps first and then in larger ones, so that mostly what the page itself held is passed
over. Unlike SQLite's own `.recover`, pages that no other page leads to are not looked at: when an interior page is
damaged, what lies below it is lost.

Rows of SQLite carry no checksum. So two witnesses are asked where a row says what batches belong to: the row, and an
index that repeats it.
"""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dotkafka.storage.checkpoint_sqlite import SCHEMA_VERSION, connect_read_only
from dotkafka.storage.spi import TopicIdPartition
from dotkafka.storage.wal_inspection import Report

_LEAST = -(2**62)
_MOST_STEPS = 62
_INTEGRITY_ROWS = 20
_MOST_GAPS = 1000
"""How many damaged places of a table are passed over before the rest of it is given up."""


class FoundPartition(NamedTuple):
    """One partition of the shard, as far as its row or the index of the rows says."""

    row_id: int
    partition: TopicIdPartition
    log_start_offset: int | None
    """None if the row is lost."""
    end_offset: int | None


class FoundGroup(NamedTuple):
    """Some consecutive batches of one partition. Nothing of it is proven yet."""

    group_id: int
    row_id: int
    """Of the partition."""
    base_offset: int
    last_offset: int
    max_timestamp_ms: int
    layout: bytes
    data: bytes


class CheckpointInspection:
    """The file at `path`, which is there.

    A save that a crash has cut leaves a journal, with which the next writer undoes it. Here that is done on a copy in
    the folder for temporary files.

    Raises:
        OSError: it cannot be read, or not be copied.
    """

    def __init__(self, path: Path, report: Report) -> None:
        self._path = path
        self._report = report
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self.readable_path = path
        """The file to read: this one, or the copy."""
        self.was_cut = False
        """Whether the last save was, and is undone here."""
        with path.open("rb"):
            pass
        journal = path.with_name(path.name + "-journal")
        if journal.exists() and journal.stat().st_size:
            self._undo_cut_save(journal)
        self.is_damaged = False
        """Whether SQLite has found damage so far: rows may be missing that nobody knows of."""
        self.is_newer = False
        """Whether a newer dotkafka has made it."""
        self._connection = connect_read_only(self.readable_path)
        self._connection.text_factory = lambda text: text.decode(errors="replace")
        self.is_known = self._check_tables()
        """Whether it is a checkpoint store of a version that is known here, as far as can be told."""

    def close(self) -> None:
        """Close the file, and remove the copy if there is one."""
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()

    def check_integrity(self) -> None:
        """Report what SQLite itself finds wrong: pages, the order of keys, rows that indexes lack."""
        try:
            for (text,) in self._connection.execute(f"PRAGMA integrity_check({_INTEGRITY_ROWS})"):
                if text != "ok":
                    self.is_damaged = True
                    self._report("checkpoint-file", str(self._path), f"SQLite says: {' '.join(str(text).split())}")
        except sqlite3.Error as error:
            self.is_damaged = True
            self._report("checkpoint-file", str(self._path), f"SQLite cannot check it: {error}")

    def position(self, shard: int) -> tuple[int, int] | None:
        """Return epoch and next sequence of the last save; None if there was none, or it is lost."""
        for number, epoch, next_sequence in self._rows("shards", "shard", "epoch, next_sequence"):
            if number == shard and _are_counts(epoch, next_sequence):
                return epoch, next_sequence
        return None

    def partitions(self, shard: int) -> dict[int, FoundPartition]:
        """Return all partitions by the number that groups have for them."""
        indexed = self._indexed_partitions(shard)
        found: dict[int, FoundPartition] = {}
        for row_id, *fields in self._rows(
            "partitions", "partition_id", "shard, topic_id, partition, log_start_offset, end_offset"
        ):
            number, topic_id, partition, log_start_offset, end_offset = fields
            if number != shard:
                continue
            if not isinstance(topic_id, bytes) or len(topic_id) != 16 or not _are_counts(partition):
                self._report("checkpoint-file", str(self._path), f"row {row_id} of partitions names no partition")
                continue
            name = TopicIdPartition(topic_id, partition)
            if indexed is not None and indexed.get(row_id) != name:
                self._report(
                    "checkpoint-file", str(self._path), f"row {row_id} of partitions and its index name different ones"
                )
            if not _are_counts(log_start_offset, end_offset) or log_start_offset > end_offset:
                self._report(
                    "checkpoint-offsets",
                    _place(self._path, name),
                    f"is said to hold offsets from {log_start_offset!r} to {end_offset!r}",
                )
                log_start_offset = end_offset = None
            found[row_id] = FoundPartition(row_id, name, log_start_offset, end_offset)
        for row_id, name in (indexed or {}).items():
            if row_id not in found:
                self._report("checkpoint-file", _place(self._path, name), "has no row; it is known from an index only")
                found[row_id] = FoundPartition(row_id, name, None, None)
        return found

    def deleted_row_ids(self) -> set[int]:
        """Return the partitions whose groups are still to be removed."""
        return {row_id for (row_id,) in self._rows("deleted_partitions", "partition_id", "")}

    def snapshots(self, shard: int) -> Iterator[tuple[str, bytes]]:
        """Yield name and bytes of each snapshot."""
        for _, number, name, data in self._rows("snapshots", "rowid", "shard, name, data"):
            if number == shard and isinstance(name, str) and isinstance(data, bytes):
                yield name, data

    def groups(self) -> Iterator[FoundGroup]:
        """Yield all groups by partition and offset. Compaction adds groups later that stand before others."""
        keys: list[tuple[int, int, int]] = []
        for group_id, row_id, base_offset in self._rows("batch_groups", "group_id", "partition_id, base_offset"):
            if isinstance(row_id, int) and isinstance(base_offset, int):
                keys.append((row_id, base_offset, group_id))
            else:
                self._report_group(group_id, "has values of the wrong kind")
        keys.sort()
        query = (
            "SELECT group_id, partition_id, base_offset, last_offset, max_timestamp_ms, layout, data"
            " FROM batch_groups NOT INDEXED WHERE group_id = ?"
        )
        for _, _, group_id in keys:
            try:
                row = self._connection.execute(query, (group_id,)).fetchone()
            except sqlite3.Error as error:
                self._report_group(group_id, f"cannot be read: {error}")
                continue
            if row is None:
                self._report_group(group_id, "cannot be found by its key")
            elif all(isinstance(number, int) for number in row[:5]) and all(
                isinstance(blob, bytes) for blob in row[5:]
            ):
                yield FoundGroup(*row)
            else:
                self._report_group(group_id, "has values of the wrong kind")

    def _report_group(self, group_id: int, what: str) -> None:
        self.is_damaged = True
        self._report("checkpoint-batch", f"{self._path}, group {group_id}", what)

    def is_denied(self, group: FoundGroup) -> bool:
        """Tell whether the index says that a group belongs to another partition, or ends at another offset."""
        index = "batch_groups INDEXED BY batch_groups_by_offset"
        try:
            agreeing = self._connection.execute(
                f"SELECT group_id FROM {index} WHERE partition_id = ? AND last_offset = ?",  # noqa: S608 (names of our own)
                (group.row_id, group.last_offset),
            ).fetchall()
            if (group.group_id,) in agreeing:
                return False
            query = f"SELECT count(*) FROM {index} WHERE group_id = ?"  # noqa: S608 (names of our own)
            return bool(self._connection.execute(query, (group.group_id,)).fetchone()[0])
        except sqlite3.Error:
            return False

    def _check_tables(self) -> bool:
        try:
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            tables = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_schema")}
        except sqlite3.Error as error:
            self.is_damaged = True
            self._report("checkpoint-file", str(self._path), f"SQLite cannot open it: {error}")
            return False
        if version == 0 and not tables:
            return True
        self.is_newer = version > SCHEMA_VERSION
        if self.is_newer:
            self._report("checkpoint-version", str(self._path), f"its tables are of version {version}")
        lacking = {"shards", "snapshots", "partitions", "batch_groups", "deleted_partitions"} - tables
        if version < 1 or lacking:
            what = f"version {version}, without tables {', '.join(sorted(lacking)) or '-'}"
            self._report("checkpoint-file", str(self._path), f"is not a whole checkpoint store: {what}")
        return not self.is_newer

    def _undo_cut_save(self, journal: Path) -> None:
        self._copy = tempfile.TemporaryDirectory(prefix="dotkafka-check-")
        try:
            self.readable_path = Path(shutil.copyfile(self._path, Path(self._copy.name) / self._path.name))
            shutil.copyfile(journal, self.readable_path.with_name(journal.name))
            with contextlib.closing(sqlite3.connect(self.readable_path)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error as error:
            self._report("checkpoint-file", str(journal), f"the cut save that it would undo cannot be undone: {error}")
        except BaseException:
            self._copy.cleanup()
            raise
        self.was_cut = True

    def _indexed_partitions(self, shard: int) -> dict[int, TopicIdPartition] | None:
        query = (
            "SELECT partition_id, topic_id, partition FROM partitions INDEXED BY sqlite_autoindex_partitions_1"
            " WHERE shard = ?"
        )
        try:
            return {
                row_id: TopicIdPartition(topic_id, partition)
                for row_id, topic_id, partition in self._connection.execute(query, (shard,))
                if isinstance(topic_id, bytes) and len(topic_id) == 16 and _are_counts(partition)
            }
        except sqlite3.Error:
            return None

    def _rows(self, table: str, key: str, columns: str) -> Iterator[tuple[Any, ...]]:
        """Yield the rows that can be read, in the order of their integer key, which is the first column."""
        position = _LEAST
        selected = f"{key}, {columns}" if columns else key
        query = f"SELECT {selected} FROM {table} NOT INDEXED WHERE {key} > ? ORDER BY {key}"  # noqa: S608 (names of our own)
        for _ in range(_MOST_GAPS):
            try:
                for row in self._connection.execute(query, (position,)):
                    if not isinstance(row[0], int) or row[0] <= position:
                        raise sqlite3.DatabaseError("keys out of order")
                    position = row[0]
                    yield row
                break
            except sqlite3.Error as error:
                if "no such table" in str(error):
                    return
                self.is_damaged = True
                behind = "at its beginning" if position == _LEAST else f"behind key {position}"
                self._report("checkpoint-file", str(self._path), f"table {table} cannot be read {behind}: {error}")
                following = self._next_readable(table, key, position)
                if following is None:
                    return
                position = following
        else:
            self._report("checkpoint-file", str(self._path), f"table {table} is given up behind key {position}")

    def _next_readable(self, table: str, key: str, position: int) -> int | None:
        """Return a key to go on behind, larger than `position`; None if there is nothing more."""
        query = f"SELECT {key} FROM {table} NOT INDEXED WHERE {key} > ? ORDER BY {key} LIMIT 1"  # noqa: S608 (names of our own)

        def seek(after: int) -> tuple[int] | None:
            row: tuple[int] | None = self._connection.execute(query, (after,)).fetchone()
            return row

        with contextlib.suppress(sqlite3.Error):
            # The row can be found, so it is its content that cannot be read.
            row = seek(position)
            return row[0] if row is not None and row[0] > position else None
        start = max(position, 0)
        for step in range(_MOST_STEPS):
            with contextlib.suppress(sqlite3.Error):
                seek(start + (1 << step))
                low, high = start + (1 << step >> 1), start + (1 << step)
                break
        else:
            return None
        while low + 1 < high:
            middle = (low + high) // 2
            try:
                seek(middle)
                high = middle
            except sqlite3.Error:
                low = middle
        return high


def _are_counts(*values: object) -> bool:
    return all(isinstance(value, int) and value >= 0 for value in values)


def _place(path: Path, partition: TopicIdPartition) -> str:
    return f"{path}, partition {partition.partition} of topic id {partition.topic_id.hex()}"
