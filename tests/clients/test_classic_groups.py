"""Classic groups through the eyes of clients: all libraries at once, static members, regular expressions, a restart.

That members share, join and die, for each library, is in `test_groups.py`; here too each record is seen once by the
whole group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from tests.clients.conftest import Address
from tests.clients.group_under_test import PARTITIONS, Group, assigned, is_shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Client, Record, Server
    from tests.clients.tapped_broker import TappedBroker

TIMEOUT_S = 20.0


def test_members_of_all_libraries(
    make_group: Callable[..., Group],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
) -> None:
    """They agree on `range`, whoever leads; the leader is killed, or whoever came first."""
    group = make_group(10, assignor="range")
    members = [group.join(library) for library in ("java", "confluent_kafka", "franz_go", "aiokafka", "kafka_python")]
    members[0].wait_until(lambda: is_shared(members, group.partitions))
    group.send(make_records(40, group.partitions, "five"))
    group.wait_until_read(members[0])
    members.pop(0).kill()
    members[0].wait_until(lambda: is_shared(members, group.partitions))
    group.send(make_records(40, group.partitions, "four"))
    group.wait_until_read(members[0])
    assert_all_once_in_order(group.sent, group.received())


@pytest.mark.parametrize("library", ["confluent_kafka", "java", "aiokafka", "kafka_python", "franz_go"])
def test_a_static_member_restarts(
    make_group: Callable[..., Group],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    library: str,
) -> None:
    """It is killed and comes back with the same partitions; the other one is not asked to do anything."""
    group = make_group(session_timeout_ms=20_000)
    first, second = group.join(library, instance_id="i1"), group.join(library, instance_id="i2")
    second.wait_until(lambda: is_shared([first, second]))
    group.send(make_records(60, PARTITIONS, "before"))
    group.wait_until_read(second)
    had, heard = assigned(first), len(second.of("assigned"))
    first.kill()
    again = group.join(library, instance_id="i1")
    again.wait_until(lambda: assigned(again) == had)
    group.send(make_records(60, PARTITIONS, "after"))
    group.wait_until_read(again)
    assert len(second.of("assigned")) == heard
    assert_all_once_in_order(group.sent, group.received())


@pytest.mark.parametrize("library", ["confluent_kafka", "java", "aiokafka", "kafka_python", "franz_go", "kafkajs"])
def test_topics_by_regular_expression(
    make_group: Callable[..., Group], unique: Callable[[str], str], library: str
) -> None:
    """The client looks for them, and joins again when there are more; kafkajs looks once."""
    prefix = unique("regex")
    group = make_group(pattern=f"{prefix}-[0-9]")
    admin = AdminClient({"bootstrap.servers": group.address.bootstrap})

    def create(name: str, partitions: int) -> None:
        admin.create_topics([NewTopic(f"{prefix}-{name}", partitions, 1)])[f"{prefix}-{name}"].result(TIMEOUT_S)

    create("1", 2)
    create("x", 9)
    member = group.join(library)
    member.wait_until(lambda: assigned(member) == [0, 1])
    if library != "kafkajs":
        create("2", 5)
        member.wait_until(lambda: sorted(assigned(member)) == [0, 0, 1, 1, 2, 3, 4] or assigned(member) == [*range(5)])
    member.stop()


@pytest.mark.parametrize("library", ["confluent_kafka", "java", "aiokafka", "franz_go", "kafka_python", "kafkajs"])
def test_members_outlive_the_broker(
    client: Callable[[str], Client],
    start_server: Callable[..., Server],
    tapped_broker: TappedBroker,
    tmp_path: Path,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    library: str,
) -> None:
    """The broker is killed and comes back: the same members go on with what they have, in the same generation.

    But for those of kafkajs that end themselves, with KafkaJSNoBrokerAvailableError, where a heartbeat falls due just
    when their only broker has gone: for each of these a new one joins.
    """
    address = Address(tapped_broker.address)
    arguments = ("--advertise", address.bootstrap, "--data", tmp_path / "data")
    server = start_server(*arguments)
    tapped_broker.lead_to(server.bootstrap)
    # When its only broker is gone, Java's client forgets all topics and joins again for them, unless told otherwise.
    options: dict[str, Any] = {"session_timeout_ms": 20_000, "metadata_recovery": "none"}
    group = Group(client, address, create_topic(address, PARTITIONS), unique("group"), **options)

    def member_ids() -> set[str]:
        # An admin client of librdkafka that has lost its broker may never ask for a coordinator again.
        admin = AdminClient({"bootstrap.servers": address.bootstrap})
        described = admin.describe_consumer_groups([group.group])[group.group].result(TIMEOUT_S)
        assert described.state.name == "STABLE"
        return {member.member_id for member in described.members}

    first, second = group.join(library), group.join(library)
    second.wait_until(lambda: is_shared([first, second]))
    group.send(make_records(60, PARTITIONS, "before"))
    group.wait_until_read(second)
    had = [member.of("assigned") for member in (first, second)]
    ids = member_ids()
    tapped_broker.lead_nowhere()
    server.kill()
    tapped_broker.lead_to(start_server(*arguments).bootstrap)
    group.send(make_records(60, PARTITIONS, "after"))
    group.wait_until_read(second)
    if first.of("crashed") or second.of("crashed"):
        assert library == "kafkajs"
        read = {(record["partition"], record["offset"]): record for record in group.received()}
        assert_all_once_in_order(group.sent, read.values())
    else:
        assert [member.of("assigned") for member in (first, second)] == had
        assert member_ids() == ids
        assert_all_once_in_order(group.sent, group.received())
