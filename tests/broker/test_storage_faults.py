"""Every call to the files fails once, with every error: nothing is acknowledged that it was to make durable."""

import errno
import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.storage import wal_file
from dotkafka.testing.crash_check import check_produced, next_batch, observe, produce_request, read_partitions
from dotkafka.testing.crash_model import BrokenPromise, ModelPartition, ModelTopicPartition
from dotkafka.testing.crash_workload import CrashWorkload
from dotkafka.testing.faulty_file_system import FailingCalls
from dotkafka.testing.faulty_sqlite import faulty_checkpoints
from dotkafka.testing.simulated_storage import MakeCheckpoints

SEED = 0
SEEDS = (SEED, 2)
"""Of workloads in which broker and storage see different things after a fault: a restart, or time."""
STEPS = 60
STEPS_WITH_SQLITE = 16
PASSING = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE)
FINAL = (errno.EIO, errno.EROFS)
ALL_KINDS = {"open", "list", "read", "create", "allocate", "write", "sync", "sync_folder", "rename", "remove", "save"}
NAME = ModelTopicPartition("t", 0)


@pytest.fixture
def unlogged():
    """Let no log record keep an error, and with it all the files of its run, until the test ends."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run_with(
    seed: int, faults: FailingCalls, make_checkpoints: MakeCheckpoints | None = None, steps: int = STEPS
) -> CrashWorkload:
    """Run a workload with a fault, then lose power, keeping nothing and everything, and check what is left."""
    workload = CrashWorkload(seed, make_checkpoints=make_checkpoints, steps=steps, faults=faults)
    workload.run()
    for survives in (False, True):
        after = workload.storage.fork(partial(bool, survives))
        workload.model.match(observe(after.boot(workload.now)))
    return workload


def every_call_fails(seed: int, error_number: int) -> Iterator[tuple[str, CrashWorkload]]:
    """Run a workload as often as it makes calls, each time with another one failing; yield the call and the run."""
    for number in range(number_of_calls(seed)):
        faults = FailingCalls(number, error_number)
        workload = run_with(seed, faults)
        (failed,) = faults.failed
        yield failed, workload


def number_of_calls(seed: int) -> int:
    """How many calls a workload makes if none fails, of every kind there is."""
    none = FailingCalls(0, 0, count=0)
    run_with(seed, none)
    kinds = {call.split()[0] for call in none.calls}
    assert kinds == ALL_KINDS
    return len(none.calls)


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("error_number", [*PASSING, *FINAL], ids=errno.errorcode.get)
def test_every_call_fails_once(seed, error_number):
    """A restart finds all that was acknowledged, also where the failed call fell into a start or a restart.

    A full disk or too many open files pass: everything is answered in the end. An input/output error, a file system
    that has become read-only and any failed sync are final until the restart.
    """
    for failed, workload in every_call_fails(seed, error_number):
        is_final = error_number in FINAL or failed.startswith("sync")
        assert any(isinstance(failure, StorageFailed) for failure in workload.failures) == is_final, failed


@pytest.mark.usefixtures("unlogged")
@pytest.mark.parametrize("error_number", [errno.ENOSPC, errno.EIO], ids=errno.errorcode.get)
def test_every_call_of_sqlite_fails_once(error_number):
    """No checkpoint is believed that is not there: the log is trimmed by those only that are.

    A write that fails has been rolled back and is tried again, as after a full disk; a failed sync is final. A failed
    read is too, unless it is one of compaction, which then leaves its partition alone.
    """
    none = FailingCalls(0, 0, count=0)
    run_with(SEED, none, faulty_checkpoints, STEPS_WITH_SQLITE)
    seen = set()
    for number in (number for number, call in enumerate(none.calls) if "sqlite" in call):
        faults = FailingCalls(number, error_number)
        workload = run_with(SEED, faults, faulty_checkpoints, STEPS_WITH_SQLITE)
        (call,) = faults.failed
        seen.add(call.split()[0])
        is_final = any(isinstance(failure, StorageFailed) for failure in workload.failures)
        if not call.startswith("read"):
            assert is_final == call.startswith(("sync", "resize", "remove")), call
    assert seen == {"open", "create", "read", "write", "sync", "resize", "remove"}


def test_trying_a_sync_again_would_be_found(monkeypatch):
    """The mistake that others made: the second fsync succeeds, and what the first one dropped is lost."""

    def sync_again(sync, _name):
        try:
            sync()
        except OSError:
            sync()

    monkeypatch.setattr(wal_file, "sync_for_good", sync_again)
    with pytest.raises((BrokenPromise, StorageFailed), match=r"was acknowledged|is damaged"):
        deque(every_call_fails(SEED, errno.EIO), maxlen=0)


def no_error(_call: str) -> int:
    """Let every call succeed."""
    return 0


class OneTopic(CrashWorkload):
    """A broker with one topic, and nothing else happening."""

    def __init__(self) -> None:
        super().__init__(SEED, steps=0, faults=self.fault)
        self.error_for: Callable[[str], int] = no_error
        self.run()
        self.partition = ModelPartition(0)

    def fault(self, call):
        """Fail as the test says at present."""
        return self.error_for(call)

    def produce_one(self):
        """Ask for one more record to be written, and make the storage calls for it."""
        batch = next_batch(NAME, self.partition, [b"value"], 0)
        question = self._driver.ask(PRODUCE, 9, produce_request({NAME: batch.records}))
        self._settle()
        return batch, question

    def accepted(self, batch, question):
        """The record is acknowledged, at its offset."""
        check_produced(question.answer, {NAME: batch.base_offset}, "a batch")
        self.partition = self.partition.with_batch([b"value"], batch)

    def refused(self):
        """One more is refused at once."""
        question = self.produce_one()[1]
        (answer,) = question.answer.responses[0].partition_responses
        assert answer.error_code == ErrorCode.KAFKA_STORAGE_ERROR

    def readable(self):
        """How many records a consumer reads now."""
        return len(read_partitions(self._driver, [NAME])[NAME].values)

    def readable_after_a_crash(self):
        """How many records are left if the power goes now and nothing unsynced survives."""
        return len(observe(self.storage.fork(lambda: False).boot(self.now)).partitions[NAME].values)


def test_a_full_disk_refuses_writes_until_there_is_space():
    """Reads go on, and what had been taken before the disk was found full is written when it no longer is."""
    workload = OneTopic()
    workload.accepted(*workload.produce_one())
    workload.error_for = lambda call: errno.ENOSPC if call.startswith(("write", "create", "allocate")) else 0
    batch, waiting = workload.produce_one()
    for _ in range(3):
        workload.refused()
        assert (waiting.answer, workload.readable(), workload.readable_after_a_crash()) == (None, 1, 1)
        workload.pass_time()
        workload._settle()
    workload.error_for = no_error
    workload.pass_time()
    workload._settle()
    workload.accepted(batch, waiting)
    workload.accepted(*workload.produce_one())
    assert (workload.readable(), workload.readable_after_a_crash()) == (3, 3)


def test_a_failed_sync_ends_writing_for_good_and_says_so(caplog):
    """Not even when every later sync would succeed; until a restart, which serves what was acknowledged."""
    workload = OneTopic()
    workload.accepted(*workload.produce_one())
    workload.error_for = FailingCalls(1, errno.EIO)
    with caplog.at_level(logging.CRITICAL):
        _, question = workload.produce_one()
    assert workload.error_for.failed[0].startswith("sync ")
    assert "shard 0 writes no more" in caplog.text
    (answer,) = question.answer.responses[0].partition_responses
    assert (answer.error_code, answer.base_offset) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    for _ in range(3):
        workload.refused()
        workload.pass_time()
        workload._settle()
    assert (workload.readable(), workload.readable_after_a_crash()) == (1, 1)
