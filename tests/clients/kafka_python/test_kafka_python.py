"""kafka-python's admin client and look-ups. Its producer and groups: ../test_round_trip.py, ../test_groups.py."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import pytest

with warnings.catch_warnings():
    # kafka-python loads its message definitions with importlib.resources.read_text.
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition
    from kafka.admin import KafkaAdminClient, NewPartitions, NewTopic
    from kafka.errors import TopicAlreadyExistsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.conftest import Address


@pytest.fixture
def admin(plain_address: Address) -> Iterator[KafkaAdminClient]:
    """An admin client."""
    client = KafkaAdminClient(bootstrap_servers=plain_address.bootstrap)
    yield client
    client.close()


def test_admin_of_topics(admin: KafkaAdminClient, unique: Callable[[str], str]) -> None:
    """Topics are created once, listed, widened and deleted."""
    topic = unique("topic")
    admin.create_topics([NewTopic(topic, 2, 1)])
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic(topic, 2, 1)])
    admin.create_partitions({topic: NewPartitions(4)})
    assert topic in admin.list_topics()
    [description] = admin.describe_topics([topic])
    assert len(description["partitions"]) == 4
    admin.delete_topics([topic])
    assert topic not in admin.list_topics()


def test_offsets(plain_address: Address, create_topic: Callable[..., str], unique: Callable[[str], str]) -> None:
    """First and last offsets, offsets for times, and committed offsets."""
    partition = TopicPartition(create_topic(plain_address, 1), 0)
    producer = KafkaProducer(bootstrap_servers=plain_address.bootstrap)
    for second in range(10):
        producer.send(partition.topic, str(second).encode(), timestamp_ms=1_700_000_000_000 + 1000 * second)
    producer.flush(20)
    producer.close()
    consumer = KafkaConsumer(
        bootstrap_servers=plain_address.bootstrap,
        group_id=unique("group"),
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    assert consumer.beginning_offsets([partition]) == {partition: 0}
    assert consumer.end_offsets([partition]) == {partition: 10}
    found = consumer.offsets_for_times({partition: 1_700_000_003_500})[partition]
    assert (found.offset, found.timestamp) == (4, 1_700_000_004_000)
    consumer.assign([partition])
    values = [next(consumer).value for _ in range(10)]
    assert values == [str(second).encode() for second in range(10)]
    consumer.commit()
    assert consumer.committed(partition) == 10
    consumer.close()
