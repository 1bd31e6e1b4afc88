"""kafka-python, driven by tests/clients (the options, commands and events are described in ../README.md)."""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

OPTIONS = json.loads(sys.argv[2])
TOPIC = OPTIONS["topic"]
SETTINGS = {"bootstrap_servers": OPTIONS["bootstrap"], "client_id": OPTIONS.get("client_id", "kafka-python")}
if "ca" in OPTIONS:
    SETTINGS |= {"security_protocol": "SSL", "ssl_cafile": OPTIONS["ca"]}
PATIENCE_MS = 3_600_000
ASSIGNORS = {
    "range": RangePartitionAssignor,
    "roundrobin": RoundRobinPartitionAssignor,
    "sticky": StickyPartitionAssignor,
}


def emit(event: str, **fields: object) -> None:
    """Print one event."""
    sys.stdout.write(json.dumps({"event": event, **fields}) + "\n")
    sys.stdout.flush()


def text(data: bytes | None) -> str | None:
    """Decode, but leave null what is null."""
    return None if data is None else data.decode()


class StoppedError(Exception):
    """Stdin has ended, the order to stop."""


class Stop:
    """The order to stop; the one thing that is interrupted by it is a poll."""

    def __init__(self) -> None:
        self.is_asked_for = False
        self._is_polling = False
        signal.signal(signal.SIGUSR1, self._ask_for)
        threading.Thread(target=self._wait_for_stdin_end, daemon=True).start()

    def _wait_for_stdin_end(self) -> None:
        sys.stdin.read()
        os.kill(os.getpid(), signal.SIGUSR1)

    def _ask_for(self, *_: object) -> None:
        self.is_asked_for = True
        if self._is_polling:
            raise StoppedError

    def poll(self, consumer: KafkaConsumer) -> dict[TopicPartition, Any]:
        """Wait for records, or for the order to stop.

        kafka-python 3.0.12 drops an assignment that comes after the poll that joined has timed out, so none does.
        """
        records: dict[TopicPartition, Any] = {}
        with suppress(StoppedError):
            self._is_polling = True
            try:
                if not self.is_asked_for:
                    records = consumer.poll(PATIENCE_MS)
            finally:
                self._is_polling = False
        return records


def produce() -> None:
    """Send the batches, one after the other."""
    compression = OPTIONS.get("compression")
    producer = KafkaProducer(
        **SETTINGS,
        enable_idempotence=OPTIONS.get("idempotent", True),
        compression_type=None if compression == "none" else compression,
    )
    for batch in OPTIONS["batches"]:
        futures = [
            producer.send(
                TOPIC,
                partition=record["partition"],
                key=record["key"].encode(),
                value=record["value"].encode(),
                headers=[(name, value.encode()) for name, value in record.get("headers", {}).items()],
            )
            for record in batch
        ]
        for future in futures:
            metadata = future.get(30)
            emit("sent", partition=metadata.partition, offset=metadata.offset)
    producer.close()


class EmitAssignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Prints each assignment."""

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing is left: these assignors are eager."""
        emit("assigned", partitions=[])

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """All that the member has now."""
        emit("assigned", partitions=sorted(partition.partition for partition in assigned))


def member() -> None:
    """Read as a member of the group until there is enough, or stdin ends."""
    stop = Stop()
    consumer = KafkaConsumer(
        **SETTINGS,
        group_id=OPTIONS["group"],
        group_instance_id=OPTIONS.get("instance_id"),
        auto_offset_reset="earliest",
        enable_auto_commit=OPTIONS["auto_commit"],
        auto_commit_interval_ms=100,
        partition_assignment_strategy=[ASSIGNORS[OPTIONS.get("assignor", "range")]],
        session_timeout_ms=OPTIONS.get("session_timeout_ms", 30_000),
        heartbeat_interval_ms=OPTIONS.get("heartbeat_interval_ms", 500),
        metadata_max_age_ms=1000,
    )
    wanted = {"pattern": f"^{OPTIONS['pattern']}$"} if "pattern" in OPTIONS else {"topics": [TOPIC]}
    consumer.subscribe(**wanted, listener=EmitAssignments())
    received = 0
    while received != OPTIONS.get("stop_after") and not stop.is_asked_for:
        for partition, messages in stop.poll(consumer).items():
            for message in messages:
                received += 1
                emit(
                    "record",
                    partition=message.partition,
                    offset=message.offset,
                    key=text(message.key),
                    value=text(message.value),
                    headers={name: text(value) for name, value in message.headers},
                )
            if not OPTIONS["auto_commit"]:
                offset = messages[-1].offset + 1
                consumer.commit({partition: OffsetAndMetadata(offset, "", -1)})
                emit("committed", partition=partition.partition, offset=offset)
    consumer.close()


def first_records() -> None:
    """Read the first record in each of the groups."""
    for group in OPTIONS["groups"]:
        began_s, begin_s = time.time(), time.perf_counter()
        consumer = KafkaConsumer(TOPIC, **SETTINGS, group_id=group, auto_offset_reset="earliest")
        next(consumer)
        took_s = time.perf_counter() - begin_s
        consumer.close()
        emit("first_record", group=group, began_ms=began_s * 1e3, ms=took_s * 1e3)


{"produce": produce, "member": member, "first_records": first_records}[sys.argv[1]]()
