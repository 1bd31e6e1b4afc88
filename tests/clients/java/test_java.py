"""The Java client's admin calls. Its producer and its consumer: ../test_round_trip.py, ../test_groups.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Record


def test_admin_of_topics(client: Callable[[str], Client], address: Address, unique: Callable[[str], str]) -> None:
    """Topics are created once, listed, described, widened, configured and deleted."""
    topic = unique("topic")
    calls = [
        ["describeCluster"],
        ["createTopics", topic, 2],
        ["createTopics", topic, 2],
        ["createPartitions", topic, 5],
        ["createPartitions", topic, 3],
        ["describeTopics", topic],
        ["incrementalAlterConfigs", topic, "retention.ms", "7200000"],
        ["incrementalAlterConfigs", topic, "no.such.setting", "1"],
        ["describeConfigs", topic, "retention.ms"],
        ["describeConfigs", topic, "max.message.bytes"],
        ["listTopics"],
        ["deleteTopics", topic],
        ["deleteTopics", topic],
        ["describeTopics", topic],
    ]
    events = client("java").run("admin", address, calls=calls)
    assert [event.get("error") for event in events if "error" in event] == [
        "TopicExistsException",
        "InvalidPartitionsException",
        "InvalidConfigurationException",
        "UnknownTopicOrPartitionException",
        "UnknownTopicOrPartitionException",
    ]
    assert events[0]["result"] == [address.bootstrap]
    assert events[5]["result"] == 5
    assert events[8]["result"] == "7200000"
    assert events[9]["result"] == "1048588"
    assert topic in events[10]["result"]


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_admin_of_offsets_and_groups(
    protocol: str,
    client: Callable[[str], Client],
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
) -> None:
    """Offsets by specification, deleted records, and a group from its first member to its deletion."""
    java, topic, group = client("java"), create_topic(plain_address, 1), unique("group")
    records = make_records(10, 1)
    for number, record in enumerate(records):
        record["timestamp"] = 1_700_000_000_000 + (1000 * number if number < 8 else 0)
    java.run("produce", plain_address, topic=topic, batches=[records])
    member = java.start("member", plain_address, topic=topic, group=group, auto_commit=False, protocol=protocol)
    member.wait_until(lambda: len(member.of("record")) == 10 and member.of("committed"))
    alive = [
        ["listOffsets", topic, 0, -2],
        ["listOffsets", topic, 0, -1],
        ["listOffsets", topic, 0, -3],
        ["listOffsets", topic, 0, 1_700_000_002_001],
        ["deleteRecords", topic, 0, 4],
        ["listOffsets", topic, 0, -2],
        ["describeConsumerGroups", group],
        ["groupType", group],
        ["alterConsumerGroupOffsets", group, topic, 0, 5],
        ["deleteConsumerGroups", group],
    ]
    events = java.run("admin", plain_address, calls=alive)
    assert [event.get("error", event.get("result")) for event in events] == [
        *(0, 10, 7, 3, 4, 4),
        {"state": "Stable", "members": 1},
        protocol.capitalize(),
        "UnknownMemberIdException",
        "GroupNotEmptyException",
    ]
    member.stop()
    empty = [
        ["describeConsumerGroups", group],
        ["listConsumerGroupOffsets", group],
        ["alterConsumerGroupOffsets", group, topic, 0, 5],
        ["listConsumerGroupOffsets", group],
        ["deleteConsumerGroups", group],
        ["deleteConsumerGroups", group],
    ]
    events = java.run("admin", plain_address, calls=empty)
    assert [event.get("error", event.get("result")) for event in events] == [
        {"state": "Empty", "members": 0},
        {"0": 10},
        None,
        {"0": 5},
        None,
        "GroupIdNotFoundException",
    ]


def test_settings_of_groups(
    client: Callable[[str], Client], plain_address: Address, unique: Callable[[str], str]
) -> None:
    """A group has settings whether it exists or not; what the broker does not allow is refused."""
    group, name = unique("group"), "consumer.session.timeout.ms"
    calls = [
        ["describeGroupConfigs", group, name],
        ["alterGroupConfigs", group, name, "7000"],
        ["describeGroupConfigs", group, name],
        ["alterGroupConfigs", group, name, "1"],
        ["alterGroupConfigs", group, "no.such.setting", "1"],
    ]
    events = client("java").run("admin", plain_address, calls=calls)
    assert [event.get("error", event.get("result")) for event in events] == [
        *("6000", None, "7000"),
        *("InvalidConfigurationException", "InvalidConfigurationException"),
    ]
