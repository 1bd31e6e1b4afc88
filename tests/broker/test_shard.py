"""The shard: group commit, what is acknowledged when, checkpoints, budgets, and storage that fails."""

import pytest

from dotkafka.broker import wal_entry
from dotkafka.broker.shard import MAX_FLUSH_BYTES, RETRY_INTERVAL_MS, refusal_for
from dotkafka.broker.storage_work import AppendWork, CheckpointWork, TrimWork
from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.log.partition_log import PartitionLog
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.storage.spi import TopicIdPartition


@pytest.fixture
def send(running, batch):
    """Sends one batch on a connection of its own, without running any storage work; gives that connection."""

    def send(value, topic="t", acks=-1):
        client = running.connect()
        client.send(PRODUCE, 9, client.produce_request(topic, batch(value), acks=acks))
        return client

    return send


@pytest.fixture
def topic(client):
    """A topic with one partition, the metadata of which are durable."""
    client.create_topic("t")
    return "t"


def answers(client):
    """The error codes and offsets that a producer has been answered with."""
    return [
        (partition.error_code, partition.base_offset)
        for response in client.received()
        for partition in response.responses[0].partition_responses
    ]


def log_of(running, topic):
    """The log of a topic's first partition."""
    image = running.broker.metadata.topics_by_name[topic]
    return running.broker.shard.logs[next(iter(image.partitions()))]


def pick(work, kind):
    """The one piece of work of a kind."""
    (piece,) = [piece for piece in work if isinstance(piece, kind)]
    return piece


class TestGroupCommit:
    """What is written while a flush is under way shares the next one."""

    def test_many_appends_become_one_entry(self, running, machine, topic, send):
        """While one flush is in flight all others gather; nobody is answered before the flush that covers him."""
        before = len(machine.wal.attempts)
        first = send(b"0")
        (flush,) = running.take_work()
        others = [send(b"%d" % number) for number in range(1, 6)]
        assert running.take_work() == []
        running.run(flush)
        assert answers(first) == [(0, 0)]
        assert [answers(other) for other in others] == [[]] * 5
        (gathered,) = running.take_work()
        running.run(gathered)
        assert [answers(other) for other in others] == [[(0, number)] for number in range(1, 6)]
        entries = machine.wal.attempts[before:]
        assert [len(list(wal_entry.items(memoryview(entry)))) for entry in entries] == [1, 5]

    def test_high_watermark_moves_when_the_flush_is_durable(self, running, topic, send):
        """Readers see what is durable, and no more."""
        send(b"a")
        (flush,) = running.take_work()
        send(b"b")
        log = log_of(running, topic)
        assert (log.high_watermark, log.log_end_offset) == (0, 2)
        running.run(flush)
        assert (log.high_watermark, log.log_end_offset) == (1, 2)

    def test_a_flush_is_bounded(self, running, machine, client):
        """One entry of L1 does not grow without end; what is too much goes into the next one, in order."""
        client.create_topic("t", max_message_bytes=str(2 * MAX_FLUSH_BYTES))
        before = len(machine.wal.attempts)
        for _ in range(3):
            client.send(PRODUCE, 9, client.produce_request("t", client_batch(MAX_FLUSH_BYTES)))
        running.settle()
        assert answers(client) == [(0, 0), (0, 1), (0, 2)]
        assert len(machine.wal.attempts[before:]) == 3

    def test_trims_share_the_lane_of_appends(self, running, topic, send):
        """A writer has one caller at a time, so the lanes say which calls must not overlap."""
        running.machine.now = running.machine.now._replace(monotonic_ms=100_000)
        running.settle()
        send(b"a")
        work = running.take_work()
        assert {piece.lane for piece in work} <= {"append", "checkpoint"}


def client_batch(size):
    """A batch of about this size."""
    return bytes(encode_batch([Record(0, 0, None, bytes(size))]))


class TestWhenDurable:
    """Waiting for all that was written until now."""

    def test_at_once_if_nothing_is_on_its_way(self, running, topic):
        """Nobody waits for a flush that will not come."""
        called: list[object] = []
        running.broker.shard.when_durable(called.append)
        assert called == [None]

    def test_waits_for_the_flush_in_flight(self, running, topic, send):
        """With nothing gathering, it is the flush in flight that counts."""
        called: list[object] = []
        send(b"a")
        (flush,) = running.take_work()
        running.broker.shard.when_durable(called.append)
        assert called == []
        running.run(flush)
        assert called == [None]

    def test_waits_for_what_gathers(self, running, topic, send):
        """With something gathering, the flush in flight is not enough."""
        called: list[object] = []
        send(b"a")
        (flush,) = running.take_work()
        send(b"b")
        running.broker.shard.when_durable(called.append)
        running.run(flush)
        assert called == []
        running.settle()
        assert called == [None]

    def test_in_the_order_of_asking(self, running, topic, send):
        """Who asked first is told first, across flushes."""
        called: list[object] = []
        for number in range(6):
            send(b"a")
            running.broker.shard.when_durable(lambda error, number=number: called.append(number))
            if number == 2:
                running.take_work()
                (flush,) = [running.broker.shard._appending]
        running.run(flush)
        running.settle()
        assert called == list(range(6))


class TestUnavailable:
    """Storage that cannot write now: a full disk."""

    def test_the_same_bytes_are_written_again_and_then_acknowledged(self, running, machine, topic, send):
        """Nobody is lost and nobody is answered twice: service returns without a restart."""
        machine.wal.errors += [StorageUnavailable("no space")] * 2
        waiting = send(b"a")
        running.settle()
        assert answers(waiting) == []
        assert running.broker.next_deadline_ms() == machine.now.monotonic_ms + RETRY_INTERVAL_MS
        running.advance(RETRY_INTERVAL_MS)
        assert answers(waiting) == []
        running.advance(RETRY_INTERVAL_MS)
        assert answers(waiting) == [(0, 0)]
        first, second, third = machine.wal.attempts[-3:]
        assert first == second == third

    def test_writes_are_refused_meanwhile_and_reads_go_on(self, running, machine, client, topic, send, values):
        """A producer is told to try again, a reader notices nothing; afterwards all is as before."""
        client.produce("t", b"a")
        machine.wal.errors.append(StorageUnavailable("no space"))
        waiting = send(b"b")
        running.settle()
        assert client.produce("t", b"refused").error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert values(client.fetch("t").records) == [b"a"]
        running.advance(RETRY_INTERVAL_MS)
        assert answers(waiting) == [(0, 1)]
        assert client.produce("t", b"c").base_offset == 2
        assert values(client.fetch("t").records) == [b"a", b"b", b"c"]

    def test_what_gathers_behind_the_failed_flush_follows_it(self, running, machine, topic, send):
        """Writes that came while the call was under way are made durable after it, in order."""
        first = send(b"a")
        (flush,) = running.take_work()
        second = send(b"b")
        machine.wal.errors.append(StorageUnavailable("no space"))
        running.run(flush)
        running.settle()
        assert answers(first) == answers(second) == []
        running.advance(RETRY_INTERVAL_MS)
        assert (answers(first), answers(second)) == ([(0, 0)], [(0, 1)])

    def test_no_deadline_while_the_call_is_under_way(self, running, machine, topic, send):
        """A driver that sleeps until the deadline is not woken again and again by one that has passed."""
        machine.wal.errors.append(StorageUnavailable("no space"))
        send(b"a")
        running.settle()
        due_ms = running.broker.next_deadline_ms()
        machine.now = machine.now._replace(monotonic_ms=due_ms)
        assert len(running.take_work()) == 1
        assert running.broker.next_deadline_ms() > due_ms


class TestFailed:
    """Storage whose promise is broken, or that belongs to somebody else now."""

    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (StorageFailed("fsync failed"), ErrorCode.KAFKA_STORAGE_ERROR),
            (Fenced("a newer owner"), ErrorCode.NOT_LEADER_OR_FOLLOWER),
        ],
    )
    def test_writes_are_refused_for_good(self, running, machine, client, topic, send, values, error, code, caplog):
        """All who wait are told, all who come later refused; what is durable can be read, but by the owner alone."""
        client.produce("t", b"a")
        first = send(b"b")
        (flush,) = running.take_work()
        second = send(b"c")
        machine.wal.errors.append(error)
        running.run(flush)
        assert answers(first) == answers(second) == [(code, -1)]
        attempts = len(machine.wal.attempts)
        running.advance(60_000)
        assert client.produce("t", b"d").error_code == code
        assert len(machine.wal.attempts) == attempts
        read = client.fetch("t")
        if isinstance(error, Fenced):
            assert read.error_code == code
        else:
            assert values(read.records) == [b"a"]
        assert [record.levelname for record in caplog.records] == ["CRITICAL"]
        assert refusal_for(error).error_code == code

    def test_a_checkpoint_that_fails_ends_writing(self, running, machine, client, topic, send, values):
        """L2 that is damaged is as bad as L1, also for a flush that is under way just then."""
        client.produce("t", b"a")
        client.call(METADATA, 9, MetadataRequest())
        machine.checkpoints.errors.append(StorageFailed("damaged"))
        machine.now = machine.now._replace(monotonic_ms=machine.now.monotonic_ms + 60_000)
        waiting = send(b"b")
        work = running.take_work()
        running.run(pick(work, CheckpointWork))
        assert answers(waiting) == [(ErrorCode.KAFKA_STORAGE_ERROR, -1)]
        running.run(pick(work, AppendWork))
        running.settle()
        assert client.produce("t", b"c").error_code == ErrorCode.KAFKA_STORAGE_ERROR
        (described,) = client.call(METADATA, 9, MetadataRequest(topics=[MetadataRequestTopic(name="t")])).topics
        assert described.error_code == ErrorCode.NONE
        assert values(client.fetch("t").records) == [b"a"]
        assert running.broker.is_idle

    def test_a_second_broker_fences_the_first(self, running, machine, client, topic, boot):
        """Two brokers on one storage: the older one is refused by L1, and refuses its clients."""
        newer = boot()
        assert client.produce("t", b"old").error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
        assert newer.connect().produce("t", b"new").base_offset == 0


class TestCheckpoint:
    """Carrying what is durable to L2."""

    def checkpoint(self, running):
        """Let time pass until one is due, and run all work."""
        running.advance(running.broker.config.checkpoint_interval_ms)

    def test_after_the_interval(self, running, machine, client, topic):
        """Something that waits for so long is saved; with nothing new there is no further one."""
        client.produce("t", b"a")
        running.advance(running.broker.config.checkpoint_interval_ms - 1)
        assert machine.checkpoints.saved == []
        running.advance(1)
        (saved,) = machine.checkpoints.saved
        assert saved.next_sequence == len(machine.wal.attempts)
        log = log_of(running, "t")
        assert [batch.base_offset for batch in saved.partitions[log.partition].batches] == [0]
        self.checkpoint(running)
        assert len(machine.checkpoints.saved) == 1

    def test_when_enough_bytes_wait(self, boot, machine):
        """Much traffic brings it on before its time."""
        client = boot(checkpoint_bytes=2000).connect()
        client.create_topic("t")
        client.produce("t", bytes(1000))
        assert machine.checkpoints.saved == []
        client.produce("t", bytes(1000))
        assert len(machine.checkpoints.saved) == 1

    def test_trims_only_after_the_save(self, running, machine, client, topic):
        """L1 keeps everything until L2 has it, and then lets exactly that go."""
        client.produce("t", b"a")
        machine.now = machine.now._replace(monotonic_ms=machine.now.monotonic_ms + 10_000)
        (save,) = running.take_work()
        client.produce("t", b"b")
        assert machine.wal.trimmed == []
        running.run(save)
        (trim,) = running.take_work()
        assert isinstance(trim, TrimWork)
        running.run(trim)
        assert machine.wal.trimmed == [save.changes.next_sequence]
        assert [entry.sequence for entry in machine.wal.read(0, 0)] == [save.changes.next_sequence]

    def test_what_is_not_durable_is_left_out(self, running, machine, client, topic, send):
        """A flush under way is in no checkpoint, nor is what gathers behind it."""
        client.produce("t", b"a")
        machine.now = machine.now._replace(monotonic_ms=machine.now.monotonic_ms + 10_000)
        send(b"b")
        save = pick(running.take_work(), CheckpointWork)
        log = log_of(running, "t")
        assert [batch.last_offset for batch in save.changes.partitions[log.partition].batches] == [0]

    @pytest.mark.parametrize("saved_all_the_same", [False, True])
    def test_a_failing_save_is_repeated_with_everything(
        self, boot, machine, running, client, topic, values, saved_all_the_same
    ):
        """Nothing is forgotten or trimmed on its account; the next one has it all, and what came meanwhile."""
        client.produce("t", b"a")
        machine.checkpoints.errors.append(StorageUnavailable("locked"))
        machine.checkpoints.saves_before_failing = saved_all_the_same
        running.advance(running.broker.config.checkpoint_interval_ms)
        assert machine.wal.trimmed == []
        client.produce("t", b"b")
        running.advance(RETRY_INTERVAL_MS)
        last = machine.checkpoints.saved[-1]
        log = log_of(running, "t")
        assert [batch.base_offset for batch in last.partitions[log.partition].batches] == [0, 1]
        assert machine.wal.trimmed == [last.next_sequence]
        assert values(boot().connect().fetch("t").records) == [b"a", b"b"]

    def test_a_failing_save_is_not_repeated_at_once(self, boot, machine):
        """Also when a budget is exceeded, the retry takes its time: a full disk is not asked without end."""
        running = boot(checkpoint_bytes=100)
        client = running.connect()
        machine.checkpoints.errors += [StorageUnavailable("no space")] * 100
        client.create_topic("t")
        client.produce("t", bytes(200))
        saves = len(machine.checkpoints.saved)
        assert saves == 1
        running.advance(RETRY_INTERVAL_MS)
        assert len(machine.checkpoints.saved) == 2

    def test_a_deleted_topic_leaves_l2(self, running, machine, client, topic):
        """Its batches and its snapshot go with the next checkpoint, also if that has to be repeated."""
        client.produce("t", b"a")
        partition = log_of(running, "t").partition
        self.checkpoint(running)
        client.call(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
        machine.checkpoints.errors.append(StorageUnavailable("locked"))
        self.checkpoint(running)
        running.advance(RETRY_INTERVAL_MS)
        stored = machine.checkpoints.load(0)
        assert partition not in stored.partitions
        assert not any(partition.topic_id.hex() in name for name in stored.snapshots)

    def test_deleted_while_a_checkpoint_is_under_way(self, running, machine, client, topic):
        """A save that still has the topic is followed by one that drops it."""
        client.produce("t", b"a")
        partition = log_of(running, "t").partition
        machine.now = machine.now._replace(monotonic_ms=machine.now.monotonic_ms + 10_000)
        save = pick(running.take_work(), CheckpointWork)
        client.call(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
        running.run(save)
        assert partition in machine.checkpoints.load(0).partitions
        self.checkpoint(running)
        assert partition not in machine.checkpoints.load(0).partitions

    def test_moved_log_start_offset(self, running, machine, client, topic):
        """Deleting records alone makes a checkpoint due."""
        client.produce("t", b"a", b"b")
        self.checkpoint(running)
        asked = [DeleteRecordsTopic(name="t", partitions=[DeleteRecordsPartition(partition_index=0, offset=1)])]
        client.call(DELETE_RECORDS, 1, DeleteRecordsRequest(topics=asked, timeout_ms=1000))
        self.checkpoint(running)
        assert machine.checkpoints.load(0).partitions[log_of(running, "t").partition].log_start_offset == 1

    def test_shutdown_makes_the_last_one(self, running, machine, client, topic, send):
        """A broker that is asked to stop finishes what is written, saves it, and is idle then and not before."""
        send(b"a")
        running.broker.begin_shutdown(machine.now)
        assert not running.broker.is_idle
        running.settle()
        assert running.broker.is_idle
        assert list(machine.wal.read(0, 0)) == []
        assert machine.checkpoints.load(0).partitions[log_of(running, "t").partition].end_offset == 1


class TestBudget:
    """L0 and how far L2 may lag behind."""

    def test_memory_forgets_only_what_l2_has(self, boot):
        """The oldest batches go, of all partitions together, once a checkpoint has them."""
        running = boot(tail_max_bytes=3000, checkpoint_bytes=1000)
        client = running.connect()
        client.create_topic("t", 2)
        for number in range(20):
            client.produce("t", bytes(400), partition=number % 2)
        logs = [log for log in running.broker.shard.logs.values() if log.log_end_offset == 10]
        assert len(logs) == 2
        for log in logs:
            log.check_invariants()
            assert 0 < log.tail_start_offset <= log.checkpointed_offset
        # Counted without the overhead of each batch.
        assert sum(log.tail_bytes for log in logs) < 3000 + 20 * 320

    @pytest.fixture(name="overloaded")
    def fixture_overloaded(self, boot, machine, batch):
        """A broker, and a client whose Produce waits for the checkpoint that is to be saved."""
        running = boot(tail_max_bytes=2000, checkpoint_bytes=2000)
        client = running.connect()
        client.create_topic("t")
        running.advance(running.broker.config.checkpoint_interval_ms)
        client.send(PRODUCE, 9, client.produce_request("t", batch(bytes(2000))))
        running.run(pick(running.take_work(), AppendWork))
        save = pick(running.take_work(), CheckpointWork)
        assert answers(client) == [(ErrorCode.NONE, 0)]
        client.send(PRODUCE, 9, client.produce_request("t", batch(b"b")))
        return running, client, save

    def test_producers_wait_for_checkpoints_and_go_on_after(self, overloaded):
        """Beyond the budget a Produce waits, and its connection with it; the rest is served."""
        running, client, save = overloaded
        assert running.broker.shard.is_overloaded
        assert list(client.received()) == []
        assert not running.broker.may_read(client.connection)
        assert running.connect().fetch("t").high_watermark == 1
        running.broker.take_ready_connections()
        running.run(save)
        assert not running.broker.shard.is_overloaded
        assert running.broker.may_read(client.connection)
        assert client.connection in running.broker.take_ready_connections()
        running.settle()
        assert answers(client) == [(ErrorCode.NONE, 1)]

    @pytest.mark.parametrize("error", [StorageUnavailable("no space"), StorageFailed("damaged")])
    def test_those_who_wait_are_refused_when_the_checkpoint_fails(self, overloaded, machine, error):
        """A held Produce is not left alone with storage that may never catch up."""
        running, client, save = overloaded
        machine.checkpoints.errors.append(error)
        running.run(save)
        assert answers(client) == [(ErrorCode.KAFKA_STORAGE_ERROR, -1)]

    def test_producers_are_refused_while_l2_takes_nothing(self, overloaded, machine, batch):
        """A full disk is no reason to wait: everybody is told at once, until a save succeeds; the rest is served."""
        running, client, save = overloaded
        machine.checkpoints.errors += [StorageUnavailable("no space")] * 2
        running.run(save)
        running.advance(RETRY_INTERVAL_MS)
        list(client.received())
        client.send(PRODUCE, 9, client.produce_request("t", batch(b"c")))
        assert answers(client) == [(ErrorCode.KAFKA_STORAGE_ERROR, -1)]
        assert client.fetch("t").high_watermark == 1
        client.create_topic("u")
        running.advance(RETRY_INTERVAL_MS)
        assert client.produce("t", b"d").base_offset == 1

    def test_a_failing_checkpoint_alone_refuses_nobody(self, boot, machine):
        """As long as memory has room."""
        running = boot(checkpoint_bytes=1000)
        client = running.connect()
        client.create_topic("t")
        machine.checkpoints.errors.append(StorageUnavailable("no space"))
        client.produce("t", bytes(1000))
        assert client.produce("t", b"b").base_offset == 1

    def test_overload_that_begins_and_ends_between_two_calls(self, boot, machine, batch):
        """A Produce that came while L2 lagged is served also if the very next thing to happen is the end of it."""
        running = boot(tail_max_bytes=2000, checkpoint_bytes=1000)
        client = running.connect()
        client.create_topic("t")
        running.advance(running.broker.config.checkpoint_interval_ms)
        client.send(PRODUCE, 9, client.produce_request("t", batch(bytes(1200))))
        running.run(pick(running.take_work(), AppendWork))
        save = pick(running.take_work(), CheckpointWork)
        for _ in range(2):
            client.send(PRODUCE, 9, client.produce_request("t", batch(bytes(1200))))
        assert not running.broker.may_read(client.connection)
        running.broker.take_ready_connections()
        running.run(save)
        assert running.broker.may_read(client.connection)
        assert client.connection in running.broker.take_ready_connections()
        running.settle()
        assert [code for code, _ in answers(client)] == [ErrorCode.NONE] * 3

    def test_deleting_a_topic_frees_the_budget(self, boot, machine):
        """What a deleted topic had in memory does not count any more."""
        running = boot(tail_max_bytes=2000)
        client = running.connect()
        client.create_topic("t")
        client.create_topic("u")
        machine.checkpoints.errors.append(StorageUnavailable("locked"))
        client.produce("t", bytes(2000))
        assert client.produce("u", b"u").error_code == ErrorCode.KAFKA_STORAGE_ERROR
        client.call(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
        assert client.produce("u", b"u").error_code == ErrorCode.NONE


def test_logs_are_made_on_demand(running):
    """A partition that has never held anything costs nothing until it is used."""
    partition = TopicIdPartition(bytes(16), 5)
    log = running.broker.shard.log(partition)
    assert isinstance(log, PartitionLog)
    assert running.broker.shard.log(partition) is log


def test_a_jump_of_the_wall_clock_makes_no_producer_forgotten(running, client, topic):
    """A retry after it gets its original offset, though the producer id would have expired by the wall clock."""

    def produce(sequence):
        record = Record(0, running.machine.now.wall_ms, None, b"value")
        batch = encode_batch([record], producer_id=5, producer_epoch=0, base_sequence=sequence)
        return bytes(batch)

    first, second = produce(0), produce(1)
    assert client.produce_batch(topic, first).base_offset == 0
    assert client.produce_batch(topic, second).base_offset == 1
    now = running.machine.now
    running.machine.now = now._replace(wall_ms=now.wall_ms + 2 * running.broker.config.producer_id_expiration_ms)
    running.advance(running.broker.config.checkpoint_interval_ms)
    assert log_of(running, topic).uncheckpointed_bytes == 0
    assert client.produce_batch(topic, second).base_offset == 1


@pytest.mark.parametrize("restarts", [False, True])
def test_old_timestamps_make_no_producer_forgotten(running, client, topic, restarts):
    """A retry gets its original offset, whatever the timestamps of its records, also after a restart."""
    old_ms = running.machine.now.wall_ms - 2 * running.broker.config.producer_id_expiration_ms
    records = [Record(0, old_ms, None, b"value")]
    batches = [bytes(encode_batch(records, producer_id=5, producer_epoch=0, base_sequence=n)) for n in range(2)]
    for offset, batch in enumerate(batches):
        assert client.produce_batch(topic, batch).base_offset == offset
    for _ in range(2):
        running.advance(running.broker.config.checkpoint_interval_ms)
        assert log_of(running, topic).uncheckpointed_bytes == 0
        if restarts:
            running = running.machine.boot()
            client = running.connect()
        assert client.produce_batch(topic, batches[1]).base_offset == 1
