"""OffsetForLeaderEpoch: where the records of a leader epoch end, so that consumers notice what was cut off."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_for_leader_epoch import (
    OFFSET_FOR_LEADER_EPOCH,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)


def ask(client, leader_epoch, version=4, topic="t", current_leader_epoch=-1):
    """Ask for the end of an epoch."""
    partition = OffsetForLeaderPartition(
        partition=0, current_leader_epoch=current_leader_epoch, leader_epoch=leader_epoch
    )
    request = OffsetForLeaderEpochRequest(topics=[OffsetForLeaderTopic(topic=topic, partitions=[partition])])
    (answer,) = client.call(OFFSET_FOR_LEADER_EPOCH, version, request).topics
    assert answer.topic == topic
    return answer.partitions[0]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_ends_of_epochs(boot, version):
    """An epoch that is over ends where the next one begins; the present one ends at the log end."""
    client = boot().connect()
    client.create_topic("t")
    client.produce("t", b"a", b"b")
    client = boot().connect()
    client.produce("t", b"c")
    first = ask(client, 0, version)
    assert (first.error_code, first.partition, first.leader_epoch, first.end_offset) == (0, 0, 0, 2)
    present = ask(client, 1, version)
    assert (present.leader_epoch, present.end_offset) == (1, 3)


def test_an_epoch_without_records(boot):
    """An epoch in which nothing was written is answered with the one before it."""
    client = boot().connect()
    client.create_topic("t")
    client.produce("t", b"a")
    boot()
    client = boot().connect()
    client.produce("t", b"b")
    answer = ask(client, 1)
    assert (answer.leader_epoch, answer.end_offset) == (0, 1)


def test_an_unknown_epoch(client):
    """An epoch that is not there yet has no end."""
    client.create_topic("t")
    answer = ask(client, 5)
    assert (answer.error_code, answer.leader_epoch, answer.end_offset) == (0, -1, -1)


def test_refusals(client):
    """An unknown topic, and metadata of another time, each have their code (KIP-320)."""
    client.create_topic("t")
    assert ask(client, 0, topic="unknown").error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    answer = ask(client, 0, current_leader_epoch=3)
    assert (answer.error_code, answer.end_offset) == (ErrorCode.UNKNOWN_LEADER_EPOCH, -1)


def test_metadata_that_are_too_old(boot):
    """After a restart a client with the old epoch is told to ask for metadata again."""
    boot().connect().create_topic("t")
    assert ask(boot().connect(), 0, current_leader_epoch=0).error_code == ErrorCode.FENCED_LEADER_EPOCH
