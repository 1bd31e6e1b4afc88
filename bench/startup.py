"""How long it takes until a broker serves.

    python bench/startup.py [--rounds 20]

From the call of `dotkafka.testing.running_broker()` until clients are served, in a process that has it imported; and
the same with a data directory.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from collections.abc import Callable


def start_ms(data: str | None) -> float:
    """Start and stop a broker; return how long the start took."""
    begin = time.perf_counter()
    with running_broker(data=data):
        return (time.perf_counter() - begin) * 1e3


def report(what: str, measure: Callable[[int], float], rounds: int) -> None:
    """Print a table row: the minimum, median and maximum of some rounds."""
    times = sorted(measure(number) for number in range(rounds))
    print(f"| {what} | {times[0]:.1f} | {statistics.median(times):.1f} | {times[-1]:.1f} |")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often each is measured (default 20)")
    rounds = parser.parse_args().rounds
    print("| milliseconds | min | median | max |\n|---|---:|---:|---:|")
    report("start, in memory", lambda _: start_ms(None), rounds)
    with tempfile.TemporaryDirectory() as folder:
        report("start, new directory", lambda number: start_ms(f"{folder}/{number}"), rounds)


if __name__ == "__main__":
    main()
