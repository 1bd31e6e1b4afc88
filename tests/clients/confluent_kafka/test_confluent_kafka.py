"""confluent-kafka (librdkafka) in the test's own process: administration, look-ups by time, static members.

Its producer and consumer groups: ../test_round_trip.py, ../test_groups.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Record

TIMEOUT_S = 20.0
BASE_MS = 1_700_000_000_000


@pytest.fixture
def settings(address: Address) -> dict[str, Any]:
    """What every librdkafka client needs to reach the broker."""
    if address.ca is None:
        return {"bootstrap.servers": address.bootstrap}
    return {"bootstrap.servers": address.bootstrap, "security.protocol": "ssl", "ssl.ca.location": str(address.ca)}


@pytest.fixture
def admin(settings: dict[str, Any]) -> AdminClient:
    """An admin client."""
    return AdminClient(settings)


@pytest.fixture
def timed_topic(settings: dict[str, Any], address: Address, create_topic: Callable[..., str]) -> str:
    """A topic with one partition and 20 records, a second apart."""
    topic = create_topic(address, 1)
    producer = Producer(settings | {"enable.idempotence": True})
    for second in range(20):
        producer.produce(topic, partition=0, value=str(second), timestamp=BASE_MS + 1000 * second)
    assert producer.flush(TIMEOUT_S) == 0
    return topic


def error_code(future: Any) -> int:
    """The code a call was refused with."""
    with pytest.raises(KafkaException) as refused:
        future.result(TIMEOUT_S)
    code: int = refused.value.args[0].code()
    return code


def test_topics(admin: AdminClient, unique: Callable[[str], str], settings: dict[str, Any]) -> None:
    """Topics are created once, described, widened and deleted."""
    topic = unique("topic")
    admin.create_topics([NewTopic(topic, 3, 1)])[topic].result(TIMEOUT_S)
    assert error_code(admin.create_topics([NewTopic(topic, 3, 1)])[topic]) == KafkaError.TOPIC_ALREADY_EXISTS
    description = admin.describe_topics(TopicCollection([topic]))[topic].result(TIMEOUT_S)
    assert [partition.id for partition in description.partitions] == [0, 1, 2]
    admin.create_partitions([NewPartitions(topic, 5)])[topic].result(TIMEOUT_S)
    assert len(admin.list_topics(topic, TIMEOUT_S).topics[topic].partitions) == 5
    assert error_code(admin.create_partitions([NewPartitions(topic, 4)])[topic]) == KafkaError.INVALID_PARTITIONS
    cluster = admin.describe_cluster().result(TIMEOUT_S)
    assert [f"{node.host}:{node.port}" for node in cluster.nodes] == [settings["bootstrap.servers"]]
    admin.delete_topics([topic])[topic].result(TIMEOUT_S)
    assert error_code(admin.delete_topics([topic])[topic]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_configs(admin: AdminClient, address: Address, create_topic: Callable[..., str]) -> None:
    """A topic's settings are described, changed one at a time, and an unknown one is refused."""
    resource = ConfigResource(ResourceType.TOPIC, create_topic(address, 1, **{"retention.ms": "3600000"}))

    def change(name: str, value: str, operation: AlterConfigOpType) -> Any:
        entry = ConfigEntry(name, value, incremental_operation=operation)
        asked = ConfigResource(ResourceType.TOPIC, resource.name, incremental_configs=[entry])
        return admin.incremental_alter_configs([asked])[asked]

    def value(name: str) -> str:
        described: str = admin.describe_configs([resource])[resource].result(TIMEOUT_S)[name].value
        return described

    assert value("retention.ms") == "3600000"
    change("retention.ms", "7200000", AlterConfigOpType.SET).result(TIMEOUT_S)
    assert value("retention.ms") == "7200000"
    change("retention.ms", "", AlterConfigOpType.DELETE).result(TIMEOUT_S)
    assert value("retention.ms") == "604800000"
    assert value("max.message.bytes") == "1048588"
    assert error_code(change("no.such.setting", "1", AlterConfigOpType.SET)) == KafkaError.INVALID_CONFIG


def test_watermarks_and_offsets_for_times(settings: dict[str, Any], timed_topic: str) -> None:
    """Low and high watermarks; the first offset at or after a time, and -1 past the last record."""
    consumer = Consumer(settings | {"group.id": "none"})
    partition = TopicPartition(timed_topic, 0)
    assert consumer.get_watermark_offsets(partition, TIMEOUT_S) == (0, 20)
    for timestamp_ms, offset in [(1, 0), (BASE_MS + 6500, 7), (BASE_MS + 7000, 7), (BASE_MS + 20_000, -1)]:
        [found] = consumer.offsets_for_times([TopicPartition(timed_topic, 0, timestamp_ms)], TIMEOUT_S)
        assert found.offset == offset
    consumer.close()


def test_list_offsets_and_delete_records(admin: AdminClient, timed_topic: str) -> None:
    """Offsets by every specification, before and after the first records are deleted."""
    partition = TopicPartition(timed_topic, 0)

    def offset(spec: OffsetSpec) -> int:
        found: int = admin.list_offsets({partition: spec})[partition].result(TIMEOUT_S).offset
        return found

    assert offset(OffsetSpec.earliest()) == 0
    assert offset(OffsetSpec.latest()) == 20
    assert offset(OffsetSpec.max_timestamp()) == 19
    assert offset(OffsetSpec.for_timestamp(BASE_MS + 5000)) == 5
    upto = TopicPartition(timed_topic, 0, 8)
    assert admin.delete_records([upto])[upto].result(TIMEOUT_S).low_watermark == 8
    assert offset(OffsetSpec.earliest()) == 8
    assert offset(OffsetSpec.for_timestamp(BASE_MS + 5000)) == 8


def test_commit_and_committed(settings: dict[str, Any], timed_topic: str, unique: Callable[[str], str]) -> None:
    """Offsets committed by hand, with metadata, are what the group has committed; the next member starts there."""
    in_group = settings | {"group.id": unique("group"), "enable.auto.commit": False}
    partition = TopicPartition(timed_topic, 0)
    consumer = Consumer(in_group)
    [before] = consumer.committed([partition], TIMEOUT_S)
    assert before.offset == -1001, "librdkafka's word for: none"
    consumer.commit(offsets=[TopicPartition(timed_topic, 0, 12, "at twelve")], asynchronous=False)
    [after] = consumer.committed([partition], TIMEOUT_S)
    assert (after.offset, after.metadata) == (12, "at twelve")
    consumer.close()

    consumer = Consumer(in_group)
    consumer.subscribe([timed_topic])
    values = [message.value() for message in consumer.consume(8, TIMEOUT_S)]
    assert values == [str(second).encode() for second in range(12, 20)]
    consumer.close()


def test_groups(
    admin: AdminClient,
    client: Callable[[str], Client],
    address: Address,
    timed_topic: str,
    unique: Callable[[str], str],
) -> None:
    """A group is listed and described with its member, cannot be deleted then, and can when it is empty."""
    group = unique("group")
    member = client("confluent_kafka").start(
        "member", address, topic=timed_topic, group=group, auto_commit=False, client_id="the-member"
    )
    member.wait_until(lambda: len(member.of("committed")) == 20)
    assert group in [listed.group_id for listed in admin.list_consumer_groups().result(TIMEOUT_S).valid]
    description = admin.describe_consumer_groups([group])[group].result(TIMEOUT_S)
    assert (description.state.name, description.partition_assignor) == ("STABLE", "range")
    [only] = description.members
    assert only.client_id == "the-member"
    assert only.assignment.topic_partitions == [TopicPartition(timed_topic, 0)]
    assert error_code(admin.delete_consumer_groups([group])[group]) == KafkaError.NON_EMPTY_GROUP

    member.stop()
    offsets = [TopicPartition(timed_topic, 0, 3)]
    admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, offsets)])[group].result(TIMEOUT_S)
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(timed_topic, 0)])
    listed = admin.list_consumer_group_offsets([asked])[group].result(TIMEOUT_S)
    assert [partition.offset for partition in listed.topic_partitions] == [3]
    admin.delete_consumer_groups([group])[group].result(TIMEOUT_S)
    assert error_code(admin.delete_consumer_groups([group])[group]) == KafkaError.GROUP_ID_NOT_FOUND


def test_message_too_large(settings: dict[str, Any], address: Address, create_topic: Callable[..., str]) -> None:
    """A topic's own limit refuses a record the client would send; a smaller one still goes."""
    topic = create_topic(address, 1, **{"max.message.bytes": "2000"})
    outcomes: list[Any] = []
    producer = Producer(settings | {"enable.idempotence": False})
    for size_bytes in (5000, 100):
        producer.produce(topic, bytes(size_bytes), on_delivery=lambda error, _: outcomes.append(error and error.code()))
        assert producer.flush(TIMEOUT_S) == 0
    assert outcomes == [KafkaError.MSG_SIZE_TOO_LARGE, None]


def test_null_key_null_value_and_empty(
    settings: dict[str, Any], address: Address, create_topic: Callable[..., str]
) -> None:
    """Null is not empty: keys, values and header values keep the difference; a header name may come twice."""
    topic = create_topic(address, 1)
    producer = Producer(settings)
    producer.produce(topic, key=None, value=None, headers=[("twice", b"1"), ("twice", b"2"), ("null", None)])
    producer.produce(topic, key=b"", value=b"", headers=[("empty", b"")])
    assert producer.flush(TIMEOUT_S) == 0
    consumer = Consumer(settings | {"group.id": "none"})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    nulls, empties = consumer.consume(2, TIMEOUT_S)
    assert (nulls.key(), nulls.value()) == (None, None)
    assert nulls.headers() == [("twice", b"1"), ("twice", b"2"), ("null", None)]
    assert (empties.key(), empties.value(), empties.headers()) == (b"", b"", [("empty", b"")])
    consumer.close()


def test_static_member_comes_back(
    client: Callable[[str], Client],
    plain_address: Address,
    create_topic: Callable[..., str],
    unique: Callable[[str], str],
    make_records: Callable[..., list[Record]],
) -> None:
    """A static member killed and back within its session has its old partitions, and nobody else is disturbed."""
    library, topic, group = client("confluent_kafka"), create_topic(plain_address), unique("group")

    def join(instance_id: str) -> Any:
        consume = {"topic": topic, "group": group, "auto_commit": False, "instance_id": instance_id}
        return library.start("member", plain_address, **consume)

    stays, leaves = join("stays"), join("leaves")
    leaves.wait_until(lambda: all(len(two(member)) == 2 for member in (stays, leaves)))
    before, seen = two(leaves), len(stays.of("assigned"))
    leaves.kill()

    returned = join("leaves")
    returned.wait_for("assigned")
    assert two(returned) == before
    library.run("produce", plain_address, topic=topic, batches=[make_records(40)])
    returned.wait_until(lambda: [len(member.of("record")) for member in (stays, returned)] == [20, 20])
    assert len(stays.of("assigned")) == seen, "the other member was rebalanced"


def two(member: Any) -> list[int]:
    """The latest assignment a member printed."""
    printed = member.of("assigned")
    partitions: list[int] = printed[-1]["partitions"] if printed else []
    return partitions
