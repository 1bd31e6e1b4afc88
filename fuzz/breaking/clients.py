"""Real clients, each in a thread of its own, that go on whatever happens to the broker and write down what they saw."""

from __future__ import annotations

import functools
import itertools
import threading
import time
from typing import TYPE_CHECKING, Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from dotkafka.testing.history import (
    Assigned,
    Commit,
    Committed,
    DeleteTopic,
    History,
    Poll,
    Revoked,
    Seek,
    Send,
    Watermarks,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from confluent_kafka import KafkaError, Message

TOPIC = "numbers"
PARTITIONS = 4
GROUP = "readers"
CALL_TIMEOUT_S = 5.0
END_TIMEOUT_S = 60.0
UNACKED_LIMIT = 1000
BURST = 20
PAUSE_S = 0.02
PADDING = " " + "x" * 400
COMMON = {
    "reconnect.backoff.ms": 20,
    "reconnect.backoff.max.ms": 100,
    "topic.metadata.refresh.interval.ms": 1000,
    "log_level": 0,  # each lost connection is a line
}


class Worker:
    """Calls `step` in a thread until it is stopped."""

    def __init__(self, name: str, bootstrap: str, history: History) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self._bootstrap = bootstrap
        self._history = history
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.begin()
            while not self._is_stopping.is_set():
                self.step()
            self.end()
        except BaseException as error:  # noqa: BLE001 (whoever stops it raises it)
            self.failure = self.failure or error

    def begin(self) -> None:
        """Make the client."""

    def step(self) -> None:
        """Do something."""

    def end(self) -> None:
        """Bring to an end what is under way."""

    def stop(self) -> None:
        """Stop, and wait for the end of what is under way."""
        self._is_stopping.set()
        self._thread.join(2 * END_TIMEOUT_S)
        if self._thread.is_alive():
            raise TimeoutError(f"{self.name} does not end")
        if self.failure is not None:
            raise self.failure

    def on_error(self, error: KafkaError) -> None:
        """Fail by what librdkafka calls fatal, as records missing in front of those of an idempotent producer."""
        if error.fatal():
            self.failure = self.failure or KafkaException(error)

    def pause(self) -> None:
        """Leave time to others, unless it is to stop."""
        self._is_stopping.wait(PAUSE_S)


def new_producer(bootstrap: str, *, idempotent: bool, on_error: Callable[[KafkaError], None]) -> Producer:
    """Return a producer that tries again for as long as any outage may last."""
    return Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": idempotent,
            "acks": "all",
            "linger.ms": 1,
            "batch.num.messages": 50,
            "message.timeout.ms": 120_000,
            "retry.backoff.ms": 20,
            "retry.backoff.max.ms": 200,
            "error_cb": on_error,  # without one, polling raises SystemError for a fatal error
            **COMMON,
        }
    )


class Producing(Worker):
    """Sends numbers to all partitions in turn."""

    def __init__(self, name: str, bootstrap: str, history: History, *, idempotent: bool) -> None:
        self._idempotent = idempotent
        self._producer = new_producer(bootstrap, idempotent=idempotent, on_error=self.on_error)
        self._numbers = itertools.count()
        self.acknowledged = 0
        self._first_error: KafkaError | None = None
        super().__init__(name, bootstrap, history)

    def step(self) -> None:
        """Send a burst, and take what has been acknowledged."""
        for number in itertools.islice(self._numbers, BURST):
            value = f"{self.name} {number}"
            sent = self._history.begin(Send(self.name, TOPIC, number % PARTITIONS, value, idempotent=self._idempotent))
            on_delivery = functools.partial(self._on_delivery, sent)
            self._producer.produce(TOPIC, value + PADDING, partition=sent.partition, on_delivery=on_delivery)
        self._producer.poll(0)
        self.pause()
        while len(self._producer) > UNACKED_LIMIT and not self._is_stopping.is_set():
            self._producer.poll(0.05)

    def end(self) -> None:
        """Wait until all is acknowledged."""
        if self._producer.flush(END_TIMEOUT_S) != 0:
            raise TimeoutError(f"{self.name} has {len(self._producer)} records left")
        if self._first_error is not None:
            raise KafkaException(self._first_error)

    def _on_delivery(self, sent: Send, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self._history.unknown(sent)
            self._first_error = self._first_error or error
            return
        self._history.ok(sent, offset=message.offset())
        self.acknowledged += 1


class Reading(Worker):
    """A member of a group that commits what it has read."""

    def __init__(self, name: str, bootstrap: str, history: History) -> None:
        self.records = 0
        self.commits = 0
        super().__init__(name, bootstrap, history)

    def begin(self) -> None:
        """Join the group."""
        self._consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": GROUP,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "session.timeout.ms": 6000,
                "heartbeat.interval.ms": 500,
                "retry.backoff.ms": 50,
                "fetch.error.backoff.ms": 50,
                "coordinator.query.interval.ms": 200,
                **COMMON,
            }
        )
        self._consumer.subscribe([TOPIC], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke)

    def step(self) -> None:
        """Read some, and commit."""
        messages = [message for message in self._consumer.consume(500, 0.1) if message.error() is None]
        if not messages:
            return
        self._history.add(Poll(self.name, [record_of(message) for message in messages]))
        self.records += len(messages)
        ends = {(TOPIC, message.partition() or 0): (message.offset() or 0) + 1 for message in messages}
        positions = [(*part, offset) for part, offset in ends.items()]
        commit = self._history.begin(Commit(self.name, GROUP, positions))
        try:
            answers = self._consumer.commit(offsets=[TopicPartition(*at) for at in positions], asynchronous=False)
        except KafkaException:
            self._history.unknown(commit)
            return
        if any(answer.error is not None for answer in answers or ()):
            self._history.unknown(commit)
            return
        self._history.ok(commit)
        self.commits += 1

    def end(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._history.add(Assigned(self.name, GROUP, [(part.topic, part.partition) for part in partitions]))

    def _on_revoke(self, _: Consumer, partitions: Sequence[TopicPartition]) -> None:
        self._history.add(Revoked(self.name, GROUP, [(part.topic, part.partition) for part in partitions]))


class Asking(Worker):
    """Asks again and again where logs end and what the group has committed."""

    def begin(self) -> None:
        """Make the client; it never joins."""
        self._consumer = Consumer({"bootstrap.servers": self._bootstrap, "group.id": GROUP, **COMMON})

    def step(self) -> None:
        """Ask everything once."""
        for number in range(PARTITIONS):
            self._ask_watermarks(number)
        asked = self._history.begin(Committed(self.name, GROUP))
        try:
            parts = self._consumer.committed([TopicPartition(TOPIC, n) for n in range(PARTITIONS)], CALL_TIMEOUT_S)
            if any(part.error is not None for part in parts):
                raise KafkaException(parts[0].error)
        except KafkaException:
            self._history.unknown(asked)
        else:
            self._history.ok(asked, offsets=[(TOPIC, part.partition, part.offset) for part in parts])
        self._is_stopping.wait(0.1)

    def _ask_watermarks(self, number: int) -> None:
        asked = self._history.begin(Watermarks(self.name, TOPIC, number))
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(TOPIC, number), CALL_TIMEOUT_S)
        except KafkaException:
            self._history.unknown(asked)
        else:
            self._history.ok(asked, low=low, high=high)

    def end(self) -> None:
        """Close the client."""
        self._consumer.close()


class ChangingTopics(Worker):
    """Creates topics, writes to them, and deletes half of them."""

    def __init__(self, name: str, bootstrap: str, history: History, chance: random.Random) -> None:
        self._chance = chance
        self._numbers = itertools.count()
        self.created: set[str] = set()
        """Those that have certainly been created, and that nobody has tried to delete."""
        self.deleted: set[str] = set()
        """Those that have certainly been deleted."""
        super().__init__(name, bootstrap, history)

    def begin(self) -> None:
        """Make the clients."""
        self._admin = AdminClient({"bootstrap.servers": self._bootstrap, **COMMON})
        self._producer = new_producer(self._bootstrap, idempotent=True, on_error=self.on_error)

    def step(self) -> None:
        """Take one topic through its life."""
        topic = f"side-{next(self._numbers)}"
        try:
            self._admin.create_topics([NewTopic(topic, 1, 1)], operation_timeout=5)[topic].result(END_TIMEOUT_S)
        except KafkaException:
            return  # it may be there or not; nobody uses it
        self._write(topic)
        if self._chance.random() < 0.5:
            self.created.add(topic)
        else:
            deletion = self._history.begin(DeleteTopic(self.name, topic))
            try:
                self._admin.delete_topics([topic], operation_timeout=5)[topic].result(END_TIMEOUT_S)
            except KafkaException:
                self._history.unknown(deletion)
            else:
                self._history.ok(deletion)
                self.deleted.add(topic)
        self._is_stopping.wait(0.2)

    def _write(self, topic: str) -> None:
        for number in range(3):
            sent = self._history.begin(Send(self.name, topic, 0, str(number), idempotent=True))
            on_delivery = functools.partial(self._on_delivery, sent)
            self._producer.produce(topic, sent.value + PADDING, partition=0, on_delivery=on_delivery)
        if self._producer.flush(END_TIMEOUT_S) != 0:
            raise TimeoutError(f"{self.name} has {len(self._producer)} records left")

    def _on_delivery(self, sent: Send, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self._history.ok(sent, offset=message.offset())
        else:
            self._history.unknown(sent)


def create_topic(bootstrap: str) -> None:
    """Create the topic that all are about."""
    admin = AdminClient({"bootstrap.servers": bootstrap, **COMMON})
    admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(END_TIMEOUT_S)


def topics(bootstrap: str) -> set[str]:
    """Return the names of all topics."""
    return set(AdminClient({"bootstrap.servers": bootstrap, **COMMON}).list_topics(timeout=END_TIMEOUT_S).topics)


def read_all(bootstrap: str, history: History, parts: Sequence[tuple[str, int]]) -> list[tuple[str, int, int, str]]:
    """Read partitions from their beginning to their end; return what is there."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "auditor", "enable.auto.commit": False, **COMMON})
    left = 0
    for topic, number in parts:
        asked = history.begin(Watermarks("auditor", topic, number))
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), END_TIMEOUT_S)
        history.ok(asked, low=low, high=high)
        history.add(Seek("auditor", topic, number, to_beginning=True))
        left += high - low
    consumer.assign([TopicPartition(*part, OFFSET_BEGINNING) for part in parts])
    found = []
    deadline_s = time.monotonic() + END_TIMEOUT_S
    while left > 0:
        messages = [message for message in consumer.consume(min(left, 5000), 1.0) if message.error() is None]
        if messages:
            deadline_s = time.monotonic() + END_TIMEOUT_S
        elif time.monotonic() > deadline_s:
            raise TimeoutError(f"{left} records are left to read")
        records = [record_of(message) for message in messages]
        history.add(Poll("auditor", records))
        found += records
        left -= len(messages)
    consumer.close()
    return found


def record_of(message: Any) -> tuple[str, int, int, str]:
    """Where it is, and its value without the padding."""
    return message.topic(), message.partition(), message.offset(), message.value().decode().rstrip("x").rstrip()
