"""Compaction of one partition: which records stay, once there are newer ones of their keys. Decides, and does no I/O.

A pass goes over the log twice. First it looks at the dirty part, which no pass has seen yet, and remembers for each key
where its newest record is; how many keys it can remember ends the pass early, the next one goes on from there. Then it
goes over everything below that end, from the log start on and portion by portion, and gives what is left of each
portion. Portions take effect in that order, so that a record goes no later than those after it: whatever a crash leaves
of a pass, no older value of a key comes back.

What stays, as in Kafka:

- of the records of a key the newest; a record without key does not.
- a tombstone (a key without value), and the marker of a transaction of which nothing is left, until its batch's delete
  horizon (KIP-534): the first pass that finds it in this state sets it, `delete.retention.ms` from then on; the first
  pass after it drops the tombstone. So a reader that is no further behind sees that the key was deleted.
- nothing of aborted transactions, but their markers, as above.
- the last batch of a pass, empty if need be, so that readers get to the end.

Where it differs from Kafka's: a batch that cannot be read, for lack of a codec say, stays as it is, and no tombstone
goes in that pass, for it may hide a record in there. A producer's last batch may go: its sequences are in the snapshot.

Source: Kafka's LogCleaner, Cleaner and CleanedTransactionMetadata; KIP-58, KIP-98, KIP-354, KIP-534.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

import attrs

from dotkafka.errors import ApiError, DecodeError, EncodeError
from dotkafka.log.config import LogConfig
from dotkafka.log.extents import Extent
from dotkafka.log.transactions import AbortedTransaction
from dotkafka.records.batch import NO_TIMESTAMP, BatchHeader, batch_headers, iterate_records, read_header
from dotkafka.records.filtering import encode_empty, encode_remaining
from dotkafka.records.record import Record
from dotkafka.storage.spi import Buffer, Replacement, StoredBatch

KEY_BYTES: Final = 200
"""What a pass takes to remember one key, in a dict of Python: bytes of at most 16, a number, and their place."""
_DIGEST_BYTES: Final = 16


@attrs.frozen
class Dirtiness:
    """How much of a partition a pass could clean."""

    start_offset: int
    """Where the dirty part begins."""
    end_offset: int
    """Up to where it may be compacted now."""
    ratio: float
    """The share that the dirty part has of all bytes below `end_offset`."""
    is_due: bool
    """Whether the topic's settings ask for a pass."""


def dirtiness(
    extents: Iterable[Extent],
    *,
    log_start_offset: int,
    first_dirty_offset: int,
    end_offset: int,
    config: LogConfig,
    now_ms: int,
) -> Dirtiness:
    """Return how dirty a partition is.

    Args:
        extents: what the checkpoint store has of it, from the log start on.
        log_start_offset: where it begins.
        first_dirty_offset: where the last pass has ended.
        end_offset: below it everything is in the checkpoint store, and every transaction decided.
        config: of its topic.
        now_ms: wall clock time, see `Broker.trusted_wall_ms`.
    """
    start_offset = max(log_start_offset, first_dirty_offset)
    clean_bytes = dirty_bytes = 0
    previous_offset = log_start_offset
    is_overdue = False
    for next_offset, size_bytes, max_timestamp_ms in extents:
        if next_offset <= start_offset:
            clean_bytes += size_bytes
        elif previous_offset >= end_offset:
            break
        elif config.min_compaction_lag_ms > 0 and max_timestamp_ms > now_ms - config.min_compaction_lag_ms:
            end_offset = min(end_offset, max(previous_offset, start_offset))
            break
        else:
            dirty_bytes += size_bytes
            is_overdue |= NO_TIMESTAMP < max_timestamp_ms < now_ms - config.max_compaction_lag_ms
        previous_offset = next_offset
    ratio = dirty_bytes / (clean_bytes + dirty_bytes) if dirty_bytes else 0.0
    has_any = dirty_bytes > 0 and end_offset > start_offset
    is_due = has_any and (is_overdue or ratio > config.min_cleanable_dirty_ratio)
    return Dirtiness(start_offset, end_offset, ratio, is_due)


class Compacted(NamedTuple):
    """What a pass makes of one portion."""

    replacement: Replacement
    old_size_bytes: int
    """Of the batches that were there."""
    is_changed: bool
    """Whether the replacement differs from what is there."""
    dropped_aborts: Sequence[int]
    """Offsets of abort markers of whose transactions nothing is left: readers need not be told of these any more."""

    def extents(self) -> list[Extent]:
        """Return the batches that are left, one by one."""
        return [
            Extent(batch.last_offset + 1, len(batch.data), batch.max_timestamp_ms) for batch in self.replacement.batches
        ]


class CompactionPass:
    """One pass over a partition: call `index` until `is_indexed`, then `compact` until `is_done`.

    Args:
        dirty: what part of the partition it is about.
        aborted: the aborted transactions of the log.
        max_keys: how many keys may be remembered; those of one batch always are.
        delete_retention_ms: how long a tombstone stays from when it is first seen alone.
        now_ms: wall clock time, see `Broker.trusted_wall_ms`.
    """

    def __init__(
        self,
        dirty: Dirtiness,
        aborted: Iterable[AbortedTransaction],
        *,
        max_keys: int,
        delete_retention_ms: int,
        now_ms: int,
    ) -> None:
        self.end_offset = dirty.start_offset
        """Below it records are compacted. Grows as the pass looks at what is dirty."""
        self.is_indexed = False
        self.is_done = False
        self.unreadable: set[str] = set()
        """Why batches could not be read, if there were any."""
        self._start_offset = dirty.start_offset
        self._limit_offset = dirty.end_offset
        self._aborted: dict[int, list[AbortedTransaction]] = {}
        for transaction in aborted:
            self._aborted.setdefault(transaction.producer_id, []).append(transaction)
        self._max_keys = max_keys
        self._delete_retention_ms = delete_retention_ms
        self._now_ms = now_ms
        self._newest: dict[bytes, int] = {}
        """Offset of the newest record of each key below `end_offset`, of keys of the dirty part."""
        self._producers_seen: set[int] = set()
        """Those of whose present transaction there is a batch yet."""

    # -- the first time ------------------------------------------------------------------------------------------------

    def index(self, portion: Sequence[Buffer]) -> None:
        """Look at batches from `end_offset` on; none of them means that there are no more."""
        before = self.end_offset
        for header, batch in _batches(portion):
            if header.next_offset <= self.end_offset:
                continue
            is_full = self._newest and len(self._newest) + header.record_count > self._max_keys
            if header.next_offset > self._limit_offset or is_full:
                self.is_indexed = True
                return
            if not header.is_control and not self._is_aborted(header):
                self._index_batch(batch)
            self.end_offset = header.next_offset
        self.is_indexed = self.end_offset in {before, self._limit_offset}

    def _index_batch(self, batch: memoryview) -> None:
        try:
            for record in list(iterate_records(batch)):
                if record.key is not None and record.offset >= self._start_offset:
                    self._newest[_fingerprint(record.key)] = record.offset
        except (DecodeError, ApiError) as error:
            self.unreadable.add(str(error))

    # -- the second time -----------------------------------------------------------------------------------------------

    def compact(self, portion: Sequence[Buffer]) -> Compacted | None:
        """Return what is left of the next batches, read from where the last portion ended. None after the last ones."""
        old_size_bytes = 0
        is_changed = False
        start_offset = end_offset = -1
        kept: list[StoredBatch] = []
        dropped_aborts: list[int] = []
        for header, batch in _batches(portion):
            if header.next_offset > self.end_offset:
                break
            start_offset = header.base_offset if start_offset < 0 else start_offset
            end_offset = header.next_offset
            old_size_bytes += header.size_bytes
            left = self._compact_batch(header, batch, dropped_aborts)
            if left is None and end_offset == self.end_offset:
                left = encode_empty(header) if header.record_count else batch
            is_changed |= left is not batch
            if left is not None:
                kept.append(_stored(left))
        self.is_done = end_offset in {-1, self.end_offset}
        if start_offset < 0:
            return None
        return Compacted(Replacement(start_offset, end_offset, kept), old_size_bytes, is_changed, dropped_aborts)

    def _compact_batch(self, header: BatchHeader, batch: memoryview, dropped_aborts: list[int]) -> Buffer | None:
        """Return what is left of a batch: itself, another one, or None."""
        if header.is_transactional and not header.is_control:
            self._producers_seen.add(header.producer_id)
            if self._is_aborted(header):
                return None
        try:
            records = list(iterate_records(batch))
            if header.is_control:
                return self._compact_marker(header, batch, records, dropped_aborts)
            kept = [record for record in records if self._stays(header, record)]
            if not kept:
                return None
            has_tombstones = any(record.value is None for record in kept)
            return self._remaining(header, batch, kept, is_leaving=has_tombstones)
        except (DecodeError, EncodeError, ApiError) as error:
            self.unreadable.add(str(error))
            return batch

    def _stays(self, header: BatchHeader, record: Record) -> bool:
        if record.key is None or record.offset < self._newest.get(_fingerprint(record.key), -1):
            return False
        return record.value is not None or not self._is_over(header) or bool(self.unreadable)

    def _compact_marker(
        self, header: BatchHeader, batch: memoryview, records: Sequence[Record], dropped_aborts: list[int]
    ) -> Buffer | None:
        if not records:
            return None
        if header.producer_id in self._producers_seen or header.producer_id < 0:
            self._producers_seen.discard(header.producer_id)
            return batch
        # Readers that were still told of the transaction, and find no marker, would take the next one for aborted.
        dropped_aborts += [t.last_offset for t in self._aborted_of(header) if t.last_offset == header.last_offset]
        return None if self._is_over(header) else self._remaining(header, batch, records, is_leaving=True)

    def _remaining(
        self, header: BatchHeader, batch: memoryview, kept: Sequence[Record], *, is_leaving: bool
    ) -> Buffer | None:
        horizon_ms = header.delete_horizon_ms
        if is_leaving and horizon_ms is None:
            return encode_remaining(header, kept, self._now_ms + self._delete_retention_ms)
        return batch if len(kept) == header.record_count else encode_remaining(header, kept, horizon_ms)

    def _is_over(self, header: BatchHeader) -> bool:
        """Whether the delete horizon of a batch has come."""
        return header.delete_horizon_ms is not None and header.delete_horizon_ms <= self._now_ms

    def _is_aborted(self, header: BatchHeader) -> bool:
        return header.is_transactional and any(
            transaction.first_offset <= header.base_offset <= transaction.last_offset
            for transaction in self._aborted_of(header)
        )

    def _aborted_of(self, header: BatchHeader) -> Sequence[AbortedTransaction]:
        """Return the aborted transaction of its producer that the batch may be part of, if there is one."""
        transactions = self._aborted.get(header.producer_id, [])
        number = bisect_right(transactions, header.base_offset, key=_first_offset)
        return transactions[max(number - 1, 0) : number]


def _batches(portion: Sequence[Buffer]) -> Iterator[tuple[BatchHeader, memoryview]]:
    for data in portion:
        view = memoryview(data)
        for position, header in batch_headers(view):
            yield header, view[position : position + header.size_bytes]


def _stored(batch: Buffer) -> StoredBatch:
    header = read_header(batch)
    # One without records answers no question for a timestamp.
    max_timestamp_ms = header.max_timestamp_ms if header.record_count else NO_TIMESTAMP
    return StoredBatch(header.base_offset, header.last_offset, max_timestamp_ms, batch)


def _fingerprint(key: bytes) -> bytes:
    """Return a key if it is short, else 16 bytes that no other key has; so the two are never confused."""
    return key if len(key) < _DIGEST_BYTES else blake2b(key, digest_size=_DIGEST_BYTES).digest()


def _first_offset(transaction: AbortedTransaction) -> int:
    return transaction.first_offset
