"""One reading of a whole directory: L2, then L1, then one against the other. What is wrong goes to `report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.log_configs import LogConfigs
from dotkafka.broker.recovery import SHARD
from dotkafka.broker.shard import content_name, snapshot_name
from dotkafka.errors import StorageFailed
from dotkafka.inspection.report import Content
from dotkafka.inspection.topics import ReadableMetadata
from dotkafka.log.config import LogConfig
from dotkafka.log.snapshot import decode_snapshot
from dotkafka.metadata.image import METADATA_PARTITION

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.inspection.contents import Contents, FoundBatch, FoundItem
    from dotkafka.log.snapshot import LogSnapshot
    from dotkafka.records.batch import BatchHeader
    from dotkafka.storage.spi import TopicIdPartition
    from dotkafka.storage.wal_inspection import Report

_MAX_GAPS: Final = 100
"""Remembered of one partition; the rest is counted."""
_PROGRESS_BYTES: Final = 64 * 1024 * 1024


@attrs.define(eq=False)
class ScannedLog:
    """What was found of one partition."""

    row_start: int | None = None
    """As L2 has it; None if it has no such row."""
    row_end: int | None = None
    checkpoint: Content = attrs.field(factory=Content)
    wal: Content = attrs.field(factory=Content)
    visible_bytes: int = 0
    """Of the batches in L2 that reach beyond the log start."""
    start: int = 0
    batches_end: int = 0
    """Behind the last batch of L2 that was read."""
    end: int = 0
    leader_epoch: int = -1
    first_timestamp_ms: int = -1
    last_timestamp_ms: int = -1
    gaps: list[tuple[int, int]] = attrs.field(factory=list)
    gap_count: int = 0
    holes: list[tuple[int, int]] = attrs.field(factory=list)
    """Offsets between two batches of L2, which compaction may have removed."""
    first_dirty_offset: int = 0
    """Up to where the log is compacted, by its snapshot."""
    is_whole: bool = True
    """Whether L2 has all that its row and its snapshot speak of."""
    snapshot: bytes | None = None

    def missing(self, first: int, end: int) -> None:
        """Note that offsets were not found."""
        self.gap_count += 1
        self.is_whole = False
        if len(self.gaps) < _MAX_GAPS:
            self.gaps.append((first, end))

    def count(self, header: BatchHeader, content: Content) -> None:
        """Count a batch of the log."""
        content.add(header.record_count, header.size_bytes)
        if self.first_timestamp_ms < 0:
            self.first_timestamp_ms = header.base_timestamp_ms
        self.last_timestamp_ms = max(self.last_timestamp_ms, header.max_timestamp_ms)


class Scan:
    """Reads `contents` once; afterwards its attributes say what was found.

    Args:
        contents: open.
        report: told of problems.
        progress: told now and then how many bytes were read.
    """

    def __init__(self, contents: Contents, report: Report, progress: Callable[[int], None]) -> None:
        self._contents = contents
        self._report = report
        self._progress = progress
        self._read_bytes = 0
        self.logs: dict[TopicIdPartition, ScannedLog] = {}
        self.metadata = ReadableMetadata(report)
        self.max_producer_id = -1
        self.epoch = max(contents.wal.epoch, contents.position[0] if contents.position else -1)
        """The highest leader epoch of L1 and L2."""
        for found in contents.partitions.values():
            log = self.logs[found.partition] = ScannedLog(found.log_start_offset, found.end_offset)
            log.start = log.end = found.log_start_offset or 0
        self._log_configs = LogConfigs(BrokerConfig())

    def run(self) -> None:
        """Read everything."""
        checkpoint = self._contents.checkpoint
        if checkpoint is not None:
            checkpoint.check_integrity()
            snapshots = dict(checkpoint.snapshots(SHARD))
            metadata_log = self.logs.get(METADATA_PARTITION)
            self.metadata.begin(
                snapshots.get(content_name(METADATA_PARTITION)), metadata_log.row_start if metadata_log else None
            )
            for batch in self._contents.checkpoint_batches():
                self._stored(batch)
            self._check_ends()
            for partition, log in self.logs.items():
                self._read_snapshot(partition, log, snapshots.get(snapshot_name(partition)))
        for item in self._contents.wal_items():
            self._logged(item)
        # From here on it is known which topics are compacted.
        for partition, log in self.logs.items():
            for first, end in log.holes:
                if not self.may_lack(partition, end):
                    log.missing(first, end)
            self._check_snapshot(partition, log)
        self._check_sequences()
        self._report_gaps()
        self._check_topics()

    def log_config(self, topic_id: bytes) -> LogConfig:
        """Return the settings that hold for the logs of a topic, by the metadata."""
        topic = self.metadata.image.topics_by_id.get(topic_id)
        return self._log_configs.of(topic, self.metadata.image) if topic is not None else LogConfig()

    def may_lack(self, partition: TopicIdPartition, end: int) -> bool:
        """Tell whether it may have been compaction that left a hole up to, not including, `end` in L2.

        A pass under way has not told how far it is, so of a topic that is compacted now that is any hole; of another
        one those below where the last pass has ended. Behind its last batch nothing is ever removed. Where L2 itself
        is damaged, a hole is taken for damage too.
        """
        log = self.logs.get(partition)
        if log is None or log.row_end is None or end > log.batches_end or self._contents.is_doubtful(partition):
            return False
        return end <= log.first_dirty_offset or self.log_config(partition.topic_id).is_compacted

    def _place(self, partition: TopicIdPartition) -> str:
        if partition == METADATA_PARTITION:
            return "__cluster_metadata-0"
        topic = self.metadata.image.topics_by_id.get(partition.topic_id)
        name = topic.name if topic is not None else f"topic id {partition.topic_id.hex()}"
        return f"{name}-{partition.partition}"

    def _stored(self, batch: FoundBatch) -> None:
        partition, header, data = batch
        log = self.logs[partition]
        self._count_bytes(header.size_bytes)
        self.max_producer_id = max(self.max_producer_id, header.producer_id)
        if header.base_offset < log.batches_end:
            log.is_whole = False
            self._report(
                "checkpoint-offsets",
                self._place(partition),
                f"a batch of L2 at offset {header.base_offset} follows one that ends at {log.batches_end}",
            )
            return
        if header.base_offset > log.end and log.row_start is not None:
            log.holes.append((log.end, header.base_offset))
        if not log.leader_epoch <= header.partition_leader_epoch <= self.epoch:
            log.is_whole = False
            self._report(
                "checkpoint-offsets",
                self._place(partition),
                f"the batch at offset {header.base_offset} is of leader epoch {header.partition_leader_epoch}, after"
                f" epoch {log.leader_epoch} and with {self.epoch} the highest there is",
            )
        log.leader_epoch = max(log.leader_epoch, header.partition_leader_epoch)
        log.batches_end = header.next_offset
        log.end = max(log.end, header.next_offset)
        log.count(header, log.checkpoint)
        if header.next_offset > log.start:
            log.visible_bytes += header.size_bytes
            if partition == METADATA_PARTITION:
                self.metadata.replay(header, data)

    def _check_ends(self) -> None:
        for partition, log in self.logs.items():
            if log.row_end is None:
                log.is_whole = False
            elif log.end < log.row_end:
                log.missing(log.end, log.row_end)
            elif log.end > log.row_end:
                log.is_whole = False
                self._report(
                    "checkpoint-offsets",
                    self._place(partition),
                    f"its batches in L2 end at {log.end}, but it is said to end at {log.row_end}",
                )

    def _read_snapshot(self, partition: TopicIdPartition, log: ScannedLog, data: bytes | None) -> None:
        if data is None:
            return
        try:
            log.first_dirty_offset = decode_snapshot(data).first_dirty_offset
        except StorageFailed as error:
            self._report("checkpoint-snapshot", self._place(partition), str(error))
            log.is_whole = False
        else:
            log.snapshot = data

    def _check_snapshot(self, partition: TopicIdPartition, log: ScannedLog) -> None:
        if log.snapshot is None:
            if log.is_whole and log.checkpoint.batches:
                log.is_whole = False
                self._report("checkpoint-snapshot", self._place(partition), "has no snapshot")
            return
        snapshot = decode_snapshot(log.snapshot)
        if snapshot.end_offset != log.row_end:
            what = f"its snapshot is of offset {snapshot.end_offset}, but its batches are said to end at {log.row_end}"
            self._report("checkpoint-snapshot", self._place(partition), what)
            log.is_whole = False
        elif not self._fits(snapshot, log, partition):
            what = f"its snapshot is of another log start than {log.row_start}"
            self._report("checkpoint-snapshot", self._place(partition), what)
            log.is_whole = False

    def _fits(self, snapshot: LogSnapshot, log: ScannedLog, partition: TopicIdPartition) -> bool:
        """Tell whether what a snapshot knows of batches can be about those that are there."""
        is_replaced = (
            partition == METADATA_PARTITION
            or snapshot.first_dirty_offset > 0
            or self.log_config(partition.topic_id).is_compacted
        )
        if is_replaced or not log.is_whole or _has_no_extents(log.snapshot):
            return True
        is_of_start = all(extent.next_offset > (log.row_start or 0) for extent in snapshot.extents)
        return is_of_start and sum(extent.size_bytes for extent in snapshot.extents) >= log.visible_bytes

    def _logged(self, item: FoundItem) -> None:
        header = item.header
        self._count_bytes(len(item.data))
        if header is not None:
            self.max_producer_id = max(self.max_producer_id, header.producer_id)
        if item.sequence < self._contents.next_sequence:
            return
        log = self.logs.get(item.partition)
        if log is None:
            log = self.logs[item.partition] = ScannedLog()
        if header is None:
            log.start = max(log.start, item.offset)
            return
        end = max(log.end, log.row_end or 0)
        if header.next_offset <= end:
            return
        if header.base_offset > end:
            log.gap_count += 1
            log.gaps.append((end, header.base_offset))
        if header.base_offset < end:
            self._report(
                "wal-entry",
                self._place(item.partition),
                f"a batch of L1 at offset {header.base_offset} follows one that ends at {end}",
            )
        log.end = header.next_offset
        log.count(header, log.wal)
        if item.partition == METADATA_PARTITION:
            self.metadata.replay(header, item.data)

    def _check_sequences(self) -> None:
        contents, wal = self._contents, self._contents.wal
        where = str(contents.path / "wal")
        needed = contents.next_sequence
        if not contents.has_checkpoint_file and wal.first_sequence != 0:
            self._report("checkpoint-missing", str(contents.path), "checkpoint.sqlite is not there")
        if contents.checkpoint is not None and contents.position is None and self._contents.partitions:
            self._report("checkpoint-file", str(contents.path), "it does not say which entries of L1 it covers")
        first = wal.first_sequence if wal.first_sequence is not None else wal.next_sequence
        if first > needed:
            self._report(
                "wal-missing", where, f"begins with entry {first}, but the checkpoint covers only those below {needed}"
            )
        elif wal.next_sequence < needed:
            self._report(
                "wal-missing",
                where,
                f"ends before entry {wal.next_sequence}, but the checkpoint covers those below {needed}",
            )
        if contents.position is not None and wal.epoch < contents.position[0]:
            self._report(
                "wal-missing", where, f"is of epoch {wal.epoch}, but the checkpoint of epoch {contents.position[0]}"
            )

    def _report_gaps(self) -> None:
        for partition, log in self.logs.items():
            if not log.gap_count or partition.topic_id in self.metadata.removed:
                continue
            missing = ", ".join(f"{first} to {end - 1}" for first, end in log.gaps[:10])
            more = f" and {log.gap_count - 10} more" if log.gap_count > 10 else ""
            self._report("checkpoint-offsets", self._place(partition), f"offsets {missing}{more} are missing")
            if partition == METADATA_PARTITION:
                self.metadata.is_whole = False

    def _check_topics(self) -> None:
        image = self.metadata.image
        for partition in self.logs:
            topic = image.topics_by_id.get(partition.topic_id)
            if partition == METADATA_PARTITION or partition.topic_id in self.metadata.removed:
                continue
            if topic is None or partition.partition >= topic.partition_count:
                self._report("topic-missing", self._place(partition), "no metadata record has created it")

    def _count_bytes(self, count: int) -> None:
        before = self._read_bytes // _PROGRESS_BYTES
        self._read_bytes += count
        if self._read_bytes // _PROGRESS_BYTES > before:
            self._progress(self._read_bytes)


def _has_no_extents(snapshot: bytes | None) -> bool:
    """Tell whether a snapshot is of version 1, which has one extent that stands for all."""
    return snapshot is None or snapshot.startswith(b'{"version":1,')
