"""OffsetFetch: what groups have read, under topics by name and by id."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)


@pytest.fixture
def committed(client):
    """Two topics for which the group `g` has committed."""
    for name, offset in (("t", 5), ("u", 7)):
        client.create_topic(name, 2)
        assert client.commit(name, offset) == ErrorCode.NONE
    return client


def one_group(client, version, topics):
    """Ask for offsets of the group `g` in the layout for one group."""
    response = client.call(OFFSET_FETCH, version, OffsetFetchRequest(group_id="g", topics=topics))
    assert response.error_code == 0
    return {
        (topic.name, part.partition_index): part.committed_offset
        for topic in response.topics
        for part in topic.partitions
    }


@pytest.mark.parametrize("version", range(1, 8))
def test_one_group(committed, version):
    """Up to version 7 one group is asked for; what has not been committed is -1."""
    topics = [OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])]
    assert one_group(committed, version, topics) == {("t", 0): 5, ("t", 1): -1}


@pytest.mark.parametrize("version", range(2, 8))
def test_everything_of_one_group(committed, version):
    """From version 2 null topics ask for all that has been committed."""
    assert one_group(committed, version, None) == {("t", 0): 5, ("u", 0): 7}


@pytest.mark.parametrize("version", [8, 9])
def test_many_groups(committed, version):
    """From version 8 a request asks for several groups; an unknown one has committed nothing."""
    topics = [OffsetFetchRequestTopics(name="t", partition_indexes=[0])]
    request = OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id=group, topics=topics) for group in ("g", "unknown")]
    )
    groups = committed.call(OFFSET_FETCH, version, request).groups
    assert [(group.group_id, group.error_code) for group in groups] == [("g", 0), ("unknown", 0)]
    assert [group.topics[0].partitions[0].committed_offset for group in groups] == [5, -1]


def test_by_id(committed):
    """From version 10 topics are named by id, in the answer too; an unknown id has its own error."""
    topic_id = committed.running.broker.metadata.topics_by_name["t"].topic_id
    unknown_id = bytes(15) + b"\x09"
    asked = [OffsetFetchRequestTopics(topic_id=one, partition_indexes=[0]) for one in (unknown_id, topic_id)]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=asked)])
    (group,) = committed.call(OFFSET_FETCH, 10, request).groups
    found = {
        bytes(topic.topic_id): (topic.partitions[0].error_code, topic.partitions[0].committed_offset)
        for topic in group.topics
    }
    assert found == {topic_id: (0, 5), unknown_id: (ErrorCode.UNKNOWN_TOPIC_ID, -1)}


def test_everything_by_id(committed):
    """Null topics ask for all, which come with their ids."""
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)])
    (group,) = committed.call(OFFSET_FETCH, 10, request).groups
    topics = committed.running.broker.metadata.topics_by_id
    assert {topics[topic.topic_id].name for topic in group.topics} == {"t", "u"}


def test_a_deleted_topic(committed):
    """What was committed for a topic goes with it, also when it is created again."""
    committed.call(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
    committed.create_topic("t", 2)
    assert committed.committed("t") == -1
    assert committed.committed("u") == 7
