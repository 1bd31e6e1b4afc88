"""aiokafka, driven by tests/clients (the options, commands and events are described in ../README.md)."""

import asyncio
import json
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.helpers import create_ssl_context

OPTIONS = json.loads(sys.argv[2])
TOPIC = OPTIONS["topic"]
SETTINGS = {"bootstrap_servers": OPTIONS["bootstrap"], "client_id": OPTIONS.get("client_id", "aiokafka")}
if "ca" in OPTIONS:
    SETTINGS |= {"security_protocol": "SSL", "ssl_context": create_ssl_context(cafile=OPTIONS["ca"])}
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


async def produce() -> None:
    """Send the batches, one after the other."""
    compression = OPTIONS.get("compression")
    async with AIOKafkaProducer(
        **SETTINGS,
        enable_idempotence=OPTIONS.get("idempotent", True),
        compression_type=None if compression == "none" else compression,
    ) as producer:
        for batch in OPTIONS["batches"]:
            futures = [
                await producer.send(
                    TOPIC,
                    partition=record["partition"],
                    key=record["key"].encode(),
                    value=record["value"].encode(),
                    headers=[(name, value.encode()) for name, value in record.get("headers", {}).items()],
                )
                for record in batch
            ]
            for metadata in await asyncio.gather(*futures):
                emit("sent", partition=metadata.partition, offset=metadata.offset)


class EmitAssignments(ConsumerRebalanceListener):  # type: ignore[misc]
    """Prints each assignment."""

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing is left: these assignors are eager."""
        emit("assigned", partitions=[])

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """All that the member has now."""
        emit("assigned", partitions=sorted(partition.partition for partition in assigned))


async def read(consumer: AIOKafkaConsumer) -> None:
    """Read until there is enough."""
    received = 0
    while received != OPTIONS.get("stop_after"):
        message = await consumer.getone()
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
            await consumer.commit({TopicPartition(TOPIC, message.partition): message.offset + 1})
            emit("committed", partition=message.partition, offset=message.offset + 1)


async def member() -> None:
    """Read as a member of the group until there is enough, or stdin ends."""
    consumer = AIOKafkaConsumer(
        **SETTINGS,
        group_id=OPTIONS["group"],
        group_instance_id=OPTIONS.get("instance_id"),
        auto_offset_reset="earliest",
        enable_auto_commit=OPTIONS["auto_commit"],
        auto_commit_interval_ms=100,
        partition_assignment_strategy=[ASSIGNORS[OPTIONS.get("assignor", "range")]],
        session_timeout_ms=OPTIONS.get("session_timeout_ms", 30_000),
        heartbeat_interval_ms=OPTIONS.get("heartbeat_interval_ms", 500),
        max_poll_interval_ms=30_000,
        metadata_max_age_ms=1000,
    )
    wanted = {"pattern": f"^{OPTIONS['pattern']}$"} if "pattern" in OPTIONS else {"topics": [TOPIC]}
    consumer.subscribe(**wanted, listener=EmitAssignments())
    await consumer.start()
    try:
        reading = asyncio.create_task(read(consumer))
        stop = asyncio.create_task(stdin_end())
        await asyncio.wait({reading, stop}, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            await reading
        for task in (reading, stop):
            task.cancel()
    finally:
        await consumer.stop()


async def stdin_end() -> None:
    """Return when stdin ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def first_records() -> None:
    """Read the first record in each of the groups."""
    for group in OPTIONS["groups"]:
        began_s, begin_s = time.time(), time.perf_counter()
        async with AIOKafkaConsumer(TOPIC, **SETTINGS, group_id=group, auto_offset_reset="earliest") as consumer:
            await consumer.getone()
            took_s = time.perf_counter() - begin_s
        emit("first_record", group=group, began_ms=began_s * 1e3, ms=took_s * 1e3)


COMMANDS = {"produce": produce, "member": member, "first_records": first_records}
asyncio.run(asyncio.wait_for(COMMANDS[sys.argv[1]](), 100))
