"""What one request adds to the metadata."""

from typing import Any

import pytest

from dotkafka.broker import topic_creation
from dotkafka.broker.topic_creation import TopicCreation, check_replicas
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode


def test_nothing_is_there_before_commit(running: Any) -> None:
    """What is added becomes visible in one change, and adding nothing changes nothing."""
    creation = TopicCreation(running.broker)
    assert not creation.commit()
    topic_id = creation.add_topic("orders", 2, {"retention.ms": "5"})
    creation.add_topic("payments", 1, {})
    assert not running.broker.metadata.topics_by_name
    assert creation.commit()
    topic = running.broker.metadata.topics_by_id[topic_id]
    assert (topic.name, topic.partition_count, topic.configs) == ("orders", 2, {"retention.ms": "5"})
    assert "payments" in running.broker.metadata.topics_by_name


def test_partitions_count_together(running: Any) -> None:
    """The limit of a request holds for all its topics together."""
    creation = TopicCreation(running.broker)
    creation.add_topic("a", 9_999, {})
    with pytest.raises(ApiError) as refusal:
        creation.add_topic("b", 2, {})
    assert refusal.value.error_code == ErrorCode.POLICY_VIOLATION
    creation.add_topic("b", 1, {})


def test_partitions_of_all_topics_are_limited(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker does not take more partitions than it has been made for, however they come."""
    monkeypatch.setattr(topic_creation, "MAX_PARTITIONS", 5)
    topic = running.broker.metadata_log.create_topic("a", 4, {})
    creation = TopicCreation(running.broker)
    with pytest.raises(ApiError, match="5 partitions at most"):
        creation.add_partitions(topic.topic_id, range(4, 6))
    creation.add_partitions(topic.topic_id, range(4, 5))
    with pytest.raises(ApiError, match="5 partitions at most"):
        creation.add_topic("b", 1, {})


def test_a_refused_topic_leaves_nothing_behind(running: Any) -> None:
    """Its name stays free for the next one."""
    creation = TopicCreation(running.broker)
    with pytest.raises(ApiError):
        creation.add_topic("a.b", 10_001, {})
    creation.add_topic("a_b", 1, {})
    with pytest.raises(ApiError, match="collides with topic 'a_b'"):
        creation.add_topic("a.b", 1, {})


@pytest.mark.parametrize("replicas", [[], [2], [1, 2], [1, 1]])
def test_replicas_are_on_this_broker(running: Any, replicas: list[int]) -> None:
    """One, and no other."""
    check_replicas(running.broker, [1])
    with pytest.raises(ApiError) as refusal:
        check_replicas(running.broker, replicas)
    assert refusal.value.error_code == ErrorCode.INVALID_REPLICA_ASSIGNMENT
