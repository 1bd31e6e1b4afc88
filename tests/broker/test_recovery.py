"""Recovery: whatever a crash leaves of L1 and L2, the broker that starts on it is the one that wrote it."""

import copy
from collections import deque

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotkafka.broker.storage_work import LANES, AppendWork, StorageWork
from dotkafka.errors import StorageFailed
from dotkafka.metadata.image import METADATA_PARTITION
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.produce import PRODUCE

TOPICS = ("t", "t", "t", "u")
PARTITIONS = 2
CONFIG = {"checkpoint_bytes": 1500, "tail_max_bytes": 3000}


@attrs.define
class ModelPartition:
    """What one partition should hold."""

    values: list[bytes] = attrs.field(factory=list)
    log_start_offset: int = 0
    last_batch: tuple[bytes, int] | None = None
    """The bytes of the producer's last batch, and the offset that it got."""


@attrs.define
class Model:
    """What a broker should remember: everything that was asked of it, in order."""

    partitions: dict[tuple[str, int], ModelPartition] = attrs.field(factory=dict)
    committed: dict[tuple[str, int], int] = attrs.field(factory=dict)


class Workload:
    """Clients of one broker, whose storage calls run when they are told to; and the model of what they have done."""

    def __init__(self, machine, batch):
        self.machine = machine
        self.running = machine.boot(**CONFIG)
        self.client = self.running.connect()
        self.batch = batch
        self.model = Model()
        self.states = [copy.deepcopy(self.model)]
        """The model after each operation."""
        self.durable = 0
        """How many operations L1 has: those at the beginning of `states`."""
        self.producer_ids: set[int] = set()
        self.lanes: dict[str, deque[StorageWork]] = {lane: deque() for lane in LANES}
        self.covered: dict[object, int] = {}
        """How many operations are durable once an append has run."""

    def did(self):
        """An operation has been sent and changed the model."""
        self.states.append(copy.deepcopy(self.model))

    def take_work(self):
        """Queue what the broker asks for, by lane."""
        for work in self.running.take_work():
            self.lanes[work.lane].append(work)
            if isinstance(work, AppendWork):
                self.covered[work] = len(self.states) - 1

    def create(self, topic, _partition, _size):
        """Create a topic, unless it is there."""
        if (topic, 0) not in self.model.partitions:
            asked = CreatableTopic(name=topic, num_partitions=PARTITIONS, replication_factor=1)
            self.client.send(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[asked], timeout_ms=1000))
            self.model.partitions |= {(topic, index): ModelPartition() for index in range(PARTITIONS)}
            self.did()

    def delete(self, topic, _partition, _size):
        """Delete a topic; what groups have committed for it goes too."""
        if (topic, 0) in self.model.partitions:
            self.client.send(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=[topic], timeout_ms=1000))
            for index in range(PARTITIONS):
                del self.model.partitions[topic, index]
                self.model.committed.pop((topic, index), None)
            self.did()

    def produce(self, topic, index, size):
        """Append one idempotent batch of `size` records, unless it would have to wait for L2."""
        partition = self.model.partitions.get((topic, index))
        if partition is None or self.running.broker.shard.is_overloaded:
            return
        offset = len(partition.values)
        added = [b"%s-%d-%d-" % (topic.encode(), index, offset + number) + bytes(150) for number in range(size)]
        records = self.batch(*added, producer_id=index + 1, producer_epoch=0, base_sequence=offset)
        self.client.send(PRODUCE, 9, self.client.produce_request(topic, records, partition=index))
        partition.values += added
        partition.last_batch = (records, offset)
        self.did()

    def retry(self, topic, index, _size):
        """Send the last batch again, which changes nothing; unless it would have to wait for L2.

        It could then come to a topic that has been deleted and created again meanwhile, and be new there.
        """
        partition = self.model.partitions.get((topic, index))
        is_held = self.running.broker.shard.is_overloaded
        if partition is not None and partition.last_batch is not None and not is_held:
            request = self.client.produce_request(topic, partition.last_batch[0], partition=index)
            self.client.send(PRODUCE, 9, request)

    def delete_records(self, topic, index, size):
        """Move the log start offset, at most to what is durable."""
        partition = self.model.partitions.get((topic, index))
        if partition is None:
            return
        image = self.running.broker.metadata.topics_by_name[topic]
        log = self.running.broker.partition(image.topic_id, index)[1]
        offset = min(partition.log_start_offset + size, log.high_watermark)
        asked = DeleteRecordsPartition(partition_index=index, offset=offset)
        topics = [DeleteRecordsTopic(name=topic, partitions=[asked])]
        self.client.send(DELETE_RECORDS, 1, DeleteRecordsRequest(topics=topics, timeout_ms=1000))
        if offset > partition.log_start_offset:
            partition.log_start_offset = offset
            self.did()

    def commit(self, topic, index, size):
        """Commit an offset for a group."""
        if (topic, index) not in self.model.partitions:
            return
        offset = self.model.committed.get((topic, index), 0) + size
        committed = [OffsetCommitRequestPartition(partition_index=index, committed_offset=offset)]
        topics = [OffsetCommitRequestTopic(name=topic, partitions=committed)]
        self.client.send(OFFSET_COMMIT, 8, OffsetCommitRequest(group_id="g", topics=topics))
        self.model.committed[topic, index] = offset
        self.did()

    def pass_time(self, _topic, _partition, _size):
        """Let a checkpoint become due."""
        later_ms = self.machine.now.monotonic_ms + 10_000
        self.machine.now = self.machine.now._replace(monotonic_ms=later_ms)
        self.running.broker.handle_timeouts(self.machine.now)

    def run(self, lane):
        """Make the next storage call of a lane; return what a crash right after it leaves, or None without one."""
        if not self.lanes[lane]:
            return None
        work = self.lanes[lane].popleft()
        work.run()
        self.durable = self.covered.pop(work, self.durable)
        crashed = self.machine.copy()
        self.running.broker.complete(work, self.machine.now)
        return crashed


def check_recovered(machine, workload, values):
    """Start a broker on the storage and compare all that clients can see with the model of what was durable."""
    expected = workload.states[workload.durable]
    running = machine.boot(**CONFIG)
    client = running.connect()
    topics = [topic for topic in client.call(METADATA, 9, MetadataRequest(topics=None)).topics if not topic.is_internal]
    assert {(topic.name, index) for topic in topics for index in range(len(topic.partitions))} == set(
        expected.partitions
    )
    assert running.broker.shard.leader_epoch > workload.running.broker.shard.leader_epoch
    for (topic, index), partition in expected.partitions.items():
        log = running.broker.partition(topic, index)[1]
        log.check_invariants()
        assert log.log_start_offset == partition.log_start_offset
        assert log.high_watermark == log.log_end_offset == len(partition.values)
        assert read_all(client, topic, index, log, values) == partition.values[log.log_start_offset :]
        committed = expected.committed.get((topic, index), -1)
        assert client.committed(topic, partition=index) == committed
        if partition.last_batch is not None:
            records, offset = partition.last_batch
            again = client.produce_batch(topic, records, partition=index)
            assert (again.error_code, again.base_offset) == (ErrorCode.NONE, offset)
            assert log.log_end_offset == len(partition.values)
        next_one = client.produce(
            topic, b"next", partition=index, producer_id=index + 1, producer_epoch=0, base_sequence=log.log_end_offset
        )
        assert (next_one.error_code, next_one.base_offset) == (ErrorCode.NONE, len(partition.values))


def read_all(client, topic, index, log, values):
    """All values of a partition, from L2 and from memory."""
    read: list[bytes] = []
    offset = log.log_start_offset
    while offset < log.high_watermark:
        answer = client.fetch(topic, offset, partition=index)
        assert answer.error_code == ErrorCode.NONE
        got = values(answer.records)
        # The first batch is whole: it may begin below the offset asked for.
        first = log_offset_of(answer.records)
        read += got[max(offset - first, 0) :]
        offset = first + len(got)
    return read


def log_offset_of(records):
    """The base offset of the first batch."""
    return int.from_bytes(bytes(records[:8]), "big")


OPERATIONS = (
    *("produce", "produce", "produce", "delete_records", "delete_records", "commit", "retry"),
    *("create", "delete", "pass_time", "pass_time", "run append", "run append", "run append", "run checkpoint"),
)
steps = st.tuples(
    st.sampled_from(OPERATIONS), st.sampled_from(TOPICS), st.integers(0, PARTITIONS - 1), st.integers(1, 3)
)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(steps, min_size=20, max_size=60))
def test_recovery_from_every_cut(new_machine, batch, values, script):
    """A crash after any storage call loses what was not durable and nothing else: every client finds the model again.

    Topics, offsets, records, high watermarks, log start offsets, sequences of idempotent producers, committed offsets.
    """
    workload = Workload(new_machine(), batch)
    workload.create("t", 0, 0)
    workload.take_work()
    for operation, topic, index, size in script:
        if operation.startswith("run "):
            crashed = workload.run(operation.removeprefix("run "))
            if crashed is not None:
                check_recovered(crashed, workload, values)
        else:
            getattr(workload, operation)(topic, index, size)
        workload.take_work()
    while any(workload.lanes.values()):
        for lane in workload.lanes:
            workload.run(lane)
        workload.take_work()
    assert workload.durable == len(workload.states) - 1
    check_recovered(workload.machine.copy(), workload, values)


@pytest.mark.parametrize("checkpointed", [False, True])
class TestRestart:
    """What a restart brings back, from L1 alone and from L2."""

    @pytest.fixture
    def restart(self, boot, checkpointed):
        """Ends a broker as a crash would, after a checkpoint or without one, and starts the next."""

        def restart(running):
            running.settle()
            if checkpointed:
                running.advance(running.broker.config.checkpoint_interval_ms)
            return boot()

        return restart

    def test_leader_epoch_grows(self, running, restart):
        """Every restart is a new leader epoch, by which consumers notice it."""
        epochs = [running.broker.shard.leader_epoch]
        for _ in range(3):
            running.connect().create_topic(f"t{len(epochs)}")
            running = restart(running)
            epochs.append(running.broker.shard.leader_epoch)
        assert epochs == sorted(set(epochs))

    def test_producer_ids_never_repeat(self, running, restart):
        """No id is ever given twice, restarts included."""
        given_ids = []
        for _ in range(4):
            client = running.connect()
            for _ in range(3):
                request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
                answer = client.call(INIT_PRODUCER_ID, 4, request)
                assert answer.error_code == ErrorCode.NONE
                given_ids.append(answer.producer_id)
            running = restart(running)
        assert len(set(given_ids)) == 12

    def test_committed_offsets_come_back(self, running, client, restart):
        """A group goes on where it was."""
        client.create_topic("t")
        assert client.commit("t", 42) == ErrorCode.NONE
        assert restart(running).connect().committed("t") == 42

    def test_a_joined_group_goes_on(self, running, client, restart):
        """Members keep their generation and need not join again."""
        client.create_topic("t")
        joined = client.join(session_timeout_ms=30_000)
        assert client.sync(joined).assignment == b"all"
        client = restart(running).connect()
        alive = HeartbeatRequest(group_id="g", generation_id=joined.generation_id, member_id=joined.member_id)
        assert client.call(HEARTBEAT, 3, alive).error_code == ErrorCode.NONE
        more = {"member_id": joined.member_id, "generation_id_or_member_epoch": joined.generation_id}
        assert client.commit("t", 7, **more) == ErrorCode.NONE
        assert client.sync(joined).assignment == b"all"

    def test_sessions_begin_anew(self, running, client, restart):
        """A member that does not come back loses its place one session after the restart, not before."""
        client.create_topic("t")
        joined = client.join(session_timeout_ms=30_000)
        client.sync(joined)
        running = restart(running)
        client = running.connect()
        alive = HeartbeatRequest(group_id="g", generation_id=joined.generation_id, member_id=joined.member_id)
        running.advance(29_999)
        assert client.call(HEARTBEAT, 3, alive).error_code == ErrorCode.NONE
        running.advance(30_000)
        assert client.call(HEARTBEAT, 3, alive).error_code == ErrorCode.UNKNOWN_MEMBER_ID

    def test_a_topic_created_again_is_another_topic(self, running, client, restart):
        """A topic that was deleted and created again begins at offset 0 with another id, then and after a restart."""
        client.create_topic("t")
        client.produce("t", b"old")
        first_id = running.broker.metadata.topics_by_name["t"].topic_id
        client.call(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
        client.create_topic("t")
        assert client.produce("t", b"new").base_offset == 0
        running = restart(running)
        assert running.broker.metadata.topics_by_name["t"].topic_id != first_id
        assert running.connect().fetch("t").high_watermark == 1


class TestDamage:
    """Storage that is not what it should be is refused by name, and left as it was."""

    def test_missing_entries(self, machine, running, client, boot):
        """L1 that goes on later than L2 ends has lost something."""
        client.create_topic("t")
        client.produce("t", b"a")
        machine.wal.writers[-1].trim(1)
        with pytest.raises(StorageFailed, match="segments are missing"):
            boot()

    def test_the_log_can_be_opened_again(self, machine, running, client, boot):
        """A recovery that fails gives L1 back, so that the same process can try again when the damage is repaired."""
        client.create_topic("t")
        kept = machine.copy()
        machine.wal.writers[-1].append([b"garbage"])
        with pytest.raises(StorageFailed, match="item header"):
            boot()
        assert machine.wal.writers[-1]._closed
        assert kept.boot().connect().produce("t", b"a").base_offset == 0

    def test_a_missing_internal_batch(self, machine, running, client, boot, monkeypatch):
        """Metadata that L2 should have and has not are not silently forgotten."""
        client.create_topic("t")
        running.advance(10_000)
        monkeypatch.setattr(machine.checkpoints, "read", lambda *_: [])
        with pytest.raises(StorageFailed, match="lacks offset 0"):
            boot()

    def test_a_damaged_metadata_batch(self, machine, running, client, boot, monkeypatch):
        """Metadata that cannot be read are damage, not a defect of the program."""
        client.create_topic("t")
        running.advance(10_000)
        (data,) = machine.checkpoints.read(0, METADATA_PARTITION, 0, 1)
        damaged = bytearray(data)
        damaged[61:] = bytes(len(damaged) - 61)
        monkeypatch.setattr(machine.checkpoints, "read", lambda *_: [bytes(damaged)])
        with pytest.raises(StorageFailed):
            boot()


def test_l1_lost_with_its_memory(machine, running, client, new_machine):
    """With L1 in memory and L2 kept, what the last checkpoint has comes back, under a newer epoch."""
    client.create_topic("t")
    client.produce("t", b"a")
    running.advance(10_000)
    client.produce("t", b"lost")
    other = new_machine()
    other.checkpoints = machine.checkpoints
    other.now = machine.now
    again = other.boot()
    assert again.broker.shard.leader_epoch > running.broker.shard.leader_epoch
    client = again.connect()
    assert client.produce("t", b"b").base_offset == 1
    again.advance(10_000)
    assert other.boot().connect().fetch("t").high_watermark == 2


def test_nothing_at_all(boot, machine):
    """A broker starts on empty storage, and writes nothing by that but its epoch."""
    boot()
    assert machine.wal.attempts == []
    assert machine.checkpoints.saved == []
