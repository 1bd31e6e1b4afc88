"""How long a new group of one member waits for its first record, and who it waits for.

    python -m bench.first_record [--rounds 20]

From subscribing to having the first record, a new group and a new consumer each time, with each client's default
settings (and reading from the earliest offset). Connecting and looking for the coordinator are counted in. Each client
runs as its program in tests/clients, takes the time itself, and has read in one group before, so that no process is
started and nothing is loaded in that time. A client that is not there has a row that says what is missing.

The broker runs in this process and notes when each request of the member comes and when its answer is given, so that
the time is split into

- at the broker: some request of the member is being served there, or waits there;
- the client's own: nothing is. That is its timers, its threads, its connecting, and the way through the sockets.

librdkafka's mock cluster has rows of its own, with those clients that can read from it. What happens there
cannot be seen.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

from confluent_kafka import Producer
from tests.clients.toolchains import TOOLCHAINS

from dotkafka.broker.connection import Connection
from dotkafka.testing import running_broker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dotkafka.broker.connection import Place

TOPIC = "first"
TIMEOUT_S = 120
CLASSIC, CONSUMER = "classic", "consumer"
READERS = (
    ("confluent_kafka", CLASSIC),
    ("confluent_kafka", CONSUMER),
    ("java", CLASSIC),
    ("java", CONSUMER),
    ("aiokafka", CLASSIC),
    ("kafka_python", CLASSIC),
    ("kafkajs", CLASSIC),
    ("platformatic", CLASSIC),
    ("franz_go", CLASSIC),
)
"""The clients of tests/clients, with each protocol that they have."""
MOCK_READERS = (
    ("confluent_kafka", CLASSIC),
    ("confluent_kafka", CONSUMER),
    ("aiokafka", CLASSIC),
    ("kafkajs", CLASSIC),
)
"""Those that get a record from the mock cluster; to the others it does not say enough of itself."""
MOCK_ROUNDS = 3
"""At most: a classic group waits there for three seconds whether more members come."""


class Trace:
    """When requests were at the broker; in seconds since the epoch, which is the clock that all processes have."""

    def __init__(self) -> None:
        self._begun: dict[Place, float] = {}
        self._intervals: list[tuple[float, float]] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch all connections of this process."""
        begin, answer_given, abandon = Connection.begin, Connection.answer_given, Connection.abandon

        def begun(connection: Connection, place: Place) -> None:
            self._begun[place] = time.time()
            begin(connection, place)

        def given(connection: Connection, place: Place, size_bytes: int) -> None:
            answer_given(connection, place, size_bytes)
            self._ended(place)

        def abandoned(connection: Connection) -> None:
            abandon(connection)
            for place in [place for place in self._begun if place.connection is connection]:
                self._ended(place)

        Connection.begin, Connection.answer_given, Connection.abandon = begun, given, abandoned  # type: ignore[assignment, method-assign]
        try:
            yield
        finally:
            Connection.begin, Connection.answer_given, Connection.abandon = begin, answer_given, abandon  # type: ignore[method-assign]

    def _ended(self, place: Place) -> None:
        if place in self._begun:
            self._intervals.append((self._begun.pop(place), time.time()))

    def busy_s(self, begin_s: float, end_s: float) -> float:
        """Return how many of the seconds between two moments some request was at the broker."""
        busy_s, reached_s = 0.0, begin_s
        for first_s, last_s in sorted(self._intervals):
            busy_s += max(0.0, min(last_s, end_s) - max(first_s, reached_s))
            reached_s = max(reached_s, min(last_s, end_s))
        return busy_s


def measure(client: str, protocol: str, bootstrap: str, rounds: int) -> tuple[list[float], list[float]]:
    """Let a client read the first record in so many groups; return the ms it took, and those of them at the broker.

    Raises:
        SystemExit: the client's program has failed.
    """
    groups = [str(uuid4()) for _ in range(1 + rounds)]
    options = {"bootstrap": bootstrap, "topic": TOPIC, "protocol": protocol, "groups": groups}
    trace = Trace()
    with trace.watching():
        program = subprocess.run(
            [*TOOLCHAINS[client].command, "first_records", json.dumps(options)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )
    if program.returncode != 0:
        raise SystemExit(f"{client} ended with {program.returncode}: {program.stderr}")
    events = [json.loads(line) for line in program.stdout.splitlines()]
    measured = [(event["began_ms"] / 1e3, event["ms"]) for event in events[1:]]
    return [ms for _, ms in measured], [trace.busy_s(began_s, began_s + ms / 1e3) * 1e3 for began_s, ms in measured]


def report(readers: Sequence[tuple[str, str]], bootstrap: str, rounds: int, *, of_mock_cluster: bool = False) -> None:
    """Print the table row of each client, with a dash for what is not known."""
    for client, protocol in readers:
        what = f"{client}, {protocol} protocol" + ", of the mock cluster" * of_mock_cluster
        cells: list[float] = []
        if missing := TOOLCHAINS[client].missing:
            what += f": {missing}"
        else:
            totals, at_broker = measure(client, protocol, bootstrap, rounds)
            cells = [min(totals), statistics.median(totals), max(totals)]
            if not of_mock_cluster:
                own = [total - busy for total, busy in zip(totals, at_broker, strict=True)]
                cells += [statistics.median(at_broker), statistics.median(own)]
        texts = [f"{cell:.1f}" for cell in cells] + ["-"] * (5 - len(cells))
        print(f"| {what} | {' | '.join(texts)} |", flush=True)


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
    rounds = parser.parse_args().rounds
    print("| first record, milliseconds | min | median | max | at the broker | the client's own |")
    print("|---|---:|---:|---:|---:|---:|")
    with running_broker() as kafka:
        kafka.create_topic(TOPIC)
        kafka.produce(TOPIC, b"first")
        report(READERS, kafka.bootstrap, rounds)
    with mock_cluster() as bootstrap:
        report(MOCK_READERS, bootstrap, min(rounds, MOCK_ROUNDS), of_mock_cluster=True)


if __name__ == "__main__":
    main()
