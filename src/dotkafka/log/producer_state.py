"""What the log remembers of idempotent producers: the epoch and the last five batches of every producer id.

Entries are immutable, so that the past can be had back: every change is noted, with the entry that it replaced, until
the batch that made it is checkpointed. `entries(end_offset)` and `truncate_to` go back through those notes. Thus a
snapshot of what is durable costs nothing for each append but one small note, whatever newer batches have been appended.

A producer is forgotten when nothing has been heard of it for long enough. When it was heard is the broker's time, taken
with each checkpoint, and not the timestamps of its records, which may be as old as it likes.

Source: KIP-98 (idempotence), KIP-360 (an unknown producer may begin with any sequence), KIP-447 (coordinator epochs).
"""

from collections import deque
from collections.abc import Callable, Container
from typing import Final, NamedTuple

from dotkafka.clock import Instant
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import NO_PRODUCER_EPOCH, NO_SEQUENCE, BatchHeader, increment_sequence

BATCHES_TO_RETAIN: Final = 5
"""A producer may have this many requests in flight, so as many batches may come again."""
_NO_COORDINATOR_EPOCH: Final = -1


class BatchMetadata(NamedTuple):
    """One batch that a producer has appended; enough to recognise it and to answer as the first time."""

    base_sequence: int
    last_sequence: int
    base_offset: int
    last_offset: int
    timestamp_ms: int


class ProducerEntry(NamedTuple):
    """What is known of one producer id."""

    producer_epoch: int
    coordinator_epoch: int
    last_timestamp_ms: int
    batches: tuple[BatchMetadata, ...]


class ProducerStates:
    """The producers of one log, by producer id."""

    __slots__ = ("_entries", "_heard_ms", "_replaced", "_unheard")

    def __init__(self, entries: dict[int, ProducerEntry] | None = None, heard_ms: dict[int, int] | None = None) -> None:
        self._entries: dict[int, ProducerEntry] = {} if entries is None else entries
        self._heard_ms: dict[int, int] = {} if heard_ms is None else heard_ms
        """Wall clock moment of the first look for expired producers after each last wrote."""
        self._unheard: set[int] = set()
        """Those that have written since the last look."""
        self._replaced: deque[tuple[int, int, ProducerEntry | None]] = deque()
        """(base offset of the batch, producer id, its entry before), in offset order, above the last checkpoint."""

    def __len__(self) -> int:
        return len(self._entries)

    def duplicate_of(self, header: BatchHeader) -> BatchMetadata | None:
        """Return the batch that this one repeats, if it is among the last five of its producer epoch."""
        entry = self._entries.get(header.producer_id)
        if entry is None or entry.producer_epoch != header.producer_epoch:
            return None
        base_sequence = header.base_sequence
        for batch in entry.batches:
            if batch.base_sequence == base_sequence and batch.last_sequence == header.last_sequence:
                return batch
        return None

    def check(self, header: BatchHeader, *, check_sequence: bool) -> None:
        """Refuse a batch of records that does not follow what its producer has appended.

        Raises:
            ApiError: INVALID_PRODUCER_EPOCH, if a newer epoch of the producer has written;
                OUT_OF_ORDER_SEQUENCE_NUMBER, if the batch does not follow the producer's last one, or a new epoch does
                not begin with sequence 0.
        """
        entry = self._entries.get(header.producer_id)
        if entry is None:
            return
        self._check_epoch(entry, header)
        if not check_sequence or entry.producer_epoch == NO_PRODUCER_EPOCH:
            return
        base_sequence = header.base_sequence
        if header.producer_epoch != entry.producer_epoch:
            if base_sequence != 0:
                raise ApiError(
                    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                    f"epoch {header.producer_epoch} of producer id {header.producer_id} begins with sequence "
                    f"{base_sequence}, not 0; its epoch was {entry.producer_epoch}",
                )
            return
        last_sequence = entry.batches[-1].last_sequence if entry.batches else NO_SEQUENCE
        if base_sequence != increment_sequence(last_sequence, 1):
            raise ApiError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"sequence {base_sequence} of producer id {header.producer_id} does not follow {last_sequence}",
            )

    def check_marker(self, header: BatchHeader, coordinator_epoch: int) -> None:
        """Refuse the end of a transaction that an outdated producer or coordinator asks for.

        Raises:
            ApiError: INVALID_PRODUCER_EPOCH or TRANSACTION_COORDINATOR_FENCED.
        """
        entry = self._entries.get(header.producer_id)
        if entry is None:
            return
        self._check_epoch(entry, header)
        if coordinator_epoch < entry.coordinator_epoch:
            raise ApiError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"coordinator epoch {coordinator_epoch} is older than {entry.coordinator_epoch}, which has ended a "
                f"transaction of producer id {header.producer_id}",
            )

    def _check_epoch(self, entry: ProducerEntry, header: BatchHeader) -> None:
        if header.producer_epoch < entry.producer_epoch:
            raise ApiError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"producer id {header.producer_id} is at epoch {entry.producer_epoch}; {header.producer_epoch} is over",
            )

    def append(self, header: BatchHeader, base_offset: int, timestamp_ms: int) -> None:
        """Remember a batch of records that was given `base_offset`."""
        producer_id = header.producer_id
        producer_epoch = header.producer_epoch
        self._unheard.add(producer_id)
        batch = BatchMetadata(
            header.base_sequence,
            header.last_sequence,
            base_offset,
            base_offset + header.last_offset_delta,
            timestamp_ms,
        )
        entry = self._entries.get(producer_id)
        self._replaced.append((base_offset, producer_id, entry))
        if entry is None:
            entry = ProducerEntry(producer_epoch, _NO_COORDINATOR_EPOCH, timestamp_ms, (batch,))
        elif entry.producer_epoch != producer_epoch:
            entry = ProducerEntry(producer_epoch, entry.coordinator_epoch, timestamp_ms, (batch,))
        else:
            batches = (*entry.batches[1 - BATCHES_TO_RETAIN :], batch)
            entry = ProducerEntry(producer_epoch, entry.coordinator_epoch, timestamp_ms, batches)
        self._entries[producer_id] = entry

    def append_marker(self, header: BatchHeader, base_offset: int, coordinator_epoch: int) -> None:
        """Remember the marker at `base_offset` that ended a transaction."""
        producer_id = header.producer_id
        self._unheard.add(producer_id)
        entry = self._entries.get(producer_id)
        self._replaced.append((base_offset, producer_id, entry))
        same_epoch = entry is not None and entry.producer_epoch == header.producer_epoch
        batches = entry.batches if entry is not None and same_epoch else ()
        self._entries[producer_id] = ProducerEntry(
            header.producer_epoch, coordinator_epoch, header.max_timestamp_ms, batches
        )

    def entries(self, end_offset: int) -> dict[int, ProducerEntry]:
        """Return the entries as they were when the log ended at `end_offset`, at or above the last checkpoint."""
        entries = self._entries.copy()
        for base_offset, producer_id, replaced in reversed(self._replaced):
            if base_offset < end_offset:
                break
            if replaced is not None:
                entries[producer_id] = replaced
            else:
                entries.pop(producer_id, None)
        return entries

    def truncate_to(self, end_offset: int) -> None:
        """Go back to when the log ended at `end_offset`, at or above the last checkpoint."""
        self._entries = self.entries(end_offset)
        while self._replaced and self._replaced[-1][0] >= end_offset:
            self._replaced.pop()

    def checkpointed(self, end_offset: int) -> None:
        """Give up going back beyond `end_offset`."""
        while self._replaced and self._replaced[0][0] < end_offset:
            self._replaced.popleft()

    def heard_ms(self, producer_ids: Container[int]) -> dict[int, int]:
        """Return when these producers were heard, as far as it was looked."""
        return {producer_id: at_ms for producer_id, at_ms in self._heard_ms.items() if producer_id in producer_ids}

    def remove_expired(self, now: Instant, expiration_ms: int, is_in_transaction: Callable[[int], bool]) -> int:
        """Forget producers that have written nothing for `expiration_ms` and are in no transaction; return how many."""
        self._heard_ms.update(dict.fromkeys(self._unheard, now.wall_ms))
        self._unheard.clear()
        oldest_kept_ms = now.wall_ms - expiration_ms
        expired = [
            producer_id
            for producer_id in self._entries
            if self._heard_ms.setdefault(producer_id, now.wall_ms) <= oldest_kept_ms
            and not is_in_transaction(producer_id)
        ]
        for producer_id in expired:
            del self._entries[producer_id]
        if len(self._heard_ms) > len(self._entries):
            self._heard_ms = {producer_id: self._heard_ms[producer_id] for producer_id in self._entries}
        return len(expired)

    def check_invariants(self, checkpointed_offset: int = 0) -> None:
        """Assert what the module promises of a log that is checkpointed up to there."""
        for producer_id, entry in self._entries.items():
            assert producer_id >= 0  # noqa: S101 (its purpose)
            assert len(entry.batches) <= BATCHES_TO_RETAIN  # noqa: S101 (its purpose)
            offsets = [batch.base_offset for batch in entry.batches]
            assert offsets == sorted(set(offsets))  # noqa: S101 (its purpose)
        noted = [note[0] for note in self._replaced]
        assert noted == sorted(set(noted))  # noqa: S101 (its purpose)
        assert not noted or noted[0] >= checkpointed_offset  # noqa: S101 (its purpose)
