"""Simulations by the hundred: `make sim`.

Each seed is a broker with its clients in a world of virtual time, in which everything goes wrong for a while; see
`dotkafka.testing.simulation`.

    python fuzz/simulation.py --seeds 100             so many
    python fuzz/simulation.py --steps 10000000        as many as make so many events
    python fuzz/simulation.py --seed 17               one of them again, with all that happens
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

from dotkafka.testing.simulation import Simulation, SimulationFailure

PROGRESS_S = 5.0
SEEDS_AT_ONCE = 64


class Outcome(NamedTuple):
    """What came of a seed."""

    steps: int
    simulated_ms: int
    counts: Counter[str]
    found: str
    """Empty if nothing was."""


def run_seed(seed: int) -> Outcome:
    """Go through one simulation."""
    simulation = Simulation(seed)
    found = ""
    try:
        simulation.run()
    except SimulationFailure as error:
        found = str(error)
    return Outcome(simulation.steps, simulation.simulated_ms, simulation.counts, found)


class Figures:
    """What many seeds did."""

    def __init__(self) -> None:
        self.seeds = 0
        self.steps = 0
        self.found: list[str] = []
        self._simulated_ms = 0
        self._counts: Counter[str] = Counter()
        self._started_s = self._told_s = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        """Take in one seed; tell how far it has come, every few seconds, and what was found, at once."""
        self.seeds += 1
        self.steps += outcome.steps
        self._simulated_ms += outcome.simulated_ms
        self._counts += outcome.counts
        if outcome.found:
            self.found.append(outcome.found)
            print(outcome.found, flush=True)
        if time.monotonic() - self._told_s >= PROGRESS_S:
            self._told_s = time.monotonic()
            print(self.summary(), flush=True)

    def summary(self) -> str:
        """Return how much it was, and how quick."""
        rate = self.steps / (time.monotonic() - self._started_s)
        hours = self._simulated_ms / 3_600_000
        return f"{self.seeds} seeds, {self.steps} steps, {hours:.1f} simulated hours, {rate:.0f} steps a second"

    def details(self) -> str:
        """Return how often what has happened."""
        return "\n".join(f"{count:12d}  {what}" for what, count in sorted(self._counts.items()))


def run_many(seeds: int, steps: int, first_seed: int, processes: int) -> Figures:
    """Run so many seeds, or with `steps` as many as that takes."""
    figures = Figures()
    with ProcessPoolExecutor(processes) as pool:
        for first in itertools.count(first_seed, SEEDS_AT_ONCE):
            count = SEEDS_AT_ONCE if steps else min(SEEDS_AT_ONCE, first_seed + seeds - first)
            for outcome in pool.map(run_seed, range(first, first + count)):
                figures.add(outcome)
                if (figures.steps >= steps) if steps else (figures.seeds >= seeds):
                    pool.shutdown(cancel_futures=True)
                    return figures
    raise AssertionError("seeds do not end")


def main() -> int:
    """Run the command line; return 1 if something was found."""
    parser = argparse.ArgumentParser(description="Simulate brokers and clients for which everything goes wrong.")
    parser.add_argument("--seeds", type=int, default=100, help="how many")
    parser.add_argument("--steps", type=int, default=0, help="as many seeds as make so many events, instead")
    parser.add_argument("--first-seed", type=int, default=0, help="where to begin")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many to use")
    parser.add_argument("--seed", type=int, help="run this one only, and print its trace")
    options = parser.parse_args()
    if options.seed is None:
        figures = run_many(options.seeds, options.steps, options.first_seed, options.processes)
        print(f"{figures.details()}\n{figures.summary()}")
        print(f"{len(figures.found)} seeds found something" if figures.found else "nothing found")
        return int(bool(figures.found))
    simulation = Simulation(options.seed, show=print)
    try:
        simulation.run()
    except SimulationFailure as error:
        print(f"\n{str(error).partition(chr(10))[0]}")
        return 1
    print(f"{simulation.steps} steps, hash {simulation.digest()}\nnothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
