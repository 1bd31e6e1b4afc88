"""confluent-kafka, driven by tests/clients (the options, commands and events are described in ../README.md)."""

import json
import sys
import threading
import time
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

OPTIONS = json.loads(sys.argv[2])
TOPIC = OPTIONS["topic"]
SETTINGS = {"bootstrap.servers": OPTIONS["bootstrap"], "client.id": OPTIONS.get("client_id", "confluent-kafka")}
if "ca" in OPTIONS:
    SETTINGS |= {"security.protocol": "ssl", "ssl.ca.location": OPTIONS["ca"]}


def emit(event: str, **fields: object) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def text(data: str | bytes | None) -> str | None:
    """Decode, but leave null what is null."""
    return data.decode() if isinstance(data, bytes) else data


def set_at_stdin_end(event: threading.Event) -> None:
    """Wait for the end of stdin, the order to stop."""
    sys.stdin.read()
    event.set()


def produce() -> None:
    """Send the batches, one after the other."""
    producer = Producer(
        SETTINGS
        | {
            "enable.idempotence": OPTIONS.get("idempotent", True),
            "compression.type": OPTIONS.get("compression", "none"),
            "linger.ms": 5,
        }
    )

    def on_delivery(error: KafkaError | None, message: Message) -> None:
        if error is not None:
            raise KafkaException(error)
        emit("sent", partition=message.partition(), offset=message.offset())

    for batch in OPTIONS["batches"]:
        for record in batch:
            producer.produce(
                TOPIC,
                partition=record["partition"],
                key=record["key"],
                value=record["value"],
                headers=record.get("headers", {}),
                on_delivery=on_delivery,
            )
        if producer.flush(30) != 0:
            raise TimeoutError("records are left after 30 s")


def member_settings() -> dict[str, object]:
    """What a member of the group is configured with."""
    settings = SETTINGS | {
        "group.id": OPTIONS["group"],
        "auto.offset.reset": "earliest",
        "enable.auto.commit": OPTIONS["auto_commit"],
        "auto.commit.interval.ms": 100,
        "fetch.wait.max.ms": 250,
        "topic.metadata.refresh.interval.ms": 1000,
    }
    protocol = settings["group.protocol"] = OPTIONS.get("protocol", "classic")
    if protocol == "classic":
        settings |= {
            "partition.assignment.strategy": OPTIONS.get("assignor", "range"),
            "session.timeout.ms": OPTIONS.get("session_timeout_ms", 30_000),
            "heartbeat.interval.ms": OPTIONS.get("heartbeat_interval_ms", 500),
        }
    elif "assignor" in OPTIONS:
        settings["group.remote.assignor"] = OPTIONS["assignor"]
    if "instance_id" in OPTIONS:
        settings["group.instance.id"] = OPTIONS["instance_id"]
    return settings


def member() -> None:
    """Read as a member of the group until there is enough, or stdin ends."""
    consumer = Consumer(member_settings())
    is_asked_to_stop = threading.Event()
    threading.Thread(target=set_at_stdin_end, args=(is_asked_to_stop,), daemon=True).start()
    cooperative = OPTIONS.get("protocol") == "consumer" or OPTIONS.get("assignor") == "cooperative-sticky"
    assignment: set[int] = set()

    def on_assign(_: Consumer, partitions: list[TopicPartition]) -> None:
        if not cooperative:
            assignment.clear()
        assignment.update(partition.partition for partition in partitions)
        emit("assigned", partitions=sorted(assignment))

    def on_revoke(_: Consumer, partitions: list[TopicPartition]) -> None:
        assignment.difference_update(partition.partition for partition in partitions)
        emit("assigned", partitions=sorted(assignment))

    topics = ["^" + OPTIONS["pattern"]] if "pattern" in OPTIONS else [TOPIC]
    consumer.subscribe(topics, on_assign=on_assign, on_revoke=on_revoke, on_lost=on_revoke)
    received = 0
    while received != OPTIONS.get("stop_after") and not is_asked_to_stop.is_set():
        message = consumer.poll(0.1)
        if message is None:
            continue
        if message.error():
            raise KafkaException(message.error())
        received += 1
        emit(
            "record",
            partition=message.partition(),
            offset=message.offset(),
            key=text(message.key()),
            value=text(message.value()),
            headers={name: text(value) for name, value in cast("list[tuple[str, bytes]]", message.headers() or [])},
        )
        if not OPTIONS["auto_commit"]:
            for committed in consumer.commit(message=message, asynchronous=False):
                emit("committed", partition=committed.partition, offset=committed.offset)
    consumer.close()


def first_records() -> None:
    """Read the first record in each of the groups."""
    for group in OPTIONS["groups"]:
        protocol = OPTIONS.get("protocol", "classic")
        consumer = Consumer(SETTINGS | {"group.id": group, "group.protocol": protocol, "auto.offset.reset": "earliest"})
        began_s, begin_s = time.time(), time.perf_counter()
        consumer.subscribe([TOPIC])
        message = consumer.poll(30)
        took_s = time.perf_counter() - begin_s
        if message is None:
            raise TimeoutError("no record after 30 s")
        if error := message.error():
            raise KafkaException(error)
        consumer.close()
        emit("first_record", group=group, began_ms=began_s * 1e3, ms=took_s * 1e3)


{"produce": produce, "member": member, "first_records": first_records}[sys.argv[1]]()
