"""CreateTopics."""

from typing import Any

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreatableTopicResult,
    CreateTopicsRequest,
)
from dotkafka.protocol.schema import NULL_UUID


def topic(name: str = "orders", partitions: int = 1, replicas: int = 1, **fields: Any) -> CreatableTopic:
    """One topic of a request."""
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=replicas, **fields)


def create(client: Any, *topics: CreatableTopic, version: int = 7, **fields: Any) -> list[CreatableTopicResult]:
    """Create topics, and return the results."""
    return list(client.call(CREATE_TOPICS, version, CreateTopicsRequest(topics=topics, **fields)).topics)


def config(name: str, value: str | None) -> CreatableTopicConfig:
    """One setting of a topic of a request."""
    return CreatableTopicConfig(name=name, value=value)


@pytest.mark.parametrize("version", range(8))
def test_every_version_is_served(running: Any, client: Any, version: int) -> None:
    """Each version creates the topic; later ones tell more of it."""
    (result,) = create(client, topic(partitions=3), version=version)
    image = running.broker.metadata.topics_by_name["orders"]
    assert (result.name, result.error_code, image.partition_count) == ("orders", 0, 3)
    assert result.topic_id == (image.topic_id if version >= 7 else NULL_UUID)
    assert (result.num_partitions, result.replication_factor) == ((3, 1) if version >= 5 else (-1, -1))
    assert len(result.configs or ()) == (33 if version >= 5 else 0)


def test_defaults_are_the_brokers(boot: Any) -> None:
    """-1 leaves the number of partitions and of replicas to the broker."""
    (result,) = create(boot(num_partitions=4).connect(), topic(partitions=-1, replicas=-1))
    assert (result.error_code, result.num_partitions, result.replication_factor) == (0, 4, 1)


def test_settings_are_kept_and_told(running: Any, client: Any) -> None:
    """The answer has the topic's own settings (source 1) and the defaults (source 5)."""
    (result,) = create(client, topic(configs=[config("retention.ms", "60000"), config("cleanup.policy", "compact")]))
    told = {entry.name: (entry.value, entry.config_source) for entry in result.configs or ()}
    assert told["retention.ms"] == ("60000", 1)
    assert told["max.message.bytes"] == ("1048588", 5)
    assert "internal.segment.bytes" not in told
    kept = running.broker.metadata.topics_by_name["orders"].configs
    assert kept == {"retention.ms": "60000", "cleanup.policy": "compact"}


@pytest.mark.parametrize(
    ("creatable", "code"),
    [
        (topic("exists"), ErrorCode.TOPIC_ALREADY_EXISTS),
        (topic("not a name"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic("a_b"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic("__consumer_offsets"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic("__cluster_metadata"), ErrorCode.INVALID_REQUEST),
        (topic(partitions=0), ErrorCode.INVALID_PARTITIONS),
        (topic(partitions=-2), ErrorCode.INVALID_PARTITIONS),
        (topic(replicas=0), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic(replicas=2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic(replicas=-2), ErrorCode.INVALID_REPLICATION_FACTOR),
        (topic(configs=[config("retention.ms", "soon")]), ErrorCode.INVALID_CONFIG),
        (topic(configs=[config("no.such.setting", "1")]), ErrorCode.INVALID_CONFIG),
        (topic(configs=[config("retention.ms", None)]), ErrorCode.INVALID_CONFIG),
        (topic(partitions=10_001), ErrorCode.POLICY_VIOLATION),
    ],
)
def test_what_kafka_refuses_is_refused(running: Any, client: Any, creatable: CreatableTopic, code: ErrorCode) -> None:
    """Each refusal has Kafka's code and a message, and creates nothing."""
    create(client, topic("exists"), topic("a.b"))
    before = running.broker.metadata
    (result,) = create(client, creatable)
    assert result.error_code == code
    assert result.error_message
    assert running.broker.metadata is before


def test_a_refused_topic_does_not_stop_the_others(running: Any, client: Any) -> None:
    """Each topic has its own result, and those that are valid are created."""
    good, bad, twice = create(client, topic("good"), topic("bad", partitions=0), topic("twice"), topic("twice"))
    assert (good.error_code, bad.error_code, twice.error_code) == (
        0,
        ErrorCode.INVALID_PARTITIONS,
        ErrorCode.INVALID_REQUEST,
    )
    assert list(running.broker.metadata.topics_by_name) == ["good"]


def test_topics_of_one_request_may_not_collide(client: Any) -> None:
    """The second of two names that differ in `.` and `_` alone is refused."""
    assert [result.error_code for result in create(client, topic("a.b"), topic("a_b"))] == [
        0,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
    ]


def test_validate_only_creates_nothing(running: Any, client: Any) -> None:
    """The answer is as if it had been done."""
    valid, invalid = create(client, topic("valid"), topic("invalid", partitions=0), validate_only=True)
    assert (valid.error_code, invalid.error_code) == (0, ErrorCode.INVALID_PARTITIONS)
    assert not running.broker.metadata.topics_by_name


def assigned(*replicas: tuple[int, list[int]], partitions: int = -1, factor: int = -1) -> CreatableTopic:
    """A topic with a replica assignment."""
    assignments = [CreatableReplicaAssignment(partition_index=index, broker_ids=ids) for index, ids in replicas]
    return topic(partitions=partitions, replicas=factor, assignments=assignments)


@pytest.mark.parametrize(
    ("creatable", "code"),
    [
        (assigned((1, [1]), (0, [1])), ErrorCode.NONE),
        (assigned((0, [1]), partitions=1), ErrorCode.INVALID_REQUEST),
        (assigned((0, [1]), factor=1), ErrorCode.INVALID_REQUEST),
        (assigned((0, [2])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [1, 1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((1, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (assigned((0, [1]), (0, [1])), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    ],
)
def test_a_replica_assignment_names_this_broker(client: Any, creatable: CreatableTopic, code: ErrorCode) -> None:
    """It gives each partition from 0 on one replica, here, and stands in for both numbers."""
    (result,) = create(client, creatable)
    assert result.error_code == code
    assert result.num_partitions == (2 if code == ErrorCode.NONE else -1)


@pytest.mark.parametrize(
    "creatable",
    [
        topic("x" * 32_000),
        topic(configs=[config("retention.ms", "\\" * 32_000)]),
        topic(configs=[config("n" * 32_000, "1")]),
        topic(configs=[config(f"{number}" * 1000, None) for number in range(100)]),
    ],
)
def test_a_refusal_of_something_long_fits_into_an_answer(client: Any, creatable: CreatableTopic) -> None:
    """The message names what is wrong, but not at any length."""
    (result,) = create(client, creatable)
    assert result.error_code in {ErrorCode.INVALID_CONFIG, ErrorCode.INVALID_TOPIC_EXCEPTION}
    assert 0 < len(result.error_message or "") < 2000


def test_many_invalid_topics_are_refused_as_a_whole(client: Any) -> None:
    """What is invalid counts too: it costs as much to find that out."""
    results = create(client, *(topic(f"t{number}", partitions=0) for number in range(10_001)))
    assert {result.error_code for result in results} == {ErrorCode.POLICY_VIOLATION}


def test_the_answer_waits_until_the_topic_is_durable(running: Any, client: Any) -> None:
    """No answer before storage has it."""
    client.send(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic()]))
    assert list(client.received()) == []
    running.settle()
    (response,) = client.received()
    assert response.topics[0].error_code == 0


def test_nothing_is_created_when_storage_has_failed(running: Any, client: Any) -> None:
    """A broker that cannot write says so for each topic."""
    running.broker.shard.failure = StorageFailed("the disk is gone")
    (result,) = create(client, topic())
    assert result.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert not running.broker.metadata.topics_by_name
