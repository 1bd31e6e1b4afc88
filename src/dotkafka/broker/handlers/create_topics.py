"""CreateTopics: create topics, all that can be created in one change.

Versions 0-7 are served. From 1 a client may ask only whether it could be done (`validate_only`) and gets messages with
its errors; from 4 partitions and replicas may be left to the broker; 5 adds the settings and the number of partitions
to the answer (KIP-525), 7 the topic id.

There is one broker, so the replication factor is 1, or -1 for the default, and a replica assignment names this broker
alone. Left out: the timeout, since nobody else is waited for.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import error_for, handles
from dotkafka.broker.effective_configs import EffectiveConfig, TopicConfigs
from dotkafka.broker.log_configs import inherited_topic_configs
from dotkafka.broker.topic_creation import TopicCreation, check_replicas
from dotkafka.errors import ApiError
from dotkafka.metadata.configs import listed
from dotkafka.metadata.topic_configs import validate_topic_configs
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfigs,
    CreatableTopicResult,
    CreateTopicsRequest,
    CreateTopicsResponse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

FIRST_VERSION_WITH_CONFIGS: Final = 5


@handles(CREATE_TOPICS, versions="0-7")
def create_topics(
    broker: Broker, request: CreateTopicsRequest, exchange: Exchange[CreateTopicsResponse]
) -> CreateTopicsResponse | None:
    """Create what can be created, and answer when that is durable."""
    creation = TopicCreation(broker)
    occurrences = Counter(topic.name for topic in request.topics)
    topics = {topic.name: topic for topic in request.topics}
    partitions_asked_for = sum(_partitions_asked_for(broker, topic) for topic in topics.values())
    settings = _Settings(broker, exchange.version)
    results = []
    for topic in topics.values():
        try:
            broker.shard.check_writable()
            creation.check_asked_for(partitions_asked_for)
            results.append(_create(broker, creation, topic, occurrences[topic.name], settings))
        except ApiError as error:
            code, message = error_for(error)
            results.append(CreatableTopicResult(name=topic.name, error_code=code, error_message=message))
    response = CreateTopicsResponse(topics=results)
    if request.validate_only or not creation.commit():
        return response
    broker.respond_when_durable(exchange, response)
    return None


def _create(
    broker: Broker, creation: TopicCreation, topic: CreatableTopic, occurrences: int, settings: _Settings
) -> CreatableTopicResult:
    """Add one topic to those to be created.

    Raises:
        ApiError: why it cannot be created.
    """
    if occurrences > 1:
        raise ApiError(ErrorCode.INVALID_REQUEST, "The request names this topic more than once.")
    creation.check_name(topic.name)
    configs = settings.of(topic)
    partition_count = _partition_count(broker, topic)
    return CreatableTopicResult(
        name=topic.name,
        topic_id=creation.add_topic(topic.name, partition_count, configs),
        error_message=None,
        num_partitions=partition_count,
        replication_factor=1,
        configs=settings.described(configs),
    )


class _Settings:
    """The settings of the topics of one request."""

    def __init__(self, broker: Broker, version: int) -> None:
        self._topic_configs = TopicConfigs(broker.config, broker.metadata)
        self._inherited = inherited_topic_configs(broker.config, broker.metadata)
        self._are_told = version >= FIRST_VERSION_WITH_CONFIGS
        self._described: dict[str, tuple[EffectiveConfig, CreatableTopicConfigs]] = {}
        """The last one of each name."""
        self._last: tuple[Sequence[EffectiveConfig], Sequence[CreatableTopicConfigs]] = ((), ())

    def of(self, topic: CreatableTopic) -> Mapping[str, str]:
        """Return the settings of a topic; of one that is given twice the last value holds, as in Kafka.

        Raises:
            ApiError: INVALID_CONFIG.
        """
        nulls = [config.name for config in topic.configs if config.value is None]
        if nulls:
            raise ApiError(ErrorCode.INVALID_CONFIG, f"These settings have no value: {listed(nulls)}.")
        configs = {config.name: config.value for config in topic.configs if config.value is not None}
        validate_topic_configs(configs, self._inherited)
        return configs

    def described(self, configs: Mapping[str, str]) -> Sequence[CreatableTopicConfigs]:
        """Describe all settings of a topic that has these of its own; those that it inherits once for all topics."""
        if not self._are_told:
            return ()
        effective = self._topic_configs.of(configs)
        if effective is not self._last[0]:
            self._last = (effective, [self._describe(one) for one in effective])
        # The same list again, for topics that inherit all, is encoded once.
        return self._last[1]

    def _describe(self, effective: EffectiveConfig) -> CreatableTopicConfigs:
        name = effective.definition.name
        known = self._described.get(name)
        if known is not None and known[0] is effective:
            return known[1]
        described = CreatableTopicConfigs(
            name=name,
            value=effective.value,
            read_only=effective.definition.is_read_only,
            config_source=effective.source,
        )
        self._described[name] = (effective, described)
        return described


def _partition_count(broker: Broker, topic: CreatableTopic) -> int:
    """Return how many partitions the topic gets.

    Raises:
        ApiError: INVALID_REQUEST, INVALID_REPLICA_ASSIGNMENT, INVALID_REPLICATION_FACTOR or INVALID_PARTITIONS.
    """
    if topic.assignments:
        if topic.replication_factor != -1 or topic.num_partitions != -1:
            raise ApiError(
                ErrorCode.INVALID_REQUEST,
                "With a replica assignment, the replication factor and the number of partitions must be -1.",
            )
        _check_assignments(broker, topic.assignments)
        return len(topic.assignments)
    if topic.replication_factor not in {-1, 1}:
        raise ApiError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is {topic.replication_factor}; there is one broker, so it must be 1, or -1 for the"
            " default.",
        )
    if topic.num_partitions < -1 or topic.num_partitions == 0:
        raise ApiError(
            ErrorCode.INVALID_PARTITIONS,
            f"The number of partitions is {topic.num_partitions}; it must be 1 or more, or -1 for the default.",
        )
    return broker.config.num_partitions if topic.num_partitions == -1 else topic.num_partitions


def _check_assignments(broker: Broker, assignments: Sequence[CreatableReplicaAssignment]) -> None:
    """Refuse an assignment that is not one replica, on this broker, for each of the partitions 0, 1, 2 ...

    Raises:
        ApiError: INVALID_REPLICA_ASSIGNMENT.
    """
    partitions = Counter(assignment.partition_index for assignment in assignments)
    if partitions.keys() != set(range(len(assignments))):
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            "The replica assignment must name the partitions from 0 on, each once and without a gap.",
        )
    for assignment in assignments:
        check_replicas(broker, assignment.broker_ids)


def _partitions_asked_for(broker: Broker, topic: CreatableTopic) -> int:
    """Return how many partitions the topic would have; one for an invalid number, so that those are limited too."""
    if topic.assignments:
        return len(topic.assignments)
    return broker.config.num_partitions if topic.num_partitions == -1 else max(topic.num_partitions, 1)
