"""Retention as clients see it: an administrator says how much is kept, and consumers go on with what is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Server

TIMEOUT_S = 20.0
RECORDS = 100
RECORD_BYTES = 1000
TOPIC = "kept"
PARTITION = TopicPartition(TOPIC, 0)


def earliest(admin: AdminClient) -> int:
    """Where the broker says that the log begins."""
    offset: int = admin.list_offsets({PARTITION: OffsetSpec.earliest()})[PARTITION].result(TIMEOUT_S).offset
    return offset


def values(consumer: Consumer, count: int) -> list[int]:
    """The next so many values."""
    messages = consumer.consume(count, TIMEOUT_S)
    assert [message.error() for message in messages] == [None] * count
    return [int(message.value() or b"") for message in messages]


def test_consumers_go_on_with_what_is_left(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """With a small retention.bytes the log start moves; a group below it goes on from there; a restart changes nothing.

    Whether there is anything to see can only be asked for: no client is told.
    """
    arguments = ("--data", tmp_path / "data")
    server = start_server(*arguments, "--config", "log.retention.check.interval.ms=50")
    settings: dict[str, Any] = {"bootstrap.servers": server.bootstrap}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(TIMEOUT_S)
    producer = Producer(settings | {"batch.num.messages": 1})
    for number in range(RECORDS):
        producer.produce(TOPIC, b"%0*d" % (RECORD_BYTES, number))
    assert producer.flush(TIMEOUT_S) == 0

    in_group = settings | {"group.id": "reader", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    reader = Consumer(in_group)
    reader.subscribe([TOPIC])
    assert values(reader, 5) == [0, 1, 2, 3, 4]
    reader.commit(offsets=[TopicPartition(TOPIC, 0, 5)], asynchronous=False)
    reader.close()

    entry = ConfigEntry("retention.bytes", str(20 * RECORD_BYTES), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, TOPIC, incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(TIMEOUT_S)
    deadline_s = time.monotonic() + TIMEOUT_S
    while (start := earliest(admin)) == 0:
        assert time.monotonic() < deadline_s
    # A batch is somewhat larger than its record.
    assert RECORDS - 20 <= start < RECORDS - 15

    reader = Consumer(in_group)
    reader.subscribe([TOPIC])
    assert values(reader, RECORDS - start) == list(range(start, RECORDS))
    reader.close()

    server.terminate()
    server = start_server(*arguments)
    assert earliest(AdminClient({"bootstrap.servers": server.bootstrap})) == start


def test_deleted_data_leave_the_disk(start_server: Callable[..., Server], tmp_path: Path) -> None:
    """What retention has deleted makes room for what comes: the data do not grow with all that was ever written."""
    data = tmp_path / "data"
    settings = ("log.retention.check.interval.ms=50", "checkpoint.interval.ms=50", "checkpoint.bytes=200000")
    arguments = [part for setting in settings for part in ("--config", setting)]
    server = start_server("--data", data, *arguments)
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    topic = NewTopic(TOPIC, 1, 1, config={"retention.bytes": "1000000"})
    admin.create_topics([topic])[TOPIC].result(TIMEOUT_S)
    producer = Producer({"bootstrap.servers": server.bootstrap})
    deadline_s = time.monotonic() + 2 * TIMEOUT_S
    for written in range(20, RECORDS * 4 + 1, 20):
        for _ in range(20):
            producer.produce(TOPIC, bytes(100_000))
        assert producer.flush(TIMEOUT_S) == 0
        while earliest(admin) < written - 20:
            assert time.monotonic() < deadline_s
    server.terminate()
    stored_bytes = sum(file.stat().st_size for file in data.rglob("*checkpoint*"))
    assert 1_000_000 < stored_bytes < RECORDS * 4 * 100_000 / 4
