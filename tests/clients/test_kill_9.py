"""A broker killed by kill -9 in the middle of production: all that was acknowledged is there, once and in order."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.clients.conftest import Server

ROUNDS = 20
PARTITIONS = 4
TIMEOUT_S = 20.0
UNACKED_LIMIT = 2000
RECONNECT = {"reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "topic.metadata.refresh.interval.ms": 1000}


class Production:
    """An idempotent producer that keeps sending numbers, from a thread of its own, until it is stopped."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.acknowledged: dict[int, dict[int, int]] = defaultdict(dict)
        """Number by offset, by partition; written by the producing thread alone."""
        self.sent: dict[int, int] = dict.fromkeys(range(PARTITIONS), 0)
        self.failure: BaseException | KafkaError | None = None
        self._topic = topic
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
            partition = 0
            while not self._is_stopping.is_set():
                number = self.sent[partition]
                self._producer.produce(self._topic, str(number), partition=partition, on_delivery=self._on_delivery)
                self.sent[partition] = number + 1
                partition = (partition + 1) % PARTITIONS
                self._producer.poll(0.01 if len(self._producer) > UNACKED_LIMIT else 0)
            if self._producer.flush(60) != 0:
                raise TimeoutError("records are left after 60 s")
        except BaseException as error:  # noqa: BLE001 (the test's thread raises it)
            self.failure = error

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failure = error
            return
        partition, offset, number = numbers_of(message)
        assert offset not in self.acknowledged[partition], "two records at one offset"
        self.acknowledged[partition][offset] = number
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


def numbers_of(message: Any) -> tuple[int, int, int]:
    """Partition, offset and the number that is the value."""
    return message.partition(), message.offset(), int(message.value())


def read_all(bootstrap: str, topic: str) -> dict[int, list[int]]:
    """All numbers of the topic by partition, in the order of the log; offsets have no gaps."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False})
    partitions = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
    ends = {part.partition: consumer.get_watermark_offsets(part, TIMEOUT_S)[1] for part in partitions}
    consumer.assign(partitions)
    numbers: dict[int, list[int]] = {partition: [] for partition in ends}
    while any(len(numbers[partition]) < end for partition, end in ends.items()):
        messages = consumer.consume(5000, TIMEOUT_S)
        assert messages, f"{[len(part) for part in numbers.values()]} of {ends}"
        for message in messages:
            assert message.error() is None
            partition, offset, number = numbers_of(message)
            assert offset == len(numbers[partition])
            numbers[partition].append(number)
    consumer.close()
    return numbers


def test_acknowledged_records_and_commits_survive(
    start_server: Callable[..., Server], tmp_path: Path, free_port: int
) -> None:
    """Killed 20 times while an idempotent producer and a consumer that commits are at work: nothing lost or doubled."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 (pytest shows it with a failure)
    chance = random.Random(seed)
    arguments = ("--listen", f"127.0.0.1:{free_port}", "--data", tmp_path / "data")
    server = start_server(*arguments)
    topic = "numbers"
    admin = AdminClient({"bootstrap.servers": server.bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(TIMEOUT_S)
    production = Production(server.bootstrap, topic)
    committer = Consumer(
        {"bootstrap.servers": server.bootstrap, "group.id": "committer", "enable.auto.commit": False, **RECONNECT}
    )
    try:
        for round_number in range(1, ROUNDS + 1):
            production.wait_for_acknowledgements(chance.randrange(100, 3000))
            committed = [TopicPartition(topic, part, round_number * 10 + part) for part in range(PARTITIONS)]
            commit(committer, committed)
            killer = threading.Timer(chance.uniform(0, 0.2), server.kill)
            killer.start()
            killer.join()
            server = start_server(*arguments)
            asked = [TopicPartition(topic, part) for part in range(PARTITIONS)]
            found = {part.partition: part.offset for part in committer.committed(asked, TIMEOUT_S)}
            assert found == {part.partition: part.offset for part in committed}, f"round {round_number}, seed {seed}"
        production.wait_for_acknowledgements(100)
    finally:
        production.stop()
        committer.close()

    numbers = read_all(server.bootstrap, topic)
    for partition, in_log in numbers.items():
        assert in_log == list(range(production.sent[partition])), f"partition {partition}, seed {seed}"
        assert production.acknowledged[partition] == dict(enumerate(in_log)), f"partition {partition}, seed {seed}"


def commit(consumer: Consumer, offsets: list[Any]) -> None:
    """Commit, and know that it was acknowledged."""
    for part in consumer.commit(offsets=offsets, asynchronous=False):
        assert part.error is None, part
