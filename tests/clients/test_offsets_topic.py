"""`__consumer_offsets`, as clients read it and as Kafka's own tools print it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from tests.clients.conftest import Address

from dotkafka.records.internal_records import internal_record_to_json
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Client, Server
    from tests.clients.conftest import Record as Sent

TOPIC = "__consumer_offsets"
TIMEOUT_S = 20.0


def read_all(bootstrap: str) -> list[Message]:
    """All there is, by a consumer of librdkafka."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "none", "enable.auto.commit": False})
    _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, 0), TIMEOUT_S)
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    messages: list[Message] = []
    while (messages[-1].offset() or 0 if messages else -1) < end - 1:
        (message,) = consumer.consume(1, TIMEOUT_S)
        assert message.error() is None
        messages.append(message)
    consumer.close()
    return messages


def test_kafkas_tools_read_it(
    client: Callable[[str], Client],
    start_server: Callable[..., Server],
    tmp_path: Path,
    create_topic: Callable[..., str],
    make_records: Callable[..., list[Sent]],
    ask_java: Callable[..., dict[str, Any]],
) -> None:
    """Groups of both protocols, their offsets, and that a group was deleted: Kafka's formatters print what ours do."""
    server = start_server("--data", tmp_path / "data")
    address = Address(server.bootstrap)
    topic = create_topic(address, 2)
    library = client("confluent_kafka")
    library.run("produce", address, topic=topic, batches=[make_records(4, 2)])
    for protocol in ("classic", "consumer"):
        options = {"topic": topic, "group": protocol, "auto_commit": False, "stop_after": 4, "protocol": protocol}
        library.run("member", address, **options)
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.delete_consumer_groups(["consumer"])["consumer"].result(TIMEOUT_S)
    assert admin.list_topics(timeout=TIMEOUT_S).topics[TOPIC].partitions

    messages = read_all(server.bootstrap)
    ours = [
        internal_record_to_json(Record(message.offset() or 0, 0, message.key(), message.value()), TOPIC)
        for message in messages
    ]
    assert not [node for node in ours if "error" in node]
    kinds = [int(node["key"]["type"]) for node in ours]
    assert set(kinds) == {1, 2, 3, 4, 5, 6, 7, 8}
    records = [
        [message.key().hex(), None if message.value() is None else message.value().hex()]  # type: ignore[union-attr]
        for message in messages
    ]
    for kind, tool in ((1, "offsets"), (2, "groups")):
        lines = [line for line in ask_java(format=tool, records=records)["lines"] if line["key"]["type"] == kind]
        assert [without_bytes(line) for line in lines] == [
            without_bytes(plain(node)) for node, other in zip(ours, kinds, strict=True) if other == kind
        ]
    offsets = {
        (node["key"]["data"]["group"], node["key"]["data"]["partition"]): node["value"]
        for node, kind in zip(ours, kinds, strict=True)
        if kind == 1
    }
    assert {key: value and value["data"]["offset"] for key, value in offsets.items()} == {
        ("classic", 0): 2,
        ("classic", 1): 2,
        ("consumer", 0): None,
        ("consumer", 1): None,
    }


def plain(node: dict[str, Any]) -> dict[str, Any]:
    """Our JSON of a record as the console consumer has it: kinds and versions are numbers there."""
    key, value = node["key"], node["value"]
    return {
        "key": {"type": int(key["type"]), "data": key["data"]},
        "value": value and {"version": int(value["version"]), "data": value["data"]},
    }


def without_bytes(node: dict[str, Any]) -> dict[str, Any]:
    """The record of a group without what its members told each other: ours is decoded."""
    for member in (node["value"] or {"data": {}})["data"].get("members", ()):
        del member["subscription"], member["assignment"]
    return node
