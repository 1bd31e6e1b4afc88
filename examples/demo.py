"""The main job, end to end: a real client, a broker on disk, a kill -9 in between, and on it goes.

`make demo` runs it. It starts `dotkafka serve` as a process of its own on an empty directory, and uses it with
confluent-kafka. It ends with exit status 0 if everything was as it should be.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

if TYPE_CHECKING:
    from collections.abc import Iterator

TOPIC = "orders"
GROUP = "kitchen"
PARTITIONS = 16
TIMEOUT_S = 30
STARTED_S = time.monotonic()

QUIET = {"log_level": 2}
"""The client complains while the broker is dead; here that is part of the plan."""


def say(text: str) -> None:
    """Print a line with the time since the start."""
    print(f"{time.monotonic() - STARTED_S:7.3f} s  {text}", flush=True)


def check(right: bool, what: str) -> None:  # noqa: FBT001 (reads as a sentence)
    """Stop the demo if something is not as it should be."""
    if not right:
        raise SystemExit(f"FAILED: {what}")


@contextmanager
def broker(directory: str, listen: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `dotkafka serve` on a directory; give its process and its address."""
    command = [
        sys.executable,
        "-m",
        "dotkafka",
        "serve",
        "--listen",
        listen,
        "--data",
        directory,
        "--log-level",
        "warning",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            said = re.fullmatch(r"listening on (\S+)\n", line)
            check(said is not None, "the broker did not start")
            address = said[1] if said else ""
            say(f"a broker listens on {address}")
            yield process, address
        finally:
            process.kill()


def create_topic(bootstrap: str) -> None:
    """Create the topic, as an administrator would."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **QUIET})
    for future in admin.create_topics([NewTopic(TOPIC, num_partitions=PARTITIONS)]).values():
        future.result(TIMEOUT_S)
    say(f"topic {TOPIC!r} created with {PARTITIONS} partitions")


def produce(bootstrap: str, values: list[str]) -> None:
    """Send messages, and wait until the broker says that each is on disk."""
    delivered: list[int | None] = []

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise KafkaException(error)
        delivered.append(message.partition())

    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, **QUIET})
    started_s = time.monotonic()
    for value in values:
        producer.produce(TOPIC, value, key=value, on_delivery=on_delivery)
    check(producer.flush(TIMEOUT_S) == 0, "not all messages were delivered")
    check(len(delivered) == len(values), "not all messages were acknowledged")
    took_ms = (time.monotonic() - started_s) * 1000
    say(f"{len(values)} sent and acknowledged, on {len(set(delivered))} partitions, in {took_ms:.1f} ms")


def consume(bootstrap: str, count: int) -> list[str]:
    """Read as a member of the group, commit by hand, and return what was read, up to `count` messages and no more."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            **QUIET,
        }
    )
    started_s = time.monotonic()
    consumer.subscribe([TOPIC])
    values: list[str] = []
    while len(values) < count and time.monotonic() - started_s < TIMEOUT_S:
        message = consumer.poll(0.5)
        if message is None:
            continue
        if message.error() is not None:
            raise KafkaException(message.error())
        values.append((message.value() or b"").decode())
    took_ms = (time.monotonic() - started_s) * 1000
    # Whatever comes after what was expected would be a message twice.
    extra = consumer.poll(0.3)
    check(extra is None, f"one message too many: {extra.value() if extra else None!r}")
    consumer.commit(asynchronous=False)
    committed = consumer.committed([TopicPartition(TOPIC, number) for number in range(PARTITIONS)], TIMEOUT_S)
    consumer.close()
    total = sum(max(partition.offset, 0) for partition in committed)
    say(f"group {GROUP!r} read {len(values)} in {took_ms:.1f} ms, and has committed {total} in all")
    return values


def main() -> None:
    """Produce, consume, kill, restart, go on."""
    first = ["the first order"]
    batch = [f"order {number}" for number in range(1, 1001)]
    later = [f"order {number}" for number in range(1001, 1501)]

    with tempfile.TemporaryDirectory(prefix="dotkafka-demo-") as directory:
        with broker(directory, "127.0.0.1:0") as (process, address):
            create_topic(address)
            produce(address, first)
            produce(address, batch)
            check(sorted(consume(address, 1001)) == sorted(first + batch), "the group did not get every message once")
            process.kill()
            process.wait(TIMEOUT_S)
            say("the broker was killed with kill -9")

        with broker(directory, address) as (process, again):
            check(again == address, "the broker came back elsewhere")
            say("it is back, on the same port and directory")
            produce(again, later)
            check(sorted(consume(again, 500)) == sorted(later), "the group did not go on where it had stopped")
            process.terminate()
            check(process.wait(TIMEOUT_S) == 0, "the broker did not stop cleanly")
            say("stopped cleanly")
    say("all as it should be: nothing acknowledged was lost, nothing came twice")


if __name__ == "__main__":
    main()
