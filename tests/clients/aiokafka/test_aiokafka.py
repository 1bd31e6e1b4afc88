"""aiokafka's admin client and look-ups. Its producer and groups: ../test_round_trip.py, ../test_groups.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address


@pytest.mark.asyncio
async def test_admin_of_topics(plain_address: Address, unique: Callable[[str], str]) -> None:
    """Topics are created, listed, widened and deleted."""
    topic = unique("topic")
    admin = AIOKafkaAdminClient(bootstrap_servers=plain_address.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 2, 1)])
        await admin.create_partitions({topic: NewPartitions(4)})
        assert topic in await admin.list_topics()
        [description] = await admin.describe_topics([topic])
        assert len(description["partitions"]) == 4
        await admin.delete_topics([topic])
        assert topic not in await admin.list_topics()
    finally:
        await admin.close()


@pytest.mark.asyncio
async def test_offsets(plain_address: Address, create_topic: Callable[..., str], unique: Callable[[str], str]) -> None:
    """First and last offsets, offsets for times, and committed offsets."""
    partition = TopicPartition(create_topic(plain_address, 1), 0)
    async with AIOKafkaProducer(bootstrap_servers=plain_address.bootstrap) as producer:
        for second in range(10):
            timestamp_ms = 1_700_000_000_000 + 1000 * second
            await producer.send_and_wait(partition.topic, str(second).encode(), timestamp_ms=timestamp_ms)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=plain_address.bootstrap,
        group_id=unique("group"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        assert await consumer.beginning_offsets([partition]) == {partition: 0}
        assert await consumer.end_offsets([partition]) == {partition: 10}
        found = (await consumer.offsets_for_times({partition: 1_700_000_003_500}))[partition]
        assert (found.offset, found.timestamp) == (4, 1_700_000_004_000)
        consumer.assign([partition])
        values = [(await consumer.getone()).value for _ in range(10)]
        assert values == [str(second).encode() for second in range(10)]
        await consumer.commit()
        assert await consumer.committed(partition) == 10
    finally:
        await consumer.stop()
