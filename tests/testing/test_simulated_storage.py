"""Both engines of a broker lose power together, and a fork goes its own way."""

import errno

import pytest

from dotkafka.clock import Instant
from dotkafka.errors import StorageUnavailable
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.storage.spi import Changes
from dotkafka.testing.simulated_storage import SimulatedStorage, small_file_wal

NOW = Instant(0, 1_700_000_000_000)
CREATE = CreateTopicsRequest(topics=[CreatableTopic(name="t", num_partitions=1, replication_factor=1)], timeout_ms=1000)


def topics(storage):
    """The topics that a broker finds which starts on it."""
    return sorted(storage.boot(NOW).broker.metadata.topics_by_name)


def test_a_broker_finds_what_survived():
    """What was acknowledged; what was not, if its sectors were lucky."""
    storage = SimulatedStorage("seed")
    driver = storage.boot(NOW)
    assert driver.ask(CREATE_TOPICS, 5, CREATE).answer is None
    found: list[list[str]] = []

    def at_sync():
        found.extend(topics(storage.fork(keep)) for keep in (lambda: False, lambda: True))

    storage.files.before_operation = lambda: at_sync() if storage.files.operations[-1].startswith("write") else None
    driver.settle()
    storage.files.before_operation = None
    assert found == [[], ["t"]]
    assert topics(storage.fork(lambda: False)) == ["t"]


def test_any_log_can_stand_on_it():
    """It is made anew with each start, and each has dice of its own."""
    seen = []

    def make_wal(files, random_bytes):
        seen.append((files, random_bytes(8)))
        return small_file_wal(files, random_bytes)

    storage = SimulatedStorage("seed", make_wal)
    fork = storage.fork(lambda: False)
    topics(storage)
    topics(fork)
    assert [files for files, _ in seen] == [storage.files, fork.files]
    assert len({salt for _, salt in seen}) == 2


def test_a_checkpoint_is_there_or_not():
    """One that is saved survives the crash, and goes on in the copy alone; one that cannot be saved is not there."""
    storage = SimulatedStorage("seed")
    storage.checkpoints.save(0, Changes(epoch=1, next_sequence=1))
    fork = storage.fork(lambda: False)
    fork.checkpoints.save(0, Changes(epoch=1, next_sequence=2))
    storage.files.fail_when(lambda call: errno.ENOSPC if call == "save" else 0)
    with pytest.raises(StorageUnavailable, match="No space"):
        storage.checkpoints.save(0, Changes(epoch=1, next_sequence=3))
    saved = [checkpoints.load(0) for checkpoints in (storage.checkpoints, fork.checkpoints)]
    assert [checkpoint and checkpoint.next_sequence for checkpoint in saved] == [1, 2]
