"""The command that measures how long the first record takes, which bench/first_record.py asks for."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType
from confluent_kafka.admin import AdminClient

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Record

CLASSIC = ["aiokafka", "confluent_kafka", "franz_go", "java", "kafka_python", "kafkajs", "platformatic"]
CONSUMER = ["confluent_kafka", "java"]


@pytest.mark.parametrize(
    ("library", "protocol"), [(name, "classic") for name in CLASSIC] + [(name, "consumer") for name in CONSUMER]
)
def test_first_records(
    client: Callable[[str], Client],
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    library: str,
    protocol: str,
) -> None:
    """A member of each group reads what was there before, says when and how long, and leaves before the next."""
    program, topic, groups = client(library), create_topic(plain_address, 1), [unique("group"), unique("group")]
    client("confluent_kafka").run("produce", plain_address, topic=topic, batches=[make_records(1, 1)])
    begin_ms = time.time() * 1e3
    events = program.run("first_records", plain_address, topic=topic, groups=groups, protocol=protocol)
    end_ms = time.time() * 1e3

    assert [(event["event"], event["group"]) for event in events] == [("first_record", group) for group in groups]
    times = [(event["began_ms"], event["began_ms"] + event["ms"]) for event in events]
    in_order = [begin_ms, *(ms for both in times for ms in both), end_ms]
    assert in_order == sorted(in_order)
    admin = AdminClient({"bootstrap.servers": plain_address.bootstrap})
    described = [future.result(20) for future in admin.describe_consumer_groups(groups).values()]
    assert [(group.state, group.type) for group in described] == [
        (ConsumerGroupState.EMPTY, ConsumerGroupType[protocol.upper()])
    ] * 2
