"""DescribeLogDirs: which partitions there are on disk, and how big they are (KIP-113).

Versions 0-5 are served. From 3 there is an error for the whole answer, from 4 the sizes of the volume (KIP-827), from 5
whether it takes no new partitions.

There is one "directory", named `dotkafka`: the storage that the broker was given, whatever it is. Left out: the sizes
of its volume, which only the storage knows (-1, as Kafka answers when it does not know them).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_log_dirs import (
    DESCRIBE_LOG_DIRS,
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.metadata.image import TopicImage

LOG_DIR: Final = "dotkafka"


@handles(DESCRIBE_LOG_DIRS, versions="0-5")
def describe_log_dirs(
    broker: Broker, request: DescribeLogDirsRequest, exchange: Exchange[DescribeLogDirsResponse]
) -> DescribeLogDirsResponse:
    """Describe the partitions asked for; those that do not exist are left out."""
    if broker.shard.failure is not None:
        failed = DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=LOG_DIR)
        return DescribeLogDirsResponse(results=[failed])
    topics = [
        DescribeLogDirsTopic(name=topic.name, partitions=described)
        for topic, indexes in _asked_for(broker, request)
        if (described := [_describe(broker, topic, index) for index in indexes if 0 <= index < topic.partition_count])
    ]
    return DescribeLogDirsResponse(results=[DescribeLogDirsResult(log_dir=LOG_DIR, topics=topics)])


def _asked_for(broker: Broker, request: DescribeLogDirsRequest) -> Iterator[tuple[TopicImage, Iterable[int]]]:
    """Yield each topic asked for, with the numbers of the partitions asked for; null asks for everything."""
    topics = broker.metadata.topics_by_name
    if request.topics is None:
        for topic in topics.values():
            yield topic, range(topic.partition_count)
        return
    for asked_for in request.topics:
        if asked_for.topic in topics:
            yield topics[asked_for.topic], dict.fromkeys(asked_for.partitions)


def _describe(broker: Broker, topic: TopicImage, index: int) -> DescribeLogDirsPartition:
    log = broker.shard.logs.get(TopicIdPartition(topic.topic_id, index))
    return DescribeLogDirsPartition(partition_index=index, partition_size=0 if log is None else log.size_bytes)
