"""`check_directory`: what a data directory holds, and what is wrong with it. Not a byte of it changes.

The files are read and judged one by one first. Then the broker itself recovers from them, in memory and for reading
alone: so what is said of watermarks and groups is what a server would serve, and a refusal is the server's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import SystemClock
from dotkafka.errors import StorageError, StorageFailed
from dotkafka.inspection.contents import Contents
from dotkafka.inspection.problems import Problems
from dotkafka.inspection.report import DirectoryReport, PartitionReport, TopicReport
from dotkafka.inspection.scan import Scan
from dotkafka.metadata.image import METADATA_PARTITION
from dotkafka.storage.checkpoint_sqlite import SCHEMA_VERSION, SqliteCheckpointStore
from dotkafka.storage.memory import MemoryCheckpointStore
from dotkafka.storage.wal_file import FileWal
from dotkafka.storage.wal_segment import VERSION

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from dotkafka.clock import Instant
    from dotkafka.inspection.scan import ScannedLog
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.storage.spi import Buffer, Changes, CheckpointStore, TopicIdPartition, WalEntry


def check_directory(
    directory: str | os.PathLike[str],
    *,
    now: Instant | None = None,
    progress: Callable[[int], None] = lambda _read_bytes: None,
) -> DirectoryReport:
    """Return what a data directory holds and all that is wrong with it. Blocks while it reads everything.

    Takes the memory of a server that starts on it: the entries of L1 that L2 does not cover, and some per partition.

    Args:
        directory: of a server that is stopped.
        now: the time, for what expires; None for that of this machine.
        progress: told now and then how many bytes were read.

    Raises:
        Fenced: a server uses it.
        StorageUnavailable: there is no such directory, or it is none of dotkafka.
        OSError: it cannot be looked at.
    """
    problems = Problems()
    with Contents(directory, problems.report) as contents:
        scan = Scan(contents, problems.report, progress)
        if not contents.is_newer:
            scan.run()
        return describe(contents, scan, problems, now or SystemClock().now())


def describe(contents: Contents, scan: Scan, problems: Problems, now: Instant) -> DirectoryReport:
    """Return the report of a directory that was scanned, once the broker has tried to recover from it."""
    wal, checkpoint = contents.wal, contents.checkpoint
    broker = None
    try:
        if not contents.is_newer:
            broker = _recovered(contents, now)
    except StorageError as error:
        problems.report("refused", str(contents.path), f"dotkafka serve refuses it: {error}")
    except Exception as error:  # noqa: BLE001 (whatever damage does to the broker is to be told, not to end the check)
        problems.report("refused", str(contents.path), f"dotkafka serve fails on it: {error!r}")
    report = DirectoryReport(
        str(contents.path),
        checkpoint_version=SCHEMA_VERSION if checkpoint is not None and checkpoint.is_known else None,
        wal_version=VERSION if wal.segments else None,
        cluster_id=scan.metadata.cluster_id,
        epoch=scan.epoch,
        next_sequence=contents.position[1] if contents.position else None,
        wal_first_sequence=wal.first_sequence,
        wal_next_sequence=wal.next_sequence,
        wal_segments=len(wal.segments),
        wal_bytes=wal.size_bytes,
        checkpoint_bytes=checkpoint.readable_path.stat().st_size if checkpoint is not None else 0,
        topics=list(_topics(scan, broker.shard.logs if broker is not None else {})),
        groups=broker.groups.committed_counts() if broker is not None else None,
        notes=list(_notes(contents)),
        problems=problems.listed,
        problem_count=problems.count,
    )
    if broker is not None:
        broker.close()
    return report


def _notes(contents: Contents) -> Iterator[str]:
    torn = contents.wal.torn
    if torn is not None:
        yield (
            f"{torn.file}: a torn append of {torn.size_bytes} bytes at byte {torn.position}, as a crash leaves it; it"
            " was never acknowledged, and the next start cuts it"
        )
    if contents.checkpoint is not None and contents.checkpoint.was_cut:
        yield "a crash has cut a save of the checkpoint; the next start undoes it, and L1 has what it was to hold"
    if contents.checkpoint is None and contents.wal.first_sequence == 0:
        yield "checkpoint.sqlite is not there; nothing is lost, as L1 has everything from its beginning"


def _topics(scan: Scan, logs: dict[TopicIdPartition, PartitionLog]) -> Iterator[TopicReport]:
    image = scan.metadata.image
    by_topic: dict[bytes, dict[int, PartitionReport]] = {topic_id: {} for topic_id in image.topics_by_id}
    for partition, found in scan.logs.items():
        if partition.topic_id not in scan.metadata.removed:
            by_topic.setdefault(partition.topic_id, {})[partition.partition] = _partition(found, logs.get(partition))
    for topic_id, partitions in by_topic.items():
        topic = image.topics_by_id.get(topic_id)
        name = topic.name if topic is not None else None
        if topic_id == METADATA_PARTITION.topic_id:
            name = "__cluster_metadata"
        yield TopicReport(name, topic_id, scan.log_config(topic_id).cleanup_policy, partitions)


def _partition(found: ScannedLog, log: PartitionLog | None) -> PartitionReport:
    return PartitionReport(
        log.log_start_offset if log is not None else found.start,
        log.high_watermark if log is not None else max(found.end, found.row_end or 0),
        found.checkpoint,
        found.wal,
        found.first_timestamp_ms,
        found.last_timestamp_ms,
        log.producer_count if log is not None else 0,
    )


def _recovered(contents: Contents, now: Instant) -> Broker:
    wal = _ReadOnlyWal(FileWal(contents.file_system), contents.wal.epoch + 1, contents.wal.next_sequence)
    checkpoints: CheckpointStore = MemoryCheckpointStore()
    if contents.checkpoint is not None:
        checkpoints = _ReadOnlyCheckpoints(contents.checkpoint.readable_path, read_only=True)
    try:
        return Broker.open(BrokerConfig(), wal, checkpoints, now=now, random_bytes=bytes)
    except BaseException:
        checkpoints.close()
        raise


@attrs.frozen
class _Reader:
    """Stands where a writer does; nothing is ever written."""

    epoch: int
    next_sequence: int

    def append(self, parts: Sequence[Buffer]) -> int:
        raise StorageFailed(f"{len(parts)} parts are not written: the directory is only looked at")

    def trim(self, before_sequence: int) -> None:
        raise StorageFailed(f"nothing before {before_sequence} is trimmed: the directory is only looked at")

    def close(self) -> None:
        """Do nothing."""


class _ReadOnlyCheckpoints(SqliteCheckpointStore):
    """A checkpoint that a start changes nothing of."""

    def save(self, shard: int, changes: Changes) -> None:
        """Do nothing: nobody has to be fenced from what nobody writes."""


@attrs.frozen
class _ReadOnlyWal:
    """A log whose opening changes nothing."""

    files: FileWal
    epoch: int
    next_sequence: int
    durable = True

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> _Reader:  # noqa: ARG002
        return _Reader(max(self.epoch, minimum_epoch), max(self.next_sequence, minimum_sequence))

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        return self.files.read(shard, from_sequence)
