"""What the crash tests look at is what clients would find; and a broker that does it wrong is caught."""

import attrs
import pytest

from dotkafka.log.partition_log import PartitionLog
from dotkafka.log.producer_state import ProducerStates
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.offset_commit import OFFSET_COMMIT
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.testing.crash_check import (
    check_produced,
    check_service,
    commit_request,
    next_batch,
    observe,
    produce_request,
)
from dotkafka.testing.crash_model import BrokenPromise, CrashModel, ModelPartition, ModelState, ModelTopicPartition
from dotkafka.testing.crash_workload import START
from dotkafka.testing.simulated_storage import SimulatedStorage

NAMES = [ModelTopicPartition("t", index) for index in range(2)]


@pytest.fixture(name="storage")
def fixture_storage():
    """Empty."""
    return SimulatedStorage("seed")


@pytest.fixture(name="driver")
def fixture_driver(storage):
    """A broker with a topic of two partitions."""
    driver = storage.boot(START)
    wanted = CreatableTopic(name="t", num_partitions=len(NAMES), replication_factor=1)
    driver.call(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[wanted], timeout_ms=1000))
    return driver


@pytest.fixture(name="state")
def fixture_state(driver):
    """Some records and committed offsets, and the model of them."""
    partitions = {}
    for name in NAMES:
        partition = ModelPartition(1)
        for value in (b"one", b"two", b"three"):
            batch = next_batch(name, partition, [value], 2)
            check_produced(
                driver.call(PRODUCE, 9, produce_request({name: batch.records})), {name: batch.base_offset}, "a batch"
            )
            partition = partition.with_batch([value], batch)
        partitions[name] = partition
    driver.call(OFFSET_COMMIT, 8, commit_request({NAMES[1]: 2}))
    return ModelState(partitions, {NAMES[1]: 2})


def expect(observed, state):
    """The state is what was observed."""
    model = CrashModel()
    model.restarted(0, state, observed.epoch - 1)
    assert model.match(observed) == (0, state)


def test_everything_that_clients_see_is_observed(driver, state):
    """Records, offsets, committed offsets, from memory and from L2."""
    expect(observe(driver), state)


def test_a_broker_that_serves_leads_to_the_next_state(driver, state):
    """Which of the retried batches it is does not matter."""
    for choice in range(7):
        state = check_service(driver, state, set(), choice)
        expect(observe(driver), state)


def test_a_retry_that_is_not_recognised_is_caught(driver, state, monkeypatch):
    """It is appended once more, elsewhere, or refused."""
    monkeypatch.setattr(ProducerStates, "duplicate_of", lambda *_: None)
    with pytest.raises(BrokenPromise, match="a retry"):
        check_service(driver, state, set(), 0)


def test_a_producer_id_given_twice_is_caught(driver, state):
    """Whoever had it before."""
    with pytest.raises(BrokenPromise, match="producer id 0 is given twice"):
        check_service(driver, state, {0}, 0)


def test_records_at_wrong_offsets_are_caught(driver, state):
    """The model has one record less than the broker: the new one is not where it should be."""
    shorter = attrs.evolve(state.partitions[NAMES[0]], values=(b"one", b"two"))
    with pytest.raises(BrokenPromise, match=r"a new batch for .* got 3, expected 2"):
        check_service(driver, attrs.evolve(state, partitions={**state.partitions, NAMES[0]: shorter}), set(), 0)


def test_a_high_watermark_without_records_is_caught(driver, state, monkeypatch):
    """A partition that claims more than it can show."""
    monkeypatch.setattr(PartitionLog, "read", lambda *_, **__: [])
    with pytest.raises(BrokenPromise, match="no offset 0, but high watermark 3"):
        observe(driver)
