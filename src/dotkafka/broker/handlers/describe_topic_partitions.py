"""DescribeTopicPartitions: topics with their partitions, page by page, in the order of names (KIP-966).

Version 0 is served. An empty list of topics means all. A page ends when it has `response_partition_limit` partitions,
or 2,000; its cursor is where the next one begins. Another cursor is refused with INVALID_REQUEST for each topic that is
named, as by Kafka: there is no other place for an error. Asking never creates a topic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.authorized_operations import TOPIC_OPERATIONS
from dotkafka.broker.dispatch import error_for, handles
from dotkafka.errors import ApiError
from dotkafka.metadata.topic_names import is_internal, validate_topic_name
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_topic_partitions import (
    DESCRIBE_TOPIC_PARTITIONS,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponseCursor,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.metadata.image import TopicImage

MAX_PARTITIONS_PER_PAGE: Final = 2_000


@handles(DESCRIBE_TOPIC_PARTITIONS, versions="0")
def describe_topic_partitions(
    broker: Broker, request: DescribeTopicPartitionsRequest, exchange: Exchange[DescribeTopicPartitionsResponse]
) -> None:
    """Describe as many partitions as fit on the page."""
    if not _is_cursor_of(request):
        exchange.respond(DescribeTopicPartitionsResponse(topics=[_refused(topic.name) for topic in request.topics]))
        return
    room = max(min(request.response_partition_limit, MAX_PARTITIONS_PER_PAGE), 1)
    response = DescribeTopicPartitionsResponse()
    topics = []
    first_partition = request.cursor.partition_index if request.cursor else 0
    cursor_name = request.cursor.topic_name if request.cursor else None
    for name in _names(broker, request):
        if not room:
            response.next_cursor = DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=0)
            break
        topic = broker.metadata.topics_by_name.get(name)
        if topic is None:
            topics.append(_unknown(name))
            continue
        start = first_partition if name == cursor_name else 0
        end = min(start + room, topic.partition_count)
        topics.append(_describe(broker, topic, range(start, end)))
        room -= max(end - start, 0)
        if end < topic.partition_count:
            response.next_cursor = DescribeTopicPartitionsResponseCursor(topic_name=name, partition_index=end)
            break
    response.topics = topics
    broker.metadata_log.respond(exchange, response)


def _is_cursor_of(request: DescribeTopicPartitionsRequest) -> bool:
    """Tell whether a request with these topics can have got its cursor."""
    cursor, names = request.cursor, {topic.name for topic in request.topics}
    return cursor is None or (cursor.partition_index >= 0 and (not names or cursor.topic_name in names))


def _names(broker: Broker, request: DescribeTopicPartitionsRequest) -> Sequence[str]:
    """Return the names of the topics from the cursor on, in order."""
    cursor = request.cursor
    names = {topic.name for topic in request.topics} or broker.metadata.topics_by_name.keys()
    return sorted(name for name in names if cursor is None or name >= cursor.topic_name)


def _refused(name: str) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name=name)


def _unknown(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    try:
        validate_topic_name(name)
    except ApiError as error:
        code, _ = error_for(error)
    return DescribeTopicPartitionsResponseTopic(
        error_code=code, name=name, is_internal=is_internal(name), topic_authorized_operations=TOPIC_OPERATIONS
    )


def _describe(broker: Broker, topic: TopicImage, partitions: range) -> DescribeTopicPartitionsResponseTopic:
    node_id = broker.config.node_id
    replicas = (node_id,)
    return DescribeTopicPartitionsResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        topic_authorized_operations=TOPIC_OPERATIONS,
        partitions=[
            DescribeTopicPartitionsResponsePartition(
                partition_index=index,
                leader_id=node_id,
                leader_epoch=broker.shard.leader_epoch,
                replica_nodes=replicas,
                isr_nodes=replicas,
                eligible_leader_replicas=(),
                last_known_elr=(),
            )
            for index in partitions
        ],
    )
