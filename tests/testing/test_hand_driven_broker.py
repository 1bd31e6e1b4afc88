"""A broker whose storage calls run when the test says so."""

import itertools

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import Instant
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal
from dotkafka.testing.hand_driven_broker import HandDrivenBroker

CREATE = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=2, replication_factor=1)], timeout_ms=1000)


@pytest.fixture(name="storage")
def fixture_storage():
    """Both engines, in memory."""
    return MemoryWal(), MemoryCheckpointStore()


@pytest.fixture(name="start")
def fixture_start(storage):
    """Starts a broker on the storage."""
    counter = itertools.count(1)

    def start():
        wal, checkpoints = storage
        now = Instant(0, 1_700_000_000_000)
        return HandDrivenBroker.open(
            BrokerConfig(), wal, checkpoints, now, lambda size: next(counter).to_bytes(size, "big")
        )

    return start


def topics(driver):
    """The names of all topics."""
    return [topic.name for topic in driver.call(METADATA, 9, MetadataRequest(topics=None)).topics]


def test_an_answer_comes_when_its_storage_call_has_run(start):
    """Not before: call by call, and none is made twice."""
    driver = start()
    question = driver.ask(CREATE_TOPICS, 5, CREATE)
    assert [question.answer, driver.run("checkpoint")] == [None, False]
    assert driver.run("append")
    answer = question.answer
    assert answer is not None
    assert answer.topics[0].name == "t"
    assert question.answer is answer
    assert not driver.run("append")


def test_time_moves_when_told(start):
    """A checkpoint is due after its interval, and runs when it is told to."""
    driver = start()
    driver.call(CREATE_TOPICS, 5, CREATE)
    driver.advance(BrokerConfig().checkpoint_interval_ms)
    assert driver.run("checkpoint")


def test_a_shutdown_leaves_everything_in_the_checkpoint(start, storage):
    """The next broker needs nothing of the log."""
    driver = start()
    driver.call(CREATE_TOPICS, 5, CREATE)
    driver.shut_down()
    assert list(storage[0].read(0, storage[1].load(0).next_sequence)) == []
    assert topics(start()) == ["t"]


def test_a_call_without_answer_is_an_error(start):
    """A Fetch that waits, say, is for `ask`."""
    driver = start()
    driver.broker.receive = lambda *_: None
    with pytest.raises(ConnectionError, match="does not answer MetadataRequest"):
        topics(driver)
