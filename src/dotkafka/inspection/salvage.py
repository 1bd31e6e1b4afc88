"""`salvage_directory`: a new data directory from all that can be read whole in a damaged one, which stays as it is.

Batches of L2 come first, in their order; where some are missing, those that L1 still has take their place; then what L1
has behind them. Everything goes into L2 of the new directory, whose L1 begins behind the old one in a later epoch. The
metadata become a snapshot. At last the new directory is checked like any other.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import attrs

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.groups import OFFSETS_TOPIC
from dotkafka.broker.recovery import SHARD
from dotkafka.broker.shard import content_name, snapshot_name
from dotkafka.clock import SystemClock
from dotkafka.coordinator.group_records import decode_record
from dotkafka.errors import ApiError, DecodeError, StorageFailed, StorageUnavailable
from dotkafka.inspection.check import check_directory, describe
from dotkafka.inspection.contents import CHECKPOINT_FILE, Contents
from dotkafka.inspection.lost_topics import with_lost_topics
from dotkafka.inspection.problems import Problems
from dotkafka.inspection.rebuilt_log import BELIEVED_OFFSETS, LoggedBatch, RebuiltLog
from dotkafka.inspection.report import DirectoryReport, problem_lines
from dotkafka.inspection.scan import Scan
from dotkafka.log.partition_log import PartitionLog
from dotkafka.log.snapshot import encode_snapshot
from dotkafka.metadata.image import METADATA_PARTITION
from dotkafka.metadata.snapshot import Leader, encode_metadata_snapshot
from dotkafka.protocol.primitives import uuid_to_text
from dotkafka.records.batch import iterate_records
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.spi import Changes, PartitionChanges, StoredRange
from dotkafka.storage.wal_file import FileWal

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from dotkafka.clock import Instant
    from dotkafka.inspection.contents import FoundItem
    from dotkafka.metadata.image import MetadataImage
    from dotkafka.storage.spi import TopicIdPartition

_SAVE_BYTES: Final = 16 * 1024 * 1024
_MAX_PARTITION: Final = 100_000
"""A higher number is damage: nothing would be gained by as many empty partitions."""
_OWNER: Final = "dotkafka check --salvage"


@attrs.define
class RecoveredPartition:
    """What the new directory has of one partition."""

    topic: str
    partition: int
    log_start_offset: int
    end_offset: int
    batches: int
    records: int
    lost: list[tuple[int, int]]
    """Offset ranges that hold nothing any more: from, up to but not including."""


@attrs.define
class SalvageReport:
    """What a salvage has found, recovered and lost."""

    source: DirectoryReport
    result: DirectoryReport
    partitions: list[RecoveredPartition]
    renamed: list[str]
    """Topics under made-up names, as the metadata had lost them."""
    lost: list[str]
    """What was lost beside offset ranges."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing was lost, and the new directory is clean."""
        return not self.lost and not any(each.lost for each in self.partitions) and self.result.is_clean

    def to_json(self) -> dict[str, Any]:
        """Return it as values that `json` writes."""
        return {
            "source": self.source.to_json(),
            "result": self.result.to_json(),
            "partitions": [attrs.asdict(each) for each in self.partitions],
            "renamed": self.renamed,
            "lost": self.lost,
            "complete": self.is_complete,
        }

    def lines(self) -> Iterator[str]:
        """Yield it line by line, for a person."""
        yield from problem_lines(self.source.problems, self.source.problem_count)
        yield f"recovered to {self.result.directory}, with leader epoch {self.result.epoch}"
        for each in self.partitions:
            yield (
                f"  {each.topic}-{each.partition}: offsets {each.log_start_offset} to {each.end_offset},"
                f" {each.batches} batches, {each.records} records"
            )
            for first, end in each.lost:
                yield f"    lost: offsets {first} to {end - 1}"
        for name in self.renamed:
            yield f"renamed: the metadata had lost this topic; it is now {name}"
        for what in self.lost:
            yield f"lost: {what}"
        if not self.result.is_clean:
            yield "the new directory is not clean:"
            yield from problem_lines(self.result.problems, self.result.problem_count)
        yield "nothing was lost" if self.is_complete else "something was lost"


def salvage_directory(
    directory: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    now: Instant | None = None,
    progress: Callable[[int], None] = lambda _read_bytes: None,
) -> SalvageReport:
    """Make a new data directory of all that can be read whole. Blocks.

    Takes the memory that a check takes, and some for each batch of L1.

    Args:
        directory: of a server that is stopped; not a byte of it changes.
        out: the new one; it does not exist, or is empty.
        now: the time; None for that of this machine.
        progress: told now and then how many bytes were read.

    Raises:
        Fenced: a server uses the directory.
        StorageUnavailable: it is no data directory, or `out` is not empty.
        OSError: one of them cannot be used.
    """
    path = Path(out)
    now = now or SystemClock().now()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise StorageUnavailable(f"{path}: exists and is not an empty directory")
    problems = Problems()
    with Contents(directory, problems.report) as contents:
        if contents.is_newer:
            raise StorageUnavailable(f"{contents.path}: was made by a newer dotkafka, which has to salvage it")
        scan = Scan(contents, problems.report, progress)
        scan.run()
        source = describe(contents, scan, problems, now)
        path.mkdir(parents=True, exist_ok=True)
        salvage = _Salvage(contents, scan, path, now, is_clean=source.is_clean)
        try:
            salvage.run()
        finally:
            salvage.close()
    return SalvageReport(
        source, check_directory(path, now=now, progress=progress), salvage.partitions(), salvage.renamed, salvage.lost
    )


class _Salvage:
    def __init__(self, contents: Contents, scan: Scan, out: Path, now: Instant, *, is_clean: bool) -> None:
        self._contents = contents
        self._scan = scan
        self._now = now
        self._is_clean = is_clean
        self._image: MetadataImage = scan.metadata.image
        self._logs: dict[TopicIdPartition, RebuiltLog] = {}
        self._logged: dict[TopicIdPartition, list[LoggedBatch]] = {}
        self._starts: dict[TopicIdPartition, int] = {}
        self._pending_bytes = 0
        self._saved_end: dict[TopicIdPartition, int] = {}
        self._saved_starts: dict[TopicIdPartition, int] = {}
        self.renamed: list[str] = []
        self.lost: list[str] = []
        self._next_sequence = max(contents.next_sequence, contents.wal.next_sequence)
        self._store = SqliteCheckpointStore(out / CHECKPOINT_FILE)
        try:
            self._writer = FileWal(OsFileSystem(out)).open(
                SHARD, _OWNER, minimum_epoch=scan.epoch + 1, minimum_sequence=self._next_sequence
            )
        except BaseException:
            self._store.close()
            raise

    def close(self) -> None:
        self._writer.close()
        self._store.close()

    def run(self) -> None:
        self._index_wal()
        for batch in self._contents.checkpoint_batches():
            if not self._is_wanted(batch.partition):
                continue
            log = self._log(batch.partition, batch.header.base_offset)
            if self._is_undecodable(batch.partition, batch.data):
                continue
            before = log.pending_bytes
            log.fill_to(batch.header.base_offset)
            if batch.header.base_offset >= log.end:
                log.append(bytes(batch.data), batch.header.record_count)
            self._pending_bytes += log.pending_bytes - before
            if self._pending_bytes >= _SAVE_BYTES:
                self._save()
        self._save()
        for partition in sorted({*self._scan.logs, *self._logged}):
            if self._is_wanted(partition):
                self._finish(partition)
        self._save()
        self._tell_losses()
        self._save_metadata()

    def partitions(self) -> list[RecoveredPartition]:
        """What the new directory has, by topic and partition."""
        return [
            RecoveredPartition(
                self._topic_name(partition),
                partition.partition,
                log.log.log_start_offset,
                log.end,
                log.batches,
                log.records,
                [
                    (max(first, log.log.log_start_offset), end)
                    for first, end in log.lost
                    if end > log.log.log_start_offset
                ],
            )
            for partition, log in sorted(self._logs.items())
        ]

    def _topic_name(self, partition: TopicIdPartition) -> str:
        topic = self._image.topics_by_id.get(partition.topic_id)
        return topic.name if topic is not None else uuid_to_text(partition.topic_id)

    def _is_wanted(self, partition: TopicIdPartition) -> bool:
        if partition == METADATA_PARTITION or not 0 <= partition.partition < _MAX_PARTITION:
            return False
        return partition.topic_id not in self._scan.metadata.removed

    def _is_of_deleted(self, item: FoundItem) -> bool:
        """Tell whether a batch of L1 that the checkpoint covers is of a topic whose deletion a snapshot covers too."""
        metadata = self._scan.metadata
        return (
            item.sequence < self._contents.next_sequence
            and metadata.is_whole
            and item.partition.topic_id not in metadata.image.topics_by_id
            and item.partition not in self._scan.logs
        )

    def _is_undecodable(self, partition: TopicIdPartition, data: memoryview) -> bool:
        """Tell whether a batch of a group's records would keep a server from starting."""
        offsets = self._image.topics_by_name.get(OFFSETS_TOPIC)
        if offsets is None or partition.topic_id != offsets.topic_id:
            return False
        try:
            for record in iterate_records(data):
                decode_record(record.key or b"", record.value)
        except (DecodeError, ApiError):
            return True
        return False

    def _index_wal(self) -> None:
        for item in self._contents.wal_items():
            if not self._is_wanted(item.partition) or self._is_of_deleted(item):
                continue
            if item.header is None:
                self._starts[item.partition] = max(item.offset, self._starts.get(item.partition, 0))
            elif not self._is_undecodable(item.partition, item.data):
                self._logged.setdefault(item.partition, []).append(
                    LoggedBatch(item.offset, item.header.next_offset, item.file, item.position, item.header.size_bytes)
                )
        for batches in self._logged.values():
            batches.sort()

    def _log(self, partition: TopicIdPartition, base_offset: int) -> RebuiltLog:
        log = self._logs.get(partition)
        if log is None:
            found = self._scan.logs.get(partition)
            start = found.row_start if found is not None else None
            log = self._logs[partition] = RebuiltLog(
                partition,
                min(base_offset, start or 0),
                self._logged.get(partition, []),
                self._contents.file_system,
                partial(self._scan.may_lack, partition),
            )
        return log

    def _finish(self, partition: TopicIdPartition) -> None:
        """Append what stands behind L2, once all of that is saved; then the offsets that are known to have been."""
        found = self._scan.logs.get(partition)
        start = found.row_start if found is not None and found.row_start is not None else 0
        logged = self._logged.get(partition, [])
        log = self._log(partition, start)
        if found is not None and found.is_whole and found.snapshot is not None and log.end == found.row_end:
            try:
                log.restore(found.snapshot)
            except StorageFailed as error:
                self.lost.append(f"{self._topic_name(partition)}-{partition.partition}: {error}")
        elif found is not None:
            log.log.compacted_to(min(found.first_dirty_offset, log.end))
        # What it remembers has changed, perhaps nothing else.
        self._saved_end.pop(partition, None)
        start = max(start, self._starts.get(partition, 0))
        claims = [start]
        if found is not None and found.row_end is not None:
            claims.append(found.row_end)
        last_proven = max(log.end, logged[-1].next_offset if logged else 0)
        claim = max((each for each in claims if each <= last_proven + BELIEVED_OFFSETS), default=0)
        log.fill_to(claim)
        log.append_logged()
        if start <= log.end:
            log.log.increment_log_start_offset(start)
        self._pending_bytes += log.pending_bytes
        if self._pending_bytes >= _SAVE_BYTES:
            self._save()

    def _save(self) -> None:
        changed = {
            partition: log.changes()
            for partition, log in self._logs.items()
            if log.pending_bytes
            or self._saved_end.get(partition) != log.end
            or self._saved_starts.get(partition) != log.log.log_start_offset
        }
        self._store.save(
            SHARD,
            Changes(
                self._writer.epoch,
                self._next_sequence,
                partitions={partition: changes for partition, (changes, _) in changed.items()},
                snapshots={snapshot_name(partition): snapshot for partition, (_, snapshot) in changed.items()},
            ),
        )
        for partition in changed:
            log = self._logs[partition]
            log.saved()
            self._saved_end[partition] = log.end
            self._saved_starts[partition] = log.log.log_start_offset
        self._pending_bytes = 0

    def _tell_losses(self) -> None:
        wal, needed = self._contents.wal, self._contents.next_sequence
        self.lost += [f"what {name} had held, if it was not elsewhere too" for name in wal.unread]
        for first, end in wal.lost:
            if end > needed:
                self.lost.append(
                    f"entries {max(first, needed)} to {end - 1} of the write-ahead log; what they held is known only"
                    " where later batches of a partition show a hole"
                )
        first_sequence = wal.first_sequence if wal.first_sequence is not None else wal.next_sequence
        position = self._contents.position
        if first_sequence > needed:
            self.lost.append(f"entries {needed} to {first_sequence - 1} of the write-ahead log")
        elif wal.next_sequence < needed or (position is not None and wal.epoch < position[0]):
            self.lost.append("the end of the write-ahead log, if the checkpoint did not have all of it")
        if position is None and self._contents.partitions:
            self.lost.append("up to where the checkpoint covers the write-ahead log")
        elif position is None and wal.first_sequence is None and not self._is_clean:
            self.lost.append("everything: neither the checkpoint nor the write-ahead log can be read")

    # -- metadata ------------------------------------------------------------------------------------------------------

    def _save_metadata(self) -> None:
        """Save the metadata as a snapshot where they have ended; of topics that they have lost, what can be made up."""
        metadata = self._scan.metadata
        if not metadata.is_whole:
            self.lost.append("some metadata: topics, settings or deletions may be missing")
        image, made_up = with_lost_topics(self._image, self._logs, self._store)
        self.renamed += made_up
        next_producer_id = image.next_producer_id
        if image is not self._image or not metadata.is_whole:
            next_producer_id = max(next_producer_id, self._scan.max_producer_id + 1)
        self._image = image = attrs.evolve(image, next_producer_id=next_producer_id)
        found = self._scan.logs.get(METADATA_PARTITION)
        claims = (found.row_end or 0, found.end) if found is not None else ()
        end = max(each for each in (1, metadata.end_offset, *claims) if each <= metadata.end_offset + BELIEVED_OFFSETS)
        log = PartitionLog(METADATA_PARTITION)
        log.restore(StoredRange(end, end), None)
        leader = Leader(BrokerConfig().node_id, self._writer.epoch)
        self._store.save(
            SHARD,
            Changes(
                self._writer.epoch,
                self._next_sequence,
                partitions={METADATA_PARTITION: PartitionChanges(log_start_offset=end)},
                snapshots={
                    snapshot_name(METADATA_PARTITION): encode_snapshot(log.snapshot(end)),
                    content_name(METADATA_PARTITION): encode_metadata_snapshot(image, end, leader, self._now.wall_ms),
                },
            ),
        )
