"""How long it takes until a broker serves, and until a new group has read its first record.

    python bench/startup.py [--rounds 20]

- start: from the call of `dotkafka.testing.running_broker()` until clients are served, in a process that has it
  imported; and the same with a data directory.
- first group read: from subscribing to having the first record, a new group each time, with each client's default
  settings. What a client does on its own (connecting, looking for its coordinator, its own timers) is counted in; the
  broker's part is little more than `group.initial.rebalance.delay.ms`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import warnings
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer

from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from collections.abc import Callable


def start_ms(data: str | None) -> float:
    """Start and stop a broker; return how long the start took."""
    begin = time.perf_counter()
    with running_broker(data=data):
        return (time.perf_counter() - begin) * 1e3


def read_with_confluent(bootstrap: str, group: str) -> float:
    """Return how long librdkafka takes to the first record, in milliseconds."""
    begin = time.perf_counter()
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest"})
    consumer.subscribe(["startup"])
    try:
        while True:
            message = consumer.poll(10)
            if message is None:
                raise SystemExit("confluent-kafka read nothing")
            if not message.error():
                return (time.perf_counter() - begin) * 1e3
    finally:
        consumer.close()


def read_with_aiokafka(bootstrap: str, group: str) -> float:
    """Return how long aiokafka takes to the first record, in milliseconds."""

    async def read() -> float:
        begin = time.perf_counter()
        consumer = AIOKafkaConsumer(
            "startup", bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            await asyncio.wait_for(consumer.getone(), 10)
            return (time.perf_counter() - begin) * 1e3
        finally:
            await consumer.stop()

    return asyncio.run(read())


def report(what: str, measure: Callable[[int], float], rounds: int) -> None:
    """Print a table row: the minimum, median and maximum of some rounds."""
    times = sorted(measure(number) for number in range(rounds))
    print(f"| {what} | {times[0]:.1f} | {statistics.median(times):.1f} | {times[-1]:.1f} |")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often each is measured (default 20)")
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore", DeprecationWarning)
    print("| milliseconds | min | median | max |\n|---|---:|---:|---:|")
    report("start, in memory", lambda _: start_ms(None), rounds)
    with tempfile.TemporaryDirectory() as folder:
        report("start, new directory", lambda number: start_ms(f"{folder}/{number}"), rounds)
    with running_broker() as kafka:
        kafka.create_topic("startup")
        kafka.produce("startup", b"first")
        bootstrap = kafka.bootstrap
        report("first group read, aiokafka", lambda number: read_with_aiokafka(bootstrap, f"aio-{number}"), rounds)
        report("first group read, librdkafka", lambda number: read_with_confluent(bootstrap, f"rd-{number}"), rounds)


if __name__ == "__main__":
    main()
