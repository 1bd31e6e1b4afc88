"""The consumer protocol (KIP-848) through the eyes of the clients that speak it.

That members share, join and die is in `test_groups.py`; here are static members, regular expressions, a restart of the
broker, and groups that go from one protocol to the other, each with every record seen once by the whole group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)
from tests.clients.conftest import CONSUMER_GROUP_SETTINGS, Address
from tests.clients.group_under_test import PARTITIONS, Group, assigned, is_shared

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Client, Program, Record, Server
    from tests.clients.tapped_broker import TappedBroker

LIBRARIES = ("confluent_kafka", "java")
TIMEOUT_S = 20.0


@pytest.fixture
def group(make_group: Callable[..., Group]) -> Group:
    """A group without members, and a topic of six partitions."""
    return make_group(protocol="consumer")


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_static_member_restarts(
    group: Group,
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    library: str,
) -> None:
    """It stops in good order and comes back with the same partitions; the other one is not asked to do anything."""
    admin = AdminClient({"bootstrap.servers": group.address.bootstrap})
    patience = ConfigEntry("consumer.session.timeout.ms", "20000", incremental_operation=AlterConfigOpType.SET)
    settings = ConfigResource(ResourceType.GROUP, group.group, incremental_configs=[patience])
    admin.incremental_alter_configs([settings])[settings].result(TIMEOUT_S)
    first, second = group.join(library, instance_id="i1"), group.join(library, instance_id="i2")
    second.wait_until(lambda: is_shared([first, second]))
    group.send(make_records(60, PARTITIONS, "before"))
    group.wait_until_read(second)
    had, heard = assigned(first), len(second.of("assigned"))
    first.stop()
    again = group.join(library, instance_id="i1")
    again.wait_until(lambda: assigned(again) == had)
    assert len(second.of("assigned")) == heard
    group.send(make_records(60, PARTITIONS, "after"))
    group.wait_until_read(again)
    assert_all_once_in_order(group.sent, group.received())


def test_five_members_come_and_go(
    group: Group, make_records: Callable[..., list[Record]], assert_all_once_in_order: Callable[..., None]
) -> None:
    """Of both libraries, all at once; one leaves, one is killed, and one comes back."""
    members = [group.join(library) for library in ("confluent_kafka", "java", "confluent_kafka", "java", "java")]
    members[0].wait_until(lambda: is_shared(members))
    group.send(make_records(60, PARTITIONS, "five"))
    group.wait_until_read(members[0])
    members.pop().stop()
    members.pop().kill()
    members[0].wait_until(lambda: is_shared(members))
    group.send(make_records(60, PARTITIONS, "three"))
    group.wait_until_read(members[0])
    members.append(group.join("java"))
    members[0].wait_until(lambda: is_shared(members))
    group.send(make_records(60, PARTITIONS, "four"))
    group.wait_until_read(members[0])
    assert_all_once_in_order(group.sent, group.received())


@pytest.mark.parametrize("library", LIBRARIES)
def test_topics_by_regular_expression(group: Group, unique: Callable[[str], str], library: str) -> None:
    """The broker matches them, also those that come later."""
    prefix = unique("regex")
    admin = AdminClient({"bootstrap.servers": group.address.bootstrap})
    create_named(admin, f"{prefix}-1", 2)
    member = group.join(library, pattern=f"{prefix}-[0-9]")
    member.wait_until(lambda: assigned(member) == [0, 1])
    create_named(admin, f"{prefix}-x", 9)
    create_named(admin, f"{prefix}-2", 5)
    member.wait_until(lambda: assigned(member) == [0, 1, 2, 3, 4])
    member.stop()


def create_named(admin: AdminClient, name: str, partitions: int) -> None:
    """Create a topic of this very name."""
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(TIMEOUT_S)


@pytest.mark.parametrize("library", LIBRARIES)
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
    """The broker is killed and comes back: they go on with what they have, in the same epoch."""
    address = Address(tapped_broker.address)
    where = ("--advertise", address.bootstrap, "--data", tmp_path / "data")
    arguments = (*where, *CONSUMER_GROUP_SETTINGS)
    server = start_server(*arguments)
    tapped_broker.lead_to(server.bootstrap)
    group = Group(client, address, create_topic(address, PARTITIONS), unique("group"), protocol="consumer")
    first, second = group.join(library), group.join(library)
    second.wait_until(lambda: is_shared([first, second]))
    group.send(make_records(60, PARTITIONS, "before"))
    group.wait_until_read(second)
    had = [assigned(first), assigned(second)]
    heard = [len(first.of("assigned")), len(second.of("assigned"))]
    tapped_broker.lead_nowhere()
    server.kill()
    tapped_broker.lead_to(start_server(*arguments).bootstrap)
    group.send(make_records(60, PARTITIONS, "after"))
    group.wait_until_read(second)
    assert [assigned(first), assigned(second)] == had
    assert [len(first.of("assigned")), len(second.of("assigned"))] == heard
    assert_all_once_in_order(group.sent, group.received())


@pytest.mark.parametrize(
    ("library", "assignor"),
    [("confluent_kafka", "range"), ("confluent_kafka", "cooperative-sticky"), ("java", "cooperative-sticky")],
)
def test_upgrade_and_downgrade(
    group: Group,
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    library: str,
    assignor: str,
) -> None:
    """Members are replaced one by one by those of the other protocol, and then back."""
    classic = {"protocol": "classic", "assignor": assignor}
    admin = AdminClient({"bootstrap.servers": group.address.bootstrap})

    def kind() -> tuple[ConsumerGroupType, ConsumerGroupState]:
        (listed,) = [one for one in admin.list_consumer_groups().result(TIMEOUT_S).valid if one.group_id == group.group]
        return listed.type, listed.state

    def settle(members: list[Program], prefix: str) -> None:
        members[-1].wait_until(lambda: is_shared(members))
        group.send(make_records(60, PARTITIONS, prefix))
        group.wait_until_read(members[-1])

    old = [group.join(library, **classic), group.join(library, **classic)]
    settle(old, "classic")
    assert kind()[0] == ConsumerGroupType.CLASSIC

    new = [group.join(library)]
    settle([*old, *new], "mixed")
    assert kind() == (ConsumerGroupType.CONSUMER, ConsumerGroupState.STABLE)
    old.pop().stop()
    settle([*old, *new], "one left")
    old.pop().stop()
    settle(new, "consumer")
    assert kind() == (ConsumerGroupType.CONSUMER, ConsumerGroupState.STABLE)

    back = [group.join(library, **classic)]
    settle([*new, *back], "mixed again")
    new.pop().stop()
    settle(back, "classic again")
    assert kind() == (ConsumerGroupType.CLASSIC, ConsumerGroupState.STABLE)
    assert_all_once_in_order(group.sent, group.received())
