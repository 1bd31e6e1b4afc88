"""The metadata as far as they can be read: a record that has lost what it rests on is left out, the others hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.metadata_log import CLUSTER_ID_CONFIG
from dotkafka.errors import ApiError, DecodeError
from dotkafka.metadata.image import BROKER_RESOURCE, ConfigResource, MetadataImage
from dotkafka.metadata.records import decode_metadata_record
from dotkafka.metadata.snapshot import decode_metadata_snapshot
from dotkafka.protocol.messages.metadata_records import RemoveTopicRecord
from dotkafka.records.batch import iterate_records

if TYPE_CHECKING:
    from dotkafka.metadata.image import MetadataRecord
    from dotkafka.records.batch import BatchHeader
    from dotkafka.storage.spi import Buffer
    from dotkafka.storage.wal_inspection import Report

_APPLIED_TOGETHER: Final = 10_000
"""Applying copies the mappings of the image."""
_CLUSTER: Final = ConfigResource(BROKER_RESOURCE, "")


class ReadableMetadata:
    """Reads the snapshot, then the batches of the metadata partition in order; tells `report` what makes no sense."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._image = MetadataImage()
        self._unapplied: list[MetadataRecord] = []
        self.removed: set[bytes] = set()
        """Topics that were deleted."""
        self.is_whole = True
        """Whether every record was read and made sense."""
        self.end_offset = 0
        """Up to where they were read."""

    @property
    def image(self) -> MetadataImage:
        """What the records so far make."""
        self._apply()
        return self._image

    @property
    def cluster_id(self) -> str | None:
        """The cluster's id."""
        return self.image.configs.get(_CLUSTER, {}).get(CLUSTER_ID_CONFIG)

    def begin(self, snapshot: bytes | None, log_start_offset: int | None) -> None:
        """Read what stands for the records below the log start, which is None if that is not known."""
        if snapshot is not None:
            try:
                self.end_offset, self._unapplied = decode_metadata_snapshot(snapshot)
            except (DecodeError, ApiError) as error:
                self._refuse(f"the snapshot is damaged: {error}")
                return
        if log_start_offset is None:
            return
        if snapshot is None and log_start_offset > 0:
            self._refuse(f"the log begins at offset {log_start_offset}, and no snapshot stands for what was before")
        elif self.end_offset != log_start_offset:
            self._refuse(f"the log begins at offset {log_start_offset}, but the snapshot ends at {self.end_offset}")

    def replay(self, header: BatchHeader, batch: Buffer) -> None:
        """Read one batch, unless the snapshot stands for it."""
        if header.next_offset <= self.end_offset:
            return
        self.end_offset = header.next_offset
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
