"""Wrapped storage does what it did, and names what it is about to do and has done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.spi import Changes, PartitionChanges
from dotkafka.storage.wal_file import FileWal
from dotkafka.testing.conformance import (
    PARTITION,
    CheckpointStoreConformance,
    WriteAheadLogConformance,
    stored_batches,
)
from dotkafka.testing.failpoints import SERVING_POINTS, START_POINTS, STOP_POINTS, Failpoints

if TYPE_CHECKING:
    from pathlib import Path

    from dotkafka.storage.spi import CheckpointStore, WriteAheadLog

SEGMENT_BYTES = 8192


def wrapped_wal(path: Path, passed: list[str]) -> WriteAheadLog:
    """A write-ahead log of small segments, with points."""
    points = Failpoints(passed.append)
    return points.wal(FileWal(points.file_system(OsFileSystem(path)), segment_bytes=SEGMENT_BYTES, spare_segments=1))


class TestWrappedWal(WriteAheadLogConformance):
    """Points change nothing of what a log promises."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        """Give each test an empty data directory."""
        self.path = tmp_path

    def create_wal(self) -> WriteAheadLog:
        """Return a log over the directory."""
        return wrapped_wal(self.path, [])

    def restart(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Return a log over the same directory."""
        return self.create_wal()


class TestWrappedCheckpoints(CheckpointStoreConformance):
    """Points change nothing of what a store promises."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        """Give each test an empty data directory."""
        self.path = tmp_path / "checkpoint.sqlite"

    def create_store(self) -> CheckpointStore:
        """Return a store over the directory."""
        passed: list[str] = []
        return Failpoints(passed.append).checkpoints(SqliteCheckpointStore(self.path))

    def restart(self, store: CheckpointStore) -> CheckpointStore:
        """Return a store over the same file."""
        return self.create_store()


def around(*calls: str) -> list[str]:
    """The points of calls that are made one after another."""
    return [f"{when} {call}" for call in calls for when in ("before", "after")]


def test_the_points_of_an_append(tmp_path: Path) -> None:
    """Its write and its sync; where the segment is full, those of the next one come first."""
    passed: list[str] = []
    writer = wrapped_wal(tmp_path, passed).open(0, "test")
    passed.clear()
    writer.append([bytes(3000)])
    in_segment = around("append.write", "append.sync")
    assert passed == ["before append", *in_segment, "after append"]
    passed.clear()
    writer.append([bytes(3000)])
    roll = around("roll.create", "roll.allocate", "roll.write", "roll.sync", "roll.rename", "roll.sync_folder")
    assert passed == ["before append", *roll, *in_segment, "after append"]


def test_every_point_of_a_log_is_passed(tmp_path: Path) -> None:
    """By an opening, appends, a trim, a reading and a close; and no serving point before the log is open."""
    passed: list[str] = []
    wal = wrapped_wal(tmp_path, passed)
    writer = wal.open(0, "test")
    assert set(passed) <= {*START_POINTS, *around("open.make_folder", "open.create", "open.allocate")}
    for _ in range(4):
        writer.append([bytes(5000)])
    writer.trim(writer.next_sequence)
    assert len(list(wal.read(0, 0))) == 1
    writer.close()
    store = Failpoints(passed.append).checkpoints(SqliteCheckpointStore(tmp_path / "checkpoint.sqlite"))
    store.load(0)
    batches = stored_batches(2)
    store.save(0, Changes(epoch=1, next_sequence=1, partitions={PARTITION: PartitionChanges(batches)}))
    store.close()
    assert {*START_POINTS, *SERVING_POINTS, *STOP_POINTS} <= set(passed)


def test_a_call_that_fails_has_no_point_after_it(tmp_path: Path) -> None:
    """What raises has not been done."""
    passed: list[str] = []
    files = Failpoints(passed.append).file_system(OsFileSystem(tmp_path))
    with pytest.raises(FileNotFoundError):
        files.remove("nothing")
    assert passed == ["before remove"]


def test_a_point_may_raise_in_the_middle_of_a_save(tmp_path: Path) -> None:
    """Between two batches; the save has then not happened."""

    def passed(point: str) -> None:
        if point == "in save":
            raise KeyboardInterrupt

    store = Failpoints(passed).checkpoints(SqliteCheckpointStore(tmp_path / "checkpoint.sqlite"))
    changes = Changes(epoch=1, next_sequence=1, partitions={PARTITION: PartitionChanges(stored_batches(2))})
    with pytest.raises(KeyboardInterrupt):
        store.save(0, changes)
    assert store.load(0) is None
