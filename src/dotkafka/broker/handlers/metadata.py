"""Metadata: which brokers there are, and which topics with which partitions.

Versions 0-13 are served. In version 0 an empty list of topics means all, from 1 that is null, and empty means none.
From 4 a client may forbid that asking creates a topic; from 12 it may ask by topic id. Later versions add to the
answer: the controller (1), the cluster id (2), leader epochs (7), if asked for what the client may do (8), topic ids
(10).

A new topic is there at once, so LEADER_NOT_AVAILABLE is never answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.authorized_operations import CLUSTER_OPERATIONS, TOPIC_OPERATIONS
from dotkafka.broker.dispatch import error_for, handles
from dotkafka.broker.topic_creation import TopicCreation
from dotkafka.errors import ApiError
from dotkafka.metadata.topic_names import CLUSTER_METADATA_TOPIC, is_internal, validate_topic_name
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.metadata import (
    METADATA,
    MetadataRequest,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from dotkafka.protocol.schema import NULL_UUID

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.metadata.image import TopicImage

FIRST_VERSION_BY_ID: Final = 12


@handles(METADATA, versions="0-13")
def metadata(broker: Broker, request: MetadataRequest, exchange: Exchange[MetadataResponse]) -> None:
    """Describe the cluster, and create the topics that are asked for and missing, where that is allowed."""
    topics = _topics(broker, request, exchange.version)
    host, port = broker.advertised_listener(exchange.connection)
    response = MetadataResponse(
        brokers=[MetadataResponseBroker(node_id=broker.config.node_id, host=host, port=port)],
        cluster_id=broker.metadata_log.cluster_id,
        controller_id=broker.config.node_id,
        topics=topics,
    )
    if request.include_topic_authorized_operations:
        for topic in topics:
            topic.topic_authorized_operations = TOPIC_OPERATIONS
    if request.include_cluster_authorized_operations:
        response.cluster_authorized_operations = CLUSTER_OPERATIONS
    broker.metadata_log.respond(exchange, response)


def _topics(broker: Broker, request: MetadataRequest, version: int) -> Sequence[MetadataResponseTopic]:
    if request.topics is None or (version == 0 and not request.topics):
        return [_describe(broker, topic) for topic in broker.metadata.topics_by_name.values()]
    # A topic asked for twice is answered once. Where there are ids, Kafka answers those alone.
    topic_ids = dict.fromkeys(topic.topic_id for topic in request.topics if topic.topic_id != NULL_UUID)
    if topic_ids and version >= FIRST_VERSION_BY_ID:
        return [_describe_by_id(broker, topic_id) for topic_id in topic_ids]
    names = dict.fromkeys(topic.name for topic in request.topics)
    missing = [name for name in names if name is not None and name not in broker.metadata.topics_by_name]
    may_create = broker.config.auto_create_topics_enable and request.allow_auto_topic_creation
    errors = _create(broker, missing, may_create=may_create)
    return [_describe_by_name(broker, name, errors) for name in names]


def _describe_by_id(broker: Broker, topic_id: bytes) -> MetadataResponseTopic:
    topic = broker.metadata.topics_by_id.get(topic_id)
    if topic is None:
        return MetadataResponseTopic(error_code=ErrorCode.UNKNOWN_TOPIC_ID, name=None, topic_id=topic_id)
    return _describe(broker, topic)


def _describe_by_name(broker: Broker, name: str | None, errors: Mapping[str, ErrorCode]) -> MetadataResponseTopic:
    if name is None:
        return MetadataResponseTopic(error_code=ErrorCode.INVALID_REQUEST, name="")
    if name in errors:
        return MetadataResponseTopic(error_code=errors[name], name=name, is_internal=is_internal(name))
    return _describe(broker, broker.metadata.topics_by_name[name])


def _create(broker: Broker, names: Sequence[str], *, may_create: bool) -> dict[str, ErrorCode]:
    """Create topics that are asked for and missing, and return why some of them are missing still."""
    creation = TopicCreation(broker)
    errors = {}
    for name in names:
        try:
            _check_may_create(broker, name, may_create=may_create)
            creation.add_topic(name, broker.config.num_partitions, {})
        except ApiError as error:
            errors[name] = error_for(error)[0]
    creation.commit()
    return errors


def _check_may_create(broker: Broker, name: str, *, may_create: bool) -> None:
    """Refuse a topic that does not come into being by being asked for.

    Raises:
        ApiError: INVALID_TOPIC_EXCEPTION, UNKNOWN_TOPIC_OR_PARTITION, or KAFKA_STORAGE_ERROR.
    """
    validate_topic_name(name)
    if not may_create or is_internal(name) or name == CLUSTER_METADATA_TOPIC:
        raise ApiError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    broker.shard.check_writable()


def _describe(broker: Broker, topic: TopicImage) -> MetadataResponseTopic:
    node_id = broker.config.node_id
    leader_epoch = broker.shard.leader_epoch
    replicas = (node_id,)
    return MetadataResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[
            MetadataResponsePartition(
                partition_index=index,
                leader_id=node_id,
                leader_epoch=leader_epoch,
                replica_nodes=replicas,
                isr_nodes=replicas,
            )
            for index in range(topic.partition_count)
        ],
    )
