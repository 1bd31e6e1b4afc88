"""Directories with compacted topics: what compaction has left out is no damage, what damage has taken is."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from pathlib import Path

    from dotkafka.testing import RunningBroker

COMPACT = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
QUICK = BrokerConfig(log_cleaner_backoff_ms=20, checkpoint_interval_ms=20, log_cleaner_io_buffer_size=1)
TIMEOUT_S = 20
IN_TOPICS = "partition_id IN (SELECT partition_id FROM partitions WHERE end_offset = 21)"
TOPICS = ("by-topic", "by-broker", "changed")


def alter(kafka: RunningBroker, resource_type: int, resource_name: str, name: str, value: str) -> None:
    """Set one setting."""
    config = AlterableConfig(name=name, config_operation=0, value=value)
    resource = AlterConfigsResource(resource_type=resource_type, resource_name=resource_name, configs=[config])
    answer = kafka.request(INCREMENTAL_ALTER_CONFIGS, 1, IncrementalAlterConfigsRequest(resources=[resource]))
    assert answer.responses[0].error_code == 0


def until_compacted(kafka: RunningBroker) -> None:
    """Wait until nothing is left to be compacted."""
    broker = kafka._thread.server.driver.broker

    async def wait() -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while any(broker.partition(topic, 0)[1].first_dirty_offset < 20 for topic in TOPICS):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    kafka._thread.call(wait())


@pytest.fixture(scope="module", name="original")
def fixture_original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with three topics, compacted for three reasons; the last one is not compacted any more."""
    path = tmp_path_factory.mktemp("compacted") / "data"
    with running_broker(data=path, config=QUICK) as kafka:
        alter(kafka, 4, "", "log.cleanup.policy", "compact")
        kafka.create_topic("by-topic", config=COMPACT)
        kafka.create_topic("by-broker", config={"min.cleanable.dirty.ratio": "0.01"})
        kafka.create_topic("changed", config=COMPACT)
        for topic in TOPICS:
            kafka.produce(topic, b"first", key=b"a")
            for number in range(19):
                kafka.produce(topic, b"%d" % number * 1000, key=b"b")
        until_compacted(kafka)
    with running_broker(data=path) as kafka:
        alter(kafka, 2, "changed", "cleanup.policy", "delete")
        for topic in TOPICS:
            kafka.produce(topic, b"last", key=b"c")
    return path


@pytest.fixture(name="directory")
def fixture_directory(original: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(original, tmp_path / "directory")


def size(path: Path) -> list[tuple[Any, ...]]:
    """How many bytes of batches L2 has of each partition."""
    with closing(sqlite3.connect(path / "checkpoint.sqlite")) as connection:
        return connection.execute(
            "SELECT topic_id, sum(length(data)) FROM batch_groups JOIN partitions USING (partition_id)"
            " WHERE end_offset = 21 GROUP BY topic_id ORDER BY topic_id"
        ).fetchall()


def remove(path: Path, condition: str) -> None:
    """Remove batches from L2."""
    with closing(sqlite3.connect(path / "checkpoint.sqlite")) as connection:
        query = f"DELETE FROM batch_groups WHERE {condition}"
        assert connection.execute(query).rowcount > 0
        connection.commit()


def test_what_compaction_has_left_out(directory: Path, tmp_path: Path, check, salvage, served) -> None:
    """It is no damage, whatever has said that the topic is compacted; a salvage leaves it out too."""
    report = check(directory)
    assert report.is_clean, list(report.lines())
    policies = {topic.name: topic.cleanup_policy for topic in report.topics}
    assert [policies[topic] for topic in TOPICS] == ["compact", "compact", "delete"]
    result = salvage(directory, tmp_path / "out")
    assert result.is_complete, list(result.lines())
    found = served(tmp_path / "out")
    assert found == served(directory)
    assert [list(found.records[topic, 0]) for topic in TOPICS] == [[0, 19, 20]] * 3
    assert size(tmp_path / "out") == size(directory)
    assert salvage(tmp_path / "out", tmp_path / "again").is_complete


def test_what_a_compacted_log_has_lost_at_its_end(directory: Path, tmp_path: Path, check, salvage) -> None:
    """Compaction never removes the last batch."""
    remove(directory, f"last_offset = 20 AND {IN_TOPICS}")
    shutil.rmtree(directory / "wal")
    assert {problem.kind for problem in check(directory).problems} >= {"checkpoint-offsets"}
    result = salvage(directory, tmp_path / "out")
    assert {each.topic for each in result.partitions if each.lost} == set(TOPICS)
    assert result.result.is_clean, list(result.lines())


def test_a_damaged_batch_of_a_compacted_log(directory: Path, tmp_path: Path, check, salvage, served) -> None:
    """What cannot be told from damage is said to be lost."""
    with closing(sqlite3.connect(directory / "checkpoint.sqlite")) as connection:
        connection.execute(
            f"UPDATE batch_groups SET data = zeroblob(length(data)) WHERE base_offset = 0 AND {IN_TOPICS}"
        )
        connection.commit()
    shutil.rmtree(directory / "wal")
    assert not check(directory).is_clean
    result = salvage(directory, tmp_path / "out")
    assert not result.is_complete
    assert {each.topic for each in result.partitions if each.lost} == set(TOPICS)
    assert result.result.is_clean, list(result.lines())
    assert list(served(tmp_path / "out").records["changed", 0])[-1] == 20
