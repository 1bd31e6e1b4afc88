"""Metadata."""

from collections.abc import Sequence
from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic, MetadataResponse
from dotkafka.protocol.schema import NULL_UUID


def ask(client: Any, *names: str, version: int = 12, **fields: Any) -> MetadataResponse:
    """Ask for topics by name."""
    topics = [MetadataRequestTopic(name=name) for name in names]
    response: MetadataResponse = client.call(METADATA, version, MetadataRequest(topics=topics, **fields))
    return response


def names(response: MetadataResponse) -> Sequence[str]:
    """The topics of an answer."""
    return [str(topic.name) for topic in response.topics]


@pytest.mark.parametrize("version", range(14))
def test_every_version_is_served(client: Any, version: int) -> None:
    """Each version names the broker, and creates and describes a topic with its partitions."""
    response = ask(client, "orders", version=version)
    (broker,) = response.brokers
    assert (broker.node_id, broker.host, broker.port) == (1, "broker.test", 9092)
    (topic,) = response.topics
    assert (topic.error_code, topic.name, topic.is_internal) == (0, "orders", False)
    (partition,) = topic.partitions
    assert (partition.error_code, partition.partition_index, partition.leader_id) == (0, 0, 1)
    assert (list(partition.replica_nodes), list(partition.isr_nodes), list(partition.offline_replicas)) == (
        [1],
        [1],
        [],
    )
    assert response.controller_id == (1 if version >= 1 else -1)
    assert (response.cluster_id is not None) == (version >= 2)
    assert (partition.leader_epoch >= 0) == (version >= 7)
    assert (topic.topic_id != NULL_UUID) == (version >= 10)


def test_the_advertised_address_is_what_clients_are_told(boot: Any) -> None:
    """A configured address takes the place of the one at which the client came."""
    client = boot(advertised_listener=("kafka.example", 19092), node_id=7).connect()
    (broker,) = ask(client).brokers
    assert (broker.node_id, broker.host, broker.port) == (7, "kafka.example", 19092)


def test_null_asks_for_all_topics_and_empty_for_none(client: Any) -> None:
    """In version 0, which has no null, empty asks for all."""
    ask(client, "a", "b")
    assert sorted(names(client.call(METADATA, 1, MetadataRequest(topics=None)))) == ["a", "b"]
    assert names(ask(client, version=1)) == []
    assert sorted(names(ask(client, version=0))) == ["a", "b"]


def test_a_topic_is_not_created_unless_both_sides_allow_it(boot: Any) -> None:
    """It takes the broker's setting and the client's permission."""
    for is_enabled, is_allowed in ((False, True), (True, False)):
        client = boot(auto_create_topics_enable=is_enabled).connect()
        (topic,) = ask(client, "orders", allow_auto_topic_creation=is_allowed).topics
        assert (topic.error_code, topic.name) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "orders")
        assert list(topic.partitions) == []
    (created,) = ask(client, "orders").topics
    assert created.error_code == 0


def test_an_auto_created_topic_has_the_default_number_of_partitions(boot: Any) -> None:
    """`num.partitions` decides, and the answer waits until the topic is durable."""
    running = boot(num_partitions=5)
    client = running.connect()
    client.send(METADATA, 12, MetadataRequest(topics=[MetadataRequestTopic(name="orders")]))
    assert list(client.received()) == []
    running.settle()
    (response,) = client.received()
    assert [partition.partition_index for partition in response.topics[0].partitions] == [0, 1, 2, 3, 4]
    assert "orders" in boot().broker.metadata.topics_by_name


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("not a name", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("a_b", ErrorCode.INVALID_TOPIC_EXCEPTION),
        ("__cluster_metadata", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ("__transaction_state", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
    ],
)
def test_what_cannot_be_created_says_why(client: Any, name: str, code: ErrorCode) -> None:
    """Illegal and colliding names, and the broker's own topics, do not come into being by being asked for."""
    ask(client, "a.b")
    (topic,) = ask(client, name).topics
    assert topic.error_code == code
    assert names(client.call(METADATA, 12, MetadataRequest(topics=None))) == ["a.b"]


def test_a_topic_is_asked_for_by_id(client: Any) -> None:
    """From version 12; an id that nobody has is UNKNOWN_TOPIC_ID, and names beside ids are not looked at."""
    (created,) = ask(client, "orders").topics
    topics = [
        MetadataRequestTopic(topic_id=created.topic_id, name=None),
        MetadataRequestTopic(topic_id=b"x" * 16, name=None),
        MetadataRequestTopic(name="other"),
    ]
    known, unknown = client.call(METADATA, 12, MetadataRequest(topics=topics)).topics
    assert (known.error_code, known.name, known.topic_id) == (0, "orders", created.topic_id)
    assert (unknown.error_code, unknown.name, unknown.topic_id) == (ErrorCode.UNKNOWN_TOPIC_ID, None, b"x" * 16)


def test_a_topic_asked_for_twice_is_answered_once(client: Any) -> None:
    """Also when asking creates it."""
    assert names(ask(client, "orders", "orders")) == ["orders"]


def test_a_topic_without_name_and_id_is_refused(client: Any) -> None:
    """It gets an answer of its own, and the others theirs."""
    topics = [MetadataRequestTopic(name=None), MetadataRequestTopic(name="orders")]
    nameless, named = client.call(METADATA, 12, MetadataRequest(topics=topics)).topics
    assert nameless.error_code == ErrorCode.INVALID_REQUEST
    assert named.error_code == 0


def test_allowed_operations_are_told_if_asked_for(client: Any) -> None:
    """Without access control everything is allowed: Kafka's bit fields for topics and the cluster."""
    response = ask(
        client, "a", version=9, include_topic_authorized_operations=True, include_cluster_authorized_operations=True
    )
    assert response.topics[0].topic_authorized_operations == 3576
    assert response.cluster_authorized_operations == 8096
    assert ask(client, "a", version=9).topics[0].topic_authorized_operations == -(2**31)


def test_one_request_cannot_create_topics_without_bound(client: Any) -> None:
    """Beyond 10,000 partitions a request creates no more topics, and says so for each."""
    response = ask(client, *(f"t{number}" for number in range(10_002)))
    assert [topic.error_code for topic in response.topics[-3:]] == [0, *[ErrorCode.POLICY_VIOLATION] * 2]


def test_a_topic_is_described_once_its_creation_is_durable(running: Any, client: Any) -> None:
    """Whoever hears of a topic can rely on it, also if another client is creating it just now."""
    ask(client, "first")
    other = running.connect()
    topic = CreatableTopic(name="new", num_partitions=1, replication_factor=1)
    client.send(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic], timeout_ms=1000))
    other.send(METADATA, 9, MetadataRequest(topics=None))
    assert list(other.received()) == []
    running.settle()
    (response,) = other.received()
    assert sorted(names(response)) == ["first", "new"]
    other.send(METADATA, 9, MetadataRequest(topics=None))
    assert len(list(other.received())) == 1
