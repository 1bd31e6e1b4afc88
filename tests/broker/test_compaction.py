"""Compaction in a whole broker: what clients see of it, when it happens, and what it has to get along with."""

import logging
from typing import Any

import pytest

from dotkafka.broker.groups import OFFSETS_TOPIC
from dotkafka.broker.storage_work import CompactionWork
from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_groups import DELETE_GROUPS, DeleteGroupsRequest
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from dotkafka.records.batch import batch_headers, encode_batch, iterate_records
from dotkafka.records.record import Record

SETTINGS = {
    "log_cleaner_backoff_ms": 1_000,
    "checkpoint_bytes": 800,
    "checkpoint_interval_ms": 500,
    "tail_max_bytes": 2_000,
}
"""So that nearly all is only in L2, and looked at every second."""
COMPACT = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.01"}
BOTH = {**COMPACT, "cleanup_policy": "compact,delete", "retention_ms": "-1"}
"""As Kafka does, DeleteRecords refuses topics that are only compacted."""
HOUR_MS = 3_600_000


@pytest.fixture
def running(boot):
    """A broker that looks every second."""
    return boot(**SETTINGS)


def put(client, *contents, topic="t", age_ms=0, **settings):
    """Append one batch of these keys and values."""
    timestamp_ms = client.running.machine.now.wall_ms - age_ms
    records = [Record(0, timestamp_ms, *content) for content in contents]
    answer = client.produce_batch(topic, bytes(encode_batch(records, **settings)))
    assert answer.error_code == ErrorCode.NONE
    return answer.base_offset


def fill(client, count=40, keys=4, topic="t"):
    """Append many batches of few keys, and let them be compacted; return the offset after them."""
    for number in range(count):
        put(client, (b"key-%d" % (number % keys), b"%d" % number + bytes(90)), topic=topic)
    client.running.advance(3_000)


def read_all(client, topic="t", offset=0):
    """Read to the high watermark as a consumer does; return (offset, key, value)."""
    found: list[tuple[int, Any, Any]] = []
    while True:
        answer = client.fetch(topic, offset)
        assert answer.error_code == ErrorCode.NONE
        if offset == answer.high_watermark:
            return found
        data = memoryview(answer.records)
        assert data, f"there is nothing at offset {offset}, and the high watermark is {answer.high_watermark}"
        for position, header in batch_headers(data):
            batch = data[position : position + header.size_bytes]
            found += [(r.offset, r.key, r.value) for r in iterate_records(batch) if r.offset >= offset]
            offset = header.next_offset


def list_offset(client, timestamp, topic="t"):
    """What ListOffsets says: offset and timestamp."""
    asked = ListOffsetsPartition(partition_index=0, timestamp=timestamp)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])])
    (answer,) = client.call(LIST_OFFSETS, 7, request).topics[0].partitions
    assert answer.error_code == ErrorCode.NONE
    return answer.offset, answer.timestamp


def delete_records(client, offset):
    """Move the log start offset of t-0."""
    topics = [DeleteRecordsTopic(name="t", partitions=[DeleteRecordsPartition(partition_index=0, offset=offset)])]
    answer = client.call(DELETE_RECORDS, 1, DeleteRecordsRequest(topics=topics, timeout_ms=1000))
    assert answer.topics[0].partitions[0].error_code == ErrorCode.NONE


def stored(running, topic="t"):
    """The batches of a partition in L2."""
    (_, log) = running.broker.partition(topic, 0)
    return running.machine.checkpoints._shards[0].partitions[log.partition].batches


class TestWhatClientsSee:
    """Reads, offsets and timestamps of a log with gaps."""

    def test_the_newest_of_each_key(self, client):
        """Older ones are gone from L2; offsets stay; memory may still have some."""
        client.create_topic("t", **COMPACT)
        fill(client)
        assert len(stored(client.running)) < 15
        records = read_all(client)
        newest = {key: int(value[:2]) for _, key, value in records}
        assert newest == {b"key-0": 36, b"key-1": 37, b"key-2": 38, b"key-3": 39}
        assert all(offset == int(value[:2]) for offset, _, value in records)
        assert put(client, (b"k", b"v")) == 40

    def test_any_offset_can_be_read_from(self, client):
        """Also one within a gap: with what comes next."""
        client.create_topic("t", **COMPACT)
        fill(client)
        everything = read_all(client)
        for offset in range(41):
            assert read_all(client, offset=offset) == [record for record in everything if record[0] >= offset]

    def test_readers_get_to_the_end(self, boot, machine):
        """Where the last records are gone, and memory has forgotten them, or a restart has come between."""
        running = boot(**SETTINGS)
        client = running.connect()
        client.create_topic("t", delete_retention_ms="0", **COMPACT)
        put(client, (b"a", b"1"))
        for _ in range(30):
            put(client, (b"b", None), (b"b", None))
        for _ in range(3):
            put(client, (b"c", None))
            running.advance(3_000)
        restarted = machine.copy().boot(**SETTINGS)
        assert len(stored(restarted)) <= 3
        read = read_all(restarted.connect())
        assert read[0] == (0, b"a", b"1")
        assert len(read) <= 2

    def test_timestamps(self, boot):
        """The answers are those of the records that are left."""
        running = boot(**SETTINGS)
        client = running.connect()
        client.create_topic("t", **COMPACT)
        put(client, (b"old", b"1"), age_ms=9_000)
        put(client, (b"k", b"2"), age_ms=0)
        put(client, (b"k", b"3"), age_ms=5_000)
        put(client, (b"last", b"4"), age_ms=8_000)
        start_ms = running.machine.now.wall_ms
        assert list_offset(client, -3) == (1, start_ms)
        running.advance(3_000)
        client = running.machine.copy().boot(**SETTINGS).connect()
        assert [offset for offset, _, _ in read_all(client)] == [0, 2, 3]
        assert list_offset(client, -3) == (2, start_ms - 5_000)
        assert list_offset(client, start_ms - 8_500) == (2, start_ms - 5_000)
        assert list_offset(client, start_ms) == (-1, -1)

    def test_deletion_within_a_gap(self, client):
        """DeleteRecords into a gap leaves what comes after it."""
        client.create_topic("t", **BOTH)
        fill(client)
        before = read_all(client)
        delete_records(client, 20)
        assert read_all(client, offset=20) == [record for record in before if record[0] >= 20]
        fill(client)
        assert {key for _, key, _ in read_all(client, offset=20)} == {b"key-%d" % n for n in range(4)}

    def test_retries_are_still_known(self, boot):
        """Of batches that compaction has removed, after a restart too."""
        running = boot(**SETTINGS)
        client = running.connect()
        client.create_topic("t", **COMPACT)
        producer = {"producer_id": 5, "producer_epoch": 0}
        first = put(client, (b"key-1", b"of the producer"), base_sequence=0, **producer)
        fill(client)
        assert first not in {offset for offset, _, _ in read_all(client)}
        client = running.machine.copy().boot(**SETTINGS).connect()
        assert put(client, (b"key-1", b"of the producer"), base_sequence=0, **producer) == first


class TestWhen:
    """Which partitions, and which records, are compacted."""

    def test_topics_that_are_not_compacted_are_left_alone(self, client):
        """And so are compacted ones of which too little is dirty."""
        client.create_topic("t")
        client.create_topic("u", cleanup_policy="compact", min_cleanable_dirty_ratio="1.0")
        fill(client)
        fill(client, topic="u")
        assert len(read_all(client)) == 40
        assert len(read_all(client, "u")) == 40

    def test_min_compaction_lag(self, client):
        """Younger records stay."""
        client.create_topic("t", min_compaction_lag_ms=str(HOUR_MS), **COMPACT)
        fill(client)
        assert len(read_all(client)) == 40
        client.running.advance(HOUR_MS)
        put(client, (b"other", b"1"))
        client.running.advance(3_000)
        assert len(stored(client.running)) < 10

    def test_max_compaction_lag(self, client):
        """Older records are compacted, be they ever so few."""
        client.create_topic(
            "t", cleanup_policy="compact", min_cleanable_dirty_ratio="1.0", max_compaction_lag_ms=str(HOUR_MS)
        )
        fill(client)
        assert len(stored(client.running)) == 40
        client.running.advance(HOUR_MS)
        assert len(stored(client.running)) == 4

    def test_a_jump_of_the_clock_removes_no_tombstone(self, client):
        """The time that tombstones have is counted by the monotonic clock, as that of retention."""
        client.create_topic("t", delete_retention_ms=str(HOUR_MS), **COMPACT)
        put(client, (b"gone", None))
        fill(client)
        machine = client.running.machine
        machine.now = machine.now._replace(wall_ms=machine.now.wall_ms + 100 * HOUR_MS)
        fill(client)
        assert stored(client.running)[0].base_offset == 0
        client.running.advance(2 * HOUR_MS)
        fill(client)
        assert stored(client.running)[0].base_offset > 0

    def test_compact_and_delete(self, client):
        """Retention takes what is too old of what compaction has left."""
        client.create_topic("t", **{**BOTH, "retention_ms": str(HOUR_MS)})
        fill(client)
        left = {offset for offset, _, _ in read_all(client)}
        assert 36 in left
        assert len(left) < 20
        client.running.advance(2 * HOUR_MS)
        assert client.fetch("t", 0).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert client.fetch("t", 40).log_start_offset == 40


class TestTroubles:
    """What else happens meanwhile."""

    def test_portions(self, boot):
        """Each is saved before the next is read."""
        client = boot(**SETTINGS, log_cleaner_io_buffer_size=600).connect()
        client.create_topic("t", **COMPACT)
        fill(client, count=10)
        saves = len(client.running.machine.checkpoints.saved)
        fill(client)
        replaced = [
            partition.replacement
            for changes in client.running.machine.checkpoints.saved[saves:]
            for partition in changes.partitions.values()
            if partition.replacement is not None
        ]
        assert len(replaced) > 5
        assert {key for _, key, _ in read_all(client)} == {b"key-%d" % n for n in range(4)}

    @pytest.mark.parametrize("what", ["topic", "records"])
    def test_deletion_during_a_pass(self, boot, what):
        """A pass of a deleted partition is given up; one of deleted records goes on with the rest."""
        running = boot(**SETTINGS)
        client = running.connect()
        client.create_topic("t", **BOTH)
        for number in range(40):
            put(client, (b"k%d" % (number % 4), b"%d" % number + bytes(90)))
        running.advance(600)
        running.machine.now = running.machine.now._replace(monotonic_ms=running.machine.now.monotonic_ms + 1_000)
        running.broker.handle_timeouts(running.machine.now)
        waiting = list(running.take_work())
        steps = 0
        while waiting:
            work = waiting.pop(0)
            if isinstance(work, CompactionWork):
                steps += 1
                if steps == 2 and what == "topic":
                    client.send(DELETE_TOPICS, 5, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
                    while others := running.take_work():
                        for other in others:
                            running.run(other)
                elif steps == 2:
                    delete_records(client, 30)
            running.run(work)
            waiting += running.take_work()
        assert steps >= 2
        running.broker.begin_shutdown(running.machine.now)
        running.settle()
        assert running.broker.is_idle
        if what == "topic":
            assert next(client.received()).responses[0].error_code == ErrorCode.NONE
            client.create_topic("t", **BOTH)
            assert read_all(client) == []
        else:
            assert [offset for offset, _, _ in read_all(client, offset=30)][-4:] == [36, 37, 38, 39]

    def test_a_save_that_fails_is_made_again(self, running, client):
        """Whether it had been done or not."""
        client.create_topic("t", **COMPACT)
        fill(client, count=8)
        checkpoints = running.machine.checkpoints
        checkpoints.saves_before_failing = True
        for number in range(40):
            put(client, (b"key-%d" % (number % 4), b"%d" % number + bytes(90)))
            if number % 10 == 9:
                checkpoints.errors.append(StorageUnavailable("not now"))
                running.advance(1_000)
        running.advance(5_000)
        assert len(stored(running)) < 10
        assert {key: int(value[:2]) for _, key, value in read_all(client)} == {b"key-%d" % n: 36 + n for n in range(4)}

    @pytest.mark.parametrize("error", [StorageUnavailable("not now"), StorageFailed("a bad sector")])
    def test_reads_that_fail(self, running, client, error, caplog):
        """Later again, or not before the next start; everybody else is served."""
        client.create_topic("t", **COMPACT)
        for number in range(12):
            put(client, (b"key-%d" % (number % 4), b"%d" % number + bytes(90)))
        running.machine.checkpoints.read_errors.append(error)
        with caplog.at_level(logging.WARNING):
            running.advance(5_000)
        assert str(error) in caplog.text
        assert (len(stored(running)) < 12) == isinstance(error, StorageUnavailable)
        assert put(client, (b"k", b"v")) == 12

    def test_a_codec_that_is_not_installed(self, running, client, caplog, monkeypatch):
        """What it has compressed stays, and is told of once."""
        client.create_topic("t")
        for _ in range(2):
            put(client, (b"key-1", b"lz4"), compression=3)
        monkeypatch.setitem(__import__("sys").modules, "lz4.frame", None)
        client.create_topic("u", **COMPACT)
        running.broker.metadata.topics_by_name["t"].configs.update(
            {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01"}
        )
        running.broker.metadata_log._log_configs.forget(running.broker.metadata.topics_by_name["t"])
        fill(client)
        fill(client)
        assert [batch.base_offset for batch in stored(running)][:3] == [0, 1, 78]
        assert caplog.text.count("dotkafka[lz4]") == 1


class TestCommittedOffsets:
    """`__consumer_offsets` is compacted as well."""

    def test_a_start_finds_what_it_would_have_found(self, machine, boot):
        """The coordinator that is rebuilt from what is left is the one that all records would have made."""
        running = boot(**SETTINGS | {"log_cleaner_backoff_ms": 10**9})
        client = running.connect()
        for topic in ("t", "u", "v"):
            client.create_topic(topic)
        joined = client.join("with members")
        client.sync(joined, "with members")
        for number in range(60):
            for topic in ("t", "u", "v"):
                assert client.commit(topic, number, group=f"g{number % 4}") == ErrorCode.NONE
            if number == 40:
                client.call(DELETE_TOPICS, 5, DeleteTopicsRequest(topic_names=["u"], timeout_ms=1000))
                client.create_topic("u")
        deleted = client.call(DELETE_GROUPS, 1, DeleteGroupsRequest(groups_names=["g3"]))
        assert deleted.results[0].error_code == ErrorCode.NONE
        running.advance(1_000)
        whole = machine.copy().boot(**SETTINGS)
        compacting = machine.copy().boot(**SETTINGS)
        compacting.advance(5_000)
        assert len(stored(compacting, OFFSETS_TOPIC)) < len(stored(whole, OFFSETS_TOPIC)) / 4
        compacted = compacting.machine.copy().boot(**SETTINGS)
        states = [broker.broker.groups._coordinator for broker in (whole, compacted)]
        assert sorted(states[0]._offsets) == sorted(states[1]._offsets)
        assert len(list(states[0]._offsets)) == 9
        described = [
            broker.connect().call(DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=["with members", "g0", "g3"]))
            for broker in (whole, compacted)
        ]
        assert described[0] == described[1]
        assert described[0].groups[0].members

    def test_a_long_history_becomes_short(self, boot, values):
        """And says the same after a restart as all of it did."""
        running = boot(**SETTINGS)
        client = running.connect()
        client.create_topic("t")
        for number in range(300):
            assert client.commit("t", number, group=f"g{number % 3}") == ErrorCode.NONE
        running.advance(3_000)
        (_, log) = running.broker.partition(OFFSETS_TOPIC, 0)
        assert log.log_end_offset >= 300
        assert len(stored(running, OFFSETS_TOPIC)) < 10
        client = running.machine.copy().boot(**SETTINGS).connect()
        assert [client.committed("t", group=f"g{n}") for n in range(3)] == [297, 298, 299]
