"""OffsetDelete: committed offsets that nobody reads by any more (KIP-496)."""

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)


def delete(client, group, topic="t", partition=0):
    """Delete one committed offset."""
    topics = [
        OffsetDeleteRequestTopic(name=topic, partitions=[OffsetDeleteRequestPartition(partition_index=partition)])
    ]
    return client.call(OFFSET_DELETE, 0, OffsetDeleteRequest(group_id=group, topics=topics))


def test_the_offset_is_gone(boot):
    """What is deleted stays deleted after a restart, and other partitions keep theirs."""
    client = boot().connect()
    client.create_topic("t", 2)
    for partition in (0, 1):
        client.commit("t", 5, partition=partition)
    answer = delete(client, "g")
    assert (answer.error_code, answer.topics[0].partitions[0].error_code) == (0, 0)
    assert client.committed("t") == -1
    client = boot().connect()
    assert [client.committed("t", partition=partition) for partition in (0, 1)] == [-1, 5]


def test_partitions_that_are_not_there(client):
    """Each partition has its answer, and what is there is deleted."""
    client.create_topic("t")
    client.commit("t", 5)
    topics = [
        OffsetDeleteRequestTopic(
            name=name, partitions=[OffsetDeleteRequestPartition(partition_index=index) for index in (0, 1)]
        )
        for name in ("t", "unknown")
    ]
    answer = client.call(OFFSET_DELETE, 0, OffsetDeleteRequest(group_id="g", topics=topics))
    refused = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert {
        topic.name: {partition.partition_index: partition.error_code for partition in topic.partitions}
        for topic in answer.topics
    } == {"t": {0: ErrorCode.NONE, 1: refused}, "unknown": {0: refused, 1: refused}}
    assert client.committed("t") == -1
    assert delete(client, "no group", "unknown").error_code == ErrorCode.GROUP_ID_NOT_FOUND


def test_an_unknown_group(client):
    """A group that is not there is an error of the whole request."""
    answer = delete(client, "unknown")
    assert (answer.error_code, list(answer.topics)) == (ErrorCode.GROUP_ID_NOT_FOUND, [])


def test_a_group_that_is_no_consumer_group(client):
    """With members of another protocol type, the broker cannot know what they read."""
    client.create_topic("t")
    client.join(protocol_type="connect")
    assert delete(client, "g").error_code == ErrorCode.NON_EMPTY_GROUP
