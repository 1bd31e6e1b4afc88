"""franz-go's admin client, kadm. Its producer and its consumer: ../test_round_trip.py, ../test_groups.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Record


def test_admin(
    client: Callable[[str], Client],
    address: Address,
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
) -> None:
    """A topic and a group from creation to deletion, with their offsets."""
    franz_go, topic, group = client("franz_go"), unique("topic"), unique("group")

    def call(*calls: list[str | int]) -> list[object]:
        return [event.get("error", event.get("result")) for event in franz_go.run("admin", address, calls=calls)]

    brokers, *created = call(
        ["BrokerMetadata"],
        ["CreateTopic", topic, 2],
        ["CreateTopic", topic, 2],
        ["UpdatePartitions", topic, 3],
    )
    assert brokers == [address.bootstrap]
    assert created == [2, "TOPIC_ALREADY_EXISTS", None]

    franz_go.run("produce", address, topic=topic, batches=[make_records(12, 3)])
    read = {"topic": topic, "group": group, "auto_commit": False, "stop_after": 12}
    franz_go.run("member", address, **read)
    topics, ends, starts, after, groups, described, committed = call(
        ["ListTopics"],
        ["ListEndOffsets", topic],
        ["ListStartOffsets", topic],
        ["ListOffsetsAfterMilli", topic, 1],
        ["ListGroups"],
        ["DescribeGroups", group],
        ["FetchOffsets", group],
    )
    assert isinstance(topics, list)
    assert topic in topics
    assert ends == {"0": 4, "1": 4, "2": 4}
    assert starts == after == {"0": 0, "1": 0, "2": 0}
    assert isinstance(groups, list)
    assert group in groups
    assert described == {"state": "Empty", "members": 0}
    assert committed == ends
    assert call(["DeleteGroup", group], ["DeleteGroup", group], ["DeleteTopics", topic], ["DeleteTopics", topic]) == [
        None,
        "GROUP_ID_NOT_FOUND",
        None,
        "UNKNOWN_TOPIC_OR_PARTITION",
    ]
