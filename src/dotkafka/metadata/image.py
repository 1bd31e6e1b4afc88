"""The metadata image: what the cluster is at one moment, as plain immutable values.

Its only source is the records of `__cluster_metadata`, which are Kafka's (KRaft). `MetadataImage.apply` makes the next
image from the last one; whoever holds an image may keep it. Mappings in an image are not to be changed.

Invariants: `topics_by_name` and `topics_by_id` hold the same topics; the partitions of a topic are 0 to
`partition_count - 1`; a resource in `configs` has at least one setting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import attrs

from dotkafka.metadata.topic_names import CLUSTER_METADATA_TOPIC_ID, is_internal, unified_name
from dotkafka.protocol.messages.metadata_records import (
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

METADATA_PARTITION: Final = TopicIdPartition(CLUSTER_METADATA_TOPIC_ID, 0)
"""The partition that holds the metadata records. No image lists it."""

MetadataRecord = TopicRecord | PartitionRecord | ConfigRecord | RemoveTopicRecord | ProducerIdsRecord
"""One change of the metadata."""

TOPIC_RESOURCE: Final = 2
BROKER_RESOURCE: Final = 4
GROUP_RESOURCE: Final = 32


class ConfigResource(NamedTuple):
    """What a setting belongs to. A broker resource with an empty name stands for all brokers of the cluster."""

    resource_type: int
    name: str


@attrs.frozen
class TopicImage:
    """One topic."""

    name: str
    topic_id: bytes
    """16 bytes: tells a deleted topic from its re-creation."""
    partition_count: int = 0
    configs: Mapping[str, str] = attrs.field(factory=dict)
    """The settings that the topic has of its own."""

    @property
    def is_internal(self) -> bool:
        """Whether only the broker writes this topic."""
        return is_internal(self.name)

    def partitions(self) -> Iterator[TopicIdPartition]:
        """Yield the topic's partitions in their order."""
        return (TopicIdPartition(self.topic_id, index) for index in range(self.partition_count))


@attrs.frozen
class MetadataImage:
    """The cluster at one moment; see the module."""

    topics_by_name: Mapping[str, TopicImage] = attrs.field(factory=dict)
    topics_by_id: Mapping[bytes, TopicImage] = attrs.field(factory=dict)
    names_by_unified_name: Mapping[str, str] = attrs.field(factory=dict)
    """The topic that occupies each name in which '.' and '_' are the same."""
    configs: Mapping[ConfigResource, Mapping[str, str]] = attrs.field(factory=dict)
    """Settings of everything but topics, whose own are in their `TopicImage`."""
    next_producer_id: int = 0
    """The first producer id that was never given to anybody."""

    @property
    def partition_count(self) -> int:
        """Partitions of all topics together. Costs O(topics)."""
        return sum(topic.partition_count for topic in self.topics_by_name.values())

    def partitions(self) -> Iterator[TopicIdPartition]:
        """Yield every partition of every topic."""
        for topic in self.topics_by_name.values():
            yield from topic.partitions()

    def group_configs(self, group_id: str) -> Mapping[str, str]:
        """Return the settings that a group has of its own."""
        return self.configs.get(ConfigResource(GROUP_RESOURCE, group_id), {})

    def colliding_topic(self, name: str) -> str | None:
        """Return the topic whose name differs from `name` only in '.' and '_', if there is one."""
        other = self.names_by_unified_name.get(unified_name(name))
        return None if other == name else other

    def apply(self, *records: MetadataRecord) -> MetadataImage:
        """Return the image after `records`. Costs O(topics) once, however many records there are."""
        draft = _Draft(self)
        for record in records:
            draft.replay(record)
        return draft.finish()


class _Draft:
    """An image while records are applied to it."""

    def __init__(self, image: MetadataImage) -> None:
        self._by_id = dict(image.topics_by_id)
        self._by_name = dict(image.topics_by_name)
        self._unified = dict(image.names_by_unified_name)
        self._configs = dict(image.configs)
        self._next_producer_id = image.next_producer_id
        self._partition_counts: dict[bytes, int] = {}

    def replay(self, record: MetadataRecord) -> None:
        match record:
            case TopicRecord():
                self._put(TopicImage(record.name, record.topic_id))
            case PartitionRecord():
                count = self._partition_counts.get(record.topic_id, 0)
                self._partition_counts[record.topic_id] = max(count, record.partition_id + 1)
            case ConfigRecord():
                self._configure(record)
            case RemoveTopicRecord():
                self._remove(record.topic_id)
            case ProducerIdsRecord():
                self._next_producer_id = record.next_producer_id

    def finish(self) -> MetadataImage:
        for topic_id, count in self._partition_counts.items():
            topic = self._by_id[topic_id]
            self._put(attrs.evolve(topic, partition_count=max(count, topic.partition_count)))
        return MetadataImage(self._by_name, self._by_id, self._unified, self._configs, self._next_producer_id)

    def _put(self, topic: TopicImage) -> None:
        self._by_id[topic.topic_id] = topic
        self._by_name[topic.name] = topic
        self._unified.setdefault(unified_name(topic.name), topic.name)

    def _remove(self, topic_id: bytes) -> None:
        topic = self._by_id.pop(topic_id)
        del self._by_name[topic.name]
        self._partition_counts.pop(topic_id, None)
        if self._unified.get(unified_name(topic.name)) == topic.name:
            del self._unified[unified_name(topic.name)]

    def _configure(self, record: ConfigRecord) -> None:
        resource = ConfigResource(record.resource_type, record.resource_name)
        topic = self._by_name[resource.name] if resource.resource_type == TOPIC_RESOURCE else None
        configs = dict(topic.configs if topic is not None else self._configs.get(resource, {}))
        if record.value is None:
            configs.pop(record.name, None)
        else:
            configs[record.name] = record.value
        if topic is not None:
            self._put(attrs.evolve(topic, configs=configs))
        elif configs:
            self._configs[resource] = configs
        else:
            self._configs.pop(resource, None)
