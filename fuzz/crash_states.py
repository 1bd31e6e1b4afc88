"""Crash states of a broker, by the million: `make crash`.

Each seed is a workload; it is cut before every storage operation, with many choices of what survives, and a broker
starts on each of these states and is held against what was acknowledged.

    python fuzz/crash_states.py --states 1000000      so many, over as many seeds as that takes
    python fuzz/crash_states.py --state 17:204        one of them again, by the number that a failure prints
    python fuzz/crash_states.py --sqlite              with a real SQLite on the same files as L2

See `dotkafka.testing.crash_states`.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from dotkafka.testing.crash_model import BrokenPromise
from dotkafka.testing.crash_states import CHOICES, CrashStates
from dotkafka.testing.faulty_sqlite import faulty_checkpoints

PROGRESS_S = 5.0
SEEDS_AT_ONCE = 64
SQLITE_CHOICES = 4
"""SQLite makes ten times as many writes, most of them alike: rather more workloads than more ways to cut one."""


def states_of(seed: int, *, sqlite: bool, only: int | None = None) -> CrashStates:
    """Return the states of a seed."""
    if sqlite:
        return CrashStates(seed, make_checkpoints=faulty_checkpoints, choices=SQLITE_CHOICES, only=only)
    return CrashStates(seed, choices=CHOICES, only=only)


def run_seed(seed: int, *, sqlite: bool) -> tuple[int, str]:
    """Check all states of a seed; return how many there were, and what was found."""
    logging.disable(logging.CRITICAL)  # every torn tail is told, and here they are what is asked for
    states = states_of(seed, sqlite=sqlite)
    try:
        states.run()
    except BrokenPromise as error:
        return states.count, str(error)
    return states.count, ""


def run_many(states: int, first_seed: int, processes: int, *, sqlite: bool) -> str:
    """Check at least so many states; return what was found first, empty if nothing."""
    started = told = time.monotonic()
    count = 0
    with ProcessPoolExecutor(processes) as pool:
        for first in itertools.count(first_seed, SEEDS_AT_ONCE):
            seeds = range(first, first + SEEDS_AT_ONCE)
            for seed, (of_seed, found) in zip(seeds, pool.map(partial(run_seed, sqlite=sqlite), seeds), strict=True):
                count += of_seed
                now = time.monotonic()
                if found or count >= states or now - told >= PROGRESS_S:
                    told = now
                    print(f"seed {seed}: {count} states, {count / (now - started):.0f} a second", flush=True)
                if found or count >= states:
                    pool.shutdown(cancel_futures=True)
                    return found
    raise AssertionError("seeds do not end")


def main() -> int:
    """Run the command line; return 1 if something was found."""
    parser = argparse.ArgumentParser(description="Look for crash states in which something acknowledged is lost.")
    parser.add_argument("--states", type=int, default=20_000, help="how many to check at least")
    parser.add_argument("--first-seed", type=int, default=0, help="where to begin: another one gives other states")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many to use")
    parser.add_argument("--state", metavar="SEED:NUMBER", help="check this one only, and tell what the broker logs")
    parser.add_argument("--sqlite", action="store_true", help="checkpoint into SQLite on the same files")
    options = parser.parse_args()
    if options.state is None:
        found = run_many(options.states, options.first_seed, options.processes, sqlite=options.sqlite)
        print(found or "nothing found")
        return int(bool(found))
    seed, number = map(int, options.state.split(":"))
    logging.basicConfig(level=logging.INFO)
    states_of(seed, sqlite=options.sqlite, only=number).run()
    print("nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
