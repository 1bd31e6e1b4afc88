"""Storms of all kinds over a broker and its clients: nothing promised is broken, and everything comes to rest.

About a million events. `make sim` simulates more of the same.
"""

import os
import subprocess
import sys

import pytest

from dotkafka.testing.simulation import Simulation, SimulationFailure
from dotkafka.testing.simulation.trace import Violation

SEEDS = 15
"""Some 68,000 events each."""
REPLAY = """
from dotkafka.testing.simulation import Simulation
for seed in range(2):
    simulation = Simulation(seed, storm_ms=8_000)
    simulation.run()
    print(simulation.steps, simulation.digest())
"""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_promised_holds_through_a_storm(seed):
    """And the storm is one: most of what can go wrong does, and much goes right all the same."""
    simulation = Simulation(seed)
    simulation.run()
    assert simulation.steps > 5_000
    counts = simulation.counts
    assert counts["records acknowledged"] > 300
    assert counts["records read"] > counts["records acknowledged"]
    assert counts["commits"] > 20
    assert counts["rebalances"] > 2
    assert counts["joins of the consumer protocol"] >= 2
    assert counts["compaction calls"] > 20
    assert counts["power cuts"] >= 1
    assert counts["lost connections"] > 5


def test_a_seed_does_the_same_in_every_process():
    """Whatever the hashes of strings are there."""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", REPLAY],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 2


def test_a_second_broker_takes_over():
    """With and without a log that can fence: the first one is shut out, or the second one refused."""
    simulation = Simulation(3, storm_ms=8_000)
    host, scheduler = simulation.host, simulation.world.scheduler

    def stall_and_take_over():
        host.stall(500)
        host.take_over(fences=True)

    for delay_ms in (2_000, 4_000, 6_000):
        scheduler.after(1000 * delay_ms, stall_and_take_over)
        scheduler.after(1000 * delay_ms + 1_000_000, lambda: host.take_over(fences=False))
    simulation.run()
    assert simulation.counts["takeovers"] >= 2
    assert simulation.counts["second brokers refused"] >= 2
    assert simulation.counts["fenced brokers"] >= 2


def test_seeds_differ():
    """Each is another story."""
    digests = set()
    for seed in range(2):
        simulation = Simulation(seed, storm_ms=500)
        simulation.run()
        digests.add(simulation.digest())
    assert len(digests) == 2


def test_a_failure_tells_when_and_what():
    """With the seed to have it again, and what happened last."""
    simulation = Simulation(7, storm_ms=2_000)

    def violate():
        raise Violation("something does not hold")

    simulation.world.scheduler.after(1_000_000, violate)
    with pytest.raises(SimulationFailure) as failure:
        simulation.run()
    first, *trace = str(failure.value).splitlines()
    assert first == "seed 7, at 2.000000 s: something does not hold"
    assert len(trace) > 20


def test_the_trace_can_be_read_along():
    """Line by line."""
    lines: list[str] = []
    simulation = Simulation(1, storm_ms=200, show=lines.append)
    simulation.run()
    assert any("PRODUCE" in line for line in lines)
    assert any("phase AUDIT" in line for line in lines)
