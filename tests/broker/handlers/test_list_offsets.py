"""ListOffsets: offsets by time and at the ends, from memory and from L2."""

import pytest

from dotkafka.errors import StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from dotkafka.protocol.messages.produce import PRODUCE

T0 = 1_600_000_000_000
COUNT = 30


def look_up(client, timestamp, version=11, topic="t", partition=0, current_leader_epoch=-1, isolation_level=0):
    """Ask for one offset; the answer for the partition."""
    asked = ListOffsetsPartition(
        partition_index=partition, timestamp=timestamp, current_leader_epoch=current_leader_epoch
    )
    request = ListOffsetsRequest(
        replica_id=-1, isolation_level=isolation_level, topics=[ListOffsetsTopic(name=topic, partitions=[asked])]
    )
    (answered,) = client.call(LIST_OFFSETS, version, request).topics
    assert answered.name == topic
    (answer,) = answered.partitions
    assert answer.partition_index == partition
    return answer


@pytest.fixture(params=["hot", "cold"])
def filled(request, boot):
    """A topic whose record at offset n has the time T0 + 10 n: all in memory, or the older half in L2 only."""
    settings = {"tail_max_bytes": 4000, "checkpoint_bytes": 1000} if request.param == "cold" else {}
    client = boot(**settings).connect()
    client.create_topic("t")
    for number in range(COUNT):
        client.produce("t", bytes(400), timestamp_ms=T0 + 10 * number)
    (log,) = [log for log in client.running.broker.shard.logs.values() if log.log_end_offset == COUNT]
    assert (log.tail_start_offset > 0) == (request.param == "cold")
    return client


@pytest.mark.parametrize("version", [1, 4, 7, 11])
def test_by_time(filled, version):
    """The first record at or after a time, with its own time; none after the last."""
    for number in (0, 3, 15, COUNT - 1):
        for timestamp in (T0 + 10 * number, T0 + 10 * number - 9):
            answer = look_up(filled, timestamp, version)
            assert (answer.error_code, answer.offset, answer.timestamp) == (0, number, T0 + 10 * number)
    answer = look_up(filled, T0 + 10 * COUNT, version)
    assert (answer.error_code, answer.offset, answer.timestamp) == (0, -1, -1)


def delete_below(client, offset):
    """Delete the records below an offset."""
    deletion = DeleteRecordsPartition(partition_index=0, offset=offset)
    topics = [DeleteRecordsTopic(name="t", partitions=[deletion])]
    client.call(DELETE_RECORDS, 1, DeleteRecordsRequest(topics=topics, timeout_ms=1000))


def test_by_time_after_records_were_deleted(filled):
    """What is deleted is not found, wherever it lies."""
    for low in (4, 25):
        delete_below(filled, low)
        filled.running.advance(filled.running.broker.config.checkpoint_interval_ms)
        answer = look_up(filled, T0)
        assert (answer.offset, answer.timestamp) == (low, T0 + 10 * low)


def test_by_time_before_l2_knows_of_a_deletion(boot):
    """A batch that is deleted, but in L2 until the next checkpoint, does not hide those after it."""
    client = boot(tail_max_bytes=4000, checkpoint_bytes=1000).connect()
    client.create_topic("t")
    for number in range(COUNT):
        client.produce("t", bytes(400), timestamp_ms=T0 + 10 * number)
    delete_below(client, 4)
    assert look_up(client, T0).offset == 4


def test_special_values(filled):
    """Latest, earliest and largest timestamp; there is no tiered storage, so nothing is in it."""
    assert look_up(filled, -1).offset == COUNT
    assert look_up(filled, -2).offset == 0
    largest = look_up(filled, -3)
    assert (largest.offset, largest.timestamp) == (COUNT - 1, T0 + 10 * (COUNT - 1))
    assert look_up(filled, -4).offset == 0
    assert look_up(filled, -5).offset == -1
    assert look_up(filled, -6).offset == 0
    assert {look_up(filled, special).timestamp for special in (-1, -2, -4, -5, -6)} == {-1}


def test_largest_timestamp_in_l2(boot):
    """The record with the largest timestamp need not be the last, nor in memory."""
    client = boot(tail_max_bytes=2000, checkpoint_bytes=500).connect()
    client.create_topic("t")
    client.produce("t", b"late", timestamp_ms=T0 + 1000)
    for _ in range(20):
        client.produce("t", bytes(400), timestamp_ms=T0)
    answer = look_up(client, -3)
    assert (answer.offset, answer.timestamp) == (0, T0 + 1000)


@pytest.mark.parametrize(("timestamp", "first"), [(-3, 7), (-4, 8), (-5, 9), (-6, 11)])
def test_special_values_have_their_versions(client, timestamp, first):
    """A value that the version does not have is refused, as is one that no version has."""
    client.create_topic("t")
    assert look_up(client, timestamp, first - 1).error_code == ErrorCode.UNSUPPORTED_VERSION
    assert look_up(client, timestamp, first).error_code == ErrorCode.NONE
    assert look_up(client, -7, 11).error_code == ErrorCode.UNSUPPORTED_VERSION


def test_empty_partition(client):
    """Begin and end are 0, and there is no record of any time."""
    client.create_topic("t")
    assert [look_up(client, timestamp).offset for timestamp in (-1, -2, -3, 0)] == [0, 0, -1, -1]


def test_version_0(client):
    """Old librdkafka asks for a list of offsets, and gets the one."""
    client.create_topic("t")
    client.produce("t", b"a", b"b")
    assert list(look_up(client, -1, 0).old_style_offsets) == [2]
    assert list(look_up(client, -2, 0).old_style_offsets) == [0]


def test_only_what_is_durable(client, batch):
    """The end is the high watermark: what nobody can read yet does not count."""
    client.create_topic("t")
    client.produce("t", b"a", timestamp_ms=T0)
    other = client.running.connect()
    other.send(PRODUCE, 9, other.produce_request("t", batch(b"b", timestamp_ms=T0 + 10)))
    asked = [ListOffsetsPartition(partition_index=0, timestamp=timestamp) for timestamp in (-1, T0 + 10, -3)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="t", partitions=asked)])
    client.send(LIST_OFFSETS, 11, request)
    (answer,) = client.received()
    assert [partition.offset for partition in answer.topics[0].partitions] == [1, -1, 0]


def test_leader_epochs(boot):
    """An answer names the epoch of its record, by which a consumer notices that the log was cut (KIP-320)."""
    client = boot().connect()
    client.create_topic("t")
    client.produce("t", b"a", timestamp_ms=T0)
    client = boot().connect()
    client.produce("t", b"b", timestamp_ms=T0 + 10)
    assert [look_up(client, timestamp).leader_epoch for timestamp in (T0, T0 + 10, -1, -2)] == [0, 1, 1, 0]
    assert look_up(client, -1, current_leader_epoch=0).error_code == ErrorCode.FENCED_LEADER_EPOCH
    assert look_up(client, -1, current_leader_epoch=2).error_code == ErrorCode.UNKNOWN_LEADER_EPOCH


@pytest.mark.parametrize(("topic", "partition"), [("unknown", 0), ("t", 1), ("t", -1)])
def test_unknown_partition(client, topic, partition):
    """What is not there is refused."""
    client.create_topic("t")
    answer = look_up(client, -1, topic=topic, partition=partition)
    assert (answer.error_code, answer.offset) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)


def test_l2_that_cannot_be_read(boot, machine):
    """A failing search is an error of its partition, and the next one may succeed."""
    client = boot(tail_max_bytes=2000, checkpoint_bytes=500).connect()
    client.create_topic("t")
    for number in range(20):
        client.produce("t", bytes(400), timestamp_ms=T0 + number)
    machine.checkpoints.read_errors.append(StorageUnavailable("locked"))
    assert look_up(client, T0).error_code == ErrorCode.KAFKA_STORAGE_ERROR
    assert look_up(client, T0).offset == 0
