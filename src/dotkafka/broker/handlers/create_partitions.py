"""CreatePartitions: add partitions to topics, all in one change.

Versions 0-3 are served, all with the same meaning: the request names the number of partitions that a topic is to have
afterwards, which must be more than it has. Records stay where they are; which partition a key goes to may change.

Left out: the timeout, since nobody else is waited for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import error_for, handles
from dotkafka.broker.topic_creation import TopicCreation, check_replicas
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_partitions import (
    CREATE_PARTITIONS,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
    CreatePartitionsTopicResult,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(CREATE_PARTITIONS, versions="0-3")
def create_partitions(
    broker: Broker, request: CreatePartitionsRequest, exchange: Exchange[CreatePartitionsResponse]
) -> CreatePartitionsResponse | None:
    """Add what can be added, and answer when that is durable."""
    creation = TopicCreation(broker)
    occurrences = Counter(topic.name for topic in request.topics)
    results = []
    for topic in {topic.name: topic for topic in request.topics}.values():
        result = CreatePartitionsTopicResult(name=topic.name)
        results.append(result)
        try:
            _add(broker, creation, topic, occurrences[topic.name])
        except ApiError as error:
            result.error_code, result.error_message = error_for(error)
    response = CreatePartitionsResponse(results=results)
    if request.validate_only or not creation.commit():
        return response
    broker.respond_when_durable(exchange, response)
    return None


def _add(broker: Broker, creation: TopicCreation, topic: CreatePartitionsTopic, occurrences: int) -> None:
    """Add the partitions of one topic to those to be created.

    Raises:
        ApiError: INVALID_REQUEST, UNKNOWN_TOPIC_OR_PARTITION, INVALID_TOPIC_EXCEPTION for an internal topic,
            INVALID_PARTITIONS, INVALID_REPLICA_ASSIGNMENT, POLICY_VIOLATION, or KAFKA_STORAGE_ERROR.
    """
    broker.shard.check_writable()
    if occurrences > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
    image = broker.metadata.topics_by_name.get(topic.name)
    if image is None:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "There is no such topic.")
    if image.is_internal:
        # Groups and transactions find their partition by a hash over the number of partitions.
        raise ApiError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"{topic.name} is internal: its partitions are fixed.")
    additional = topic.count - image.partition_count
    if additional <= 0:
        raise ApiError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic has {image.partition_count} partitions, so {topic.count} would not be an increase.",
        )
    if topic.assignments is not None:
        if len(topic.assignments) != additional:
            raise ApiError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"There are {additional} new partitions, and a replica assignment for {len(topic.assignments)}.",
            )
        for assignment in topic.assignments:
            check_replicas(broker, assignment.broker_ids)
    creation.add_partitions(image.topic_id, range(image.partition_count, topic.count))
