"""@platformatic/kafka: produce, consume in a group, commit, and its admin client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Record


@pytest.fixture
def platformatic(client: Callable[[str], Client]) -> Client:
    """The @platformatic/kafka program."""
    return client("platformatic")


@pytest.mark.parametrize("auto_commit", [True, False], ids=["auto-commit", "commit-by-hand"])
def test_produce_consume_commit(
    platformatic: Client,
    address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    auto_commit: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """What was sent is read in a group, and a second run goes on where the first stopped."""
    topic, group = create_topic(address), unique("group")
    records, more = make_records(100), make_records(40, prefix="more")
    consume = {"topic": topic, "group": group, "auto_commit": auto_commit}
    for batch in (records, more):
        platformatic.run("produce", address, topic=topic, batches=[batch[:1], batch[1:]])
        reader = platformatic.start("member", address, **consume, stop_after=len(batch))
        reader.finish()
        assert_all_once_in_order(batch, reader.of("record"))

    [offsets] = platformatic.run("admin", address, calls=[["listConsumerGroupOffsets", {"groups": [group]}]])
    [of_group] = offsets["result"]
    [of_topic] = of_group["topics"]
    committed = {entry["partitionIndex"]: entry["committedOffset"] for entry in of_topic["partitions"]}
    assert committed == dict.fromkeys(range(4), 35)


def test_idempotent_gzip(
    platformatic: Client,
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
) -> None:
    """Compressed batches of an idempotent producer come back whole."""
    topic, records = create_topic(plain_address), make_records(200)
    platformatic.run(
        "produce",
        plain_address,
        topic=topic,
        batches=[records[:100], records[100:]],
        compression="gzip",
        idempotent=True,
    )
    reader = platformatic.start(
        "member", plain_address, topic=topic, group=unique("group"), auto_commit=True, stop_after=200
    )
    reader.finish()
    assert_all_once_in_order(records, reader.of("record"))


def test_admin(platformatic: Client, plain_address: Address, unique: Callable[[str], str]) -> None:
    """Topics are created, listed, widened and deleted."""
    topic = unique("topic")

    def call(*calls: list[object]) -> list[Any]:
        events = platformatic.run("admin", plain_address, calls=calls)
        assert [event for event in events if "error" in event] == []
        return [event["result"] for event in events]

    created, listed, metadata = call(
        ["createTopics", {"topics": [topic], "partitions": 3, "replicas": 1}],
        ["listTopics", {}],
        ["metadata", {"topics": [topic]}],
    )
    assert [(entry["name"], entry["partitions"]) for entry in created] == [(topic, 3)]
    assert topic in listed
    [broker] = metadata["brokers"].values()
    assert f"{broker['host']}:{broker['port']}" == plain_address.bootstrap

    # This client wants to be told the replicas of each new partition.
    [leader] = {partition["leader"] for partition in metadata["topics"][topic]["partitions"]}
    replicas = [{"brokerIds": [leader]}, {"brokerIds": [leader]}]
    _, metadata, _, remaining = call(
        ["createPartitions", {"topics": [{"name": topic, "count": 5, "assignments": replicas}]}],
        ["metadata", {"topics": [topic], "forceUpdate": True}],
        ["deleteTopics", {"topics": [topic]}],
        ["listTopics", {}],
    )
    assert metadata["topics"][topic]["partitionsCount"] == 5
    assert topic not in remaining
