"""What a leader, its storage and its readers can rely on; `test_partition_log_model.py` has the long histories."""

from collections.abc import Callable

import pytest

from dotkafka.clock import Instant
from dotkafka.errors import ApiError, StorageFailed
from dotkafka.log.config import LogConfig
from dotkafka.log.partition_log import COLD, AppendResult, PartitionLog
from dotkafka.log.snapshot import encode_snapshot
from dotkafka.log.tail import TimestampedBatch
from dotkafka.log.timestamps import TimestampOffset
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import decode_records, patch_offset_and_epoch, read_header
from dotkafka.storage.spi import StoredRange, TopicIdPartition

Append = Callable[..., AppendResult]
MakeBatch = Callable[..., memoryview]


def checkpoint(log: PartitionLog) -> bytes:
    """Make all of a log durable, take it to L2 and let L0 forget it; return the snapshot."""
    log.advance_high_watermark(log.log_end_offset)
    snapshot = encode_snapshot(log.snapshot(log.log_end_offset))
    log.checkpointed(log.log_end_offset)
    log.forget(2**40)
    return snapshot


def test_offsets_are_given_in_place(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """The frame's own bytes become the log's, with offset and leader epoch in them and a CRC that still holds."""
    append(make_batch(3))
    batch = make_batch(2)
    result = append(batch, leader_epoch=6)
    assert result == AppendResult(3, 4, -1, 0, is_duplicate=False, data=batch)
    assert result.data is batch
    header = read_header(batch)
    assert (header.base_offset, header.partition_leader_epoch) == (3, 6)
    assert [record.offset for record in decode_records(batch)] == [3, 4]
    assert log.end_offset_for_epoch(0) == (0, 3)


def test_part_of_a_large_request(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """A batch among many does not keep the whole request in memory."""
    batch = bytes(make_batch())
    frame = bytearray(batch * 3)
    result = append(memoryview(frame)[: len(batch)])
    assert result.data is not None
    assert result.data.obj is not frame
    log.advance_high_watermark(1)
    assert log.read(0, 1, up_to=1, at_least_one=True) == [result.data]
    assert read_header(result.data).base_offset == 0


def test_log_append_time(append: Append, make_batch: MakeBatch, now: Instant) -> None:
    """The broker's clock replaces the producer's timestamps, and the answer tells."""
    config = LogConfig(message_timestamp_type="LogAppendTime")
    result = append(make_batch(2, timestamp_ms=5), config=config)
    assert result.log_append_time_ms == now.wall_ms
    assert result.data is not None
    assert [record.timestamp_ms for record in decode_records(result.data)] == [now.wall_ms] * 2


def test_refusal_changes_nothing(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """Whatever the reason, a refused batch leaves the log as it was."""
    append(make_batch(producer_id=1, producer_epoch=2, base_sequence=0, is_transactional=True), leader_epoch=3)
    log.advance_high_watermark(1)
    before = log.snapshot(1)
    for batch, leader_epoch, code in (
        (make_batch(raw_record_count=9), 3, ErrorCode.INVALID_RECORD),
        (make_batch(), 2, ErrorCode.NOT_LEADER_OR_FOLLOWER),
        (make_batch(producer_id=1, producer_epoch=1, base_sequence=1), 4, ErrorCode.INVALID_PRODUCER_EPOCH),
        (make_batch(producer_id=1, producer_epoch=2, base_sequence=2), 4, ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER),
        (make_batch(producer_id=1, producer_epoch=2, base_sequence=1), 4, ErrorCode.INVALID_TXN_STATE),
    ):
        with pytest.raises(ApiError) as caught:
            append(batch, leader_epoch=leader_epoch)
        assert caught.value.error_code == code
    assert log.snapshot(1) == before
    assert (log.log_end_offset, log.last_stable_offset) == (1, 0)
    log.check_invariants()


def test_duplicate_that_is_not_durable_yet(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """It is answered with the original's offsets, so that its sender can wait for them like the first time."""
    append(make_batch())
    batch = make_batch(3, timestamp_ms=77, producer_id=1, producer_epoch=0, base_sequence=5)
    again = memoryview(bytearray(batch))
    append(batch)
    assert append(again) == AppendResult(1, 3, 77, 0, is_duplicate=True, data=None)
    assert log.high_watermark == 0
    assert log.log_end_offset == 4


def test_duplicate_after_restart(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """What L2 and L1 bring back knows the batches of producers as before."""
    batches = [make_batch(producer_id=1, producer_epoch=0, base_sequence=sequence) for sequence in (0, 1)]
    copies = [bytearray(batch) for batch in batches]
    append(batches[0])
    snapshot = checkpoint(log)
    second = append(batches[1]).data
    assert second is not None
    log = PartitionLog(log.partition)
    log.restore(StoredRange(0, 1), snapshot)
    log.append_recovered(second)
    for offset, copy in enumerate(copies):
        result = log.append_as_leader(memoryview(copy), leader_epoch=1, config=LogConfig(), now=Instant(0, 0))
        assert (result.is_duplicate, result.base_offset) == (True, offset)


def test_broker_writes_markers(
    log: PartitionLog, append: Append, make_batch: MakeBatch, make_marker: MakeBatch
) -> None:
    """An abort marker closes the transaction and makes readers of committed records skip it, once it is durable."""
    append(make_batch(2, producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True))
    append(make_batch())
    log.advance_high_watermark(3)
    assert log.last_stable_offset == 0
    append(make_marker("ABORT"), from_client=False)
    assert log.last_stable_offset == 0
    log.advance_high_watermark(4)
    assert log.last_stable_offset == 4
    assert log.aborted_transactions(0, 4) == [(7, 0, 3, 4)]
    with pytest.raises(ApiError) as caught:
        append(make_marker(coordinator_epoch=-1), from_client=False)
    assert caught.value.error_code == ErrorCode.TRANSACTION_COORDINATOR_FENCED


def test_marker_that_does_not_decode(append: Append, make_batch: MakeBatch) -> None:
    """A control batch without a control record in it is not let in."""
    with pytest.raises(ApiError) as caught:
        append(make_batch(producer_id=7, producer_epoch=0, is_control=True), from_client=False)
    assert caught.value.error_code == ErrorCode.INVALID_RECORD


def test_read_below_memory(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """What memory has forgotten is asked of L2; the end of the log is not."""
    append(make_batch(2))
    checkpoint(log)
    assert log.read(1, 100, up_to=2, at_least_one=True) is COLD
    assert log.read(2, 100, up_to=2, at_least_one=True) == []
    append(make_batch())
    log.advance_high_watermark(3)
    assert log.read(0, 100, up_to=3, at_least_one=True) is COLD
    views = log.read(2, 100, up_to=3, at_least_one=True)
    assert views is not COLD
    assert [read_header(view).base_offset for view in views] == [2]


def test_recovery_accepts_no_gap(log: PartitionLog, make_batch: MakeBatch) -> None:
    """What L1 gives back must follow; what is known already is skipped; damage is told as such."""
    batches = [make_batch(2) for _ in range(3)]
    for index, batch in enumerate(batches):
        patch_offset_and_epoch(batch, 0, index * 2, 0)
    log.append_recovered(memoryview(bytes(batches[0]) + bytes(batches[1])))
    log.append_recovered(batches[0])
    assert (log.log_end_offset, log.high_watermark) == (4, 0)
    patch_offset_and_epoch(batches[2], 0, 5, 0)
    for damaged in (batches[2], batches[2][:-1], batches[2][:9]):
        with pytest.raises(StorageFailed):
            log.append_recovered(damaged)
    patch_offset_and_epoch(batches[2], 0, 4, -1)
    with pytest.raises(StorageFailed, match="leader epoch"):
        log.append_recovered(batches[2])
    assert log.log_end_offset == 4
    log.check_invariants()


def test_what_is_durable_stays(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """Truncation stops at the high watermark, snapshots and checkpoints at what they can stand for."""
    append(make_batch(2))
    append(make_batch(2))
    log.advance_high_watermark(2)
    with pytest.raises(ValueError, match="durable"):
        log.truncate_to(1)
    with pytest.raises(ValueError, match="high watermark"):
        log.checkpointed(4)
    with pytest.raises(ValueError, match="no end of a batch"):
        log.snapshot(3)
    log.checkpointed(2)
    with pytest.raises(ValueError, match="no end of a batch"):
        log.snapshot(0)
    log.truncate_to(3)
    assert log.log_end_offset == 2


def test_truncation_forgets(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """What was truncated was never there: its producer may write it again, its leader epoch has not written."""
    append(make_batch(producer_id=1, producer_epoch=0, base_sequence=0))
    batch = make_batch(producer_id=1, producer_epoch=0, base_sequence=1, is_transactional=True)
    again = memoryview(bytearray(batch))
    append(batch, leader_epoch=4)
    log.truncate_to(1)
    assert log.end_offset_for_epoch(4) == (-1, -1)
    result = append(again, leader_epoch=2)
    assert (result.base_offset, result.is_duplicate) == (1, False)


def test_restored_transactions(
    log: PartitionLog, append: Append, make_batch: MakeBatch, make_marker: MakeBatch
) -> None:
    """An open transaction holds the last stable offset down after a restart too; deleted ones are not told."""
    append(make_batch(producer_id=7, producer_epoch=0, base_sequence=0, is_transactional=True))
    append(make_marker("ABORT"), from_client=False)
    append(make_batch(producer_id=7, producer_epoch=0, base_sequence=1, is_transactional=True), leader_epoch=1)
    append(make_batch(), leader_epoch=2)
    snapshot = checkpoint(log)
    for log_start_offset, aborted, stable in ((0, [(7, 0, 1, 2)], 2), (2, [], 2), (3, [], 3)):
        restored = PartitionLog(log.partition)
        restored.restore(StoredRange(log_start_offset, 4), snapshot)
        assert restored.aborted_transactions(0, 4) == aborted
        assert restored.last_stable_offset == stable
        assert restored.end_offset_for_epoch(0) == (0, max(2, log_start_offset))
        assert restored.offset_for_timestamp(1, up_to=4) is COLD
        restored.check_invariants()


def test_restore_of_something_else(log: PartitionLog) -> None:
    """A snapshot that does not belong to the stored batches is refused; none at all leaves memory empty."""
    snapshot = encode_snapshot(log.snapshot(0))
    other = PartitionLog(TopicIdPartition(bytes(16), 1))
    with pytest.raises(StorageFailed, match="offset 0"):
        other.restore(StoredRange(0, 5), snapshot)
    restored = PartitionLog(TopicIdPartition(bytes(16), 1))
    restored.restore(StoredRange(3, 5), None)
    assert (restored.log_start_offset, restored.high_watermark, restored.log_end_offset) == (3, 5, 5)
    assert restored.read(4, 10, up_to=5, at_least_one=True) is COLD
    restored.check_invariants()


def test_search_by_timestamp(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """Memory answers what it can, and says when L2 must be asked first."""
    append(make_batch(2, timestamp_ms=50))
    assert log.offset_for_timestamp(40, up_to=2) == TimestampOffset(50, 0, 0)
    checkpoint(log)
    append(make_batch(timestamp_ms=90))
    log.advance_high_watermark(3)
    append(make_batch(timestamp_ms=95))
    assert log.offset_for_timestamp(50, up_to=3) is COLD
    assert log.offset_for_timestamp(50, up_to=3, skip_cold=True) == TimestampOffset(90, 2, 0)
    assert log.offset_for_timestamp(51, up_to=3) == TimestampOffset(90, 2, 0)
    assert log.offset_for_timestamp(91, up_to=3) is None
    assert log.offset_for_timestamp(99, up_to=4) is None
    log.increment_log_start_offset(2)
    assert log.offset_for_timestamp(1, up_to=3) == TimestampOffset(90, 2, 0)


def test_largest_timestamp(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """Only what readers see counts, and what is only in L2 is named."""
    assert log.max_timestamp(up_to=0) is None
    append(make_batch(timestamp_ms=-1))
    assert log.max_timestamp(up_to=1) is None
    append(make_batch(2, timestamp_ms=50))
    append(make_batch(timestamp_ms=90))
    assert log.max_timestamp(up_to=4) == TimestampOffset(90, 3, 0)
    assert log.max_timestamp(up_to=3) == TimestampOffset(50, 1, 0)
    checkpoint(log)
    append(make_batch(timestamp_ms=70))
    log.advance_high_watermark(5)
    assert log.max_timestamp(up_to=5) is COLD
    assert log.max_timestamp_batch(up_to=5) == TimestampedBatch(90, 3)
    log.increment_log_start_offset(4)
    assert log.max_timestamp(up_to=5) == TimestampOffset(70, 4, 0)
    log.increment_log_start_offset(5)
    assert log.max_timestamp(up_to=5) is None


def test_expired_producer_begins_anew(log: PartitionLog, append: Append, make_batch: MakeBatch, now: Instant) -> None:
    """A producer that was silent too long is as one never seen."""
    append(make_batch(producer_id=1, producer_epoch=0, base_sequence=0))
    batch = make_batch(producer_id=1, producer_epoch=0, base_sequence=9)
    with pytest.raises(ApiError):
        append(batch)
    assert log.remove_expired_producers(now, 100) == 0
    assert log.remove_expired_producers(Instant(0, now.wall_ms + 99), 100) == 0
    assert log.remove_expired_producers(Instant(0, now.wall_ms + 100), 100) == 1
    assert append(batch).base_offset == 1


def test_budget_figures(log: PartitionLog, append: Append, make_batch: MakeBatch) -> None:
    """What L0 holds and what L2 lacks is told in bytes, and comes down with checkpoint and forgetting."""
    batch = make_batch()
    append(batch)
    log.advance_high_watermark(1)
    assert log.uncheckpointed_bytes == len(batch)
    assert log.tail_bytes > len(batch)
    assert log.forget(1) == 0
    log.checkpointed(1)
    assert log.uncheckpointed_bytes == 0
    assert log.forget(1) > 0
    assert (log.tail_bytes, log.tail_start_offset, log.checkpointed_offset) == (0, 1, 1)
