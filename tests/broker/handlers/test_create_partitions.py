"""CreatePartitions."""

from typing import Any

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_partitions import (
    CREATE_PARTITIONS,
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)


def topic(name: str = "orders", count: int = 3, assignments: list[list[int]] | None = None) -> CreatePartitionsTopic:
    """One topic of a request."""
    given = None if assignments is None else [CreatePartitionsAssignment(broker_ids=ids) for ids in assignments]
    return CreatePartitionsTopic(name=name, count=count, assignments=given)


def grow(
    running: Any, *topics: CreatePartitionsTopic, version: int = 3, validate_only: bool = False
) -> list[CreatePartitionsTopicResult]:
    """Send a request to a broker that has the topic `orders` with two partitions."""
    if "orders" not in running.broker.metadata.topics_by_name:
        running.broker.metadata_log.create_topic("orders", 2, {})
        running.broker.metadata_log.create_topic("__transaction_state", 1, {})
    request = CreatePartitionsRequest(topics=topics, validate_only=validate_only)
    return list(running.connect().call(CREATE_PARTITIONS, version, request).results)


def partition_count(running: Any) -> int:
    """How many partitions the topic has."""
    count: int = running.broker.metadata.topics_by_name["orders"].partition_count
    return count


@pytest.mark.parametrize("version", range(4))
def test_every_version_is_served(running: Any, boot: Any, version: int) -> None:
    """Each version lets a topic grow to the count, for good."""
    (result,) = grow(running, topic(), version=version)
    assert (result.name, result.error_code) == ("orders", 0)
    assert partition_count(running) == 3
    assert partition_count(boot()) == 3


@pytest.mark.parametrize(
    ("asked_for", "code"),
    [
        (topic(count=2), ErrorCode.INVALID_PARTITIONS),
        (topic(count=1), ErrorCode.INVALID_PARTITIONS),
        (topic(count=-1), ErrorCode.INVALID_PARTITIONS),
        (topic(count=10_003), ErrorCode.POLICY_VIOLATION),
        (topic("unknown"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (topic("__cluster_metadata"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        (topic("__transaction_state"), ErrorCode.INVALID_TOPIC_EXCEPTION),
        (topic(assignments=[]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (topic(assignments=[[2]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
        (topic(assignments=[[1], [1]]), ErrorCode.INVALID_REPLICA_ASSIGNMENT),
    ],
)
def test_what_kafka_refuses_is_refused(running: Any, asked_for: CreatePartitionsTopic, code: ErrorCode) -> None:
    """Each refusal has its code and a message, and adds nothing."""
    (result,) = grow(running, asked_for)
    assert result.error_code == code
    assert result.error_message
    assert partition_count(running) == 2


def test_an_assignment_to_this_broker_is_taken(running: Any) -> None:
    """One replica, here, for each new partition."""
    (result,) = grow(running, topic(count=4, assignments=[[1], [1]]))
    assert result.error_code == 0
    assert partition_count(running) == 4


def test_a_topic_named_twice_does_not_grow(running: Any) -> None:
    """It is answered once."""
    (result,) = grow(running, topic(count=3), topic(count=4))
    assert result.error_code == ErrorCode.INVALID_REQUEST
    assert partition_count(running) == 2


def test_validate_only_adds_nothing(running: Any) -> None:
    """The answer is as if it had been done."""
    (result,) = grow(running, topic(), validate_only=True)
    assert result.error_code == 0
    assert partition_count(running) == 2


def test_nothing_is_added_when_storage_has_failed(running: Any) -> None:
    """A broker that cannot write says so."""
    grow(running)
    running.broker.shard.failure = StorageFailed("the disk is gone")
    (result,) = grow(running, topic())
    assert result.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert partition_count(running) == 2
