"""Compaction as clients see it: who reads from the beginning finds the last value of each key, and gets to the end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from tests.clients.conftest import Address

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Client, Server

TIMEOUT_S = 30.0
TOPIC = "compacted"
KEYS = 10
CONFIG = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.001", "delete.retention.ms": "0"}
SETTINGS = ("log.cleaner.backoff.ms=50", "checkpoint.interval.ms=50")


def produce(bootstrap: str, compression: str, first: int, *, tombstones: range = range(0)) -> None:
    """Append 300 records, some of them in one batch, then delete some keys."""
    producer = Producer({"bootstrap.servers": bootstrap, "compression.type": compression, "batch.num.messages": 7})
    for number in range(first, first + 300):
        producer.produce(TOPIC, f"value-{number}".encode(), f"key-{number % KEYS}".encode())
    assert producer.flush(TIMEOUT_S) == 0
    for number in tombstones:
        producer.produce(TOPIC, None, f"key-{number}".encode())
    producer.produce(TOPIC, f"{compression} was here".encode(), b"last")
    assert producer.flush(TIMEOUT_S) == 0


def read_to_the_end(bootstrap: str) -> tuple[list[tuple[int, str, str | None]], int]:
    """Return offset, key and value of every record, and the offset at which librdkafka says that there are no more."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.partition.eof": True})
    consumer.assign([TopicPartition(TOPIC, 0, 0)])
    records: list[tuple[int, str, str | None]] = []
    while True:
        message = consumer.poll(TIMEOUT_S)
        assert message is not None
        if (error := message.error()) is not None:
            assert error.code() == KafkaError._PARTITION_EOF
            consumer.close()
            return records, message.offset() or 0
        key, value = message.key() or b"", message.value()
        records.append((message.offset() or 0, key.decode(), None if value is None else value.decode()))


@pytest.fixture
def start_compacted(start_server: Callable[..., Server], tmp_path: Path) -> Callable[[str], str]:
    """Return a function that starts a server, again, whose topic is compacted; where it is."""
    return lambda compression: compact(start_server, tmp_path, compression)


def compact(start_server: Callable[..., Server], tmp_path: Path, compression: str) -> str:
    """Fill a topic and wait until it is compacted; return the server."""
    arguments = ["--data", tmp_path / "data"]
    arguments += [part for setting in SETTINGS for part in ("--config", setting)]
    server = start_server(*arguments)
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config=CONFIG)])[TOPIC].result(TIMEOUT_S)
    produce(server.bootstrap, "gzip", 0)
    produce(server.bootstrap, compression, 300, tombstones=range(3))
    server.terminate()
    # What is read now comes from L2. The pass after the tombstones' own lets them go.
    server = start_server(*arguments)
    deadline_s = time.monotonic() + TIMEOUT_S
    producer = Producer({"bootstrap.servers": server.bootstrap})
    for number in range(10**6):
        records, _ = read_to_the_end(server.bootstrap)
        if len(records) < 2 * KEYS and all(value is not None for _, _, value in records[:-2]):
            break
        assert time.monotonic() < deadline_s, records
        producer.produce(TOPIC, b"" if number % 2 else None, b"more")
        assert producer.flush(TIMEOUT_S) == 0
    server.terminate()
    return start_server(*arguments).bootstrap


@pytest.mark.parametrize(("name", "compression"), [("java", "lz4"), ("kafkajs", "gzip")])
def test_the_last_value_of_each_key(
    start_compacted: Callable[[str], str], client: Callable[[str], Client], name: str, compression: str
) -> None:
    """For librdkafka and others alike; offsets are what they were, and the end is the high watermark."""
    reader = client(name)
    bootstrap = start_compacted(compression)
    records, end_offset = read_to_the_end(bootstrap)
    table = {key: value for _, key, value in records if key != "more"}
    assert table == {f"key-{n}": f"value-{590 + n}" for n in range(3, KEYS)} | {"last": f"{compression} was here"}
    offsets = [offset for offset, _, _ in records]
    assert offsets == sorted(offsets)
    assert end_offset >= 605
    watermarks = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused"}).get_watermark_offsets(
        TopicPartition(TOPIC, 0), TIMEOUT_S
    )
    assert watermarks == (0, end_offset)
    kept = [record for record in records if record[1] != "more"]
    events = reader.run(
        "member", Address(bootstrap), topic=TOPIC, group="other", stop_after=len(kept), auto_commit=True
    )
    read = [(event["offset"], event["key"], event["value"]) for event in events if event["event"] == "record"]
    assert read[: len(kept)] == kept
