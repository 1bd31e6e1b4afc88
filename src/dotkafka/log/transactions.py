"""Which transactions of a partition are open, which were aborted, and from where on nothing is decided yet.

A transaction opens with a producer's first transactional batch and is completed by a control batch, its marker.
Completed ones are kept until their marker is checkpointed, so that the state of the past can be had back
(`truncate_to`, `image`), and because a transaction whose marker is not durable yet still holds the last stable offset
down.

Source: KIP-98; the index of aborted transactions as in Kafka's TransactionIndex.
"""

from bisect import bisect_left
from collections import OrderedDict, deque
from itertools import islice
from typing import Final, NamedTuple

from dotkafka.records.batch import iterate_records
from dotkafka.records.control import ControlRecord, parse_control_record
from dotkafka.storage.spi import Buffer


class AbortedTransaction(NamedTuple):
    """A transaction whose records no reader of committed records may see."""

    producer_id: int
    first_offset: int
    last_offset: int
    """Of its abort marker."""
    last_stable_offset: int
    """What the last stable offset became when it was completed, once that was durable."""


class OpenTransaction(NamedTuple):
    """A transaction that is neither committed nor aborted."""

    producer_id: int
    first_offset: int


class TransactionsImage(NamedTuple):
    """The transactions of a log at one of its offsets."""

    open: tuple[OpenTransaction, ...]
    """By first offset."""
    aborted: tuple[AbortedTransaction, ...]
    """By the offset of the marker."""


NO_TRANSACTIONS: Final = TransactionsImage((), ())


class _Completed(NamedTuple):
    producer_id: int
    first_offset: int
    marker_offset: int


class Transactions:
    """The open and the aborted transactions of one log."""

    __slots__ = ("_aborted", "_completed", "_first_offsets")

    def __init__(self, image: TransactionsImage = NO_TRANSACTIONS) -> None:
        self._completed: deque[_Completed] = deque()
        self._become(image)

    def _become(self, image: TransactionsImage) -> None:
        # By producer id. Later ones begin at higher offsets, so the order of insertion is the order of offsets.
        self._first_offsets = OrderedDict(image.open)
        self._aborted = list(image.aborted)

    def is_open(self, producer_id: int) -> bool:
        """Whether the producer is in a transaction."""
        return producer_id in self._first_offsets

    def begin(self, producer_id: int, first_offset: int) -> None:
        """Open a transaction with the batch at `first_offset`; the producer must not be in one."""
        self._first_offsets[producer_id] = first_offset

    def complete(self, producer_id: int, marker_offset: int, *, is_abort: bool) -> None:
        """Close the producer's transaction with the marker at `marker_offset`. Without one the marker means nothing."""
        first_offset = self._first_offsets.pop(producer_id, None)
        if first_offset is None:
            return
        self._completed.append(_Completed(producer_id, first_offset, marker_offset))
        if is_abort:
            stable = next(iter(self._first_offsets.values()), marker_offset + 1)
            self._aborted.append(AbortedTransaction(producer_id, first_offset, marker_offset, stable))

    def first_unstable_offset(self, high_watermark: int) -> int | None:
        """Return where the oldest transaction begins that is not known to be decided below `high_watermark`."""
        offsets = list(islice(self._first_offsets.values(), 1))
        for transaction in reversed(self._completed):
            if transaction.marker_offset < high_watermark:
                break
            offsets.append(transaction.first_offset)
        return min(offsets, default=None)

    def aborted(self, start_offset: int, end_offset: int) -> list[AbortedTransaction]:
        """Return the aborted transactions that may have records from `start_offset` up to before `end_offset`."""
        found: list[AbortedTransaction] = []
        first = bisect_left(self._aborted, start_offset, key=_marker_offset)
        for transaction in self._aborted[first:]:
            if transaction.first_offset < end_offset:
                found.append(transaction)
            if transaction.last_stable_offset >= end_offset:
                break
        return found

    def image(self, end_offset: int) -> TransactionsImage:
        """Return the transactions as they were when the log ended at `end_offset`, at or above the last checkpoint."""
        open_transactions = [
            OpenTransaction(producer_id, first_offset)
            for producer_id, first_offset in self._first_offsets.items()
            if first_offset < end_offset
        ]
        for transaction in reversed(self._completed):
            if transaction.marker_offset < end_offset:
                break
            if transaction.first_offset < end_offset:
                open_transactions.append(OpenTransaction(transaction.producer_id, transaction.first_offset))
        open_transactions.sort(key=_first_offset)
        aborted = self._aborted[: bisect_left(self._aborted, end_offset, key=_marker_offset)]
        return TransactionsImage(tuple(open_transactions), tuple(aborted))

    def truncate_to(self, end_offset: int) -> None:
        """Go back to when the log ended at `end_offset`, at or above the last checkpoint."""
        self._become(self.image(end_offset))
        while self._completed and self._completed[-1].marker_offset >= end_offset:
            self._completed.pop()

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget aborted transactions that lie below `start_offset` as a whole."""
        del self._aborted[: bisect_left(self._aborted, start_offset, key=_marker_offset)]

    def checkpointed(self, end_offset: int) -> None:
        """Give up going back beyond `end_offset`, which lies at or below the high watermark."""
        while self._completed and self._completed[0].marker_offset < end_offset:
            self._completed.popleft()

    def check_invariants(self, checkpointed_offset: int = 0) -> None:
        """Assert what the module promises of a log that is checkpointed up to there."""
        for transactions in (
            list(self._first_offsets.values()),
            [a.last_offset for a in self._aborted],
            [c.marker_offset for c in self._completed],
        ):
            assert transactions == sorted(set(transactions))  # noqa: S101 (its purpose)
        assert not self._completed or self._completed[0].marker_offset >= checkpointed_offset  # noqa: S101 (its purpose)


def read_marker(batch: Buffer) -> ControlRecord | None:
    """Return the marker that a control batch carries, or None if it is a control batch of another kind.

    Raises:
        DecodeError: the batch does not decode.
    """
    record = next(iterate_records(batch), None)
    return None if record is None else parse_control_record(record)


def _marker_offset(transaction: AbortedTransaction) -> int:
    return transaction.last_offset


def _first_offset(transaction: OpenTransaction) -> int:
    return transaction.first_offset
