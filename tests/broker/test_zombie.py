"""A second broker opens the storage while the first one still runs: the first acknowledges nothing from then on.

What it had acknowledged before is there, and nothing that it does later changes what the second one has.
"""

import random

import pytest

from dotkafka.errors import Fenced
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal
from dotkafka.testing.crash_check import produce_request, read_partitions
from dotkafka.testing.crash_model import ModelTopicPartition
from dotkafka.testing.crash_workload import START
from dotkafka.testing.hand_driven_broker import HandDrivenBroker
from dotkafka.testing.simulated_storage import CONFIG

NAME = ModelTopicPartition("t", 0)
LANES = ("append", "append", "append", "checkpoint", "checkpoint", "compaction")
STEPS = 60
TOPICS = [f"t{number}" for number in range(8)]
"""Enough for a snapshot of the metadata, with which records of the metadata partition go from L2."""


class Machine:
    """Clients of two brokers on one storage, the first of which does not know that it is not the owner any more."""

    def __init__(self, seed):
        self.dice = random.Random(seed)
        self.wal, self.checkpoints = MemoryWal(), MemoryCheckpointStore()
        self.acknowledged: list[bytes] = []
        self.asked = []
        self.first = self.boot()
        topic = CreatableTopic(name="t", num_partitions=1, replication_factor=1)
        self.first.call(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic], timeout_ms=1000))

    def boot(self):
        """Open a broker; the one before it goes on."""
        return HandDrivenBroker.open(CONFIG, self.wal, self.checkpoints, START, self.dice.randbytes)

    def send(self, broker):
        """Produce one record."""
        value = b"%d" % self.dice.randrange(1 << 62) + bytes(self.dice.randrange(800))
        batch = bytes(encode_batch([Record(0, START.wall_ms, None, value)]))
        self.asked.append((broker, value, broker.ask(PRODUCE, 9, produce_request({NAME: batch}))))

    def take_turn(self, broker):
        """Send something, make one call of storage, or let time pass."""
        action = self.dice.random()
        if action < 0.4 and broker.broker.shard.has_room:
            self.send(broker)
        elif action < 0.95:
            broker.run(self.dice.choice(LANES))
        else:
            broker.advance(10_000)
        self.take_answers()

    def take_answers(self):
        """Note what is acknowledged; who is not the owner any more says so."""
        for one in list(self.asked):
            broker, value, question = one
            if question.answer is not None:
                self.asked.remove(one)
                code = question.answer.responses[0].partition_responses[0].error_code
                if code == ErrorCode.NONE:
                    self.acknowledged.append(value)
                else:
                    assert broker is self.first
                    assert code == ErrorCode.NOT_LEADER_OR_FOLLOWER

    def values(self, broker):
        """What is in the log."""
        return read_partitions(broker, [NAME])[NAME].values


@pytest.mark.parametrize("seed", range(40))
def test_a_zombie_acknowledges_nothing_and_changes_nothing(seed):
    """Whatever calls it has under way, and however often the second one has written a checkpoint by then."""
    machine = Machine(seed)
    for _ in range(STEPS):
        machine.take_turn(machine.first)
    second = machine.boot()
    known = len(machine.acknowledged)
    found = machine.values(second)
    assert found[:known] == machine.acknowledged
    # The first may yet hear of appends that were made before; what the second one found is all that there can be.
    machine.acknowledged, by_the_first = [], set(found)
    second.settle()
    for _ in range(2 * STEPS):
        machine.take_turn(machine.dice.choice((machine.first, second)))
    for broker in (second, machine.first):
        broker.advance(10_000)
        broker.settle()
    machine.take_answers()
    assert not machine.asked
    expected = [*found, *(value for value in machine.acknowledged if value not in by_the_first)]
    assert machine.values(second) == expected
    assert machine.values(machine.boot()) == expected


class InterruptedStore(MemoryCheckpointStore):
    """An L2 to whose calls another one comes first."""

    def __init__(self):
        super().__init__()
        self.calls = 0
        self.interruption = (0, lambda: None)
        """Before which call something happens, and what; calls are counted from 1."""

    def begin(self):
        """Count a call."""
        self.calls += 1
        number, interrupt = self.interruption
        if self.calls == number:
            interrupt()

    def load(self, shard):
        """Load."""
        self.begin()
        return super().load(shard)

    def save(self, shard, changes):
        """Save."""
        self.begin()
        super().save(shard, changes)

    def read(self, shard, partition, offset, max_bytes):
        """Read."""
        self.begin()
        return super().read(shard, partition, offset, max_bytes)


def with_a_checkpoint_due(wal, checkpoints):
    """Return a broker that has made many topics since its last checkpoint, and is about to save them."""
    dice = random.Random(0)
    broker = HandDrivenBroker.open(CONFIG, wal, checkpoints, START, dice.randbytes)
    for number, name in enumerate(TOPICS):
        topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1)
        question = broker.ask(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic], timeout_ms=1000))
        broker.run("append")
        assert question.answer is not None
        if number == 1:
            broker.advance(60_000)
            broker.settle()
    broker.advance(60_000)
    return broker


@pytest.mark.parametrize("call", range(1, 6))
def test_a_checkpoint_is_saved_while_another_broker_opens(call):
    """Before any call by which the second one learns what there is: it learns all, and then the first saves no more."""
    wal, checkpoints = MemoryWal(), InterruptedStore()
    first = with_a_checkpoint_due(wal, checkpoints)
    checkpoints.interruption = (checkpoints.calls + call, lambda: first.run("checkpoint"))
    second = HandDrivenBroker.open(CONFIG, wal, checkpoints, START, random.Random(1).randbytes)
    assert sorted(second.broker.metadata.topics_by_name) == TOPICS
    found = checkpoints.load(0)
    first.settle()
    assert isinstance(first.broker.shard.failure, Fenced)
    assert checkpoints.load(0) == found
    second.advance(60_000)
    second.settle()
    again = HandDrivenBroker.open(CONFIG, wal, checkpoints, START, random.Random(2).randbytes)
    assert sorted(again.broker.metadata.topics_by_name) == TOPICS
