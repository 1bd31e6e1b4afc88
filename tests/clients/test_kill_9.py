"""A broker killed by kill -9 in the middle of production: all that was acknowledged is there, once and in order."""

from __future__ import annotations

import functools
import itertools
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from dotkafka.testing.history import Commit, Committed, Healed, History, Mark, Poll, Seek, Send, Watermarks, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.clients.conftest import Server

ROUNDS = 20
TOPIC = "numbers"
PARTITIONS = 4
TIMEOUT_S = 20.0
UNACKED_LIMIT = 2000
RECONNECT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "topic.metadata.refresh.interval.ms": 1000}


class Production:
    """An idempotent producer that keeps sending numbers, from a thread of its own, until it is stopped."""

    def __init__(self, bootstrap: str, history: History) -> None:
        self.failure: BaseException | KafkaError | None = None
        self._history = history
        self._acknowledged_count = 0
        self._progress = threading.Condition()
        self._is_stopping = threading.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "linger.ms": 1,
                "batch.num.messages": 50,
                "message.timeout.ms": 120_000,
                "retry.backoff.ms": 20,
                **RECONNECT,
            }
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self._is_stopping.is_set():
                    break
                sent = self._history.begin(Send("producer", TOPIC, number % PARTITIONS, str(number), idempotent=True))
                on_delivery = functools.partial(self._on_delivery, sent)
                self._producer.produce(TOPIC, sent.value, partition=sent.partition, on_delivery=on_delivery)
                self._producer.poll(0.01 if len(self._producer) > UNACKED_LIMIT else 0)
            if self._producer.flush(60) != 0:
                raise TimeoutError("records are left after 60 s")
        except BaseException as error:  # noqa: BLE001 (the test's thread raises it)
            self.failure = error

    def _on_delivery(self, sent: Send, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failure = error
            return
        self._history.ok(sent, offset=message.offset())
        with self._progress:
            self._acknowledged_count += 1
            self._progress.notify_all()

    def wait_for_acknowledgements(self, more: int) -> None:
        """Return when so many more records than now have been acknowledged."""
        with self._progress:
            goal = self._acknowledged_count + more
            deadline_s = time.monotonic() + TIMEOUT_S
            while self._acknowledged_count < goal:
                assert self.failure is None, self.failure
                remaining_s = deadline_s - time.monotonic()
                assert remaining_s > 0, f"{self._acknowledged_count} of {goal} acknowledged"
                self._progress.wait(min(remaining_s, 0.5))

    def stop(self) -> None:
        """Send no more, and wait until everything is acknowledged."""
        self._is_stopping.set()
        self._thread.join(90)
        assert self.failure is None, self.failure


def read_all(bootstrap: str, history: History) -> None:
    """Read all partitions from their beginning to their end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    partitions = [TopicPartition(TOPIC, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
    left = 0
    for part in partitions:
        asked = history.begin(Watermarks("reader", TOPIC, part.partition))
        low, high = consumer.get_watermark_offsets(part, TIMEOUT_S)
        history.ok(asked, low=low, high=high)
        history.add(Seek("reader", TOPIC, part.partition, to_beginning=True))
        left += high - low
    consumer.assign(partitions)
    while left > 0:
        messages = consumer.consume(min(left, 5000), TIMEOUT_S)  # it waits for so many
        assert messages, f"{left} records are left"
        assert not any(message.error() for message in messages)
        history.add(Poll("reader", [record_of(message) for message in messages]))
        left -= len(messages)
    consumer.close()


def record_of(message: Any) -> tuple[str, int, int, str]:
    """Where it is, and its value."""
    return message.topic(), message.partition(), message.offset(), message.value().decode()


@pytest.fixture(name="history")
def fixture_history(tmp_path: Path) -> Iterator[History]:
    """What the clients see; it stays in the test's folder."""
    history = History(now=time.monotonic_ns)
    yield history
    (tmp_path / "history.jsonl").write_text(history.to_json())


def test_acknowledged_records_and_commits_survive(
    start_server: Callable[..., Server], history: History, tmp_path: Path, free_port: int
) -> None:
    """Killed 20 times while an idempotent producer and a consumer that commits are at work: nothing lost or doubled."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (pytest shows it with a failure)
    chance = random.Random(seed)
    arguments = ("--listen", f"127.0.0.1:{free_port}", "--data", tmp_path / "data")
    server = start_server(*arguments)
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(TIMEOUT_S)
    production = Production(server.bootstrap, history)
    committer = Consumer(
        {"bootstrap.servers": server.bootstrap, "group.id": "committer", "enable.auto.commit": False, **RECONNECT}
    )
    try:
        for round_number in range(1, ROUNDS + 1):
            production.wait_for_acknowledgements(chance.randrange(100, 3000))
            commit(committer, [round_number * 10 + part for part in range(PARTITIONS)], history)
            killer = threading.Timer(chance.uniform(0, 0.2), server.kill)
            killer.start()
            killer.join()
            history.add(Mark("test", f"kill -9 in round {round_number}"))
            server = start_server(*arguments)
            fetch_committed(committer, history)
        production.wait_for_acknowledgements(100)
        history.add(Healed("test"))
    finally:
        production.stop()
        committer.close()
    read_all(server.bootstrap, history)
    assert check(history) == [], f"seed {seed}"


def commit(consumer: Consumer, offsets: list[int], history: History) -> None:
    """Commit an offset for each partition, and know that it was acknowledged."""
    asked = history.begin(Commit("committer", "committer", [(TOPIC, *at) for at in enumerate(offsets)]))
    parts = [TopicPartition(TOPIC, *at) for at in enumerate(offsets)]
    for part in consumer.commit(offsets=parts, asynchronous=False):
        assert part.error is None, part
    history.ok(asked)


def fetch_committed(consumer: Consumer, history: History) -> None:
    """Fetch what is committed for each partition."""
    asked = history.begin(Committed("committer", "committer"))
    parts = consumer.committed([TopicPartition(TOPIC, number) for number in range(PARTITIONS)], TIMEOUT_S)
    history.ok(asked, offsets=[(TOPIC, part.partition, part.offset) for part in parts])
