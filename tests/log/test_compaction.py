"""Compaction against a log that keeps everything, at whatever moments it happens, and through crashes of it."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dotkafka.clock import Instant
from dotkafka.log import compaction
from dotkafka.log.compaction import Compacted, CompactionPass, Dirtiness, dirtiness
from dotkafka.log.config import LogConfig
from dotkafka.log.extents import MAX_EXTENTS, Extent
from dotkafka.log.partition_log import PartitionLog
from dotkafka.log.snapshot import encode_snapshot
from dotkafka.log.transactions import AbortedTransaction, read_marker
from dotkafka.records.batch import (
    BatchHeader,
    batch_headers,
    encode_batch,
    iterate_records,
    patch_offset_and_epoch,
)
from dotkafka.records.compression import Compression
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker
from dotkafka.records.record import Record
from dotkafka.storage.memory import MemoryCheckpointStore
from dotkafka.storage.spi import Changes, Replacement, TopicIdPartition

PARTITION = TopicIdPartition(bytes(range(16)), 3)
RETENTION_MS = 10
CONFIG = LogConfig(
    cleanup_policy="compact",
    min_cleanable_dirty_ratio=0,
    delete_retention_ms=RETENTION_MS,
    message_timestamp_after_max_ms=10**9,
)
KEYS = [b"a", b"b", bytes(range(40))]
PLAIN = -1
RECORDS = st.lists(st.tuples(st.sampled_from(KEYS), st.none() | st.binary(max_size=3)), min_size=1, max_size=3)
BATCHES = st.tuples(st.sampled_from([PLAIN, 0, 1, "commit", "abort"]), RECORDS, st.integers(0, 50), st.booleans())


class Reader(NamedTuple):
    """Somebody who has read some of the log, and is slow to go on."""

    position: int
    state: dict[bytes, bytes]
    read_at_ms: int


class CompactedLog(RuleBasedStateMachine):
    """A log whose batches are all in L2, a compacted one and, as records, all that was ever appended."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryCheckpointStore()
        self.log = PartitionLog(PARTITION)
        self.now_ms = 1_000
        self.sequences = {PLAIN: 0, 0: 0, 1: 0}
        self.in_transaction: set[int] = set()
        self.undecided: dict[int, list[Record]] = {0: [], 1: []}
        self.written: dict[int, Record] = {}
        """All records, by offset."""
        self.committed: dict[int, Record] = {}
        """Of those, the ones that readers of committed records may see."""
        self.last_batch: tuple[bytearray, int] | None = None
        self.readers: list[Reader] = []
        self.batch_count = 0

    # -- what happens --------------------------------------------------------------------------------------------------

    # Up to so many batches are known one by one, and sizes exact.
    @precondition(lambda self: self.batch_count <= MAX_EXTENTS - 6)
    @rule(batches=st.lists(BATCHES, min_size=1, max_size=6))
    def append_some(self, batches: Sequence[tuple[int | str, Sequence[Any], int, bool]]) -> None:
        """Batches of all kinds, each of a checkpoint of its own."""
        for kind, contents, timestamp_ms, flag in batches:
            if isinstance(kind, int):
                self.append(kind, contents, timestamp_ms, Compression.GZIP if flag else Compression.NONE)
            elif self.in_transaction:
                self.decide((max if flag else min)(self.in_transaction), is_commit=kind == "commit")

    def append(
        self, producer: int, contents: Sequence[tuple[bytes, bytes | None]], timestamp_ms: int, codec: Compression
    ) -> None:
        """A batch, of a transaction or not."""
        records = [Record(0, timestamp_ms + n, *content) for n, content in enumerate(contents)]
        batch = encode_batch(
            records,
            producer_id=7 if producer == PLAIN else producer,
            producer_epoch=0,
            base_sequence=self.sequences[producer],
            is_transactional=producer != PLAIN,
            compression=codec,
        )
        self.sequences[producer] += len(records)
        base_offset = self.append_batch(bytearray(batch), from_client=True)
        placed = [record._replace(offset=base_offset + n) for n, record in enumerate(records)]
        self.written |= {record.offset: record for record in placed}
        if producer == PLAIN:
            self.committed |= {record.offset: record for record in placed}
            self.last_batch = (batch, base_offset)
        else:
            self.in_transaction.add(producer)
            self.undecided[producer] += placed

    def decide(self, producer: int, *, is_commit: bool) -> None:
        """A transaction ends."""
        self.in_transaction.discard(producer)
        kind = ControlRecordType.COMMIT if is_commit else ControlRecordType.ABORT
        marker = encode_end_txn_marker(
            ControlRecord(kind, 0), producer_id=producer, producer_epoch=0, timestamp_ms=self.now_ms
        )
        self.append_batch(marker, from_client=False)
        if is_commit:
            self.committed |= {record.offset: record for record in self.undecided[producer]}
        self.undecided[producer] = []

    def append_batch(self, batch: bytearray, *, from_client: bool) -> int:
        """Append, make durable, and have it in L2 alone."""
        self.batch_count += 1
        now = Instant(0, self.now_ms)
        result = self.log.append_as_leader(
            memoryview(batch), leader_epoch=0, config=CONFIG, now=now, from_client=from_client
        )
        self.log.advance_high_watermark(self.log.log_end_offset)
        self.save()
        return result.base_offset

    def save(self, replacement: Replacement | None = None) -> None:
        """Make a checkpoint."""
        end_offset = self.log.high_watermark
        changes = self.log.changes_for_checkpoint(replacement)
        snapshots = {"log": encode_snapshot(self.log.snapshot(end_offset))}
        self.store.save(0, Changes(0, 0, {PARTITION: changes}, snapshots=snapshots))
        self.log.checkpointed(end_offset)
        self.log.forget(10**9)

    @rule(
        max_keys=st.integers(1, 6),
        portion_bytes=st.sampled_from([1, 150, 10_000]),
        crash_after=st.none() | st.integers(0, 3),
    )
    def compact(self, max_keys: int, portion_bytes: int, crash_after: int | None) -> None:
        """A pass; if it is cut short, a restart."""
        dirty = self.log.dirtiness(CONFIG, self.now_ms)
        if not dirty.is_due:
            return
        running = self.log.begin_compaction(dirty, CONFIG, max_keys=max_keys, now_ms=self.now_ms)
        while not running.is_indexed:
            running.index(self.store.read(0, PARTITION, running.end_offset, portion_bytes))
        assert running.end_offset > dirty.start_offset, "a pass that gets nowhere would be made again and again"
        offset = self.log.log_start_offset
        portions = 0
        while not running.is_done:
            if portions == crash_after:
                self.restart()
                return
            compacted = running.compact(self.store.read(0, PARTITION, offset, portion_bytes))
            assert compacted is not None
            self.log.compacted(compacted)
            offset = compacted.replacement.end_offset
            if offset == running.end_offset:
                self.log.compacted_to(running.end_offset)
            self.save(compacted.replacement if compacted.is_changed else None)
            self.check()
            portions += 1
        assert self.log.first_dirty_offset == running.end_offset

    @rule()
    def restart(self) -> None:
        """The log is what L2 says."""
        checkpoint = self.store.load(0)
        self.log = PartitionLog(PARTITION)
        if checkpoint is not None:
            self.log.restore(checkpoint.partitions[PARTITION], checkpoint.snapshots["log"])

    @rule(passed_ms=st.integers(1, 2 * RETENTION_MS))
    def pass_time(self, passed_ms: int) -> None:
        """Tombstones grow old."""
        self.now_ms += passed_ms

    @precondition(lambda self: self.log.log_end_offset > self.log.log_start_offset)
    @rule(data=st.data())
    def delete_records(self, data: st.DataObject) -> None:
        """The log start moves, into a gap maybe."""
        offset = data.draw(st.integers(self.log.log_start_offset, self.log.last_stable_offset))
        self.log.increment_log_start_offset(offset)
        self.save()
        self.readers = [reader for reader in self.readers if not reader.state and reader.position >= offset]

    @precondition(lambda self: self.last_batch is not None)
    @rule()
    def retry(self) -> None:
        """The last batch of an idempotent producer is known, whether it still exists or not."""
        assert self.last_batch is not None
        batch, base_offset = self.last_batch
        now = Instant(0, self.now_ms)
        result = self.log.append_as_leader(memoryview(bytearray(batch)), leader_epoch=0, config=CONFIG, now=now)
        assert (result.is_duplicate, result.base_offset) == (True, base_offset)

    @rule(data=st.data())
    def read_some(self, data: st.DataObject) -> None:
        """A reader comes, and reads up to somewhere."""
        position = data.draw(st.integers(self.log.log_start_offset, self.log.last_stable_offset))
        state: dict[bytes, bytes] = {}
        apply([record for record in self.read_committed(self.log.log_start_offset) if record.offset < position], state)
        self.readers.append(Reader(position, state, self.now_ms))

    # -- what is seen --------------------------------------------------------------------------------------------------

    def batches(self, offset: int) -> Iterator[tuple[BatchHeader, memoryview]]:
        """Yield what L2 gives to a reader that asks for one batch after the other."""
        while data := b"".join(self.store.read(0, PARTITION, offset, 0)):
            ((_, header),) = batch_headers(data)
            assert header.next_offset > offset
            yield header, memoryview(data)
            offset = header.next_offset

    def read_committed(self, offset: int) -> Iterator[Record]:
        """Yield the records that a consumer shows of what it gets from there on; Kafka's algorithm."""
        stable = self.log.last_stable_offset
        waiting = sorted(
            self.log.aborted_transactions(offset, stable), key=lambda transaction: transaction.first_offset
        )
        aborted: set[int] = set()
        for header, batch in self.batches(offset):
            if header.next_offset > stable:
                return
            while waiting and waiting[0].first_offset <= header.last_offset:
                aborted.add(waiting.pop(0).producer_id)
            if header.is_control:
                marker = read_marker(batch)
                if marker is not None and marker.type is ControlRecordType.ABORT:
                    aborted.discard(header.producer_id)
            elif not (header.is_transactional and header.producer_id in aborted):
                yield from (record for record in iterate_records(batch) if record.offset >= offset)

    @invariant()
    def check(self) -> None:
        """The last value of every key is there, and nothing that was not."""
        self.log.check_invariants()
        start_offset, stable = self.log.log_start_offset, self.log.last_stable_offset
        committed = sorted(self.committed.items())
        visible = {offset: record for offset, record in committed if start_offset <= offset < stable}
        expected: dict[bytes, bytes] = {}
        apply(list(visible.values()), expected)
        read = list(self.read_committed(start_offset))
        assert all(record == visible[record.offset] for record in read)
        state: dict[bytes, bytes] = {}
        apply(read, state)
        assert state == expected
        for reader in self.readers:
            if self.now_ms - reader.read_at_ms < RETENTION_MS:
                state = dict(reader.state)
                apply(list(self.read_committed(reader.position)), state)
                assert state == expected
        self.check_ends_and_sizes()

    def check_ends_and_sizes(self) -> None:
        """Readers get to the end; what is remembered of batches is true of those that are left."""
        batches = list(self.batches(self.log.log_start_offset))
        if self.log.log_start_offset < self.log.log_end_offset:
            assert batches[-1][0].next_offset == self.log.log_end_offset
        assert self.log.size_bytes == sum(len(batch) for _, batch in batches)
        timestamps = [header.max_timestamp_ms for header, _ in batches if header.record_count]
        largest = self.log.max_timestamp_batch(up_to=self.log.log_end_offset)
        if largest is not None:
            found = self.store.batch_for_timestamp(0, PARTITION, largest.max_timestamp_ms, largest.base_offset)
            assert found is not None
            ((_, header),) = batch_headers(found)
            assert header.max_timestamp_ms == largest.max_timestamp_ms == max(timestamps)


def apply(records: Sequence[Record], state: dict[bytes, bytes]) -> None:
    """Bring a table up to date."""
    for record in records:
        assert record.key is not None
        if record.value is None:
            state.pop(record.key, None)
        else:
            state[record.key] = record.value


TestCompactedLog = CompactedLog.TestCase
TestCompactedLog.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_readers_are_not_told_of_transactions_that_are_gone() -> None:
    """Else they would take the next one of the producer for aborted, as there is no marker any more."""
    machine = CompactedLog()
    machine.append(0, [(b"a", b"1")], 1, Compression.NONE)
    machine.decide(0, is_commit=False)
    for number in range(3):
        machine.append(PLAIN, [(b"b", b"%d" % number)], 1, Compression.NONE)
        machine.now_ms += 2 * RETENTION_MS
        machine.compact(max_keys=9, portion_bytes=150, crash_after=None)
    assert [header.base_offset for header, _ in machine.batches(0)] == [4]
    machine.append(0, [(b"a", b"2")], 1, Compression.NONE)
    machine.decide(0, is_commit=True)
    for _ in range(2):
        assert machine.log.aborted_transactions(0, machine.log.log_end_offset) == []
        machine.check()
        machine.restart()


# -- one thing at a time -----------------------------------------------------------------------------------------------


def one_pass(*batches: bytes | bytearray, now_ms: int = 1_000, max_keys: int = 100) -> tuple[CompactionPass, Compacted]:
    """Make a pass over these batches, all of them dirty and one portion."""
    end_offset = [header for batch in batches for _, header in batch_headers(batch)][-1].next_offset
    dirty = Dirtiness(0, end_offset, 1.0, is_due=True)
    running = CompactionPass(dirty, (), max_keys=max_keys, delete_retention_ms=RETENTION_MS, now_ms=now_ms)
    while not running.is_indexed:
        running.index(batches)
    compacted = running.compact(batches)
    assert compacted is not None
    return running, compacted


def batch_of(base_offset: int, *contents: tuple[bytes | None, bytes | None], **fields: Any) -> bytearray:
    """Return a batch of these keys and values."""
    return encode_batch([Record(0, 5, *content) for content in contents], base_offset=base_offset, **fields)


def contents_of(compacted: Compacted) -> list[tuple[int, bytes | None, bytes | None]]:
    """Return offset, key and value of each record that is left."""
    return [
        (record.offset, record.key, record.value)
        for batch in compacted.replacement.batches
        for record in iterate_records(batch.data)
    ]


def test_markers_outlive_their_records(make_marker: Any) -> None:
    """By delete.retention.ms; and readers are told of an aborted transaction no longer than there is its marker."""
    aborted = batch_of(0, (b"k", b"1"), producer_id=7, base_sequence=0, is_transactional=True)
    marker = make_marker("ABORT")
    patch_offset_and_epoch(marker, 0, 1, 0)
    last = batch_of(2, (b"l", b"2"))
    transactions = [AbortedTransaction(7, 0, 1, 2)]
    left: list[bytes] = [bytes(aborted), bytes(marker), bytes(last)]
    dropped = []
    for now_ms, offsets in ((0, [1, 2]), (5, [1, 2]), (5 + RETENTION_MS - 1, [1, 2]), (5 + RETENTION_MS, [2])):
        running = CompactionPass(
            Dirtiness(0, 3, 1.0, is_due=True),
            transactions,
            max_keys=9,
            delete_retention_ms=RETENTION_MS,
            now_ms=now_ms,
        )
        running.index(left)
        compacted = running.compact(left)
        assert compacted is not None
        assert [batch.base_offset for batch in compacted.replacement.batches] == offsets
        left = [bytes(batch.data) for batch in compacted.replacement.batches]
        dropped.append(list(compacted.dropped_aborts))
    assert dropped == [[], [1], [1], [1]]


def test_records_without_key_go() -> None:
    """They may be there from before the topic was compacted."""
    _, compacted = one_pass(batch_of(0, (None, b"1"), (b"k", b"2")), batch_of(2, (b"l", b"3")))
    assert contents_of(compacted) == [(1, b"k", b"2"), (2, b"l", b"3")]


def test_nothing_to_do_changes_nothing() -> None:
    """The very bytes stay, and need not be written."""
    batches = [batch_of(0, (b"k", b"1"), (b"l", b"2")), batch_of(2, (b"m", b"3"))]
    _, compacted = one_pass(*batches)
    assert not compacted.is_changed
    assert [bytes(batch.data) for batch in compacted.replacement.batches] == [bytes(batch) for batch in batches]


def test_the_map_is_bounded() -> None:
    """When it is full the pass ends, after one batch at least; what is beyond is left for the next one."""
    batches = [batch_of(4 * n, *((b"%d" % (4 * n + m), b"v") for m in range(4))) for n in range(3)]
    running, compacted = one_pass(*batches, max_keys=2)
    assert (running.end_offset, compacted.replacement.end_offset) == (4, 4)
    running, _ = one_pass(*batches, max_keys=8)
    assert running.end_offset == 8


def test_a_tombstone_has_its_time() -> None:
    """It stays until its horizon, which the first pass sets; the deleted value goes at once."""
    _, compacted = one_pass(batch_of(0, (b"k", b"1")), batch_of(1, (b"k", None)), batch_of(2, (b"l", b"2")))
    first = [bytes(batch.data) for batch in compacted.replacement.batches]
    assert contents_of(compacted) == [(1, b"k", None), (2, b"l", b"2")]
    _, early = one_pass(*first, now_ms=1_000 + RETENTION_MS - 1)
    assert not early.is_changed
    _, late = one_pass(*first, now_ms=1_000 + RETENTION_MS)
    assert contents_of(late) == [(2, b"l", b"2")]


def test_what_cannot_be_read_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no tombstone goes: it may hide a record in there. Why it cannot be read is told once."""
    hidden = batch_of(0, (b"k", b"1"), compression=Compression.LZ4)
    rest = [batch_of(1, (b"k", None)), batch_of(2, (b"l", b"2"))]
    _, compacted = one_pass(hidden, *rest)
    rest = [bytearray(batch.data) for batch in compacted.replacement.batches]
    monkeypatch.setitem(__import__("sys").modules, "lz4.frame", None)
    running, compacted = one_pass(hidden, *rest, now_ms=10**6)
    assert not compacted.is_changed
    (reason,) = running.unreadable
    assert "dotkafka[lz4]" in reason


@pytest.mark.parametrize(
    ("config", "first_dirty_offset", "expected"),
    [
        (LogConfig(), 0, (0, 40, 1.0, True)),
        (LogConfig(), 20, (20, 40, 0.5, False)),
        (LogConfig(min_cleanable_dirty_ratio=0.49), 20, (20, 40, 0.5, True)),
        (LogConfig(), 40, (40, 40, 0.0, False)),
        (LogConfig(min_cleanable_dirty_ratio=0.0), 40, (40, 40, 0.0, False)),
        (LogConfig(min_compaction_lag_ms=75), 0, (0, 20, 1.0, True)),
        (LogConfig(min_compaction_lag_ms=1000), 0, (0, 0, 0.0, False)),
        (LogConfig(min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=69), 20, (20, 40, 0.5, True)),
        (LogConfig(min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=70), 20, (20, 40, 0.5, False)),
    ],
)
def test_when_a_partition_is_due(
    config: LogConfig, first_dirty_offset: int, expected: tuple[int, int, float, bool]
) -> None:
    """By its share of what is dirty, by age; never what is too young."""
    extents = [Extent(10 * n, 100, 10 * n) for n in range(1, 5)]
    found = dirtiness(
        extents, log_start_offset=0, first_dirty_offset=first_dirty_offset, end_offset=40, config=config, now_ms=100
    )
    assert found == Dirtiness(*expected)


def test_keys_are_not_confused() -> None:
    """A short key that is the digest of a long one is another key."""
    long_key = b"x" * 100
    assert compaction._fingerprint(long_key) != compaction._fingerprint(compaction._fingerprint(long_key))
