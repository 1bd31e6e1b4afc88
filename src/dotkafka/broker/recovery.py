"""From what storage holds to a broker that serves it.

Both L1 and L2 are told the new epoch first: that shuts out a former owner that still runs, and nothing that is read
from then on changes any more. The checkpoint (L2) says what each partition held, and up to where L1 is covered; the
entries of L1 from there on are applied to the partition logs in order. Then the internal topics are read: first the
metadata, snapshot before records, since a partition that no topic owns any more is dropped, then what groups have
committed.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dotkafka.broker import wal_entry
from dotkafka.broker.shard import Shard, content_name, snapshot_name
from dotkafka.errors import DecodeError, StorageFailed
from dotkafka.log.partition_log import COLD
from dotkafka.metadata.image import METADATA_PARTITION
from dotkafka.records.batch import batch_headers
from dotkafka.storage.spi import Changes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.config import BrokerConfig
    from dotkafka.clock import Instant
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.storage.spi import Buffer, Checkpoint, CheckpointStore, WriteAheadLog

logger = logging.getLogger(__name__)

SHARD = 0
READ_BYTES = 4 * 1024 * 1024
"""How much of an internal topic is read from L2 at once."""


def recover(
    broker_class: type[Broker],
    config: BrokerConfig,
    wal: WriteAheadLog,
    checkpoints: CheckpointStore,
    *,
    now: Instant,
    random_bytes: Callable[[int], bytes],
) -> Broker:
    """Open the storage and return a broker in the state that it describes; see `Broker.open`."""
    before = checkpoints.load(SHARD)
    next_sequence = before.next_sequence if before else 0
    writer = wal.open(
        SHARD,
        f"broker {config.node_id}",
        minimum_epoch=before.epoch + 1 if before else 0,
        minimum_sequence=next_sequence,
    )

    def open_shard(on_advance: Callable[[PartitionLog], None]) -> Shard:
        shard = Shard(SHARD, writer, checkpoints, durable=wal.durable, config=config, on_advance=on_advance)
        if checkpoint is not None:
            _restore(shard, checkpoint)
        _replay(shard, wal, checkpoint.next_sequence if checkpoint else 0)
        return shard

    try:
        # A former owner may have a save under way, or have made one more since. From here on there is none.
        checkpoints.save(SHARD, Changes(epoch=writer.epoch, next_sequence=next_sequence))
        checkpoint = checkpoints.load(SHARD)
        broker = broker_class(config, open_shard, now=now, random_bytes=random_bytes)
        _replay_internal_topics(broker, checkpoints, checkpoint.snapshots if checkpoint else {})
    except BaseException:
        # Nobody else can: the shard is free for another attempt.
        writer.close()
        raise
    broker.shard.recovered(now)
    return broker


def _restore(shard: Shard, checkpoint: Checkpoint) -> None:
    for partition, stored in checkpoint.partitions.items():
        shard.log(partition).restore(stored, checkpoint.snapshots.get(snapshot_name(partition)))


def _replay(shard: Shard, wal: WriteAheadLog, next_sequence: int) -> None:
    """Apply the entries of L1 that the checkpoint does not cover."""
    replayed_bytes = 0
    for entry in wal.read(SHARD, next_sequence):
        if entry.sequence != next_sequence:
            raise StorageFailed(
                f"the write-ahead log goes on at entry {entry.sequence}, but the checkpoint ends before entry "
                f"{next_sequence}: segments are missing"
            )
        next_sequence += 1
        replayed_bytes += len(entry.payload)
        # One copy for all batches of the entry: they stay in memory as views of it.
        payload = memoryview(bytearray(entry.payload))
        for item in wal_entry.items(payload):
            log = shard.log(item.partition)
            if item.kind == wal_entry.LOG_START_OFFSET:
                log.increment_log_start_offset(item.offset)
                shard.replayed(log, 0)
            else:
                before = log.log_end_offset
                log.append_recovered(item.data)
                shard.replayed(log, len(item.data) if log.log_end_offset > before else 0)
            log.advance_high_watermark(log.log_end_offset)
    if replayed_bytes:
        logger.info("replayed %d bytes of the write-ahead log", replayed_bytes)


def _replay_internal_topics(broker: Broker, checkpoints: CheckpointStore, snapshots: Mapping[str, bytes]) -> None:
    shard = broker.shard
    broker.metadata_log.restore(snapshots.get(content_name(METADATA_PARTITION)))
    for batch in stored_batches(shard.log(METADATA_PARTITION), checkpoints):
        broker.metadata_log.replay(batch)
    alive = set(broker.metadata.partitions()) | {METADATA_PARTITION}
    for partition in set(shard.logs) - alive:
        shard.delete(partition)
    for partition in broker.groups.partitions():
        for batch in stored_batches(shard.log(partition), checkpoints):
            broker.groups.replay(batch)
    broker.groups.finish_replay()


def stored_batches(log: PartitionLog, checkpoints: CheckpointStore) -> Iterator[Buffer]:
    """Yield all batches of a partition, from L2 as long as it has them, then from memory.

    Raises:
        StorageFailed: some are missing, or damaged.
    """
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        views = log.read(offset, READ_BYTES, up_to=log.log_end_offset, at_least_one=True)
        batches = checkpoints.read(SHARD, log.partition, offset, READ_BYTES) if views is COLD else views
        if not batches:
            raise StorageFailed(f"the checkpoint lacks offset {offset} of internal partition {log.partition}")
        for data in batches:
            try:
                headers = list(batch_headers(data))
            except DecodeError as error:
                what = (
                    f"internal partition {log.partition} is damaged in the checkpoint behind offset {offset}: {error}"
                )
                raise StorageFailed(what) from error
            for position, header in headers:
                yield memoryview(data)[position : position + header.size_bytes]
                offset = header.next_offset
