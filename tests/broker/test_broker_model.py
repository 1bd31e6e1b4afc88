"""The broker against a simple model: topics are lists of values, and a crash takes back what was not flushed."""

import copy
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from dotkafka.broker.storage_work import AppendWork, ReadWork, StorageWork
from dotkafka.errors import StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.records.batch import batch_headers

PARTITIONS = 2
CONFIG = {"checkpoint_bytes": 1500, "tail_max_bytes": 3000}

topics = st.sampled_from(["t", "u"])
partitions = st.integers(0, PARTITIONS - 1)


@attrs.define
class ModelPartition:
    """The values of one partition, in batches, and where it begins."""

    incarnation: int
    """Tells a topic from the one of the same name that was deleted."""
    batches: list[list[bytes]] = attrs.field(factory=list)
    log_start_offset: int = 0

    @property
    def end_offset(self) -> int:
        """How many values there have been."""
        return sum(map(len, self.batches))

    def read(self, offset: int) -> list[bytes]:
        """All values from the batch on that holds `offset`."""
        first = 0
        for number, batch in enumerate(self.batches):
            if offset < first + len(batch):
                return [value for further in self.batches[number:] for value in further]
            first += len(batch)
        return []


Topics = dict[str, list[ModelPartition]]


class BrokerModel(RuleBasedStateMachine):
    """Clients ask for anything in any order; storage works when it is told to, or not before a crash."""

    def __init__(self, machine, make_batch, values_in):
        super().__init__()
        self.machine = machine
        self.make_batch = make_batch
        self.values_in = values_in
        self.counter = 0
        self.now: Topics = {}
        """What was asked for."""
        self.durable: Topics = {}
        """What has been flushed."""
        self.in_flight: list[StorageWork] = []
        """Storage calls under way."""
        self.flushing: Topics = {}
        """What will have been flushed when they have run."""
        self.expected: list[tuple[int, int]] = []
        """(error code, base offset) of the Produce answers that are due, in order."""
        self.start()

    def start(self):
        """Boot on what storage holds."""
        self.running = self.machine.boot(**CONFIG)
        self.client = self.running.connect()
        self.reader = self.running.connect()
        self.expected = []
        self.in_flight = []

    def settle(self):
        """Let storage do all that it has to, and take the answers."""
        self.finish_calls()
        self.running.settle()
        while self.machine.wal.errors or self.machine.checkpoints.errors:
            self.running.advance(10_000)
        self.running.advance(250)
        self.durable = copy.deepcopy(self.now)
        produced = [response for response in self.client.received() if hasattr(response, "responses")]
        answers = [
            (answer.error_code, answer.base_offset)
            for response in produced
            for topic in response.responses
            for answer in getattr(topic, "partition_responses", ())
        ]
        assert answers == self.expected
        self.expected = []

    @initialize()
    def begin(self):
        """There is something to do from the beginning."""
        self.create_topic("t")
        self.settle()

    @rule(topic=topics)
    def create_topic(self, topic):
        """Create a topic, unless it is there."""
        asked = CreatableTopic(name=topic, num_partitions=PARTITIONS, replication_factor=1)
        self.client.send(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[asked], timeout_ms=1000))
        self.counter += 1
        self.now.setdefault(topic, [ModelPartition(self.counter) for _ in range(PARTITIONS)])

    @precondition(lambda self: "u" in self.now)
    @rule(topic=topics)
    def delete_topic(self, topic):
        """Delete a topic, if it is there, with all that it holds."""
        self.client.send(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=[topic], timeout_ms=1000))
        self.now.pop(topic, None)

    @rule(topic=topics, index=partitions, sizes=st.lists(st.integers(0, 400), min_size=1, max_size=3))
    def produce(self, topic, index, sizes):
        """Send a batch, and do not wait."""
        values = []
        for size in sizes:
            self.counter += 1
            values.append(b"%d " % self.counter + bytes(size))
        request = self.client.produce_request(topic, self.make_batch(*values), partition=index)
        self.client.send(PRODUCE, 9, request)
        if topic in self.now:
            self.expected.append((ErrorCode.NONE, self.now[topic][index].end_offset))
            self.now[topic][index].batches.append(values)
        else:
            self.expected.append((ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1))

    @rule()
    def flush(self):
        """Storage does what it has to."""
        self.settle()

    @rule()
    def begin_calls(self):
        """Storage begins what it has to do; what is asked for now comes after it."""
        begun = self.running.take_work()
        if any(isinstance(work, AppendWork) for work in begun):
            self.flushing = copy.deepcopy(self.now)
        elif not self.in_flight:
            self.flushing = self.durable
        self.in_flight += begun

    @precondition(lambda self: self.in_flight)
    @rule()
    def finish_calls(self):
        """Storage has done what it was about to do."""
        for work in self.in_flight:
            self.running.run(work)
        if self.in_flight:
            self.durable = self.flushing
        self.in_flight = []

    @precondition(lambda self: self.expected and not self.in_flight)
    @rule(errors=st.integers(1, 3))
    def full_disk(self, errors):
        """L1 refuses for a while; nothing is lost, and nobody has to ask again."""
        if self.now != self.durable:
            self.machine.wal.errors += [StorageUnavailable("no space")] * errors
            self.settle()

    @rule(errors=st.integers(1, 3), saves_before_failing=st.booleans())
    def failing_checkpoint(self, errors, saves_before_failing):
        """L2 refuses for a while, or says so when it has saved all the same."""
        self.create_topic("t")
        self.produce("t", 0, [0])
        self.machine.checkpoints.saves_before_failing = saves_before_failing
        self.machine.checkpoints.errors += [StorageUnavailable("locked")] * errors
        self.settle()

    @rule()
    def checkpoint(self):
        """Time passes until a checkpoint is due."""
        self.settle()
        self.running.advance(10_000)

    @rule(topic=topics, index=partitions, share=st.floats(0, 1))
    def delete_records(self, topic, index, share):
        """Delete the first records of a partition."""
        self.settle()
        if topic not in self.now:
            return
        partition = self.now[topic][index]
        offset = max(partition.log_start_offset, int(share * partition.end_offset))
        asked = DeleteRecordsPartition(partition_index=index, offset=offset)
        request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[asked])], timeout_ms=1000)
        (answer,) = self.reader.call(DELETE_RECORDS, 1, request).topics[0].partitions
        assert (answer.error_code, answer.low_watermark) == (ErrorCode.NONE, offset)
        partition.log_start_offset = offset
        self.durable = copy.deepcopy(self.now)

    @rule(topic=topics, index=partitions, share=st.floats(0, 1.2), max_bytes=st.integers(0, 2000))
    def fetch(self, topic, index, share, max_bytes):
        """Read from anywhere: what is durable, whole batches, and never nothing where there is something."""
        if not self.is_durable(topic):
            self.settle()
        offset = int(share * self.now[topic][index].end_offset) if topic in self.now else 0
        self.reader.send(FETCH, 11, self.reader.fetch_request(topic, offset, partition=index, max_bytes=max_bytes))
        responses = list(self.reader.received())
        if not responses:
            self.begin_calls()
            for work in [work for work in self.in_flight if isinstance(work, ReadWork)]:
                self.in_flight.remove(work)
                self.running.run(work)
            responses = list(self.reader.received())
        (response,) = responses
        self.check_fetched(response.responses[0].partitions[0], topic, index, offset, max_bytes)

    def check_fetched(self, answer: Any, topic, index, offset, max_bytes):
        """Compare the answer with what the model holds."""
        if topic not in self.now:
            assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            return
        partition = self.durable[topic][index]
        if not partition.log_start_offset <= offset <= self.now[topic][index].end_offset:
            assert answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
            return
        assert answer.error_code == ErrorCode.NONE
        assert (answer.high_watermark, answer.log_start_offset) == (partition.end_offset, partition.log_start_offset)
        read = self.values_in(answer.records)
        available = partition.read(offset)
        assert read == available[: len(read)]
        assert bool(read) == bool(available)
        sizes = [header.size_bytes for _, header in batch_headers(memoryview(answer.records))]
        assert sum(sizes) <= max_bytes or len(sizes) == 1

    @rule(is_crash=st.booleans())
    def restart(self, is_crash):
        """Start again on what storage holds; a crash takes back what it was not given."""
        if is_crash:
            self.now = copy.deepcopy(self.durable)
        else:
            self.settle()
            self.running.broker.begin_shutdown(self.machine.now)
            self.running.settle()
            assert self.running.broker.is_idle
            self.running.broker.close()
        self.start()
        described = self.reader.call(METADATA, 1, MetadataRequest(topics=None)).topics
        assert {topic.name for topic in described} == set(self.now)

    @invariant()
    def logs_keep_their_promises(self):
        """Every log is sound, and its high watermark is what has been flushed."""
        broker = self.running.broker
        for log in broker.shard.logs.values():
            log.check_invariants()
        for name, held in self.durable.items():
            if not self.is_durable(name):
                continue
            for index, partition in enumerate(held):
                log = broker.partition(name, index)[1]
                assert (log.log_start_offset, log.high_watermark) == (partition.log_start_offset, partition.end_offset)

    def is_durable(self, topic):
        """Whether the topic that is there now is the one that has been flushed."""
        return (
            topic in self.now
            and topic in self.durable
            and self.now[topic][0].incarnation == self.durable[topic][0].incarnation
        )


def test_broker_model(new_machine, batch, values):
    """Any mix of requests, time, full disks, crashes and restarts: clients see what the model says."""
    run_state_machine_as_test(
        lambda: BrokerModel(new_machine(), batch, values),  # type: ignore[arg-type]
        settings=settings(max_examples=100, stateful_step_count=50, deadline=None),
    )
