"""Whatever has happened to the file of a checkpoint store, the rows that can be read are, and all else is reported."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dotkafka.storage.checkpoint_inspection import CheckpointInspection
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.spi import Changes, PartitionChanges, StoredBatch, TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGE = 65536
GROUPS = 60
PARTITION = TopicIdPartition(b"t" * 16, 0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a store with some groups of 40 kB."""
    path = tmp_path / "checkpoint.sqlite"
    store = SqliteCheckpointStore(path)
    for number in range(GROUPS):
        batch = StoredBatch(number, number, 5, b"%03d" % number * 14_000)
        changes = PartitionChanges(batches=[batch])
        store.save(0, Changes(3, number + 1, {PARTITION: changes}, snapshots={"name": b"snapshot"}))
    store.close()
    return path


class Inspected(CheckpointInspection):
    """Keeps what is reported."""

    def __init__(self, path: Path) -> None:
        self.problems: list[tuple[str, str, str]] = []
        super().__init__(path, lambda *problem: self.problems.append(problem))


@pytest.fixture
def inspected(path: Path) -> Iterator[Inspected]:
    """Return the inspection of that store."""
    with closing(Inspected(path)) as inspection:
        yield inspection


def test_a_whole_store(path: Path, inspected: Inspected) -> None:
    """Everything that was saved."""
    inspected.check_integrity()
    assert inspected.position(0) == (3, GROUPS)
    assert inspected.position(1) is None
    (found,) = inspected.partitions(0).values()
    assert found[1:] == (PARTITION, 0, GROUPS)
    assert list(inspected.snapshots(0)) == [("name", b"snapshot")]
    groups = list(inspected.groups())
    assert [group.base_offset for group in groups] == list(range(GROUPS))
    assert not any(map(inspected.is_denied, groups))
    assert not inspected.deleted_row_ids()
    assert not inspected.problems
    assert inspected.readable_path == path


def test_any_page_may_be_lost(path: Path) -> None:
    """Of the groups at most some are lost with one page, unless it is one that leads to many; and it is reported."""
    original = path.read_bytes()
    lost = []
    for page in range(1, len(original) // PAGE):
        path.write_bytes(original[: page * PAGE] + bytes(PAGE) + original[(page + 1) * PAGE :])
        with closing(Inspected(path)) as inspection:
            inspection.check_integrity()
            groups = [group for group in inspection.groups() if group.data == b"%03d" % group.base_offset * 14_000]
            assert [group.base_offset for group in groups] == sorted({group.base_offset for group in groups})
            lost.append(GROUPS - len(groups))
            if lost[-1]:
                assert inspection.problems
    assert sorted(lost)[len(lost) // 2] <= 3
    assert sum(count == GROUPS for count in lost) <= 2


def test_a_group_that_the_index_has_elsewhere(inspected: Inspected) -> None:
    """A row that names another partition or offset than the index is denied; one that no index knows is not."""
    group = next(inspected.groups())
    assert inspected.is_denied(group._replace(row_id=7))
    assert inspected.is_denied(group._replace(last_offset=1))
    assert not inspected.is_denied(group._replace(group_id=4711, last_offset=4711))


def test_an_index_knows_partitions_whose_rows_are_lost(path: Path) -> None:
    """The name of a partition stands in an index, too."""
    with closing(Inspected(path)) as inspection:
        assert inspection._indexed_partitions(0) == {1: PARTITION}


def test_it_is_only_read(path: Path, inspected: Inspected) -> None:
    """Nothing can be written through it."""
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        inspected._connection.execute("DELETE FROM shards")


@pytest.mark.parametrize("data", [b"", b"no database" * 500])
def test_another_file(tmp_path: Path, data: bytes) -> None:
    """An empty file is a store that nothing was saved in; any other is reported."""
    path = tmp_path / "file"
    path.write_bytes(data)
    with closing(Inspected(path)) as inspection:
        assert inspection.position(0) is None
        assert not list(inspection.groups())
        assert bool(inspection.problems) == bool(data)
