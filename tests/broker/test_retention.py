"""Retention in a whole broker: what clients see of it, when it looks, and what a crash leaves of it."""

import pytest

from dotkafka.broker.groups import OFFSETS_TOPIC
from dotkafka.broker.retention import INITIAL_DELAY_MS, PARTITIONS_PER_STEP
from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.metadata.image import BROKER_RESOURCE, METADATA_PARTITION, TOPIC_RESOURCE
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from dotkafka.protocol.messages.metadata_records import RemoveTopicRecord
from dotkafka.protocol.messages.offset_for_leader_epoch import (
    OFFSET_FOR_LEADER_EPOCH,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record

INTERVAL_MS = 1_000
MINUTE_MS = 60_000
DAY_MS = 24 * 60 * MINUTE_MS
SETTINGS = {"log_retention_check_interval_ms": INTERVAL_MS}
SMALL = {"checkpoint_bytes": 800, "tail_max_bytes": 2_000}
"""So that most batches are only in L2."""


@pytest.fixture
def running(boot):
    """A broker that looks every second."""
    return boot(**SETTINGS)


def earliest(client, topic="t"):
    """Where clients are told that the log begins."""
    asked = ListOffsetsPartition(partition_index=0, timestamp=-2)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])])
    (answer,) = client.call(LIST_OFFSETS, 5, request).topics[0].partitions
    assert answer.error_code == ErrorCode.NONE
    return answer.offset


def set_config(client, name, value, resource_type=TOPIC_RESOURCE, resource_name="t"):
    """Change a setting; None removes it."""
    change = AlterableConfig(name=name, config_operation=0 if value is not None else 1, value=value)
    resource = AlterConfigsResource(resource_type=resource_type, resource_name=resource_name, configs=[change])
    (result,) = client.call(
        INCREMENTAL_ALTER_CONFIGS, 1, IncrementalAlterConfigsRequest(resources=[resource])
    ).responses
    assert result.error_code == ErrorCode.NONE, result.error_message


def produce(client, count, topic="t", apart_ms=0, **settings):
    """Append batches of one record each, as old as the clock says, and let time pass after each."""
    for _ in range(count):
        now_ms = client.running.machine.now.wall_ms
        answer = client.produce(topic, bytes(100), timestamp_ms=now_ms, **settings)
        assert answer.error_code == ErrorCode.NONE
        client.running.advance(apart_ms)


class TestWhatGoes:
    """By time, by size, and as settings say."""

    @pytest.mark.parametrize("timestamp_type", ["CreateTime", "LogAppendTime"])
    def test_by_time(self, client, values, timestamp_type):
        """A batch goes when its largest timestamp is more than retention.ms ago; what is left is read as before."""
        client.create_topic("t", retention_ms=str(5 * MINUTE_MS), message_timestamp_type=timestamp_type)
        produce(client, 5, apart_ms=MINUTE_MS)
        assert earliest(client) == 0
        client.running.advance(2 * INTERVAL_MS)
        assert earliest(client) == 1
        client.running.advance(2 * MINUTE_MS)
        assert earliest(client) == 3
        assert client.fetch("t", 2).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        answer = client.fetch("t", 3)
        assert (answer.error_code, answer.log_start_offset, len(values(answer.records))) == (ErrorCode.NONE, 3, 2)
        client.running.advance(10 * MINUTE_MS)
        assert earliest(client) == 5
        assert client.produce("t", b"next").base_offset == 5

    def test_by_size(self, client):
        """The oldest go that retention.bytes can do without."""
        client.create_topic("t", retention_bytes="500", retention_ms="-1")
        produce(client, 10)
        (_, log) = client.running.broker.partition("t", 0)
        batch_bytes = log.size_bytes // 10
        client.running.advance(INTERVAL_MS)
        kept = -(-500 // batch_bytes)
        assert earliest(client) == 10 - kept
        assert log.size_bytes == kept * batch_bytes

    def test_what_is_only_in_l2(self, boot, values):
        """Batches that memory has forgotten go too, and L2 forgets them."""
        running = boot(**SETTINGS, **SMALL)
        client = running.connect()
        client.create_topic("t", retention_ms="-1")
        produce(client, 30)
        (topic, log) = running.broker.partition("t", 0)
        assert log.tail_start_offset > 15
        size_bytes = log.size_bytes
        set_config(client, "retention.bytes", str(size_bytes // 2))
        running.advance(INTERVAL_MS)
        assert earliest(client) == 15
        running.advance(running.broker.config.checkpoint_interval_ms)
        assert len(running.machine.checkpoints._shards[0].partitions[log.partition].batches) == 15
        assert client.fetch("t", 14).error_code == ErrorCode.OFFSET_OUT_OF_RANGE
        assert values(client.fetch("t", 15).records)
        assert topic.name == "t"

    def test_for_ever(self, client):
        """-1 is for ever, and compaction alone deletes nothing by time or size."""
        client.create_topic("t", retention_ms="-1")
        client.create_topic("u", cleanup_policy="compact", retention_ms="1", retention_bytes="0")
        produce(client, 3)
        keyed = bytes(encode_batch([Record(0, 1, b"key", b"value")]))
        assert client.produce_batch("u", keyed).error_code == ErrorCode.NONE
        client.running.advance(MINUTE_MS)
        assert (earliest(client), earliest(client, "u")) == (0, 0)

    def test_a_change_holds_from_the_next_look_on(self, client):
        """Of the topic and of the broker, and back."""
        client.create_topic("t")
        produce(client, 4, apart_ms=MINUTE_MS)
        set_config(client, "retention.ms", str(3 * MINUTE_MS))
        client.running.advance(2 * INTERVAL_MS)
        assert earliest(client) == 2
        set_config(client, "retention.ms", None)
        client.running.advance(10 * MINUTE_MS)
        assert earliest(client) == 2
        set_config(client, "log.retention.ms", str(12 * MINUTE_MS), BROKER_RESOURCE, "")
        client.running.advance(2 * INTERVAL_MS)
        assert earliest(client) == 3

    @pytest.mark.parametrize(
        ("settings", "kept"),
        [
            ({"log_retention_hours": 1}, 60),
            ({"log_retention_hours": 1, "log_retention_minutes": 5}, 5),
            ({"log_retention_minutes": 5, "default_topic_configs": {"retention.ms": str(7 * MINUTE_MS)}}, 7),
        ],
    )
    def test_the_brokers_own_settings(self, boot, settings, kept):
        """Milliseconds before minutes before hours."""
        running = boot(**SETTINGS, **settings)
        client = running.connect()
        client.create_topic("t")
        produce(client, 1)
        running.advance(kept * MINUTE_MS)
        assert earliest(client) == 0
        running.advance(INTERVAL_MS + 1)
        assert earliest(client) == 1

    def test_internal_topics_stay(self, running, client):
        """Whatever is set for them."""
        client.create_topic("t")
        client.commit("t", 1)
        set_config(client, "cleanup.policy", "delete", resource_name=OFFSETS_TOPIC)
        set_config(client, "retention.bytes", "0", resource_name=OFFSETS_TOPIC)
        running.advance(MINUTE_MS)
        assert earliest(client, OFFSETS_TOPIC) == 0
        assert running.broker.shard.log(METADATA_PARTITION).log_start_offset == 0
        assert client.committed("t") == 1

    def test_what_is_remembered_beside_the_batches(self, boot, machine, batch):
        """A producer's retry is still recognised; leader epochs of which nothing is left are forgotten."""
        client = boot(**SETTINGS).connect()
        client.create_topic("t", retention_bytes="0", retention_ms="-1")
        records = batch(b"a", producer_id=5, producer_epoch=0, base_sequence=0)
        assert client.produce_batch("t", records).base_offset == 0
        client = boot(**SETTINGS).connect()
        produce(client, 1)
        client.running.advance(INTERVAL_MS)
        assert earliest(client) == 2
        client = boot(**SETTINGS).connect()
        again = client.produce_batch("t", records)
        assert (again.error_code, again.base_offset) == (ErrorCode.NONE, 0)
        asked = OffsetForLeaderTopic(topic="t", partitions=[OffsetForLeaderPartition(partition=0, leader_epoch=0)])
        request = OffsetForLeaderEpochRequest(topics=[asked])
        (answer,) = client.call(OFFSET_FOR_LEADER_EPOCH, 4, request).topics[0].partitions
        assert answer.end_offset == 2


class TestClocks:
    """A jump of the wall clock deletes nothing."""

    @pytest.fixture
    def client(self, running):
        """A client of a broker whose topic keeps records for a day."""
        client = running.connect()
        client.create_topic("t", retention_ms=str(DAY_MS))
        produce(client, 2)
        return client

    def jump(self, running, milliseconds):
        """Set the wall clock."""
        machine = running.machine
        machine.now = machine.now._replace(wall_ms=machine.now.wall_ms + milliseconds)

    def test_ahead(self, running, client):
        """A clock that is set ahead is not believed: records are kept as long as they should have been."""
        self.jump(running, 365 * DAY_MS)
        running.advance(DAY_MS)
        assert earliest(client) == 0
        running.advance(2 * INTERVAL_MS)
        assert earliest(client) == 2

    def test_back(self, running, client):
        """A clock that is set back keeps records longer, and what comes then no shorter than it should be."""
        self.jump(running, -DAY_MS)
        produce(client, 1)
        running.advance(DAY_MS + INTERVAL_MS)
        assert earliest(client) == 0
        running.advance(DAY_MS + INTERVAL_MS)
        assert earliest(client) == 3

    def test_there_and_back(self, running, client):
        """A clock that was wrong for an hour has done nothing."""
        self.jump(running, 365 * DAY_MS)
        running.advance(60 * MINUTE_MS)
        self.jump(running, -365 * DAY_MS)
        running.advance(DAY_MS - 60 * MINUTE_MS)
        assert earliest(client) == 0

    def test_wrong_at_the_start(self, machine, boot, running, client):
        """A clock that is put right before the first look has done nothing."""
        self.jump(running, 365 * DAY_MS)
        running = boot()
        self.jump(running, -365 * DAY_MS)
        running.advance(DAY_MS)
        assert earliest(running.connect()) == 0


class TestWhen:
    """Deadlines of the broker; no step takes long, and none is taken for nothing."""

    def test_the_first_look(self, boot):
        """With Kafka's interval of five minutes, the first comes sooner, so that it comes in short lives too."""
        client = boot().connect()
        client.create_topic("t", retention_bytes="0")
        produce(client, 1)
        client.running.advance(INITIAL_DELAY_MS - 1)
        assert earliest(client) == 0
        client.running.advance(1)
        assert earliest(client) == 1
        produce(client, 1)
        client.running.advance(299_999)
        assert earliest(client) == 1
        client.running.advance(1)
        assert earliest(client) == 2

    def test_many_partitions_take_many_steps(self, machine, running, client):
        """A step looks at so many partitions, and the next deadline is soon; then there is none for an interval."""
        client.create_topic("t", 2 * PARTITIONS_PER_STEP + 1, retention_bytes="0")
        for index in range(2 * PARTITIONS_PER_STEP + 1):
            client.produce("t", b"a", partition=index)
        broker = running.broker
        machine.now = machine.now._replace(monotonic_ms=broker.retention.next_deadline_ms())
        written = []
        while broker.retention.next_deadline_ms() <= machine.now.monotonic_ms + 10:
            machine.now = machine.now._replace(monotonic_ms=broker.retention.next_deadline_ms())
            broker.handle_timeouts(machine.now)
            written.append(len(broker.shard._flushes[-1].moved_starts))
            running.settle()
        assert written == [PARTITIONS_PER_STEP, PARTITIONS_PER_STEP, 1]
        assert broker.retention.next_deadline_ms() == machine.now.monotonic_ms + INTERVAL_MS

    def test_topics_deleted_during_a_round(self, machine, running, client):
        """What is gone when its turn comes is passed over."""
        client.create_topic("t", PARTITIONS_PER_STEP)
        client.create_topic("u", retention_bytes="0")
        produce(client, 1, "u")
        machine.now = machine.now._replace(monotonic_ms=running.broker.retention.next_deadline_ms())
        running.broker.handle_timeouts(machine.now)
        topic = running.broker.metadata.topics_by_name["u"]
        running.broker.metadata_log.change([RemoveTopicRecord(topic_id=topic.topic_id)])
        running.settle()
        running.advance(INTERVAL_MS)
        assert "u" not in running.broker.metadata.topics_by_name

    def test_nothing_is_looked_at_that_could_not_be_written(self, machine, running, client, batch):
        """While the disk is full nothing goes; later it does. When storage has failed there is no deadline left."""
        client.create_topic("t", retention_bytes="0")
        produce(client, 1)
        machine.wal.errors += [StorageUnavailable("no space")] * 8
        client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
        running.settle()
        running.advance(1_500)
        (_, log) = running.broker.partition("t", 0)
        assert (log.log_start_offset, log.high_watermark, len(running.broker.shard._flushes[-1].parts)) == (0, 1, 0)
        running.advance(2 * INTERVAL_MS)
        assert (log.log_start_offset, log.high_watermark) == (2, 2)
        produce(running.connect(), 1)
        machine.wal.errors.append(StorageFailed("fsync failed"))
        running.advance(INTERVAL_MS)
        assert running.broker.retention.next_deadline_ms() is None


class TestCrashes:
    """Recovery from every storage call: the log start never goes back from where a reader could see it."""

    def test_not_seen_before_it_is_durable(self, machine, running, client):
        """Until L1 has the new log start offset, the log begins where it did."""
        client.create_topic("t", retention_bytes="0")
        produce(client, 2)
        (_, log) = running.broker.partition("t", 0)
        machine.now = machine.now._replace(monotonic_ms=running.broker.retention.next_deadline_ms())
        running.broker.handle_timeouts(machine.now)
        (work,) = running.take_work()
        assert log.log_start_offset == 0
        running.run(work)
        assert log.log_start_offset == 2

    @pytest.mark.parametrize("settings", [{}, SMALL], ids=["hot", "cold"])
    def test_every_storage_call(self, boot, machine, values, settings):
        """After a crash at any moment: what was kept is read, the log start is where it was, and retention goes on."""
        running = boot(**SETTINGS, **settings)
        client = running.connect()
        client.create_topic("t", retention_bytes="1000", retention_ms=str(5 * MINUTE_MS))
        seen = 0
        durable = 0
        for number in range(60):
            request = client.produce_request("t", batch_of_number(number, machine.now.wall_ms), partition=0)
            client.send(PRODUCE, 9, request)
            machine.now = machine.now._replace(
                monotonic_ms=machine.now.monotonic_ms + 2_500, wall_ms=machine.now.wall_ms + 2_500
            )
            running.broker.handle_timeouts(machine.now)
            while work := running.take_work():
                for piece in work:
                    running.run(piece)
                    (_, log) = running.broker.partition("t", 0)
                    seen, durable = log.log_start_offset, log.high_watermark
                    check_recovered(machine.copy(), settings, values, seen, durable)
        assert 0 < seen < durable == 60


def batch_of_number(number, timestamp_ms):
    """A batch of one record that says which it is."""
    return bytes(encode_batch([Record(0, timestamp_ms, None, b"%03d" % number + bytes(80))]))


def check_recovered(machine, settings, values, seen, durable):
    """A broker on what a crash has left goes on from what could be seen."""
    client = machine.boot(**SETTINGS, **settings).connect()
    begin = earliest(client)
    assert seen <= begin <= durable
    (_, log) = client.running.broker.partition("t", 0)
    log.check_invariants()
    assert log.high_watermark >= durable
    offset = begin
    while offset < log.high_watermark:
        read = values(client.fetch("t", offset).records)
        assert [value[:3] for value in read] == [b"%03d" % number for number in range(offset, offset + len(read))]
        offset += len(read)
    client.running.advance(10 * MINUTE_MS)
    assert earliest(client) == log.high_watermark
