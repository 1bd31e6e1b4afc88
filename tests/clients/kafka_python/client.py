"""kafka-python, driven by tests/clients (the options, commands and events are described in ../README.md)."""

import json
import sys
import threading
import time

from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

OPTIONS = json.loads(sys.argv[2])
TOPIC = OPTIONS["topic"]
SETTINGS = {"bootstrap_servers": OPTIONS["bootstrap"], "client_id": OPTIONS.get("client_id", "kafka-python")}
if "ca" in OPTIONS:
    SETTINGS |= {"security_protocol": "SSL", "ssl_cafile": OPTIONS["ca"]}
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


def set_at_stdin_end(event: threading.Event) -> None:
    """Wait for the end of stdin, the order to stop."""
    sys.stdin.read()
    event.set()


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
    is_asked_to_stop = threading.Event()
    threading.Thread(target=set_at_stdin_end, args=(is_asked_to_stop,), daemon=True).start()
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
    while received != OPTIONS.get("stop_after") and not is_asked_to_stop.is_set():
        # kafka-python 3.0.12 drops an assignment that arrives after the poll that joined has timed out: be patient.
        for partition, messages in consumer.poll(timeout_ms=2000).items():
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
