"""Open and aborted transactions, and how they hold the last stable offset down."""

from collections.abc import Callable

import pytest

from dotkafka.errors import DecodeError
from dotkafka.log.transactions import AbortedTransaction, OpenTransaction, Transactions, TransactionsImage, read_marker
from dotkafka.records.control import ControlRecord, ControlRecordType


@pytest.fixture
def transactions() -> Transactions:
    """Producer 1 at 10, aborted at 30; producer 2 at 20, committed at 40; producer 3 at 50, open."""
    history = Transactions()
    history.begin(1, 10)
    history.begin(2, 20)
    history.complete(1, 30, is_abort=True)
    history.complete(2, 40, is_abort=False)
    history.begin(3, 50)
    return history


ABORTED = AbortedTransaction(producer_id=1, first_offset=10, last_offset=30, last_stable_offset=20)


@pytest.mark.parametrize(
    ("high_watermark", "expected"), [(60, 50), (41, 50), (40, 20), (31, 20), (30, 10), (11, 10), (5, 10)]
)
def test_first_unstable_offset(transactions: Transactions, high_watermark: int, expected: int) -> None:
    """A transaction is decided when its marker is durable, not when it is written."""
    assert transactions.first_unstable_offset(high_watermark) == expected


def test_all_decided() -> None:
    """Without transactions nothing is unstable."""
    transactions = Transactions()
    assert transactions.first_unstable_offset(9) is None
    transactions.begin(1, 3)
    transactions.complete(1, 5, is_abort=False)
    assert transactions.first_unstable_offset(6) is None


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, 60, True), (30, 60, True), (31, 60, False), (0, 11, True), (0, 10, False), (15, 16, True)],
)
def test_aborted(transactions: Transactions, start: int, end: int, *, found: bool) -> None:
    """An aborted transaction is told to whom it may concern, from its first record to its marker."""
    assert transactions.aborted(start, end) == ([ABORTED] if found else [])


def test_aborted_stops_where_all_is_decided() -> None:
    """What begins beyond the range is not told, even if aborted within the same stretch."""
    transactions = Transactions()
    for producer_id in range(4):
        transactions.begin(producer_id, producer_id * 10)
        transactions.complete(producer_id, producer_id * 10 + 5, is_abort=True)
    assert [found.producer_id for found in transactions.aborted(6, 21)] == [1, 2]


def test_aborted_beyond_an_interleaved_one() -> None:
    """As long as something within the range was undecided, later markers may concern it."""
    transactions = Transactions()
    transactions.begin(1, 0)
    transactions.begin(2, 2)
    transactions.complete(1, 5, is_abort=True)
    transactions.complete(2, 9, is_abort=True)
    assert [found.producer_id for found in transactions.aborted(0, 3)] == [1, 2]
    assert [found.producer_id for found in transactions.aborted(0, 2)] == [1]


def test_marker_without_transaction(transactions: Transactions) -> None:
    """A marker for a producer that has written nothing changes nothing."""
    before = transactions.image(100)
    transactions.complete(9, 60, is_abort=True)
    assert transactions.image(100) == before


def test_past_can_be_had_back(transactions: Transactions) -> None:
    """A transaction whose marker is taken away is open again."""
    assert transactions.image(60) == TransactionsImage((OpenTransaction(3, 50),), (ABORTED,))
    assert transactions.image(35) == TransactionsImage((OpenTransaction(2, 20),), (ABORTED,))
    past = TransactionsImage((OpenTransaction(1, 10), OpenTransaction(2, 20)), ())
    assert transactions.image(30) == past
    transactions.truncate_to(30)
    transactions.check_invariants()
    assert transactions.image(30) == past
    assert transactions.first_unstable_offset(30) == 10
    assert transactions.is_open(1)
    assert not transactions.is_open(3)


def test_deletion_forgets_aborted(transactions: Transactions) -> None:
    """An aborted transaction goes with its marker, not before."""
    transactions.truncate_from_start(30)
    assert transactions.aborted(0, 60) == [ABORTED]
    transactions.truncate_from_start(31)
    assert transactions.aborted(0, 60) == []


def test_image_is_all(transactions: Transactions) -> None:
    """A history made from an image goes on as the one it was taken of."""
    transactions.checkpointed(60)
    other = Transactions(transactions.image(60))
    for history in (transactions, other):
        history.complete(3, 60, is_abort=True)
    assert other.image(61) == transactions.image(61)


def test_read_marker(make_marker: Callable[..., memoryview], make_batch: Callable[..., memoryview]) -> None:
    """A marker tells how the transaction ends and who says so; what is no control record is damage."""
    marker = make_marker("ABORT", coordinator_epoch=3)
    assert read_marker(marker) == ControlRecord(ControlRecordType.ABORT, 3)
    with pytest.raises(DecodeError):
        read_marker(make_batch())
