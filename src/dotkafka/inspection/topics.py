"""The metadata as far as they can be read: a record that has lost what it rests on is left out, the others hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.metadata_log import CLUSTER_ID_CONFIG
from dotkafka.errors import ApiError, DecodeError
from dotkafka.metadata.image import BROKER_RESOURCE, TOPIC_RESOURCE, ConfigResource, MetadataImage
from dotkafka.metadata.records import decode_metadata_record
from dotkafka.protocol.messages.metadata_records import (
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
)
from dotkafka.records.batch import iterate_records

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.metadata.image import MetadataRecord
    from dotkafka.storage.spi import Buffer
    from dotkafka.storage.wal_inspection import Report

_APPLIED_TOGETHER: Final = 10_000
"""Applying copies the mappings of the image."""
_CLUSTER: Final = ConfigResource(BROKER_RESOURCE, "")


class ReadableMetadata:
    """Reads the batches of the metadata partition in order; tells `report` what makes no sense."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._image = MetadataImage()
        self._unapplied: list[MetadataRecord] = []
        self.removed: set[bytes] = set()
        """Topics that were deleted."""
        self.is_whole = True
        """Whether every record was read and made sense."""

    @property
    def image(self) -> MetadataImage:
        """What the records so far make."""
        self._apply()
        return self._image

    @property
    def cluster_id(self) -> str | None:
        """The cluster's id."""
        return self.image.configs.get(_CLUSTER, {}).get(CLUSTER_ID_CONFIG)

    def replay(self, batch: Buffer) -> None:
        """Read one batch."""
        try:
            for record in iterate_records(batch):
                decoded = decode_metadata_record(record.value or b"")
                self._unapplied.append(decoded)
                if isinstance(decoded, RemoveTopicRecord):
                    self.removed.add(decoded.topic_id)
        except (DecodeError, ApiError) as error:
            self._refuse(str(error))
        if len(self._unapplied) >= _APPLIED_TOGETHER:
            self._apply()

    def _apply(self) -> None:
        unapplied, self._unapplied = self._unapplied, []
        try:
            self._image = self._image.apply(*unapplied)
        except KeyError:
            self._apply_one_by_one(unapplied)

    def _apply_one_by_one(self, records: list[MetadataRecord]) -> None:
        for record in records:
            try:
                self._image = self._image.apply(record)
            except KeyError:
                self._refuse(f"a {type(record).__name__} is of a topic that no record has created")

    def _refuse(self, what: str) -> None:
        self.is_whole = False
        self._report("metadata", "__cluster_metadata", what)


def records_of(image: MetadataImage, *, node_id: int, leader_epoch: int) -> Iterator[MetadataRecord]:
    """Yield records that make the image."""
    for resource, configs in image.configs.items():
        for name, value in configs.items():
            yield ConfigRecord(
                resource_type=resource.resource_type, resource_name=resource.name, name=name, value=value
            )
    if image.next_producer_id:
        yield ProducerIdsRecord(broker_id=node_id, broker_epoch=leader_epoch, next_producer_id=image.next_producer_id)
    for topic in image.topics_by_id.values():
        yield TopicRecord(name=topic.name, topic_id=topic.topic_id)
        for name, value in topic.configs.items():
            yield ConfigRecord(resource_type=TOPIC_RESOURCE, resource_name=topic.name, name=name, value=value)
        for index in range(topic.partition_count):
            yield PartitionRecord(
                partition_id=index,
                topic_id=topic.topic_id,
                replicas=(node_id,),
                isr=(node_id,),
                leader=node_id,
                leader_epoch=leader_epoch,
                partition_epoch=0,
            )
