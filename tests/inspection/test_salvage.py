"""`salvage_directory` keeps every record that can be read, at its offset, and says what is lost."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.protocol.primitives import uuid_to_text
from dotkafka.storage.wal_segment import ENTRIES_START
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from tests.inspection.conftest import Directories, Served

KINDS = ("flip", "zeros", "truncate", "delete", "duplicate")


def damage(path: Path, kind: str, which: int, where: int) -> None:
    """Damage one file of a directory; `which` and `where` are any numbers."""
    files = sorted(file for file in path.rglob("*") if file.is_file() and file.name != "lock")
    file = files[which % len(files)]
    data = file.read_bytes()
    position = where % max(len(data), 1)
    if kind == "delete":
        file.unlink()
    elif kind == "duplicate":
        name = f"{where % 30:020d}{file.suffix}" if file.parent.name == "0" else f"{where % 30}-{file.name}"
        file.with_name(name).write_bytes(data)
    elif kind == "truncate":
        file.write_bytes(data[:position])
    elif kind == "flip":
        file.write_bytes(
            data[:position] + bytes(byte ^ 0xFF for byte in data[position : position + 1]) + data[position + 1 :]
        )
    else:
        file.write_bytes(data[:position] + bytes(len(data[position : position + 4096])) + data[position + 4096 :])


def contents(path: Path):
    """All that may not change."""
    return {file: (file.stat().st_mtime_ns, file.is_file() and file.read_bytes()) for file in (path, *path.rglob("*"))}


def check_only_true_records(found: Served, original: Directories) -> None:
    """Assert that each record was there before, at that offset; a topic may have lost its name."""
    true = dict(original.served.records)
    true |= {
        (f"recovered-{uuid_to_text(original.topic_ids[topic])}", index): of_topic
        for (topic, index), of_topic in original.served.records.items()
    }
    for place, of_topic in found.records.items():
        assert of_topic.items() <= true.get(place, {}).items(), place


@pytest.mark.parametrize("which", ["clean", "crashed"])
def test_nothing_is_lost_of_what_is_whole(originals: Directories, tmp_path: Path, salvage, served, which: str) -> None:
    """A directory without damage gives one that serves the same, in a later epoch."""
    report = salvage(getattr(originals, which), tmp_path / "out")
    assert report.is_complete, list(report.lines())
    assert report.result.epoch > report.source.epoch
    assert report.result.cluster_id == report.source.cluster_id
    assert not report.renamed
    assert served(tmp_path / "out") == originals.served


def test_retries_are_recognised_afterwards(originals: Directories, tmp_path: Path, salvage, produce_idempotent) -> None:
    """An idempotent producer that repeats its last batch gets the original offset."""
    salvage(originals.crashed, tmp_path / "out")
    with running_broker(data=tmp_path / "out") as kafka:
        assert produce_idempotent(kafka, 3) == 3
        assert produce_idempotent(kafka, 4) == 4


def test_a_directory_that_the_server_refuses_is_served_again(
    originals: Directories, crashed: Path, tmp_path: Path, salvage, served, flip, last_segment
) -> None:
    """One entry in the middle is damaged: its record is lost, those behind it keep their offsets."""
    flip(last_segment(crashed), ENTRIES_START + 60)
    with pytest.raises(StorageFailed, match="dotkafka check"), running_broker(data=crashed):
        pass
    before = contents(crashed)
    report = salvage(crashed, tmp_path / "out")
    assert contents(crashed) == before
    assert not report.is_complete
    (lost,) = [(each.topic, each.partition, each.lost) for each in report.partitions if each.lost]
    topic, partition, ((first, end),) = lost
    assert (topic, partition, end - first) == ("orders", 0, 1)
    expected = dict(originals.served.records["orders", 0])
    del expected[first]
    found = served(tmp_path / "out")
    assert found.records["orders", 0] == expected
    assert found.records["events", 0] == originals.served.records["events", 0]
    assert found.committed == originals.served.committed


def test_consumers_go_on_behind_a_hole(crashed: Path, tmp_path: Path, salvage, flip, last_segment) -> None:
    """A real client reads over it, and writes behind the end."""
    confluent_kafka = pytest.importorskip("confluent_kafka")
    flip(last_segment(crashed), ENTRIES_START + 60)
    report = salvage(crashed, tmp_path / "out")
    (orders,) = [each for each in report.partitions if (each.topic, each.partition) == ("orders", 0)]
    ((first, end),) = orders.lost
    with running_broker(data=tmp_path / "out") as kafka:
        assert kafka.produce("orders", b"new") == orders.end_offset
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": kafka.bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"}
        )
        try:
            consumer.assign([confluent_kafka.TopicPartition("orders", 0, 0)])
            offsets: list[int] = []
            while not offsets or offsets[-1] < orders.end_offset:
                message = consumer.poll(20)
                assert message is not None
                assert message.error() is None
                offsets.append(message.offset())
        finally:
            consumer.close()
    assert offsets == [*range(first), *range(end, orders.end_offset + 1)]


def test_l1_takes_the_place_of_what_l2_has_lost(
    originals: Directories, crashed: Path, tmp_path: Path, salvage, served
) -> None:
    """A batch that both have is lost only if both are damaged."""
    path = crashed / "checkpoint.sqlite"
    data = bytearray(path.read_bytes())
    position = data.index(b"a29" * 100)
    data[position] ^= 1
    path.write_bytes(data)
    report = salvage(crashed, tmp_path / "out")
    assert not report.source.is_clean
    assert report.is_complete, list(report.lines())
    assert served(tmp_path / "out") == originals.served


def test_lost_topics_come_back_under_made_up_names(
    originals: Directories, clean: Path, tmp_path: Path, salvage, served
) -> None:
    """Without metadata, records are served under names of ids, and what groups have committed is still known."""
    with closing(sqlite3.connect(clean / "checkpoint.sqlite")) as connection:
        (row_id,) = connection.execute(
            "SELECT partition_id FROM partitions WHERE topic_id = ?", (bytes(15) + b"\1",)
        ).fetchone()
        connection.execute("DELETE FROM batch_groups WHERE partition_id = ?", (row_id,))
        connection.commit()
    shutil.rmtree(clean / "wal")
    report = salvage(clean, tmp_path / "out")
    assert not report.is_complete
    names = {topic: f"recovered-{uuid_to_text(originals.topic_ids[topic])}" for topic in ("orders", "events")}
    assert set(report.renamed) >= set(names.values())
    found = served(tmp_path / "out")
    assert (
        found.records["recovered-" + uuid_to_text(originals.topic_ids["orders"]), 0]
        == (originals.served.records["orders", 0])
    )
    assert found.committed == originals.served.committed
    with running_broker(data=tmp_path / "out") as kafka:
        kafka.create_topic("orders")
        assert kafka.produce("orders", b"again") == 0


def test_deleted_topics_stay_deleted(originals: Directories, tmp_path: Path, salvage) -> None:
    """What L1 still has of them is not brought back."""
    report = salvage(originals.crashed, tmp_path / "out")
    assert {each.topic for each in report.partitions} == {"orders", "events", "__consumer_offsets"}


def test_damaged_pages(originals: Directories, clean: Path, tmp_path: Path, salvage, served) -> None:
    """Of each page of L2 in turn that is zeros, what the others hold is recovered."""
    size = (clean / "checkpoint.sqlite").stat().st_size
    for page in range(1, size // 65536):
        broken = shutil.copytree(clean, tmp_path / f"broken{page}")
        with (broken / "checkpoint.sqlite").open("r+b") as file:
            file.seek(page * 65536)
            file.write(bytes(65536))
        report = salvage(broken, tmp_path / f"out{page}")
        assert report.result.is_clean, list(report.lines())
        found = served(tmp_path / f"out{page}")
        check_only_true_records(found, originals)
        if report.is_complete:
            assert found == originals.served


def test_the_result_is_a_directory_of_its_own(originals: Directories, tmp_path: Path, salvage) -> None:
    """Nothing is overwritten."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").write_text("x")
    with pytest.raises(StorageUnavailable, match="not an empty directory"):
        salvage(originals.clean, out)
    (out / "mine").unlink()
    assert salvage(originals.clean, out).is_complete
    with pytest.raises(StorageUnavailable, match="not an empty directory"):
        salvage(originals.clean, out)


def test_a_directory_of_a_newer_dotkafka(clean: Path, tmp_path: Path, salvage) -> None:
    """Nobody guesses what is in there."""
    with closing(sqlite3.connect(clean / "checkpoint.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StorageUnavailable, match="newer dotkafka"):
        salvage(clean, tmp_path / "out")


def test_without_a_checkpoint(originals: Directories, crashed: Path, tmp_path: Path, salvage, served) -> None:
    """What L1 still has is recovered, under names of ids; the rest is lost, and told."""
    (crashed / "checkpoint.sqlite").write_bytes(b"no database" * 1000)
    report = salvage(crashed, tmp_path / "out")
    assert not report.is_complete
    assert report.lost[0].startswith("entries 0 to ")
    found = served(tmp_path / "out")
    check_only_true_records(found, originals)
    name = "recovered-" + uuid_to_text(originals.topic_ids["orders"])
    assert len(found.records[name, 0]) > 60
    assert found.committed == originals.served.committed


def test_without_anything(clean: Path, tmp_path: Path, salvage, flip) -> None:
    """Neither file can be read: all is lost, and nothing is left that would tell what."""
    flip(clean / "checkpoint.sqlite", 0)
    for segment in (clean / "wal/0").glob("*.wal"):
        segment.unlink()
    report = salvage(clean, tmp_path / "out")
    assert not report.is_complete
    assert report.lost == ["everything: neither the checkpoint nor the write-ahead log can be read"]


def test_the_result_can_be_salvaged_again(
    originals: Directories, crashed: Path, tmp_path: Path, salvage, served, flip, last_segment
) -> None:
    """Holes that were filled are no damage: the second salvage loses nothing."""
    flip(last_segment(crashed), ENTRIES_START + 60)
    salvage(crashed, tmp_path / "out")
    assert salvage(tmp_path / "out", tmp_path / "again").is_complete
    assert served(tmp_path / "again") == served(tmp_path / "out")


@settings(max_examples=25, deadline=None)
@given(
    which=st.sampled_from(["clean", "crashed"]),
    damages=st.lists(
        st.tuples(st.sampled_from(KINDS), st.integers(0, 2**20), st.integers(0, 2**30)), min_size=1, max_size=2
    ),
)
def test_any_damage(originals: Directories, check, salvage, served, which: str, damages) -> None:
    """The check never fails: it reports, or what is served is unchanged. A salvage serves only what was there.

    A log that has lost its end looks like one that never had it, unless the checkpoint had been further: so what is
    served may lack what stood there.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copytree(getattr(originals, which), Path(folder) / "damaged"))
        for each in damages:
            damage(path, *each)
        before = contents(path)
        try:
            report = check(path)
        except StorageUnavailable:
            assert not (path / "checkpoint.sqlite").exists()
            return
        out = Path(folder) / "out"
        result = salvage(path, out)
        assert contents(path) == before
        assert result.result.is_clean, list(result.lines())
        recovered = served(out)
        check_only_true_records(recovered, originals)
        if report.is_clean:
            found = served(path)
            check_only_true_records(found, originals)
            assert recovered == found
            if which == "clean":
                assert found == originals.served
        if result.is_complete and which == "clean":
            assert recovered == originals.served
