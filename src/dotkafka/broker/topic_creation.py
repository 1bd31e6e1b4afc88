"""TopicCreation: the topics and partitions that one request creates, checked one by one, written in one change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.errors import ApiError
from dotkafka.metadata.image import TopicImage
from dotkafka.metadata.topic_names import CLUSTER_METADATA_TOPIC, is_internal, unified_name, validate_topic_name
from dotkafka.protocol.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.metadata.image import MetadataRecord

MAX_PARTITIONS_PER_REQUEST: Final = 10_000
"""Kafka's own limit."""
MAX_PARTITIONS: Final = 200_000
"""Partitions of all topics together: each costs memory for as long as the broker runs. Kafka has no such limit."""


class TopicCreation:
    """What one request adds to the metadata: topics, and partitions of topics."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._image = broker.metadata
        self._existing_partitions = self._image.partition_count
        self._records: list[MetadataRecord] = []
        self._unified_names: dict[str, str] = {}
        self._partition_count = 0

    def check_name(self, name: str) -> None:
        """Refuse a name that no new topic may have.

        Raises:
            ApiError: TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION for an illegal, colliding or internal name, or
                INVALID_REQUEST for the metadata's own.
        """
        if name in self._image.topics_by_name:
            raise ApiError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic {name!r} already exists.")
        if name == CLUSTER_METADATA_TOPIC:
            raise ApiError(ErrorCode.INVALID_REQUEST, f"{name} is internal: it cannot be created.")
        validate_topic_name(name)
        if is_internal(name):
            raise ApiError(
                ErrorCode.INVALID_TOPIC_EXCEPTION, f"{name} is internal: the broker creates it when it is needed."
            )
        colliding = self._image.colliding_topic(name) or self._unified_names.get(unified_name(name))
        if colliding is not None:
            raise ApiError(
                ErrorCode.INVALID_TOPIC_EXCEPTION,
                f"Topic {name!r} collides with topic {colliding!r}: in the names of metrics '.' and '_' are the same.",
            )

    def check_asked_for(self, partition_count: int) -> None:
        """Refuse a request that asks for too many partitions, valid or not, as a whole.

        Raises:
            ApiError: POLICY_VIOLATION.
        """
        if partition_count > MAX_PARTITIONS_PER_REQUEST:
            raise ApiError(
                ErrorCode.POLICY_VIOLATION, f"One request may create {MAX_PARTITIONS_PER_REQUEST} partitions at most."
            )

    def check_partition_count(self, additional: int) -> None:
        """Refuse more partitions than a request, or the broker, may have.

        Raises:
            ApiError: POLICY_VIOLATION.
        """
        self.check_asked_for(self._partition_count + additional)
        if self._existing_partitions + self._partition_count + additional > MAX_PARTITIONS:
            raise ApiError(ErrorCode.POLICY_VIOLATION, f"There may be {MAX_PARTITIONS} partitions at most.")

    def add_topic(self, name: str, partition_count: int, configs: Mapping[str, str]) -> bytes:
        """Add a topic, whose settings are valid, and return its id.

        Raises:
            ApiError: as `check_name` and `check_partition_count`.
        """
        self.check_name(name)
        self.check_partition_count(partition_count)
        metadata_log = self._broker.metadata_log
        topic = TopicImage(name, metadata_log.new_topic_id(), partition_count, configs)
        self._records += metadata_log.topic_records(topic)
        self._unified_names[unified_name(name)] = name
        self._partition_count += partition_count
        return topic.topic_id

    def add_partitions(self, topic_id: bytes, partitions: range) -> None:
        """Add partitions to a topic.

        Raises:
            ApiError: as `check_partition_count`.
        """
        self.check_partition_count(len(partitions))
        self._records += self._broker.metadata_log.partition_records(topic_id, partitions)
        self._partition_count += len(partitions)

    def commit(self) -> bool:
        """Write what was added, and return whether that was anything. It is durable later."""
        if self._records:
            self._broker.metadata_log.change(self._records)
        return bool(self._records)


def check_replicas(broker: Broker, broker_ids: Sequence[int]) -> None:
    """Refuse replicas of a partition that are not just the one on this broker.

    Raises:
        ApiError: INVALID_REPLICA_ASSIGNMENT.
    """
    if list(broker_ids) != [broker.config.node_id]:
        raise ApiError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"A replica assignment names the brokers {list(broker_ids)[:10]}; there is only broker"
            f" {broker.config.node_id}.",
        )
