"""Crash states, enumerated: a workload cut before every storage operation, with many choices of what survives.

The power goes, or the process ends first and the power goes once a new one has started.

For each of them a broker starts on what is left, is held against the model of what was acknowledged, and has to serve
on. `make crash` runs millions; with a log of your own:

    CrashStates(seed=1, make_wal=lambda files, random_bytes: MyLog(files)).run()
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from dotkafka.testing.crash_check import check_service, observe
from dotkafka.testing.crash_model import BrokenPromise, CrashModel
from dotkafka.testing.crash_workload import STEPS, CrashWorkload
from dotkafka.testing.simulated_storage import MakeCheckpoints, MakeWal, SimulatedStorage, small_file_wal

if TYPE_CHECKING:
    from collections.abc import Callable

CHOICES: Final = 16
SECOND_CRASH_EVERY: Final = 8
"""One of so many states crashes once more, right after it has served."""


class CrashStates:
    """All crash states of one workload.

    Args:
        seed: of the workload.
        make_wal: the write-ahead log under test.
        make_checkpoints: the checkpoint store under test; by default one in memory, whose saves are there or not.
        steps: how long the workload is.
        choices: at most so many of what may survive one cut.
        only: the number of the one state to be checked; by default all are.
    """

    def __init__(
        self,
        seed: int,
        make_wal: MakeWal = small_file_wal,
        make_checkpoints: MakeCheckpoints | None = None,
        *,
        steps: int = STEPS,
        choices: int = CHOICES,
        only: int | None = None,
    ) -> None:
        self.count = 0
        """How many states there have been."""
        self.cuts = 0
        """How many moments the power has gone at."""
        self._seed = seed
        self._choices = choices
        self._only = only
        self._broken: Exception | None = None
        self._workload = CrashWorkload(seed, make_wal, make_checkpoints, steps=steps)
        self._workload.storage.files.before_operation = self._cut

    def run(self) -> None:
        """Run the workload, and check every state.

        Raises:
            BrokenPromise: with the number of the first state in which something promised does not hold.
        """
        try:
            self._workload.run()
        except BrokenPromise as error:
            self._broken = self._broken or BrokenPromise(f"seed {self._seed}, without a crash: {error}")
        self._cut()
        if self._broken is not None:
            raise self._broken

    def _cut(self) -> None:
        """Lose power now, in every way there is.

        What is found is kept for `run`: this is called inside storage calls, whose caller takes errors for theirs.
        """
        self.cuts += 1
        storage = self._workload.storage
        choices = storage.files.survivals(self._choices, f"{self._seed} {self.cuts}")
        crashes: list[Callable[[], SimulatedStorage]] = [partial(storage.fork, keep) for keep in choices]
        for crash in (storage.fork_process, *crashes):
            number = self.count
            self.count += 1
            if self._broken is None and self._only in {None, number}:
                try:
                    self._check(number, crash(), crashes_again=crash == storage.fork_process)
                except Exception as error:  # noqa: BLE001 (whatever stops a broker from starting is a finding)
                    done = storage.files.operations[-1:]
                    self._broken = BrokenPromise(f"state {self._seed}:{number}, after {done}: {error!r}")
                    self._broken.__cause__ = error

    def _check(self, number: int, storage: SimulatedStorage, *, crashes_again: bool) -> None:
        driver = storage.boot(self._workload.now)
        observed = observe(driver)
        _, state = self._workload.model.match(observed)
        state = check_service(driver, state, self._workload.model.producer_ids, number)
        if crashes_again or number % SECOND_CRASH_EVERY == 0:
            model = CrashModel()
            model.restarted(0, state, observed.epoch)
            model.match(observe(storage.fork(lambda: False).boot(driver.now)))
