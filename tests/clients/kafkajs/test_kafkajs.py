"""kafkajs 2.2.4: its quick start and its admin client, with and without TLS."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Event, Record


@pytest.fixture
def kafkajs(client: Callable[[str], Client]) -> Client:
    """The kafkajs program."""
    return client("kafkajs")


def one(events: list[Event]) -> object:
    """The result of a single admin call."""
    [event] = events
    assert "error" not in event, event
    return event["result"]


@pytest.mark.parametrize("auto_commit", [True, False], ids=["auto-commit", "commit-by-hand"])
def test_quick_start(
    kafkajs: Client,
    address: Address,
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
    auto_commit: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    """Create 16 partitions, send one and many, read from the beginning, go on in a second run."""
    topic, group = unique("topic"), unique("group")
    create = ["createTopics", {"topics": [{"topic": topic, "numPartitions": 16, "replicationFactor": 1}]}]
    assert one(kafkajs.run("admin", address, calls=[create])) is True

    records = make_records(160, partitions=16)
    sent = kafkajs.run("produce", address, topic=topic, batches=[records[:1], records[1:]])
    assert [len(event["partitions"]) for event in sent] == [1, 16]
    assert {partition["errorCode"] for event in sent for partition in event["partitions"]} == {0}

    consume = {"topic": topic, "group": group, "auto_commit": auto_commit}
    first = kafkajs.start("member", address, **consume, stop_after=160)
    first.finish()
    assert_all_once_in_order(records, first.of("record"))
    assert first.of("assigned") == [{"event": "assigned", "partitions": list(range(16))}]
    committed = one(kafkajs.run("admin", address, calls=[["fetchOffsets", {"groupId": group, "topics": [topic]}]]))
    assert sorted_partitions(committed) == dict.fromkeys(range(16), "10")

    more = make_records(32, partitions=16, prefix="more")
    kafkajs.run("produce", address, topic=topic, batches=[more])
    second = kafkajs.start("member", address, **consume, stop_after=32)
    second.finish()
    assert_all_once_in_order(more, second.of("record"))


def sorted_partitions(topics: object) -> dict[int, str]:
    """What kafkajs answers for the offsets of one topic, as offset by partition."""
    assert isinstance(topics, list)
    [topic] = topics
    return {entry["partition"]: entry["offset"] for entry in sorted(topic["partitions"], key=lambda e: e["partition"])}


def test_gzip(
    kafkajs: Client,
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
    assert_all_once_in_order: Callable[..., None],
) -> None:
    """Batches compressed with gzip by an idempotent producer come back whole."""
    topic, records = create_topic(plain_address), make_records(400)
    batches = [records[:200], records[200:]]
    kafkajs.run("produce", plain_address, topic=topic, batches=batches, compression="gzip", idempotent=True)
    reader = kafkajs.start(
        "member", plain_address, topic=topic, group=unique("group"), auto_commit=True, stop_after=400
    )
    reader.finish()
    assert_all_once_in_order(records, reader.of("record"))


def test_admin_of_topics(kafkajs: Client, address: Address, unique: Callable[[str], str]) -> None:
    """Topics are created once, listed, described, widened, configured and deleted."""
    topic = unique("topic")
    create = {
        "topics": [
            {"topic": topic, "numPartitions": 2, "configEntries": [{"name": "retention.ms", "value": "3600000"}]}
        ]
    }
    resource = {"type": 2, "name": topic}
    describe = [
        "describeConfigs",
        {"includeSynonyms": False, "resources": [{**resource, "configNames": ["retention.ms"]}]},
    ]
    alter = {"resources": [{**resource, "configEntries": [{"name": "retention.ms", "value": "7200000"}]}]}
    calls = [
        ["createTopics", create],
        ["createTopics", create],
        ["listTopics"],
        ["fetchTopicMetadata", {"topics": [topic]}],
        describe,
        ["alterConfigs", {"validateOnly": False, **alter}],
        describe,
        ["createPartitions", {"topicPartitions": [{"topic": topic, "count": 5}]}],
        ["fetchTopicMetadata", {"topics": [topic]}],
        ["describeCluster"],
        ["deleteTopics", {"topics": [topic]}],
        ["listTopics"],
    ]
    events = kafkajs.run("admin", address, calls=calls)
    assert [event["event"] for event in events if "error" in event] == []
    results = [event["result"] for event in events]
    assert results[0] is True
    assert results[1] is False, "kafkajs answers false for a topic that exists"
    assert topic in results[2]
    [before] = results[3]["topics"]
    assert sorted(entry["partitionId"] for entry in before["partitions"]) == [0, 1]
    assert all(entry["partitionErrorCode"] == 0 and entry["leader"] in entry["isr"] for entry in before["partitions"])
    assert config_values(results[4]) == {"retention.ms": "3600000"}
    assert config_values(results[6]) == {"retention.ms": "7200000"}
    [after] = results[8]["topics"]
    assert sorted(entry["partitionId"] for entry in after["partitions"]) == [0, 1, 2, 3, 4]
    [broker] = results[9]["brokers"]
    assert f"{broker['host']}:{broker['port']}" == address.bootstrap
    assert results[9]["controller"] == broker["nodeId"]
    assert topic not in results[11]


def config_values(described: Event) -> dict[str, str]:
    """The settings kafkajs reports for one resource."""
    [resource] = described["resources"]
    assert resource["errorCode"] == 0
    return {entry["configName"]: entry["configValue"] for entry in resource["configEntries"]}


def test_admin_of_offsets(
    kafkajs: Client, plain_address: Address, create_topic: Callable[..., str], make_records: Callable[..., list[Record]]
) -> None:
    """Low and high offsets, the offset for a timestamp, and deletion of records up to an offset."""
    topic = create_topic(plain_address, partitions=2)
    records = make_records(20, partitions=2)
    for number, record in enumerate(records):
        record["timestamp"] = str(1_700_000_000_000 + 1000 * number)
    kafkajs.run("produce", plain_address, topic=topic, batches=[records])
    events = kafkajs.run(
        "admin",
        plain_address,
        calls=[
            ["fetchTopicOffsets", topic],
            ["fetchTopicOffsetsByTimestamp", topic, 1_700_000_010_000],
            ["fetchTopicOffsetsByTimestamp", topic, 1_800_000_000_000],
            ["deleteTopicRecords", {"topic": topic, "partitions": [{"partition": 1, "offset": "4"}]}],
            ["fetchTopicOffsets", topic],
        ],
    )
    assert [event["event"] for event in events if "error" in event] == []
    whole, by_time, beyond, _, trimmed = (event["result"] for event in events)
    assert offsets(whole) == {0: ("0", "10"), 1: ("0", "10")}
    # Records 10 and 11, the sixth of either partition, are the first at or after the tenth second.
    assert {entry["partition"]: entry["offset"] for entry in by_time} == {0: "5", 1: "5"}
    assert {entry["partition"]: entry["offset"] for entry in beyond} == {0: "10", 1: "10"}
    assert offsets(trimmed) == {0: ("0", "10"), 1: ("4", "10")}


def offsets(partitions: list[Event]) -> dict[int, tuple[str, str]]:
    """Low and high offset by partition."""
    return {entry["partition"]: (entry["low"], entry["high"]) for entry in partitions}


def test_admin_of_groups(
    kafkajs: Client, plain_address: Address, create_topic: Callable[..., str], unique: Callable[[str], str]
) -> None:
    """A group is described and listed while it lives, refuses deletion then, and is deleted when it is empty."""
    topic, group = create_topic(plain_address), unique("group")
    look = [["describeGroups", [group]], ["listGroups"], ["deleteGroups", [group]]]
    member = kafkajs.start("member", plain_address, topic=topic, group=group, auto_commit=True)
    member.wait_for("assigned")
    described, listed, refused = kafkajs.run("admin", plain_address, calls=look)
    [description] = described["result"]["groups"]
    assert (description["groupId"], description["state"], description["protocolType"]) == (group, "Stable", "consumer")
    assert description["protocol"] == "RoundRobinAssigner"
    [only] = description["members"]
    assert only["clientId"] == "kafkajs"
    assert {"groupId": group, "protocolType": "consumer"} in listed["result"]["groups"]
    assert refused["error"] == "KafkaJSDeleteGroupsError"

    member.stop()
    reset = ["setOffsets", {"groupId": group, "topic": topic, "partitions": [{"partition": 2, "offset": "7"}]}]
    fetch = ["fetchOffsets", {"groupId": group, "topics": [topic]}]
    was_set, fetched, empty, _, deleted, listed = kafkajs.run(
        "admin", plain_address, calls=[reset, fetch, *look, look[1]]
    )[:6]
    assert "error" not in was_set, was_set
    assert sorted_partitions(fetched["result"])[2] == "7"
    assert [entry["state"] for entry in empty["result"]["groups"]] == ["Empty"]
    assert [(entry["groupId"], entry["errorCode"]) for entry in deleted["result"]] == [(group, 0)]
    assert group not in [entry["groupId"] for entry in listed["result"]["groups"]]
