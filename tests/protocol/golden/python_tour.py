"""What the libraries for Python can do and the tests of the clients do not try; `record.py` runs this.

Each library copies a record within a transaction and aborts another; librdkafka joins a group of the newer protocol.
"""

import asyncio
import sys
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import TopicPartition as AioTopicPartition
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from kafka import KafkaProducer, OffsetAndMetadata
from kafka import TopicPartition as KafkaTopicPartition

BOOTSTRAP = sys.argv[1]
TOPIC = "python-tour"
TIMEOUT_S = 30


def confluent_kafka() -> None:
    """librdkafka: a transaction from a group of the newer protocol."""
    settings: dict[str, Any] = {"bootstrap.servers": BOOTSTRAP, "client.id": "confluent-kafka"}
    admin = AdminClient(settings)
    admin.create_topics([NewTopic(TOPIC, 1, 1)])[TOPIC].result(TIMEOUT_S)
    producer = Producer(settings | {"transactional.id": "confluent-kafka"})
    producer.init_transactions()
    producer.begin_transaction()
    producer.produce(TOPIC, b"aborted")
    producer.flush(TIMEOUT_S)
    producer.abort_transaction()

    producer.begin_transaction()
    producer.produce(TOPIC, b"first")
    producer.commit_transaction()
    group = {"group.id": "confluent-kafka-tour", "group.protocol": "consumer", "auto.offset.reset": "earliest"}
    consumer = Consumer(settings | group | {"enable.auto.commit": False})
    consumer.subscribe([TOPIC])
    [message] = consumer.consume(1, TIMEOUT_S)
    producer.begin_transaction()
    producer.produce(TOPIC, message.value())
    producer.send_offsets_to_transaction([TopicPartition(TOPIC, 0, 1)], consumer.consumer_group_metadata())
    producer.commit_transaction()
    consumer.close()


async def aiokafka() -> None:
    """aiokafka: a transaction from a group of the classic protocol."""
    settings: dict[str, Any] = {"bootstrap_servers": BOOTSTRAP, "client_id": "aiokafka"}
    group = {"group_id": "aiokafka-tour", "auto_offset_reset": "earliest", "isolation_level": "read_committed"}
    async with (
        AIOKafkaProducer(**settings, transactional_id="aiokafka") as producer,
        AIOKafkaConsumer(TOPIC, **settings, **group, enable_auto_commit=False) as consumer,
    ):
        message = await consumer.getone()
        async with producer.transaction():
            await producer.send_and_wait(TOPIC, message.value)
            await producer.send_offsets_to_transaction({AioTopicPartition(TOPIC, 0): 1}, "aiokafka-tour")
        await producer.begin_transaction()
        await producer.send_and_wait(TOPIC, b"aborted")
        await producer.abort_transaction()


def kafka_python() -> None:
    """kafka-python: a transaction with offsets of a group that has no members."""
    producer = KafkaProducer(
        bootstrap_servers=BOOTSTRAP, client_id="kafka-python", transactional_id="kafka-python", enable_idempotence=True
    )
    producer.init_transactions()
    producer.begin_transaction()
    producer.send(TOPIC, b"sent").get(TIMEOUT_S)
    offsets = {KafkaTopicPartition(TOPIC, 0): OffsetAndMetadata(1, "", -1)}
    producer.send_offsets_to_transaction(offsets, "kafka-python-tour")
    producer.commit_transaction()
    producer.begin_transaction()
    producer.send(TOPIC, b"aborted").get(TIMEOUT_S)
    producer.abort_transaction()
    producer.close()


confluent_kafka()
asyncio.run(asyncio.wait_for(aiokafka(), TIMEOUT_S))
kafka_python()
