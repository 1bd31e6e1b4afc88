"""MetadataLog: the one way to change what the cluster is, and the image of what it is.

A change is some metadata records, written as one batch to `__cluster_metadata` and applied to the image at once. Every
later request sees it, but it is not durable yet: an answer that rests on a change waits for that (`respond`). At start
the image is rebuilt from the partition.

The partition does not grow for ever: once its records are many, or old, a checkpoint takes a snapshot of the durable
image in their place, and the log then begins where the snapshot ends (KIP-630).

Invariant: the image is exactly what replaying the snapshot and then the partition gives.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from dotkafka.broker.log_configs import LogConfigs
from dotkafka.errors import ApiError, DecodeError, StorageFailed
from dotkafka.log.config import LogConfig
from dotkafka.metadata.image import (
    BROKER_RESOURCE,
    METADATA_PARTITION,
    ConfigResource,
    MetadataImage,
    TopicImage,
)
from dotkafka.metadata.records import decode_metadata_record, encode_metadata_record
from dotkafka.metadata.snapshot import (
    Leader,
    decode_metadata_snapshot,
    encode_metadata_snapshot,
    partition_records,
    topic_records,
)
from dotkafka.protocol.messages.metadata_records import ConfigRecord, ProducerIdsRecord, RemoveTopicRecord
from dotkafka.protocol.primitives import uuid_to_text
from dotkafka.records.batch import encode_batch, iterate_records
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.errors import StorageError
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.metadata.image import MetadataRecord
    from dotkafka.storage.spi import Buffer

logger = logging.getLogger(__name__)

CLUSTER_ID_CONFIG: Final = "dotkafka.cluster.id"
"""The setting of the cluster's default broker resource that holds the cluster id. DescribeConfigs does not show it."""
PRODUCER_ID_BLOCK_SIZE: Final = 1000
"""Producer ids set aside by one record. Those that are left of a block are lost with a restart, as in Kafka."""

_CLUSTER_RESOURCE: Final = ConfigResource(BROKER_RESOURCE, "")
_LOG_CONFIG: Final = LogConfig(max_message_bytes=2**31 - 1)
_BATCH_RECORDS: Final = 10_000
"""Records of older changes that are applied to an image together: applying copies its mappings."""

Response = TypeVar("Response")


class MetadataLog:
    """Owner of the metadata partition and of the image; see the module."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._image = MetadataImage()
        self._unapplied: list[MetadataRecord] = []
        """Records replayed at start that the image does not have yet."""
        self._log_configs = LogConfigs(broker.config)
        self._undurable: deque[Sequence[MetadataRecord]] = deque()
        """Changes in the image that a crash could still undo."""
        self._durable_image = MetadataImage()
        self._durable_records: list[MetadataRecord] = []
        """Durable records that the durable image does not have yet."""
        self._snapshot_ms = broker.now.monotonic_ms
        """When the last snapshot was taken, or the broker started."""
        broker.shard.replace_by_snapshots(METADATA_PARTITION, self._snapshot_if_due)
        self._next_producer_id = 0
        self._producer_id_block_end = 0

    @property
    def image(self) -> MetadataImage:
        """The cluster at this moment."""
        if self._unapplied:
            self._apply_replayed()
        return self._image

    def log_config(self, topic: TopicImage) -> LogConfig:
        """Return the settings that hold for the logs of a topic."""
        return self._log_configs.of(topic, self.image)

    # -- start ---------------------------------------------------------------------------------------------------------

    def restore(self, snapshot: bytes | None) -> None:
        """Begin with what stands for the records below the log start, before `replay`.

        Raises:
            StorageFailed: it is damaged, missing, or of another offset.
        """
        log_start_offset = self._broker.shard.log(METADATA_PARTITION).log_start_offset
        end_offset = 0
        if snapshot is not None:
            try:
                end_offset, self._unapplied = decode_metadata_snapshot(snapshot)
            except DecodeError as error:
                raise StorageFailed(f"the metadata snapshot is damaged: {error}") from error
        if end_offset != log_start_offset:
            raise StorageFailed(
                f"the metadata partition begins at offset {log_start_offset}, but its snapshot ends at {end_offset}"
            )

    def replay(self, batch: Buffer) -> None:
        """Apply one batch of the metadata partition, in order, at start.

        Raises:
            StorageFailed: the batch is damaged, or holds what this version of dotkafka does not know.
        """
        try:
            for record in iterate_records(batch):
                self._unapplied.append(decode_metadata_record(record.value or b""))
        except (DecodeError, ApiError) as error:
            raise StorageFailed(f"the metadata partition is damaged: {error}") from error
        if len(self._unapplied) >= _BATCH_RECORDS:
            self._apply_replayed()

    def _apply_replayed(self) -> None:
        unapplied, self._unapplied = self._unapplied, []
        try:
            self._image = self._image.apply(*unapplied)
        except KeyError as error:
            raise StorageFailed(f"the metadata partition names a topic that it has not created: {error}") from error
        self._durable_image = self._image
        self._next_producer_id = self._producer_id_block_end = self._image.next_producer_id

    # -- snapshots -----------------------------------------------------------------------------------------------------

    def _snapshot_if_due(self, log: PartitionLog) -> Callable[[], bytes] | None:
        """Return what makes the snapshot of everything durable, if it is time for one."""
        broker = self._broker
        config = broker.config
        if log.high_watermark == log.log_start_offset:
            return None
        age_ms = broker.now.monotonic_ms - self._snapshot_ms
        is_old = 0 < config.metadata_log_max_snapshot_interval_ms <= age_ms
        if log.size_bytes < config.metadata_log_max_record_bytes_between_snapshots and not is_old:
            return None
        self._snapshot_ms = broker.now.monotonic_ms
        # An image never changes, so another thread may encode it.
        return partial(
            encode_metadata_snapshot,
            self._take_durable_image(),
            log.high_watermark,
            self._leader,
            broker.now.wall_ms,
        )

    def _take_durable_image(self) -> MetadataImage:
        if not self._undurable:
            self._durable_image = self.image
        elif self._durable_records:
            self._durable_image = self._durable_image.apply(*self._durable_records)
        self._durable_records = []
        return self._durable_image

    # -- changes -------------------------------------------------------------------------------------------------------

    def change(self, records: Sequence[MetadataRecord]) -> None:
        """Write some records as one batch, all or nothing, and apply them to the image.

        The caller has made sure that storage accepts writes (`Shard.check_writable`) and that the records are valid.
        """
        broker = self._broker
        shard = broker.shard
        image = self.image
        batch = encode_batch(
            [Record(0, broker.now.wall_ms, None, encode_metadata_record(record)) for record in records]
        )
        shard.append_own(METADATA_PARTITION, batch, _LOG_CONFIG, broker.now)
        self._undurable.append(records)
        shard.when_durable(self._change_settled)
        self._image = image.apply(*records)
        removed = [image.topics_by_id[record.topic_id] for record in records if isinstance(record, RemoveTopicRecord)]
        if removed:
            self._forget(removed)

    def respond(self, exchange: Exchange[Response], response: Response) -> None:
        """Give an answer that rests on the image, at once unless a change is not durable yet.

        If a change never will be, the connection is closed.
        """
        if self._undurable:
            self._broker.respond_when_durable(exchange, response)
        else:
            exchange.respond(response)

    def _change_settled(self, _error: StorageError | None) -> None:
        # After an error no checkpoint follows.
        self._durable_records += self._undurable.popleft()
        if not self._undurable or len(self._durable_records) >= _BATCH_RECORDS:
            self._take_durable_image()

    def _forget(self, topics: Sequence[TopicImage]) -> None:
        """Let go of what belongs to deleted topics."""
        broker = self._broker
        partitions = [partition for topic in topics for partition in topic.partitions()]

        def durable(error: StorageError | None) -> None:
            # Not before: a checkpoint without the data must not precede the record that says they are to go.
            if error is None:
                for partition in partitions:
                    broker.shard.delete(partition)

        broker.shard.when_durable(durable)
        for topic in topics:
            self._log_configs.forget(topic)
        broker.groups.on_topics_deleted([topic.name for topic in topics])
        for partition in partitions:
            log = broker.shard.logs.get(partition)
            if log is not None:
                broker.purgatory.wake(log, broker.now)

    # -- topics --------------------------------------------------------------------------------------------------------

    def create_topic(self, name: str, partition_count: int, configs: Mapping[str, str]) -> TopicImage:
        """Create a topic, whose name and settings are valid, and return it."""
        self.change(list(self.topic_records(TopicImage(name, self.new_topic_id(), partition_count, configs))))
        return self.image.topics_by_name[name]

    def topic_records(self, topic: TopicImage) -> Iterator[MetadataRecord]:
        """Yield the records that create a topic."""
        return topic_records(topic, self._leader)

    def partition_records(self, topic_id: bytes, partitions: range) -> Iterator[MetadataRecord]:
        """Yield the records that add partitions to a topic."""
        return partition_records(topic_id, partitions, self._leader)

    @property
    def _leader(self) -> Leader:
        return Leader(self._broker.config.node_id, self._broker.shard.leader_epoch)

    # -- ids -----------------------------------------------------------------------------------------------------------

    @property
    def cluster_id(self) -> str | None:
        """The cluster's id in Kafka's text form, given to it when it is first asked for."""
        cluster_id = self.image.configs.get(_CLUSTER_RESOURCE, {}).get(CLUSTER_ID_CONFIG)
        if cluster_id is None and self._broker.shard.is_writable:
            cluster_id = uuid_to_text(self.new_topic_id())
            logger.info("this is a new cluster; its id is %s", cluster_id)
            self.change(
                [
                    ConfigRecord(
                        resource_type=BROKER_RESOURCE, resource_name="", name=CLUSTER_ID_CONFIG, value=cluster_id
                    )
                ]
            )
        return cluster_id

    def allocate_producer_id(self) -> int:
        """Return a producer id that was never given before. It may be told to its producer only once it is durable."""
        image = self.image
        if self._next_producer_id == self._producer_id_block_end:
            self._producer_id_block_end = image.next_producer_id + PRODUCER_ID_BLOCK_SIZE
            self.change(
                [
                    ProducerIdsRecord(
                        broker_id=self._broker.config.node_id,
                        broker_epoch=self._broker.shard.leader_epoch,
                        next_producer_id=self._producer_id_block_end,
                    )
                ]
            )
        producer_id = self._next_producer_id
        self._next_producer_id += 1
        return producer_id

    def new_topic_id(self) -> bytes:
        """Return a random id (UUID version 4) whose text does not begin with `-`, which commands take for an option."""
        raw = bytearray(self._broker.random_bytes(16))
        raw[0] &= 0x7F
        raw[6] = raw[6] & 0x0F | 0x40
        raw[8] = raw[8] & 0x3F | 0x80
        return bytes(raw)
