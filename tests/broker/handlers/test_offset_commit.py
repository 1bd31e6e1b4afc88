"""OffsetCommit: what a group has read, kept durably, under topics by name and by id."""

import pytest

from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)


def topic_of(*offsets, **topic):
    """One topic of a request: (partition, offset) pairs."""
    partitions = [
        OffsetCommitRequestPartition(partition_index=index, committed_offset=offset, committed_metadata="note")
        for index, offset in offsets
    ]
    return OffsetCommitRequestTopic(partitions=partitions, **topic)


def errors(response):
    """The error code of each partition, by topic."""
    return {
        topic.name or bytes(topic.topic_id): {part.partition_index: part.error_code for part in topic.partitions}
        for topic in response.topics
    }


@pytest.mark.parametrize("version", range(1, 10))
def test_by_name(client, version):
    """Every version that names topics by name commits; also the old ones that Kafka 4 has dropped."""
    client.create_topic("t")
    request = OffsetCommitRequest(group_id="g", topics=[topic_of((0, 5), name="t")])
    assert errors(client.call(OFFSET_COMMIT, version, request)) == {"t": {0: 0}}
    assert client.committed("t") == 5


def test_by_id(client, running):
    """From version 10 topics are named by id, in the answer too; an unknown id has its own error."""
    client.create_topic("t", 2)
    topic_id = running.broker.metadata.topics_by_name["t"].topic_id
    unknown_id = bytes(15) + b"\x09"
    request = OffsetCommitRequest(
        group_id="g",
        topics=[topic_of((1, 5), (2, 5), topic_id=topic_id), topic_of((0, 1), topic_id=unknown_id)],
    )
    response = client.call(OFFSET_COMMIT, 10, request)
    answered: dict[bytes, dict[int, int]] = {}
    for topic in response.topics:
        for part in topic.partitions:
            answered.setdefault(bytes(topic.topic_id), {})[part.partition_index] = part.error_code
    assert answered == {
        topic_id: {1: ErrorCode.NONE, 2: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION},
        unknown_id: {0: ErrorCode.UNKNOWN_TOPIC_ID},
    }
    assert client.committed("t", partition=1) == 5


def test_partitions_that_are_not_there(client):
    """Each partition has its answer, and what is there is committed."""
    client.create_topic("t")
    request = OffsetCommitRequest(
        group_id="g", topics=[topic_of((0, 5), (1, 6), (-1, 7), name="t"), topic_of((0, 1), name="unknown")]
    )
    found: dict[tuple[str, int], int] = {}
    for topic in client.call(OFFSET_COMMIT, 8, request).topics:
        found |= {(topic.name, part.partition_index): part.error_code for part in topic.partitions}
    refused = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert found == {("t", 0): 0, ("t", 1): refused, ("t", -1): refused, ("unknown", 0): refused}
    assert client.committed("t") == 5


def test_answer_waits_for_durability(client):
    """A committed offset is acknowledged once a crash cannot take it back."""
    client.create_topic("t")
    client.send(OFFSET_COMMIT, 8, OffsetCommitRequest(group_id="g", topics=[topic_of((0, 5), name="t")]))
    assert list(client.received()) == []
    client.running.settle()
    assert [errors(response) for response in client.received()] == [{"t": {0: 0}}]


def test_from_within_the_group(client):
    """Members commit under their generation, and others not at all while there are members."""
    client.create_topic("t")
    joined = client.join()
    client.sync(joined)
    member = {"member_id": joined.member_id, "generation_id_or_member_epoch": joined.generation_id}
    assert client.commit("t", 1, **member) == ErrorCode.NONE
    member["generation_id_or_member_epoch"] += 1
    assert client.commit("t", 2, **member) == ErrorCode.ILLEGAL_GENERATION
    assert client.commit("t", 3) == ErrorCode.UNKNOWN_MEMBER_ID
    assert client.committed("t") == 1


def test_metadata_that_are_too_long(client):
    """What comes with an offset is bounded, partition by partition."""
    client.create_topic("t")
    topic = topic_of((0, 5), name="t")
    topic.partitions[0].committed_metadata = "x" * 4097
    response = client.call(OFFSET_COMMIT, 8, OffsetCommitRequest(group_id="g", topics=[topic]))
    assert errors(response) == {"t": {0: ErrorCode.OFFSET_METADATA_TOO_LARGE}}


def test_while_nothing_can_be_written(client, running, machine):
    """The commit that met the full disk waits for space, the next one is refused at once."""
    client.create_topic("t")
    client.commit("t", 1)
    machine.wal.errors.append(StorageUnavailable("no space"))
    client.send(OFFSET_COMMIT, 8, OffsetCommitRequest(group_id="g", topics=[topic_of((0, 5), name="t")]))
    running.settle()
    other = running.connect()
    assert other.commit("t", 7) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    running.advance(250)
    assert [errors(response) for response in client.received()] == [{"t": {0: 0}}]
    assert other.committed("t") == 5


def test_when_storage_has_failed(client, running, machine):
    """Whether the offset is kept is not known, so no answer would be true: the connection ends."""
    client.create_topic("t")
    machine.wal.errors.append(StorageFailed("fsync failed"))
    request = OffsetCommitRequest(group_id="g", topics=[topic_of((0, 5), name="t")])
    client.send(OFFSET_COMMIT, 8, request, expects_response=False)
    running.settle()
    assert client.is_closed_by_broker
    assert running.connect().commit("t", 7) == ErrorCode.COORDINATOR_NOT_AVAILABLE
