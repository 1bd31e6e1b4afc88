"""A server on a checkpoint with damaged batches: their readers get an answer, and all others are served."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from dotkafka.testing import RunningBroker, running_broker

if TYPE_CHECKING:
    from pathlib import Path

MAGIC_POSITION = 16
FIRST = "first " * 20_000


@pytest.fixture(name="path")
def fixture_path(tmp_path: Path) -> Path:
    """A directory with two topics of two batches each, whose server has stopped: L2 alone has them."""
    with running_broker(data=tmp_path / "data") as kafka:
        for topic, time_ms in (("damaged", 1000), ("whole", 3000)):
            kafka.create_topic(topic, config={"retention.ms": "-1"})
            kafka.produce(topic, FIRST.encode(), timestamp_ms=time_ms)
            kafka.produce(topic, b"second", timestamp_ms=time_ms + 1)
    return tmp_path / "data"


def damage(path: Path, base_offset: int, position: int = MAGIC_POSITION) -> None:
    """Change one byte of the batch of `damaged` at an offset, in the file."""
    with closing(sqlite3.connect(path / "checkpoint.sqlite")) as connection:
        group_id, data, first_offset = connection.execute(
            "SELECT group_id, data, base_offset FROM batch_groups WHERE last_offset >= ? AND max_timestamp_ms <= 1001",
            (base_offset,),
        ).fetchone()
        start = 0 if base_offset == first_offset else 12 + int.from_bytes(data[8:12], "big")
        changed = bytearray(data)
        changed[start + position] ^= 0xFF
        connection.execute("UPDATE batch_groups SET data = ? WHERE group_id = ?", (bytes(changed), group_id))
        connection.commit()


def fetch(kafka: RunningBroker, topic: str, offset: int):
    """Return what a Fetch request gets of a partition."""
    wanted = [FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=2**20)]
    request = FetchRequest(
        max_wait_ms=100, min_bytes=1, session_epoch=-1, topics=[FetchTopic(topic=topic, partitions=wanted)]
    )
    return kafka.request(FETCH, 12, request).responses[0].partitions[0]


def list_offsets(kafka: RunningBroker, topic: str, timestamp_ms: int):
    """Return what a ListOffsets request gets of a partition."""
    asked = [ListOffsetsPartition(partition_index=0, timestamp=timestamp_ms)]
    request = ListOffsetsRequest(topics=[ListOffsetsTopic(name=topic, partitions=asked)])
    return kafka.request(LIST_OFFSETS, 7, request).topics[0].partitions[0]


def test_a_damaged_batch_is_refused(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """CORRUPT_MESSAGE to Fetch and ListOffsets, said once with its place; others are served."""
    damage(path, 0)
    with running_broker(data=path) as kafka:
        with caplog.at_level(logging.ERROR, "dotkafka.broker.damage"):
            for _ in range(3):
                assert fetch(kafka, "damaged", 0).error_code == ErrorCode.CORRUPT_MESSAGE
        (line,) = [record.getMessage() for record in caplog.records]
        assert line.startswith("damaged-0 cannot be read at offset 0: ")
        assert "dotkafka check DIR" in line
        assert list_offsets(kafka, "damaged", 1000).error_code == ErrorCode.CORRUPT_MESSAGE
        assert fetch(kafka, "whole", 0).error_code == ErrorCode.NONE
        assert list_offsets(kafka, "whole", 3000).offset == 0


def test_what_stands_before_a_damaged_batch_is_served(path: Path) -> None:
    """The damage is met by who comes to it."""
    damage(path, 1)
    with running_broker(data=path) as kafka:
        first = fetch(kafka, "damaged", 0)
        assert first.error_code == ErrorCode.NONE
        assert FIRST.encode() in bytes(first.records)
        assert fetch(kafka, "damaged", 1).error_code == ErrorCode.CORRUPT_MESSAGE


def test_checksums_of_records_are_for_the_consumer(path: Path) -> None:
    """As in Kafka: a batch whose header is whole goes out as it is."""
    damage(path, 0, position=1000)
    with running_broker(data=path) as kafka:
        assert fetch(kafka, "damaged", 0).error_code == ErrorCode.NONE
        assert list_offsets(kafka, "damaged", 1000).error_code == ErrorCode.CORRUPT_MESSAGE


def test_a_consumer_tells_its_application(path: Path) -> None:
    """A real client gives the error out, and can go on behind the damage."""
    confluent_kafka = pytest.importorskip("confluent_kafka")
    damage(path, 0)
    with running_broker(data=path) as kafka:
        consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "reader"})
        try:
            consumer.assign([confluent_kafka.TopicPartition("damaged", 0, 0)])
            message = consumer.poll(20)
            assert message is not None
            assert message.error() is not None
            consumer.assign([confluent_kafka.TopicPartition("damaged", 0, 1)])
            message = consumer.poll(20)
            while message is not None and message.error() is not None:
                message = consumer.poll(20)
            assert message is not None
            assert message.value() == b"second"
        finally:
            consumer.close()
