"""Directories whose metadata are a snapshot, and records of L1 behind it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.protocol.primitives import uuid_to_text
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from pathlib import Path

SNAPSHOT = "name LIKE 'content/%'"
OFTEN = BrokerConfig(metadata_log_max_record_bytes_between_snapshots=1)
NEVER = BrokerConfig(checkpoint_interval_ms=10**9)


@pytest.fixture(scope="module", name="original")
def fixture_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with topics `early` and `gone` (deleted) in the snapshot, and `late` in L1 alone."""
    folder = tmp_path_factory.mktemp("snapshots")
    with running_broker(data=folder / "data", config=OFTEN) as kafka:
        kafka.create_topic("early", partitions=2)
        kafka.create_topic("gone")
        kafka.produce("gone", b"x")
        kafka.produce("early", b"e0")
        kafka.delete_topic("gone")
    with running_broker(data=folder / "data", config=NEVER) as kafka:
        kafka.create_topic("late")
        kafka.produce("late", b"l0")
        kafka.produce("early", b"e1")
        shutil.copytree(folder / "data", folder / "crashed")
    return folder / "crashed"


@pytest.fixture(name="directory")
def fixture_directory(original: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(original, tmp_path / "directory")


def change(path: Path, statement: str) -> None:
    """Change the checkpoint behind dotkafka's back."""
    with closing(sqlite3.connect(path / "checkpoint.sqlite")) as connection:
        assert connection.execute(statement).rowcount == 1
        connection.commit()


def values(found, topic: str) -> list[bytes | None]:
    """The values of a topic's first partition."""
    return list(found.records[topic, 0].values())


def test_a_snapshot_is_the_base_of_the_metadata(directory: Path, tmp_path: Path, check, salvage, served) -> None:
    """Nothing is wrong; nothing is lost, and deleted topics stay deleted whatever L1 still has of them."""
    report = check(directory)
    assert report.is_clean, list(report.lines())
    assert {topic.name for topic in report.topics} == {"early", "late", "__cluster_metadata"}
    result = salvage(directory, tmp_path / "out")
    assert result.is_complete, list(result.lines())
    assert result.result.cluster_id == report.cluster_id
    found = served(tmp_path / "out")
    assert set(found.records) == {("early", 0), ("early", 1), ("late", 0)}
    assert (values(found, "early"), values(found, "late")) == ([b"e0", b"e1"], [b"l0"])
    with running_broker(data=tmp_path / "out") as kafka:
        kafka.create_topic("new")
    assert check(tmp_path / "out").is_clean


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        (f"DELETE FROM snapshots WHERE {SNAPSHOT}", "no snapshot stands for what was before"),
        (
            f"UPDATE snapshots SET data = CAST(substr(data, 1, length(data) - 1) || X'7F' AS BLOB) WHERE {SNAPSHOT}",
            "the snapshot is damaged",
        ),
        (f"UPDATE snapshots SET data = X'00' WHERE {SNAPSHOT}", "the snapshot is damaged"),
    ],
)
def test_a_lost_snapshot(
    directory: Path, original: Path, tmp_path: Path, check, salvage, served, statement: str, what: str
) -> None:
    """It is told. What L1 has of later topics holds; the others come back under names of ids."""
    early = next(topic for topic in check(original).topics if topic.name == "early")
    change(directory, statement)
    problems = check(directory).problems
    assert {problem.kind for problem in problems} >= {"metadata", "refused", "topic-missing"}
    assert any(what in problem.what for problem in problems)
    result = salvage(directory, tmp_path / "out")
    assert result.result.is_clean, list(result.lines())
    assert "some metadata: topics, settings or deletions may be missing" in result.lost
    name = f"recovered-{uuid_to_text(early.topic_id)}"
    found = served(tmp_path / "out")
    assert (values(found, name), values(found, "late")) == ([b"e0", b"e1"], [b"l0"])


@pytest.mark.parametrize("offset", [1, 2**40])
def test_a_snapshot_of_another_offset(directory: Path, tmp_path: Path, check, salvage, served, offset: int) -> None:
    """Topics may be missing, but those that it has are known by name."""
    data = offset.to_bytes(8, "big").hex()
    change(directory, f"UPDATE snapshots SET data = CAST(X'{data}' || substr(data, 9) AS BLOB) WHERE {SNAPSHOT}")
    assert {problem.kind for problem in check(directory).problems} >= {"metadata", "refused"}
    result = salvage(directory, tmp_path / "out")
    assert result.result.is_clean, list(result.lines())
    assert values(served(tmp_path / "out"), "early") == [b"e0", b"e1"]


def test_without_a_checkpoint(directory: Path, tmp_path: Path, salvage, served) -> None:
    """What L1 still has of metadata and records is served."""
    (directory / "checkpoint.sqlite").unlink()
    result = salvage(directory, tmp_path / "out")
    assert result.result.is_clean, list(result.lines())
    assert values(served(tmp_path / "out"), "late") == [b"l0"]
