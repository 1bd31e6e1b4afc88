"""DeleteTopics."""

from typing import Any

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_topics import (
    DELETE_TOPICS,
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicState,
)
from dotkafka.protocol.schema import NULL_UUID


def create(running: Any, name: str = "orders") -> bytes:
    """Create a topic, and return its id."""
    topic_id: bytes = running.broker.metadata_log.create_topic(name, 2, {}).topic_id
    running.settle()
    return topic_id


def delete(client: Any, *topics: DeleteTopicState) -> list[DeletableTopicResult]:
    """Delete topics the way version 6 does, and return the results."""
    return list(client.call(DELETE_TOPICS, 6, DeleteTopicsRequest(topics=topics)).responses)


@pytest.mark.parametrize("version", range(7))
def test_every_version_is_served(running: Any, boot: Any, client: Any, version: int) -> None:
    """Each version deletes by name, for good."""
    topic_id = create(running)
    request = DeleteTopicsRequest(topics=[DeleteTopicState(name="orders")])
    if version < 6:
        request = DeleteTopicsRequest(topic_names=["orders"])
    (result,) = client.call(DELETE_TOPICS, version, request).responses
    assert (result.name, result.error_code) == ("orders", 0)
    assert result.topic_id == (topic_id if version == 6 else NULL_UUID)
    assert not running.broker.metadata.topics_by_name
    assert not boot().broker.metadata.topics_by_name


def test_a_topic_is_deleted_by_id(running: Any, client: Any) -> None:
    """The answer tells its name."""
    topic_id = create(running)
    (result,) = delete(client, DeleteTopicState(topic_id=topic_id))
    assert (result.name, result.topic_id, result.error_code) == ("orders", topic_id, 0)
    assert not running.broker.metadata.topics_by_name


def test_what_cannot_be_deleted_says_why(running: Any, client: Any) -> None:
    """Unknown names and ids, neither or both, internal topics: each its own code, and the others are deleted."""
    topic_id = create(running)
    running.broker.metadata_log.create_topic("__transaction_state", 1, {})
    results = delete(
        client,
        DeleteTopicState(name="unknown"),
        DeleteTopicState(topic_id=b"x" * 16),
        DeleteTopicState(),
        DeleteTopicState(name="orders", topic_id=topic_id),
        DeleteTopicState(name="__transaction_state"),
        DeleteTopicState(name="__cluster_metadata"),
        DeleteTopicState(name="orders"),
    )
    assert [result.error_code for result in results] == [
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.INVALID_TOPIC_EXCEPTION,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.INVALID_REQUEST,  # meant by two entries of the request
    ]
    assert "orders" in running.broker.metadata.topics_by_name


def test_a_topic_named_twice_is_not_deleted(running: Any, client: Any) -> None:
    """Twice by name: one answer. By name and by id: one for each. Neither deletes."""
    topic_id = create(running)
    (result,) = delete(client, DeleteTopicState(name="orders"), DeleteTopicState(name="orders"))
    assert result.error_code == ErrorCode.INVALID_REQUEST
    results = delete(client, DeleteTopicState(name="orders"), DeleteTopicState(topic_id=topic_id))
    assert [result.error_code for result in results] == [ErrorCode.INVALID_REQUEST] * 2
    assert "orders" in running.broker.metadata.topics_by_name


def test_the_answer_waits_until_the_deletion_is_durable(running: Any, client: Any) -> None:
    """No answer before storage has it."""
    create(running)
    client.send(DELETE_TOPICS, 6, DeleteTopicsRequest(topics=[DeleteTopicState(name="orders")]))
    assert list(client.received()) == []
    running.settle()
    (response,) = client.received()
    assert response.responses[0].error_code == 0


def test_nothing_is_deleted_when_storage_has_failed(running: Any, client: Any) -> None:
    """A broker that cannot write says so."""
    create(running)
    running.broker.shard.failure = StorageFailed("the disk is gone")
    (result,) = delete(client, DeleteTopicState(name="orders"))
    assert result.error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert "orders" in running.broker.metadata.topics_by_name
