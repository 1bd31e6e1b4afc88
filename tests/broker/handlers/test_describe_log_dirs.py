"""DescribeLogDirs."""

from typing import Any

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_log_dirs import (
    DESCRIBE_LOG_DIRS,
    DescribableLogDirTopic,
    DescribeLogDirsRequest,
    DescribeLogDirsResult,
)
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record


@pytest.fixture(name="size_bytes")
def fixture_size_bytes(running: Any, client: Any) -> int:
    """What the one batch in partition 1 of the topic `orders` takes."""
    running.broker.metadata_log.create_topic("orders", 2, {})
    running.broker.metadata_log.create_topic("other", 1, {})
    batch = encode_batch([Record(0, 1_700_000_000_000, None, b"x" * 100)])
    topic = TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=1, records=batch)])
    client.call(PRODUCE, 9, ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic]))
    return len(batch)


def described(result: DescribeLogDirsResult) -> dict[str, list[tuple[int, int]]]:
    """Number and size of the partitions in an answer, by topic."""
    return {
        topic.name: [(partition.partition_index, partition.partition_size) for partition in topic.partitions]
        for topic in result.topics
    }


@pytest.mark.parametrize("version", range(6))
def test_every_version_is_served(client: Any, size_bytes: int, version: int) -> None:
    """Null asks for everything."""
    (result,) = client.call(DESCRIBE_LOG_DIRS, version, DescribeLogDirsRequest(topics=None)).results
    assert (result.error_code, result.log_dir) == (0, "dotkafka")
    assert described(result) == {"orders": [(0, 0), (1, size_bytes)], "other": [(0, 0)]}
    assert (result.total_bytes, result.usable_bytes, result.is_cordoned) == (-1, -1, False)


def test_only_what_is_asked_for_and_exists_is_described(client: Any, size_bytes: int) -> None:
    """Unknown topics and partitions are left out, as in Kafka."""
    topics = [
        DescribableLogDirTopic(topic="orders", partitions=[1, 1, 2, -1]),
        DescribableLogDirTopic(topic="other", partitions=[5]),
        DescribableLogDirTopic(topic="unknown", partitions=[0]),
    ]
    (result,) = client.call(DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=topics)).results
    assert described(result) == {"orders": [(1, size_bytes)]}
    (result,) = client.call(DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=[])).results
    assert described(result) == {}


def test_a_failed_storage_is_told(running: Any, client: Any) -> None:
    """The directory is there, with the error."""
    running.broker.shard.failure = StorageFailed("the disk is gone")
    (result,) = client.call(DESCRIBE_LOG_DIRS, 4, DescribeLogDirsRequest(topics=None)).results
    assert (result.error_code, result.log_dir) == (ErrorCode.KAFKA_STORAGE_ERROR, "dotkafka")
