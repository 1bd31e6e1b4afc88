"""Data directories as real servers leave them, and what is done to them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import SystemClock
from dotkafka.inspection import check_directory, salvage_directory
from dotkafka.protocol.messages.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.server.storage import Storage
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.wal_file import FileWal
from dotkafka.testing import RunningBroker, running_broker

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_BYTES = 32 * 1024
PRODUCER_ID = 0


class Served(NamedTuple):
    """What clients get from a directory."""

    records: dict[tuple[str, int], dict[int, bytes | None]]
    """By topic and partition, and offset."""
    committed: dict[tuple[str, int], int]


def storage(path: Path) -> Storage:
    """Return storage like that of `dotkafka serve`, with small segments."""
    path.mkdir(exist_ok=True)
    return Storage(
        FileWal(OsFileSystem(path), segment_bytes=SEGMENT_BYTES), SqliteCheckpointStore(path / "checkpoint.sqlite")
    )


def now():
    """Return the time."""
    return SystemClock().now()


def check(path: Path):
    """Check a directory."""
    return check_directory(path, now=now())


def salvage(path: Path, out: Path):
    """Salvage a directory."""
    return salvage_directory(path, out, now=now())


def commit(kafka: RunningBroker, offset: int) -> None:
    """Commit an offset of orders-0 for group g."""
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    request = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=-1,
        topics=[OffsetCommitRequestTopic(name="orders", partitions=[partition])],
    )
    answer = kafka.request(OFFSET_COMMIT, 5, request)
    assert answer.topics[0].partitions[0].error_code == 0


def produce_idempotent(kafka: RunningBroker, sequence: int) -> int:
    """Write a record to orders-1 as an idempotent producer does, and return its offset."""
    batch = encode_batch(
        [Record(0, now().wall_ms, None, b"i%d" % sequence)],
        producer_id=PRODUCER_ID,
        producer_epoch=0,
        base_sequence=sequence,
    )
    data = TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=1, records=batch)])
    answer = kafka.request(PRODUCE, 9, ProduceRequest(acks=-1, timeout_ms=9999, topic_data=[data]))
    (result,) = answer.responses[0].partition_responses
    assert result.error_code == 0
    return int(result.base_offset)


def served(path: Path) -> Served:
    """Start a server on a directory, and return what clients get."""
    with running_broker(data=str(path)) as kafka:
        return read(kafka)


def read(kafka: RunningBroker) -> Served:
    """Return what clients get."""
    records = {
        (topic, partition): {record.offset: record.value for record in kafka.records(topic, partition=partition)}
        for topic, count in kafka.topics().items()
        for partition in range(count)
    }
    return Served(records, kafka.committed("g"))


def fill(path: Path, crashed: Path) -> tuple[Served, dict[str, bytes]]:
    """Let a server write a directory in two lives; `crashed` is what a crash leaves of the second, before its end."""
    with running_broker(data=storage(path)) as kafka:
        kafka.create_topic("orders", partitions=2)
        kafka.create_topic("gone")
        kafka.create_topic("events", config={"retention.ms": "-1"})
        kafka.request(INIT_PRODUCER_ID, 3, InitProducerIdRequest(transaction_timeout_ms=1000))
        for number in range(30):
            kafka.produce("orders", b"a%d" % number * 500)
            kafka.produce("events", b"e%d" % number)
        for sequence in range(3):
            produce_idempotent(kafka, sequence)
        kafka.produce("gone", b"x")
        kafka.delete_topic("gone")
        commit(kafka, 5)
    with running_broker(data=storage(path), config=BrokerConfig(checkpoint_interval_ms=10**9)) as kafka:
        for number in range(60):
            kafka.produce("orders", b"b%d" % number * 500)
        produce_idempotent(kafka, 3)
        commit(kafka, 40)
        shutil.copytree(path, crashed)
        topics = kafka._thread.server.driver.broker.metadata.topics_by_name
        return read(kafka), {name: topic.topic_id for name, topic in topics.items()}


class Directories(NamedTuple):
    """Directories of one history, and what they serve."""

    clean: Path
    """Of a server that was stopped."""
    crashed: Path
    """Of one that was not: L1 holds much that L2 does not."""
    served: Served
    topic_ids: dict[str, bytes]

    def __repr__(self) -> str:
        """Stay short: Hypothesis prints it."""
        return f"<originals in {self.clean.parent}>"


@pytest.fixture(scope="session", name="originals")
def fixture_originals(tmp_path_factory: pytest.TempPathFactory) -> Directories:
    """Directories that are not to be changed."""
    folder = tmp_path_factory.mktemp("originals")
    return Directories(folder / "clean", folder / "crashed", *fill(folder / "clean", folder / "crashed"))


@pytest.fixture
def clean(originals: Directories, tmp_path: Path) -> Path:
    """Return a copy of the directory of a server that was stopped."""
    return shutil.copytree(originals.clean, tmp_path / "clean")


@pytest.fixture
def crashed(originals: Directories, tmp_path: Path) -> Path:
    """Return a copy of the directory of a server that was killed."""
    return shutil.copytree(originals.crashed, tmp_path / "crashed")


def flip(path: Path, position: int) -> None:
    """Change one byte of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 0xFF]))


def last_segment(path: Path) -> Path:
    """Return the newest segment of a directory."""
    return max((path / "wal/0").glob("*.wal"))


@pytest.fixture(scope="session", name="check")
def fixture_check():
    """Return what checks a directory."""
    return check


@pytest.fixture(scope="session", name="salvage")
def fixture_salvage():
    """Return what salvages a directory into another."""
    return salvage


@pytest.fixture(scope="session", name="served")
def fixture_served():
    """Return what starts a server on a directory, and reads everything."""
    return served


@pytest.fixture(scope="session", name="flip")
def fixture_flip():
    """Return what changes one byte of a file."""
    return flip


@pytest.fixture(scope="session", name="last_segment")
def fixture_last_segment():
    """Return what names the newest segment."""
    return last_segment


@pytest.fixture(scope="session", name="produce_idempotent")
def fixture_produce_idempotent():
    """Return what writes as an idempotent producer."""
    return produce_idempotent
