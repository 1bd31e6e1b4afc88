"""How long a new group of one member waits for its first record, and who it waits for.

    python bench/first_record.py [--rounds 20] [--node-modules DIR]

From subscribing to having the first record, a new group each time, with each client's default settings (and reading
from the earliest offset). Connecting and looking for the coordinator are counted in. The broker runs in the same
process and notes when each request of the member comes and when its answer is given, so that the time is split into

- at the broker: some request of the member is being served there, or waits there;
- the client's own: nothing is. That is its timers, its threads, its connecting, and the way through the sockets.

librdkafka's mock cluster has a row of its own, with the same client; what happens there cannot be seen.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer, Producer
from kafka import KafkaConsumer

from dotkafka.broker.connection import Connection
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.broker.connection import Place

TOPIC = "first"
NODE_MODULES = Path(__file__).parent.parent / "tests/clients/kafkajs/node_modules"
KAFKAJS = """
const { Kafka, logLevel } = require(process.argv[1] + "/kafkajs");
const [modules, bootstrap, groupId, topic] = process.argv.slice(1);
const consumer = new Kafka({ brokers: [bootstrap], logLevel: logLevel.NOTHING }).consumer({ groupId });
const now = () => Number(process.hrtime.bigint()) / 1e9;
(async () => {
  const begin = now();
  await consumer.connect();
  await consumer.subscribe({ topics: [topic], fromBeginning: true });
  await consumer.run({ eachMessage: async () => { console.log(begin, now()); process.exit(0); } });
})();
"""
Times = tuple[float, float]
"""When the client subscribed, and when it had a record, on the monotonic clock."""


class Trace:
    """When requests were at the broker."""

    def __init__(self) -> None:
        self._begun: dict[Place, float] = {}
        self._intervals: list[Times] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch all connections of this process."""
        begin, answer_given = Connection.begin, Connection.answer_given

        def begun(connection: Connection, place: Place) -> None:
            self._begun[place] = time.perf_counter()
            begin(connection, place)

        def given(connection: Connection, place: Place, size_bytes: int) -> None:
            answer_given(connection, place, size_bytes)
            if place in self._begun:
                self._intervals.append((self._begun.pop(place), time.perf_counter()))

        Connection.begin, Connection.answer_given = begun, given  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Connection.begin, Connection.answer_given = begin, answer_given  # type: ignore[method-assign]

    def take_seconds(self, begin: float, end: float) -> float:
        """Return how long requests were at the broker between two moments, and forget them."""
        pending = [(begun, end) for begun in self._begun.values()]
        busy, reached = 0.0, begin
        for first, last in sorted([*self._intervals, *pending]):
            busy += max(0.0, min(last, end) - max(first, reached))
            reached = max(reached, min(last, end))
        self._intervals.clear()
        self._begun.clear()
        return busy


def read_with_confluent(bootstrap: str, **settings: Any) -> Times:
    """Read with librdkafka."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": str(uuid4()),
            "auto.offset.reset": "earliest",
            "log_level": 3,
            **settings,
        }
    )
    begin = time.perf_counter()
    consumer.subscribe([TOPIC])
    try:
        while True:
            message = consumer.poll(10)
            if message is None:
                raise SystemExit("confluent-kafka read nothing")
            if not message.error():
                return begin, time.perf_counter()
    finally:
        consumer.close()


def read_with_aiokafka(bootstrap: str) -> Times:
    """Read with aiokafka."""

    async def read() -> Times:
        begin = time.perf_counter()
        consumer = AIOKafkaConsumer(
            TOPIC, bootstrap_servers=bootstrap, group_id=str(uuid4()), auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            await asyncio.wait_for(consumer.getone(), 10)
            return begin, time.perf_counter()
        finally:
            await consumer.stop()

    return asyncio.run(read())


def read_with_kafka_python(bootstrap: str) -> Times:
    """Read with kafka-python."""
    begin = time.perf_counter()
    consumer = KafkaConsumer(
        TOPIC,
        bootstrap_servers=bootstrap,
        group_id=str(uuid4()),
        auto_offset_reset="earliest",
        consumer_timeout_ms=10_000,
    )
    try:
        if next(iter(consumer), None) is None:
            raise SystemExit("kafka-python read nothing")
        return begin, time.perf_counter()
    finally:
        consumer.close()


def read_with_kafkajs(bootstrap: str, node_modules: Path) -> Times:
    """Read with kafkajs, in a process of its own on the same clock."""
    command = ["node", "-e", KAFKAJS, str(node_modules), bootstrap, str(uuid4()), TOPIC]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=30).stdout
    begin, end = map(float, printed.split())
    return begin, end


def report(what: str, read: Callable[[], Times], rounds: int, trace: Trace | None) -> None:
    """Print a table row."""
    totals, at_broker = [], []
    for _ in range(rounds):
        begin, end = read()
        totals.append((end - begin) * 1e3)
        if trace is not None:
            at_broker.append(trace.take_seconds(begin, end) * 1e3)
    cells = [min(totals), statistics.median(totals), max(totals)]
    if at_broker:
        own = [total - busy for total, busy in zip(totals, at_broker, strict=True)]
        cells += [statistics.median(at_broker), statistics.median(own)]
    print(
        f"| {what} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " | - | -" * (not at_broker) + " |", flush=True
    )


@contextmanager
def mock_cluster() -> Iterator[str]:
    """Start the mock cluster of librdkafka in this process, with one record."""
    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 3})
    brokers = producer.list_topics(timeout=10).brokers.values()
    producer.produce(TOPIC, b"first")
    producer.flush(10)
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="how often each is measured (default 20)")
    parser.add_argument("--node-modules", type=Path, default=NODE_MODULES, help="where kafkajs is, if it is")
    options = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    print("| first record, milliseconds | min | median | max | at the broker | the client's own |")
    print("|---|---:|---:|---:|---:|---:|")
    trace = Trace()
    with trace.watching(), running_broker() as kafka:
        kafka.create_topic(TOPIC)
        kafka.produce(TOPIC, b"first")
        bootstrap = kafka.bootstrap
        readers: dict[str, Callable[[], Times]] = {
            "confluent-kafka, classic": lambda: read_with_confluent(bootstrap),
            "confluent-kafka, consumer protocol": lambda: read_with_confluent(
                bootstrap, **{"group.protocol": "consumer"}
            ),
            "aiokafka, classic": lambda: read_with_aiokafka(bootstrap),
            "kafka-python, classic": lambda: read_with_kafka_python(bootstrap),
        }
        if options.node_modules.is_dir():
            readers["kafkajs, classic"] = lambda: read_with_kafkajs(bootstrap, options.node_modules)
        for what, read in readers.items():
            report(what, read, options.rounds, trace)
    with mock_cluster() as bootstrap:
        rounds = min(options.rounds, 3)
        report("confluent-kafka, classic, of its mock cluster", lambda: read_with_confluent(bootstrap), rounds, None)


if __name__ == "__main__":
    main()
