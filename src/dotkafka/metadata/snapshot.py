"""A metadata image as records, and as the bytes of a snapshot: what stands for all records of the log up to an offset.

As in Kafka (KRaft), a snapshot holds the records that make its image out of nothing, in record batches:

    end offset  int64: of the log; the image is what all records below it make
    batches     of magic 2, one after another
"""

from __future__ import annotations

import struct
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from dotkafka.errors import DecodeError
from dotkafka.metadata.image import TOPIC_RESOURCE
from dotkafka.metadata.records import decode_metadata_record, encode_metadata_record
from dotkafka.protocol.messages.metadata_records import ConfigRecord, PartitionRecord, ProducerIdsRecord, TopicRecord
from dotkafka.records.batch import encode_batch, iterate_records, split_batches
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dotkafka.metadata.image import MetadataImage, MetadataRecord, TopicImage
    from dotkafka.storage.spi import Buffer

_RECORDS_PER_BATCH: Final = 1000
_END_OFFSET: Final = struct.Struct(">q")


class Leader(NamedTuple):
    """The one broker, which leads every partition."""

    node_id: int
    epoch: int


def image_records(image: MetadataImage, leader: Leader) -> Iterator[MetadataRecord]:
    """Yield the records that make an image out of an empty one."""
    for resource, configs in image.configs.items():
        yield from _config_records(resource.resource_type, resource.name, configs)
    if image.next_producer_id:
        yield ProducerIdsRecord(
            broker_id=leader.node_id, broker_epoch=leader.epoch, next_producer_id=image.next_producer_id
        )
    for topic in image.topics_by_name.values():
        yield from topic_records(topic, leader)


def topic_records(topic: TopicImage, leader: Leader) -> Iterator[MetadataRecord]:
    """Yield the records that create a topic, in Kafka's order."""
    yield TopicRecord(name=topic.name, topic_id=topic.topic_id)
    yield from _config_records(TOPIC_RESOURCE, topic.name, topic.configs)
    yield from partition_records(topic.topic_id, range(topic.partition_count), leader)


def partition_records(topic_id: bytes, partitions: range, leader: Leader) -> Iterator[MetadataRecord]:
    """Yield the records that add partitions to a topic."""
    for index in partitions:
        yield PartitionRecord(
            partition_id=index,
            topic_id=topic_id,
            replicas=(leader.node_id,),
            isr=(leader.node_id,),
            leader=leader.node_id,
            leader_epoch=leader.epoch,
            partition_epoch=0,
        )


def encode_metadata_snapshot(image: MetadataImage, end_offset: int, leader: Leader, wall_ms: int) -> bytes:
    """Return the snapshot of an image that all records below `end_offset` have made, at wall clock time `wall_ms`."""
    records = image_records(image, leader)
    parts: list[Buffer] = [_END_OFFSET.pack(end_offset)]
    while chunk := [
        Record(0, wall_ms, None, encode_metadata_record(record)) for record in islice(records, _RECORDS_PER_BATCH)
    ]:
        parts.append(encode_batch(chunk))
    return b"".join(parts)


def decode_metadata_snapshot(data: bytes) -> tuple[int, list[MetadataRecord]]:
    """Return the end offset of a snapshot, and its records.

    Raises:
        DecodeError: it is damaged, or holds what this version of dotkafka does not know.
    """
    if len(data) < _END_OFFSET.size:
        raise DecodeError(f"a metadata snapshot of {len(data)} bytes is cut short")
    (end_offset,) = _END_OFFSET.unpack_from(data)
    records = [
        decode_metadata_record(record.value or b"")
        for batch in split_batches(memoryview(data)[_END_OFFSET.size :])
        for record in iterate_records(batch)
    ]
    return end_offset, records


def _config_records(resource_type: int, resource_name: str, configs: Mapping[str, str]) -> Iterator[MetadataRecord]:
    for name, value in configs.items():
        yield ConfigRecord(resource_type=resource_type, resource_name=resource_name, name=name, value=value)
