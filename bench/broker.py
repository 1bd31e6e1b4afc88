"""Throughput and latency of a dotkafka broker, beside librdkafka's built-in mock cluster, all in one run.

    python bench/broker.py [--seconds 4] [--rounds 3] [--only dotkafka-disk ...] [--markdown FILE]

One client (confluent-kafka, which is librdkafka) drives each broker in turn, round after round, so that a slow moment
of the machine strikes all alike; the table shows medians. Compare figures of one run only, as ratios: client and broker
share the machine.

- produce: messages of one size to one topic, acks=all, until they are all acknowledged. The processor time of the
  broker is given apart: of its event loop, and of its other threads (write-ahead log, checkpoint).
- consume: the same messages, read back from the first offset on. The mock cluster keeps too few of them to take part.
- end to end: a message every millisecond, from just before `produce` to just after `poll`, in one process and so on one
  clock.
- fdatasync: a bare write and fdatasync of 16 KiB on the disk that dotkafka writes to, for scale.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARTITIONS = 4
MOCK_CLUSTER = """
import sys
from confluent_kafka import Producer
producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "ignored", "log_level": 3})
brokers = producer.list_topics(timeout=10).brokers.values()
print("listening on", ",".join(f"{broker.host}:{broker.port}" for broker in brokers), flush=True)
sys.stdin.read()
"""
SERVE = [
    sys.executable,
    "-m",
    "dotkafka",
    "serve",
    "--listen",
    "127.0.0.1:0",
    "--config",
    f"num.partitions={PARTITIONS}",
]


@attrs.frozen
class Peer:
    """A broker to be measured: the command that starts it, given a folder of its own."""

    name: str
    command: Callable[[str], list[str]]
    keeps_all: bool = True
    """Whether what was produced can be read back."""


PEERS = [
    Peer("dotkafka, disk", lambda folder: [*SERVE, "--data", folder]),
    Peer("dotkafka, disk, uvloop", lambda folder: [*SERVE, "--data", folder, "--uvloop"]),
    Peer("dotkafka, memory", lambda _: [*SERVE, "--memory"]),
    Peer("librdkafka mock, memory", lambda _: [sys.executable, "-c", MOCK_CLUSTER], keeps_all=False),
]


@contextmanager
def running(peer: Peer, folder: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Start a broker, wait until it listens, and stop it at the end."""
    process = subprocess.Popen(peer.command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("listening on "):
                yield line.removeprefix("listening on ").strip(), process
                break
        else:
            raise SystemExit(f"{peer.name} did not start")
    finally:
        process.kill()
        process.wait()


def cpu_seconds(process: subprocess.Popen[str]) -> tuple[float, float]:
    """Processor time that a process has taken: its main thread, and all others; NaN where /proc does not tell."""

    def taken(stat: str) -> float:
        fields = Path(stat).read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    try:
        main = taken(f"/proc/{process.pid}/task/{process.pid}/stat")
        return main, taken(f"/proc/{process.pid}/stat") - main
    except OSError:
        return float("nan"), float("nan")


def produce(bootstrap: str, topic: str, size: int, count: int, **settings: Any) -> float:
    """Return how many seconds it takes until `count` messages of `size` bytes are acknowledged."""
    failures: list[Any] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "acks": "all",
            "linger.ms": 5,
            "queue.buffering.max.messages": 500_000,
            "queue.buffering.max.kbytes": 256 * 1024,
            "log_level": 3,
            **settings,
        }
    )
    for partition in range(PARTITIONS):
        producer.produce(topic, b"the first message of a partition waits for metadata", partition=partition)
    if producer.flush(20):
        raise SystemExit("the first messages were not acknowledged")
    payload = os.urandom(size)

    def delivered(error: Any, _message: Any) -> None:
        if error is not None:
            failures.append(error)

    begin = time.perf_counter()
    for number in range(count):
        while True:
            try:
                # A callback for each message would measure Python; one in a hundred finds a failing broker as well.
                producer.produce(
                    topic, payload, partition=number % PARTITIONS, on_delivery=None if number % 100 else delivered
                )
                break
            except BufferError:
                producer.poll(0.05)
    if producer.flush(120) or failures:
        raise SystemExit(f"not all messages were acknowledged: {failures[:3]}")
    return time.perf_counter() - begin


def consume(bootstrap: str, topic: str, count: int) -> float:
    """Return how many seconds it takes to read `count` messages from the beginning."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "bench",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            # A consumer whose queue is full pauses for a second by default; then that would be measured.
            "queued.min.messages": 1_000_000,
            "fetch.queue.backoff.ms": 1,
            "log_level": 3,
        }
    )
    try:
        consumer.list_topics(topic, timeout=10)
        begin = time.perf_counter()
        consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
        read = 0
        while read < count:
            messages = consumer.consume(10_000, 20.0)
            if not messages:
                raise SystemExit(f"only {read} of {count} messages came back")
            for message in messages:
                if message.error():
                    raise KafkaException(message.error())
            read += len(messages)
        return time.perf_counter() - begin
    finally:
        consumer.close()


def end_to_end(bootstrap: str, topic: str, seconds: float, rate: int = 1000) -> list[float]:
    """Return the sorted times in milliseconds from producing a message to having read it."""
    settings = {"bootstrap.servers": bootstrap, "log_level": 3}
    producer = Producer({**settings, "acks": "all", "linger.ms": 0})
    consumer = Consumer(
        {**settings, "group.id": "bench-latency", "enable.auto.commit": False, "fetch.error.backoff.ms": 10}
    )
    first: list[int | None] = []
    producer.produce(topic, bytes(100), partition=0, on_delivery=lambda _error, message: first.append(message.offset()))
    producer.flush(20)
    consumer.assign([TopicPartition(topic, 0, first[0] or 0)])
    if consumer.poll(20) is None:
        raise SystemExit("the first message did not come back")
    count = int(rate * seconds)
    times: list[float] = []

    def read() -> None:
        while len(times) < count:
            message = consumer.poll(10)
            arrived = time.perf_counter_ns()
            if message is None or message.error():
                return
            times.append((arrived - struct.unpack_from(">q", message.value() or b"")[0]) / 1e6)

    reader = threading.Thread(target=read)
    reader.start()
    begin = time.perf_counter()
    for number in range(count):
        while (early := begin + number / rate - time.perf_counter()) > 0:
            time.sleep(min(early, 0.0005))
        producer.produce(topic, struct.pack(">q", time.perf_counter_ns()) + bytes(92), partition=0)
        producer.poll(0)
    producer.flush(20)
    reader.join()
    consumer.close()
    if len(times) < count:
        raise SystemExit(f"only {len(times)} of {count} messages came back")
    return sorted(times)


def fdatasync_ms(folder: str) -> float:
    """Return the median time of a write and fdatasync of 16 KiB, in milliseconds."""
    times = []
    descriptor = os.open(Path(folder) / "probe", os.O_RDWR | os.O_CREAT)
    try:
        os.posix_fallocate(descriptor, 0, 1 << 20)
        data = os.urandom(16 * 1024)
        for number in range(200):
            begin = time.perf_counter()
            os.pwrite(descriptor, data, number % 64 * len(data))
            os.fdatasync(descriptor)
            times.append((time.perf_counter() - begin) * 1e3)
    finally:
        os.close(descriptor)
    return statistics.median(times)


def measure(peer: Peer, bootstrap: str, process: subprocess.Popen[str], seconds: float, turn: int) -> dict[str, float]:
    """Run every workload once against a running broker."""
    figures: dict[str, float] = {}
    for size, per_second in ((1024, 300_000), (100, 600_000)):
        topic, count = f"bench-{size}-{turn}", int(per_second * seconds / 2)
        main_before, others_before = cpu_seconds(process)
        took = produce(bootstrap, topic, size, count)
        figures[f"produce {size} B, MB/s"] = count * size / took / 1e6
        figures[f"produce {size} B, thousand msgs/s"] = count / took / 1e3
        main, others = cpu_seconds(process)
        figures[f"produce {size} B, event loop ms/MB"] = (main - main_before) * 1e3 / (count * size / 1e6)
        figures[f"produce {size} B, other threads ms/MB"] = (others - others_before) * 1e3 / (count * size / 1e6)
        if peer.keeps_all:
            took = consume(bootstrap, topic, count)
            figures[f"consume {size} B, MB/s"] = count * size / took / 1e6
    if peer.keeps_all:
        latencies = end_to_end(bootstrap, f"bench-latency-{turn}", seconds)
        figures["end to end at 1,000/s, p50 ms"] = latencies[len(latencies) // 2]
        figures["end to end at 1,000/s, p99 ms"] = latencies[len(latencies) * 99 // 100]
    return figures


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Return the medians as a Markdown table: a row for each figure, a column for each broker."""
    names = list(results)
    rows = dict.fromkeys(row for rounds in results.values() for figures in rounds for row in figures)
    lines = ["| median | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for row in rows:
        cells = []
        for name in names:
            values = [figures[row] for figures in results[name] if row in figures]
            cells.append(f"{statistics.median(values):,.2f}" if values else "-")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long one workload runs (default 4)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each broker is measured (default 3)")
    parser.add_argument("--only", nargs="*", default=[], help="measure only brokers whose name contains one of these")
    parser.add_argument("--config", action="append", default=[], metavar="NAME=VALUE", help="a setting for dotkafka")
    parser.add_argument("--json", action="store_true", help="print all figures as JSON instead of the table")
    arguments = parser.parse_args()
    for setting in arguments.config:
        SERVE.extend(["--config", setting])
    peers = [peer for peer in PEERS if not arguments.only or any(word in peer.name for word in arguments.only)]
    results: dict[str, list[dict[str, float]]] = {peer.name: [] for peer in peers}
    with ExitStack() as stack:
        probe = stack.enter_context(tempfile.TemporaryDirectory())
        syncs = []
        for turn in range(arguments.rounds):
            for peer in peers:
                print(f"round {turn + 1} of {arguments.rounds}: {peer.name}", file=sys.stderr)
                with tempfile.TemporaryDirectory() as folder, running(peer, folder) as (bootstrap, process):
                    results[peer.name].append(measure(peer, bootstrap, process, arguments.seconds, turn))
            syncs.append(fdatasync_ms(probe))
    if arguments.json:
        print(json.dumps({"fdatasync_ms": syncs, "brokers": results}, indent=2))
    else:
        print(table(results))
        print(f"\nA bare write and fdatasync of 16 KiB: {statistics.median(syncs):.3f} ms (median).")


if __name__ == "__main__":
    main()
