"""ConsumerGroupHeartbeat: the coordinator's scenarios tell the rules, here they go over a connection and survive."""

from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import CONSUMER_GROUP_DESCRIBE, ConsumerGroupDescribeRequest
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    ConsumerGroupHeartbeatRequest,
    TopicPartitions,
)


def beat(client: Any, member_id: str = "m", epoch: int = 0, version: int = 1, **fields: Any) -> Any:
    """Send a heartbeat: by default one that joins and subscribes to `t`."""
    if epoch == 0:
        joins = {"rebalance_timeout_ms": 5_000, "subscribed_topic_names": ["t"], "topic_partitions": []}
        fields = joins | fields
    request = ConsumerGroupHeartbeatRequest(group_id="g", member_id=member_id, member_epoch=epoch, **fields)
    return client.call(CONSUMER_GROUP_HEARTBEAT, version, request)


def assigned(response: Any) -> dict[bytes, list[int]]:
    """The partitions that a member is told of."""
    return {topic.topic_id: list(topic.partitions) for topic in response.assignment.topic_partitions}


@pytest.mark.parametrize("version", [0, 1])
def test_join_stay_and_leave(client: Any, running: Any, version: int) -> None:
    """The first answer has everything; the group need not have been looked for before."""
    client.create_topic("t", 2)
    topic_id = running.broker.metadata.topics_by_name["t"].topic_id
    joined = beat(client, version=version)
    assert joined.error_code == ErrorCode.NONE
    assert joined.error_message is None
    assert assigned(joined) == {topic_id: [0, 1]}
    owned = [TopicPartitions(topic_id=topic_id, partitions=[0, 1])]
    stayed = beat(client, epoch=joined.member_epoch, version=version, topic_partitions=owned)
    assert (stayed.member_epoch, stayed.assignment, stayed.heartbeat_interval_ms) == (1, None, 5_000)
    assert beat(client, epoch=-1, version=version).member_epoch == -1
    assert beat(client, epoch=1, version=version).error_code == ErrorCode.UNKNOWN_MEMBER_ID


def test_a_refusal_says_why(client: Any) -> None:
    """In words, which clients log."""
    refused = beat(client, subscribed_topic_regex="(")
    assert refused.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    assert "`(`" in refused.error_message


def test_members_outlive_a_restart(client: Any, running: Any, machine: Any) -> None:
    """They go on in the same epoch, with what they have."""
    client.create_topic("t", 2)
    beat(client, "a")
    beat(client, "b")
    first = beat(client, "a", 1)
    topic_id = running.broker.metadata.topics_by_name["t"].topic_id
    again = machine.boot().connect()
    owned = [TopicPartitions(topic_id=topic_id, partitions=assigned(first)[topic_id])]
    assert beat(again, "a", 1, topic_partitions=owned).member_epoch == 2
    second = beat(again, "b", 2)
    assert second.member_epoch == 2
    assert sorted(assigned(first)[topic_id] + assigned(second)[topic_id]) == [0, 1]
    described = again.call(CONSUMER_GROUP_DESCRIBE, 1, ConsumerGroupDescribeRequest(group_ids=["g"])).groups[0]
    assert (described.group_state, described.group_epoch) == ("Stable", 2)


def test_topics_that_come_and_go(client: Any, running: Any) -> None:
    """The next heartbeat tells of them."""
    beat(client, subscribed_topic_names=["t"], subscribed_topic_regex="u.*")
    client.create_topic("t", 1)
    running.advance(1_000)
    assert len(assigned(beat(client, epoch=1))) == 1
    client.create_topic("u1", 1)
    running.advance(1_000)
    assert len(assigned(beat(client, epoch=2))) == 2
