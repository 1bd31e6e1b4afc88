"""Groups through the eyes of each client library: sharing, joining, dying.

The members commit what they have read before the next step is taken, so that each record must be seen exactly once by
the whole group, whatever happens to its members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.clients.group_under_test import PARTITIONS, committed, is_shared

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Program, Record

MEMBERS = {
    "kafkajs": ("kafkajs", {}),
    "confluent-kafka, range": ("confluent_kafka", {"assignor": "range"}),
    "confluent-kafka, roundrobin": ("confluent_kafka", {"assignor": "roundrobin"}),
    "confluent-kafka, cooperative-sticky": ("confluent_kafka", {"assignor": "cooperative-sticky"}),
    "aiokafka": ("aiokafka", {"assignor": "roundrobin"}),
    "kafka-python": ("kafka_python", {"assignor": "range"}),
    "java, range": ("java", {"assignor": "range"}),
    "java, cooperative-sticky": ("java", {"assignor": "cooperative-sticky"}),
    "confluent-kafka, consumer protocol": ("confluent_kafka", {"protocol": "consumer"}),
    "java, consumer protocol": ("java", {"protocol": "consumer", "assignor": "range"}),
    "franz-go": ("franz_go", {"assignor": "cooperative-sticky"}),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_members_share_join_and_die(
    client: Callable[[str], Client],
    judged_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    name: str,
) -> None:
    """Two members share the partitions, a third takes its part, one is killed and the others take over."""
    library, options = MEMBERS[name]
    program, producer = client(library), client("confluent_kafka")
    topic, group = create_topic(judged_address, PARTITIONS), unique("group")
    sent: list[Record] = []

    def join() -> Program:
        return program.start(
            "member",
            judged_address,
            **options,
            topic=topic,
            group=group,
            auto_commit=False,
            session_timeout_ms=6000,
            heartbeat_interval_ms=300,
        )

    def send(prefix: str) -> None:
        records = make_records(60, PARTITIONS, prefix)
        sent.extend(records)
        producer.run("produce", judged_address, topic=topic, batches=[records])

    def assert_all_read(members: list[Program]) -> None:
        everything = dict.fromkeys(range(PARTITIONS), len(sent) // PARTITIONS)
        members[-1].wait_until(lambda: committed(members) == everything)
        received = [event for member in members for event in member.of("record")]
        # Members print independently of each other: order counts within a partition, and there offsets tell it.
        assert_all_once_in_order(sent, sorted(received, key=lambda event: (event["partition"], event["offset"])))
        for member in members:
            assert_offsets_rise(member)

    first, second = join(), join()
    second.wait_until(lambda: is_shared([first, second]))
    send("two")
    assert_all_read([first, second])

    third = join()
    third.wait_until(lambda: is_shared([first, second, third]))
    send("three")
    assert_all_read([first, second, third])

    second.kill()
    send("after the kill")
    third.wait_until(lambda: is_shared([first, third]))
    assert_all_read([first, second, third])

    third.stop()
    first.wait_until(lambda: is_shared([first]))
    first.stop()


def assert_offsets_rise(member: Program) -> None:
    """A member reads each partition forwards."""
    offsets: dict[int, int] = {}
    for event in member.of("record"):
        assert offsets.get(event["partition"], -1) < event["offset"], event
        offsets[event["partition"]] = event["offset"]
