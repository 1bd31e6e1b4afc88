"""The partition log against a simple model, in whatever order things happen to it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dotkafka.clock import Instant
from dotkafka.errors import ApiError
from dotkafka.log.config import LogConfig
from dotkafka.log.extents import Extent
from dotkafka.log.partition_log import COLD, PartitionLog
from dotkafka.log.retention import log_start_offset_after_retention
from dotkafka.log.snapshot import LogSnapshot, encode_snapshot

# from dotkafka.log.retention import log_start_offset_after_retention
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import encode_batch
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker
from dotkafka.records.record import Record
from dotkafka.storage.spi import StoredRange, TopicIdPartition

PARTITION = TopicIdPartition(bytes(range(16)), 3)
NOW = Instant(0, 1_000)
CONFIG = LogConfig()
PRODUCER_IDS = st.integers(0, 2)
FRACTIONS = st.integers(0, 12).map(lambda twelfths: twelfths / 12)
KINDS = st.sampled_from(["plain", "idempotent", "transactional", "commit", "abort", "new epoch"])
APPENDS = st.lists(st.tuples(KINDS, PRODUCER_IDS, st.integers(1, 3), st.integers(-1, 50)), min_size=2, max_size=8)


class Batch(NamedTuple):
    """A batch that the model's log holds."""

    base_offset: int
    next_offset: int
    max_timestamp_ms: int
    producer_id: int
    is_transactional: bool
    abort: bool | None
    """None if it is no marker."""
    data: bytes


class Producer(NamedTuple):
    """What a well-behaved producer knows of itself."""

    epoch: int
    next_sequence: int
    window: tuple[tuple[int, int, int], ...]
    """(base sequence, count, base offset), the last five."""


UNKNOWN = Producer(0, 0, ())


def replayed(batches: Sequence[Batch], log_start_offset: int) -> PartitionLog:
    """Return a log that has seen nothing but these batches."""
    log = PartitionLog(PARTITION)
    for batch in batches:
        log.append_recovered(memoryview(batch.data))
    log.advance_high_watermark(log.log_end_offset)
    log.increment_log_start_offset(log_start_offset)
    return log


class PartitionLogMachine(RuleBasedStateMachine):
    """A leader, its L1 and L2, its readers and its restarts."""

    def __init__(self) -> None:
        super().__init__()
        self.log = PartitionLog(PARTITION)
        self.batches: list[Batch] = []
        self.producers: dict[int, list[Producer]] = {}
        self.log_start = 0
        self.high_watermark = 0
        self.checkpointed = 0
        self.leader_epoch = 0
        self.stored: tuple[StoredRange, LogSnapshot | None] = (StoredRange(0, 0), None)

    @initialize(epoch=st.integers(0, 3))
    def elect(self, epoch: int) -> None:
        """The first leader."""
        self.leader_epoch = epoch

    @rule()
    def elect_again(self) -> None:
        """The shard is opened anew, with nothing lost."""
        self.leader_epoch += 1

    @property
    def end(self) -> int:
        """Where the model's log ends."""
        return self.batches[-1].next_offset if self.batches else 0

    def boundaries(self, low: int, high: int) -> list[int]:
        """Where batches begin or end."""
        return [offset for offset in (0, *(b.next_offset for b in self.batches)) if low <= offset <= high]

    def pick(self, choices: Sequence[Any], fraction: float) -> Any:
        """Choose one; Hypothesis shrinks towards the first."""
        return choices[min(int(fraction * len(choices)), len(choices) - 1)]

    def open_transactions(self, batches: Sequence[Batch]) -> dict[int, int]:
        """Return where the transactions begin that are open after these batches."""
        opened: dict[int, int] = {}
        for batch in batches:
            if batch.abort is not None:
                opened.pop(batch.producer_id, None)
            elif batch.is_transactional:
                opened.setdefault(batch.producer_id, batch.base_offset)
        return opened

    def append(self, data: bytearray, count: int, timestamp: int, *, producer_id: int = -1, **kinds: Any) -> int:
        """Append to log and model, in a frame with something around; return the base offset."""
        frame = bytearray(b"\xee" * 7) + data + bytearray(3)
        view = memoryview(frame)[7 : 7 + len(data)]
        result = self.log.append_as_leader(
            view, leader_epoch=self.leader_epoch, config=CONFIG, now=NOW, from_client=kinds.get("abort") is None
        )
        assert (result.base_offset, result.last_offset) == (self.end, self.end + count - 1)
        assert result.log_start_offset == self.log_start
        assert not result.is_duplicate
        assert result.data is not None
        transactional = kinds.get("is_transactional", False)
        self.batches.append(
            Batch(
                self.end,
                self.end + count,
                timestamp,
                producer_id,
                transactional,
                kinds.get("abort"),
                bytes(result.data),
            )
        )
        return result.base_offset

    def records(self, count: int, timestamp: int) -> list[Record]:
        """Return records of which the last has the largest timestamp."""
        return [Record(i, timestamp if i == count - 1 else min(timestamp, 0), None, b"v") for i in range(count)]

    @rule(appends=APPENDS, durable=FRACTIONS)
    def append_some(self, appends: Sequence[tuple[str, int, int, int]], durable: float) -> None:
        """Batches of all kinds, one after another, of which some are made durable."""
        for kind, producer_id, count, timestamp in appends:
            if kind == "plain":
                self.append_plain(count, timestamp)
            elif kind in {"commit", "abort"}:
                self.append_marker(producer_id, max(timestamp, 0), abort=kind == "abort")
            elif kind == "new epoch":
                self.bump_producer_epoch(producer_id)
            else:
                self.append_idempotent(producer_id, count, max(timestamp, 0), transactional=kind == "transactional")
        self.advance(durable)

    def append_plain(self, count: int, timestamp: int) -> None:
        """Nothing is known of the producer."""
        self.append(encode_batch(self.records(count, timestamp)), count, timestamp)

    def append_idempotent(self, producer_id: int, count: int, timestamp: int, *, transactional: bool) -> None:
        """What follows is let in, and may open a transaction or go on with it."""
        history = self.producers.setdefault(producer_id, [UNKNOWN])
        producer = history[-1]
        transactional = transactional or producer_id in self.open_transactions(self.batches)
        data = encode_batch(
            self.records(count, timestamp),
            producer_id=producer_id,
            producer_epoch=producer.epoch,
            base_sequence=producer.next_sequence,
            is_transactional=transactional,
        )
        base = self.append(data, count, timestamp, producer_id=producer_id, is_transactional=transactional)
        window = (*producer.window[-4:], (producer.next_sequence, count, base))
        history.append(Producer(producer.epoch, producer.next_sequence + count, window))

    def bump_producer_epoch(self, producer_id: int) -> None:
        """A new epoch that has not written yet; the log learns of it with its first batch."""
        producer = self.producers.setdefault(producer_id, [UNKNOWN])[-1]
        if producer.window and producer_id not in self.open_transactions(self.batches):
            self.append_first_of_epoch(producer_id, producer.epoch + 1)

    def append_first_of_epoch(self, producer_id: int, epoch: int) -> None:
        """A new epoch begins with sequence 0."""
        data = encode_batch(
            self.records(1, 9), producer_id=producer_id, producer_epoch=epoch, base_sequence=0, is_transactional=False
        )
        base = self.append(data, 1, 9, producer_id=producer_id)
        self.producers[producer_id].append(Producer(epoch, 1, ((0, 1, base),)))

    def append_marker(self, producer_id: int, timestamp: int, *, abort: bool) -> None:
        """The coordinator ends a transaction, or one that there is not."""
        history = self.producers.get(producer_id)
        if history is None or not history[-1].window:
            return
        producer = history[-1]
        data = encode_end_txn_marker(
            ControlRecord(ControlRecordType.ABORT if abort else ControlRecordType.COMMIT, 1),
            producer_id=producer_id,
            producer_epoch=producer.epoch,
            timestamp_ms=timestamp,
        )
        self.append(data, 1, timestamp, producer_id=producer_id, is_transactional=True, abort=abort)
        history.append(producer)

    @precondition(lambda self: any(history[-1].window for history in self.producers.values()))
    @rule(producer_id=PRODUCER_IDS, fraction=FRACTIONS)
    def append_duplicate(self, producer_id: int, fraction: float) -> None:
        """What came before is answered as it was."""
        producer = self.producers.get(producer_id, [UNKNOWN])[-1]
        if not producer.window:
            return
        sequence, count, base = self.pick(producer.window, fraction)
        data = encode_batch(
            self.records(count, 1), producer_id=producer_id, producer_epoch=producer.epoch, base_sequence=sequence
        )
        result = self.log.append_as_leader(memoryview(data), leader_epoch=self.leader_epoch, config=CONFIG, now=NOW)
        assert result.is_duplicate
        assert result.data is None
        assert (result.base_offset, result.last_offset) == (base, base + count - 1)

    @precondition(lambda self: any(history[-1].window for history in self.producers.values()))
    @rule(producer_id=PRODUCER_IDS, gap=st.integers(1, 5))
    def append_out_of_order(self, producer_id: int, gap: int) -> None:
        """A gap in the sequences is not let in."""
        producer = self.producers.get(producer_id, [UNKNOWN])[-1]
        if not producer.window:
            return
        data = encode_batch(
            self.records(1, 1),
            producer_id=producer_id,
            producer_epoch=producer.epoch,
            base_sequence=producer.next_sequence + gap,
        )
        with pytest.raises(ApiError) as caught:
            self.log.append_as_leader(memoryview(data), leader_epoch=self.leader_epoch, config=CONFIG, now=NOW)
        assert caught.value.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER

    def advance(self, fraction: float) -> None:
        """L1 has some more."""
        self.high_watermark = self.pick(self.boundaries(self.high_watermark, self.end), fraction)
        self.log.advance_high_watermark(self.high_watermark)

    @precondition(lambda self: self.end > max(self.checkpointed, self.log_start))
    @rule(fraction=FRACTIONS)
    def snapshot_of_the_past(self, fraction: float) -> None:
        """A snapshot of any boundary equals that of a log that never saw more."""
        boundaries = self.boundaries(max(self.checkpointed, self.log_start), self.end)
        if not boundaries:
            return
        end = self.pick(boundaries, fraction)
        reference = replayed([b for b in self.batches if b.next_offset <= end], self.log_start)
        assert self.log.snapshot(end) == reference.snapshot(end)

    @precondition(lambda self: self.high_watermark > self.checkpointed)
    @rule()
    def checkpoint(self) -> None:
        """L2 gets what is durable and no more."""
        changes = self.log.changes_for_checkpoint()
        expected = [b for b in self.batches if self.checkpointed < b.next_offset <= self.high_watermark]
        assert [(b.base_offset, b.last_offset, b.max_timestamp_ms, bytes(b.data)) for b in changes.batches] == [
            (b.base_offset, b.next_offset - 1, b.max_timestamp_ms, b.data) for b in expected
        ]
        assert changes.log_start_offset == self.log_start
        snapshot = self.log.snapshot(self.high_watermark)
        self.stored = (StoredRange(self.log_start, self.high_watermark), snapshot)
        self.log.checkpointed(self.high_watermark)
        self.checkpointed = self.high_watermark

    @precondition(lambda self: self.log.tail_start_offset < self.checkpointed)
    @rule(wanted_bytes=st.integers(0, 2000))
    def forget(self, wanted_bytes: int) -> None:
        """Memory forgets what L2 has, as much as was asked for."""
        before = self.log.tail_bytes
        freed = self.log.forget(wanted_bytes)
        assert self.log.tail_bytes == before - freed
        assert freed >= wanted_bytes or self.log.tail_start_offset == self.checkpointed

    @precondition(lambda self: self.end > self.high_watermark)
    @rule(fraction=FRACTIONS)
    def truncate(self, fraction: float) -> None:
        """What was never durable goes, and producers may write it again."""
        self.cut(self.pick(self.boundaries(self.high_watermark, self.end), fraction))
        self.log.truncate_to(self.end)

    def cut(self, end: int) -> None:
        """Take batches from the model, and what producers know of them."""
        self.batches = [b for b in self.batches if b.next_offset <= end]
        for producer_id, history in self.producers.items():
            written = sum(b.producer_id == producer_id for b in self.batches)
            del history[written + 1 :]

    @precondition(lambda self: self.high_watermark > self.log_start)
    @rule(fraction=FRACTIONS)
    def delete_records(self, fraction: float) -> None:
        """The log start moves on and never back."""
        offset = int(fraction * self.high_watermark)
        assert self.log.increment_log_start_offset(offset) == (offset > self.log_start)
        self.log_start = max(self.log_start, offset)

    @precondition(lambda self: self.high_watermark > 0 and self.log_start <= self.stored[0].end_offset)
    @rule()
    def restart(self) -> None:
        """L2 and what L1 has beyond it are all that a crash leaves."""
        self.cut(self.high_watermark)
        before = self.log.snapshot(self.high_watermark)
        self.log = PartitionLog(PARTITION)
        # Encoded late, as storage work may: nothing that has happened since is in it.
        stored_range, snapshot = self.stored
        self.log.restore(stored_range, None if snapshot is None else encode_snapshot(snapshot))
        # L1 may still hold what L2 has: it is skipped.
        self.log.append_recovered(memoryview(b"".join(b.data for b in self.batches)))
        self.log.advance_high_watermark(self.log.log_end_offset)
        self.log.increment_log_start_offset(self.log_start)
        self.leader_epoch += 1
        assert self.log.snapshot(self.high_watermark) == before

    @precondition(lambda self: self.end > self.log_start)
    @rule(fraction=FRACTIONS, max_bytes=st.integers(0, 400), at_least_one=st.booleans(), stable=st.booleans())
    def read(self, fraction: float, max_bytes: int, *, at_least_one: bool, stable: bool) -> None:
        """What is read is what was appended, whole, in order and within bounds."""
        offset = self.log_start + round(fraction * (self.end - self.log_start))
        up_to = self.log.last_stable_offset if stable else self.high_watermark
        views = self.log.read(offset, max_bytes, up_to=up_to, at_least_one=at_least_one)
        if views is COLD:
            assert offset < min(self.checkpointed, self.log.tail_start_offset)
            return
        expected = [b.data for b in self.batches if offset < b.next_offset <= up_to] if offset < up_to else []
        fitting: list[bytes] = []
        for data in expected:
            first_of_all = at_least_one and not fitting
            if not first_of_all and sum(map(len, fitting)) + len(data) > max_bytes:
                break
            fitting.append(data)
        assert [bytes(view) for view in views] == fitting

    @precondition(lambda self: self.end > self.log_start)
    @rule(outside=st.integers(1, 5), below=st.booleans())
    def read_out_of_range(self, outside: int, *, below: bool) -> None:
        """Neither before the log start nor beyond the log end."""
        offset = self.log_start - outside if below else self.end + outside
        with pytest.raises(ApiError) as caught:
            self.log.read(offset, 100, up_to=self.high_watermark, at_least_one=True)
        assert caught.value.error_code == ErrorCode.OFFSET_OUT_OF_RANGE

    @precondition(lambda self: any(batch.abort for batch in self.batches))
    @rule(start=st.integers(0, 40), length=st.integers(0, 40))
    def aborted_transactions(self, start: int, length: int) -> None:
        """Every aborted transaction that overlaps the range is told; none that lies below the log start."""
        start = max(start, self.log_start)
        opened: dict[int, int] = {}
        expected = []
        for batch in self.batches:
            if batch.abort is None:
                if batch.is_transactional:
                    opened.setdefault(batch.producer_id, batch.base_offset)
            elif batch.producer_id in opened:
                first = opened.pop(batch.producer_id)
                if batch.abort and batch.base_offset >= start and first < start + length:
                    expected.append((batch.producer_id, first, batch.base_offset))
        told = self.log.aborted_transactions(start, start + length)
        assert [transaction[:3] for transaction in told] == expected

    @precondition(lambda self: self.high_watermark > self.log_start)
    @rule(timestamp=st.integers(0, 60))
    def search_timestamp(self, timestamp: int) -> None:
        """The answer from L0 is that of a search through all records."""
        found = self.log.offset_for_timestamp(timestamp, up_to=self.high_watermark)
        expected = next(
            (
                b.next_offset - 1
                for b in self.batches
                if b.max_timestamp_ms >= timestamp and b.next_offset - 1 >= self.log_start and timestamp > 0
            ),
            None,
        )
        if found is COLD:
            assert self.log.tail_start_offset > self.log_start
        elif timestamp > 0 and (expected is None or expected >= self.high_watermark):
            assert found is None
        elif timestamp > 0:
            assert found is not None
            assert found.offset == expected

    @invariant()
    def agrees_with_model(self) -> None:
        """All that can be asked at any time."""
        self.log.check_invariants()
        assert self.log.log_start_offset == self.log_start
        assert self.log.high_watermark == self.high_watermark
        assert self.log.log_end_offset == self.end
        assert self.log.checkpointed_offset == self.checkpointed
        durable = [b for b in self.batches if b.next_offset <= self.high_watermark]
        unstable = min(self.open_transactions(durable).values(), default=self.high_watermark)
        assert self.log.last_stable_offset == max(unstable, self.log_start)
        assert self.log.uncheckpointed_bytes == sum(
            len(b.data) for b in self.batches if b.next_offset > self.checkpointed
        )
        kept = [b for b in self.batches if b.next_offset > self.log_start]
        assert self.log.size_bytes == sum(len(b.data) for b in kept)
        for config in (LogConfig(retention_bytes=300, retention_ms=-1), LogConfig(retention_ms=0)):
            extents = [Extent(b.next_offset, len(b.data), b.max_timestamp_ms) for b in kept]
            now_ms = NOW.wall_ms + 2
            assert self.log.log_start_offset_after_retention(config, now_ms) == log_start_offset_after_retention(
                [extent for extent in extents if extent.next_offset <= self.high_watermark],
                log_start_offset=self.log_start,
                size_bytes=self.log.size_bytes,
                config=config,
                now_ms=now_ms,
            )


TestPartitionLog = PartitionLogMachine.TestCase
TestPartitionLog.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
