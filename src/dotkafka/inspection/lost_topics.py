"""Topics whose metadata are lost: their ids and partitions are known, so they come back under made-up names.

`__consumer_offsets` is known by its records: all of them are of groups, and each group has its partition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.groups import OFFSETS_TOPIC, OFFSETS_TOPIC_CONFIGS, group_partition
from dotkafka.broker.recovery import stored_batches
from dotkafka.coordinator.group_records import decode_record
from dotkafka.errors import ApiError, DecodeError
from dotkafka.metadata.image import METADATA_PARTITION, TopicImage
from dotkafka.protocol.primitives import uuid_to_text
from dotkafka.records.batch import iterate_records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dotkafka.inspection.rebuilt_log import RebuiltLog
    from dotkafka.metadata.image import MetadataImage
    from dotkafka.storage.spi import CheckpointStore, TopicIdPartition

_MAX_OFFSETS_PARTITIONS: Final = 1000


def with_lost_topics(
    image: MetadataImage, logs: Mapping[TopicIdPartition, RebuiltLog], store: CheckpointStore
) -> tuple[MetadataImage, list[str]]:
    """Return the image with a topic for every log, the same if it has them all, and the names that were given.

    Args:
        image: what the metadata say.
        logs: all that there are.
        store: which has their batches.
    """
    counts: dict[bytes, int] = {}
    for partition in logs:
        if partition != METADATA_PARTITION:
            counts[partition.topic_id] = max(counts.get(partition.topic_id, 0), partition.partition + 1)
    by_id, by_name = dict(image.topics_by_id), dict(image.topics_by_name)
    made_up: list[str] = []
    for topic_id, count in counts.items():
        topic = by_id.get(topic_id)
        if topic is None or by_name[topic.name].topic_id != topic_id:
            # Lost, or another one has its name: the record that deleted it is lost.
            topic = _made_up(topic_id, count, logs, None if OFFSETS_TOPIC in by_name else store)
            made_up.append(topic.name)
        elif count > topic.partition_count:
            topic = attrs.evolve(topic, partition_count=count)
        by_id[topic_id] = by_name[topic.name] = topic
    if by_id == image.topics_by_id:
        return image, made_up
    return attrs.evolve(image, topics_by_id=by_id, topics_by_name=by_name), made_up


def _made_up(
    topic_id: bytes, count: int, logs: Mapping[TopicIdPartition, RebuiltLog], store: CheckpointStore | None
) -> TopicImage:
    if store is not None:
        offsets_count = _offsets_partition_count(topic_id, count, logs, store)
        if offsets_count is not None:
            return TopicImage(OFFSETS_TOPIC, topic_id, offsets_count, OFFSETS_TOPIC_CONFIGS)
    return TopicImage(f"recovered-{uuid_to_text(topic_id)}", topic_id, count)


def _offsets_partition_count(
    topic_id: bytes, count: int, logs: Mapping[TopicIdPartition, RebuiltLog], store: CheckpointStore
) -> int | None:
    """Return how many partitions `__consumer_offsets` had, or None if this topic is another."""
    groups: set[tuple[str, int]] = set()
    for partition, log in logs.items():
        if partition.topic_id != topic_id:
            continue
        try:
            for batch in stored_batches(log.log, store):
                for record in iterate_records(batch):
                    decoded = decode_record(record.key or b"", record.value)
                    if decoded is not None:
                        groups.add((decoded.key.group, partition.partition))
        except (DecodeError, ApiError):
            return None
    candidates: tuple[int, ...] = (
        BrokerConfig().offsets_topic_num_partitions,
        *range(count, _MAX_OFFSETS_PARTITIONS),
    )
    for candidate in candidates:
        if groups and all(group_partition(group, candidate) == partition for group, partition in groups):
            return candidate
    return None
