"""`check_directory` finds what is wrong with a directory, says where, and changes nothing."""

from __future__ import annotations

import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dotkafka.cli import main
from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.inspection import check_directory, salvage_directory
from dotkafka.inspection.problems import MAX_LISTED, Problems
from dotkafka.records.batch import HEADER_SIZE
from dotkafka.server.storage import directory_storage
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.wal_segment import ENTRIES_START
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.inspection.conftest import Directories

NOBODY = 65534


def kinds(report):
    """The kinds of problems found."""
    return {problem.kind for problem in report.problems}


def change(path: Path, statement: str, *values: object) -> None:
    """Change the checkpoint behind dotkafka's back."""
    with closing(sqlite3.connect(path / "checkpoint.sqlite")) as connection:
        assert connection.execute(statement, values).rowcount > 0
        connection.commit()


class TestWholeDirectories:
    """Nothing is wrong, and all of it is told."""

    def test_of_a_stopped_server(self, clean: Path, originals: Directories, check) -> None:
        """Topics, offsets, groups and producers are those that the server had; L2 has everything."""
        report = check(clean)
        assert report.is_clean
        topics = {topic.name: topic for topic in report.topics}
        assert set(topics) == {"orders", "events", "__consumer_offsets", "__cluster_metadata"}
        orders = topics["orders"].partitions[0]
        assert (orders.log_start_offset, orders.high_watermark) == (0, len(originals.served.records["orders", 0]))
        assert (orders.checkpoint.records, orders.wal.records) == (90, 0)
        assert 0 < orders.first_timestamp_ms <= orders.last_timestamp_ms
        assert topics["orders"].partitions[1].producers == 1
        assert report.groups == {"g": 1}
        assert report.epoch == 1

    def test_of_a_killed_one(self, crashed: Path, check) -> None:
        """What only L1 has is counted there."""
        report = check(crashed)
        assert report.is_clean
        (orders,) = [topic for topic in report.topics if topic.name == "orders"]
        assert (orders.partitions[0].checkpoint.records, orders.partitions[0].wal.records) == (30, 60)
        assert orders.partitions[0].high_watermark == 90

    def test_that_is_new(self, tmp_path: Path, check) -> None:
        """One that nothing was written to is clean."""
        storage = directory_storage(tmp_path / "new")
        storage.wal.open(0, "test").close()
        storage.checkpoints.close()
        assert check(tmp_path / "new").is_clean

    def test_with_deleted_records(self, tmp_path: Path, check) -> None:
        """Where retention has been, offsets begin later, and that is no hole."""
        with running_broker(data=tmp_path) as kafka:
            kafka.create_topic("t", config={"retention.bytes": "3000", "segment.bytes": "1048576"})
            for number in range(20):
                kafka.produce("t", b"%d" % number * 500)
            broker = kafka._thread.server.driver.broker

            async def retain() -> None:
                (log,) = [log for key, log in broker.shard.logs.items() if key.topic_id in broker.metadata.topics_by_id]
                broker.shard.delete_records(log, 7)
                kafka._thread.server.driver.schedule()

            kafka._thread.call(retain())
        report = check(tmp_path)
        assert report.is_clean, list(report.lines())
        (topic,) = [topic for topic in report.topics if topic.name == "t"]
        assert topic.partitions[0].log_start_offset == 7

    def test_nothing_changes(self, crashed: Path, check) -> None:
        """Not a byte, a time, or a name."""
        before = contents(crashed)
        check(crashed)
        assert contents(crashed) == before


def contents(path: Path):
    """All that a check may not change."""
    return {
        file: (file.stat().st_mtime_ns, file.read_bytes() if file.is_file() else sorted(file.iterdir()))
        for file in (path, *path.rglob("*"))
    }


class TestWriteAheadLog:
    """Damage in L1."""

    def test_in_the_middle(self, crashed: Path, check, flip, last_segment) -> None:
        """File and byte are named, and the server's refusal too, which names this command."""
        flip(last_segment(crashed), ENTRIES_START + 60)
        report = check(crashed)
        assert kinds(report) >= {"wal-damage", "refused"}
        (problem,) = [problem for problem in report.problems if problem.kind == "wal-damage"]
        assert problem.where == f"wal/0/{last_segment(crashed).name}, byte {ENTRIES_START}"
        assert problem.meaning
        assert "--salvage" in problem.advice

    def test_at_the_end(self, crashed: Path, check, last_segment) -> None:
        """What a crash has cut is no problem, and is said."""
        path = last_segment(crashed)
        data = path.read_bytes()
        salt = data[ENTRIES_START : ENTRIES_START + 8]
        path.write_bytes(data[: data.rindex(salt) + 40].ljust(len(data), b"\0"))
        report = check(crashed)
        assert report.is_clean
        assert any("torn append" in note for note in report.notes)

    def test_a_file_that_was_cut(self, crashed: Path, check, last_segment) -> None:
        """A file that ends inside an entry was never left like that by a crash."""
        path = last_segment(crashed)
        data = path.read_bytes()
        path.write_bytes(data[: data.rindex(data[ENTRIES_START : ENTRIES_START + 8]) + 40])
        assert kinds(check(crashed)) == {"wal-damage"}

    def test_a_header(self, crashed: Path, check, flip, last_segment) -> None:
        """A segment's header."""
        flip(last_segment(crashed), 9)
        assert kinds(check(crashed)) >= {"wal-segment", "refused"}

    def test_a_name(self, crashed: Path, check, last_segment) -> None:
        """A segment under the name of another."""
        path = last_segment(crashed)
        path.rename(path.with_name(f"{77:020d}.wal"))
        assert kinds(check(crashed)) >= {"wal-segment", "refused"}

    def test_a_missing_segment(self, crashed: Path, check) -> None:
        """One in the middle is gone."""
        sorted((crashed / "wal/0").glob("*.wal"))[2].unlink()
        assert kinds(check(crashed)) >= {"wal-damage", "refused"}

    def test_a_missing_beginning(self, crashed: Path, check) -> None:
        """The checkpoint does not reach up to the oldest entry."""
        for path in sorted((crashed / "wal/0").glob("*.wal"))[:-1]:
            path.unlink()
        assert kinds(check(crashed)) >= {"wal-missing", "refused"}

    def test_all_of_it_missing(self, clean: Path, check) -> None:
        """The server would start, without what L2 did not have; the check says so."""
        shutil.rmtree(clean / "wal")
        assert kinds(check(clean)) == {"wal-missing"}

    def test_damage_that_the_checkpoint_covers(self, crashed: Path, check, flip) -> None:
        """Nothing is lost by it, and that is said."""
        flip(min((crashed / "wal/0").glob("*.wal")), ENTRIES_START + 60)
        assert kinds(check(crashed)) == {"wal-covered"}


class TestCheckpoint:
    """Damage in L2."""

    def test_a_batch(self, clean: Path, check) -> None:
        """A byte of a record."""
        path = clean / "checkpoint.sqlite"
        position = path.read_bytes().index(b"b7" * 100)
        with path.open("r+b") as file:
            file.seek(position)
            file.write(b"x")
        assert kinds(check(clean)) >= {"checkpoint-batch", "checkpoint-offsets"}

    @pytest.mark.parametrize(
        ("statement", "kind"),
        [
            ("UPDATE partitions SET end_offset = end_offset + 1", "checkpoint-offsets"),
            ("UPDATE partitions SET log_start_offset = 3 WHERE end_offset > 10", "checkpoint-snapshot"),
            ("UPDATE partitions SET log_start_offset = end_offset + 1", "checkpoint-offsets"),
            ("UPDATE partitions SET topic_id = randomblob(16) WHERE end_offset > 40", "topic-missing"),
            ("UPDATE batch_groups SET base_offset = base_offset + 1", "checkpoint-batch"),
            ("UPDATE batch_groups SET layout = substr(layout, 2)", "checkpoint-batch"),
            ("UPDATE batch_groups SET partition_id = 4711 WHERE base_offset = 30", "checkpoint-batch"),
            ("DELETE FROM batch_groups WHERE base_offset > 0", "checkpoint-offsets"),
            ("DELETE FROM snapshots", "checkpoint-snapshot"),
            ("UPDATE snapshots SET data = 'x'", "checkpoint-snapshot"),
            ("UPDATE snapshots SET data = CAST('{}' AS BLOB)", "checkpoint-snapshot"),
            ("UPDATE shards SET next_sequence = next_sequence + 1", "wal-missing"),
            ("UPDATE shards SET next_sequence = 0", "wal-missing"),
            ("UPDATE shards SET epoch = 99", "wal-missing"),
            ("DELETE FROM shards", "checkpoint-file"),
        ],
    )
    def test_rows(self, clean: Path, check, statement: str, kind: str) -> None:
        """Rows that do not fit each other."""
        if "'x'" in statement:
            statement = "UPDATE snapshots SET data = CAST('x' AS BLOB)"
        change(clean, statement)
        assert kind in kinds(check(clean))

    def test_a_leader_epoch_that_goes_back(self, clean: Path, check) -> None:
        """It stands outside of the batch's CRC."""
        with closing(sqlite3.connect(clean / "checkpoint.sqlite")) as connection:
            row_id, data = connection.execute(
                "SELECT group_id, data FROM batch_groups WHERE base_offset = 30"
            ).fetchone()
            changed = data[:12] + struct.pack(">i", 7) + data[16:]
            assert len(data) > HEADER_SIZE
            connection.execute("UPDATE batch_groups SET data = ? WHERE group_id = ?", (changed, row_id))
            connection.commit()
        assert kinds(check(clean)) == {"checkpoint-offsets"}

    def test_holes_of_compaction(self, clean: Path, check) -> None:
        """Offsets may be missing in a topic that is compacted."""
        change(
            clean,
            "DELETE FROM batch_groups WHERE partition_id IN (SELECT partition_id FROM partitions WHERE end_offset = 2)"
            " AND base_offset = 0",
        )
        assert check(clean).is_clean

    def test_pages(self, clean: Path, check) -> None:
        """Whole pages of zeros."""
        path = clean / "checkpoint.sqlite"
        with path.open("r+b") as file:
            file.seek(3 * 65536)
            file.write(bytes(4 * 65536))
        report = check(clean)
        assert not report.is_clean
        assert report.to_json()["clean"] is False

    def test_a_file_of_another_kind(self, clean: Path, check) -> None:
        """Not SQLite at all, SQLite of others, or of a newer dotkafka."""
        path = clean / "checkpoint.sqlite"
        change(clean, "DELETE FROM snapshots")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 99")
        assert kinds(check(clean)) == {"checkpoint-version"}  # no advice to recover what a newer one can read
        path.write_bytes(b"text" * 1000)
        assert kinds(check(clean)) >= {"checkpoint-file", "refused"}
        path.unlink()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE other (x)")
        assert kinds(check(clean)) >= {"checkpoint-file", "refused"}

    def test_none_at_all(self, clean: Path, check) -> None:
        """Without L2, what L1 no longer has is lost."""
        (clean / "checkpoint.sqlite").unlink()
        assert kinds(check(clean)) >= {"checkpoint-missing", "refused"}

    def test_a_save_that_was_cut(self, clean: Path, originals: Directories, check, served) -> None:
        """Its journal is applied to a copy; the directory keeps both, and is clean."""
        program = (
            "import os, sqlite3, sys\n"
            "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
            "c.execute('PRAGMA cache_size = 1')\n"
            "c.execute('BEGIN')\n"
            "c.execute('DELETE FROM batch_groups')\n"
            "c.execute('INSERT INTO snapshots SELECT 0, hex(randomblob(9)), randomblob(300000) FROM partitions')\n"
            "os._exit(0)\n"
        )
        subprocess.run([sys.executable, "-c", program, str(clean / "checkpoint.sqlite")], check=True)
        assert (clean / "checkpoint.sqlite-journal").stat().st_size
        before = contents(clean)
        report = check(clean)
        assert report.is_clean
        assert any("cut a save" in note for note in report.notes)
        assert contents(clean) == before
        assert served(clean) == originals.served


@pytest.fixture
def not_ours(originals: Directories) -> Iterator[Path]:
    """Return a killed server's directory, while we may do no more than its owner has allowed everybody."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copytree(originals.crashed, Path(folder) / "data"))
        for each in (Path(folder), path, *path.rglob("*")):
            each.chmod(0o555 if each.is_dir() else 0o444)
        is_root = os.geteuid() == 0
        if is_root:
            os.seteuid(NOBODY)
        try:
            yield path
        finally:
            if is_root:
                os.seteuid(0)
            for each in (Path(folder), path, *path.rglob("*")):
                each.chmod(0o755 if each.is_dir() else 0o644)


def allow(path: Path, mode: int) -> None:
    """Change what its owner allows."""
    effective = os.geteuid()
    if os.getuid() == 0:
        os.seteuid(0)
    path.chmod(mode)
    os.seteuid(effective)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are others there")
class TestPermissions:
    """A check needs no more than to read."""

    def test_a_directory_that_cannot_be_written(self, not_ours: Path, check) -> None:
        """Is checked all the same."""
        with pytest.raises(PermissionError):
            (not_ours / "checkpoint.sqlite").open("r+b")
        assert check(not_ours).is_clean

    @pytest.mark.parametrize("name", ["checkpoint.sqlite", "wal/0/00000000000000000005.wal"])
    def test_a_file_that_cannot_be_read(self, not_ours: Path, check, name: str) -> None:
        """Is a problem of its own."""
        allow(not_ours / name, 0)
        report = check(not_ours)
        assert "unreadable" in kinds(report)
        assert "checkpoint-missing" not in kinds(report)
        assert report.to_json()["problems"]

    @pytest.mark.parametrize("name", [".", "wal/0", "wal/0/lock"])
    def test_a_folder_that_cannot_be_read(self, not_ours: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Then nothing can be judged: one line, and exit status 2."""
        allow(not_ours / name, 0)
        assert main(["check", str(not_ours)]) == 2
        assert "Permission denied" in capsys.readouterr().err

    def test_a_place_that_cannot_be_written(self, not_ours: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A salvage needs one that can be."""
        assert main(["check", str(not_ours), "--salvage", str(not_ours / "out")]) == 2
        assert "Permission denied" in capsys.readouterr().err


def test_the_time_is_that_of_the_machine_unless_it_is_said(clean: Path) -> None:
    """And nobody has to make an `Instant`."""
    assert check_directory(clean).is_clean
    assert salvage_directory(clean, clean.parent / "out").is_complete


class TestNothingToCheck:
    """What cannot be judged is refused."""

    def test_no_directory(self, tmp_path: Path, check) -> None:
        """It is not there, is a file, or holds something else."""
        with pytest.raises(StorageUnavailable, match="no such directory"):
            check(tmp_path / "none")
        (tmp_path / "file").write_text("x")
        with pytest.raises(StorageUnavailable, match="no such directory"):
            check(tmp_path / "file")
        with pytest.raises(StorageUnavailable, match="not a data directory"):
            check(tmp_path)

    def test_a_running_server(self, clean: Path, check) -> None:
        """What is being written cannot be judged."""
        with running_broker(data=clean), pytest.raises(Fenced, match=r"in use by broker 1, process \d+"):
            check(clean)

    def test_two_checks_at_a_time(self, clean: Path, check) -> None:
        """They are in nobody's way; a server waits for the end of both."""
        from dotkafka.inspection.contents import Contents  # noqa: PLC0415 (only here)

        with Contents(clean, Problems().report):
            assert check(clean).is_clean
            with pytest.raises(Fenced), running_broker(data=clean):
                pass


def test_a_read_only_store_writes_nothing(clean: Path) -> None:
    """The checkpoint store that the check reads with does not save."""
    from dotkafka.storage.spi import Changes  # noqa: PLC0415 (only here)

    store = SqliteCheckpointStore(clean / "checkpoint.sqlite", read_only=True)
    with pytest.raises(StorageFailed, match="readonly"):
        store.save(0, Changes(99, 0))
    store.close()


def test_problems_are_listed_once_and_not_without_end() -> None:
    """A list that nobody reads to its end is no help."""
    problems = Problems()
    for number in range(MAX_LISTED + 5):
        problems.report("wal-damage", "file", str(number))
        problems.report("wal-damage", "file", "0")
    assert (problems.count, len(problems.listed)) == (MAX_LISTED + 5, MAX_LISTED)
