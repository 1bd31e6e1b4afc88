"""The form in which a log's memory is kept."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import StorageFailed
from dotkafka.log.extents import Extent, Extents
from dotkafka.log.producer_state import BatchMetadata, ProducerEntry
from dotkafka.log.snapshot import LogSnapshot, decode_snapshot, encode_snapshot
from dotkafka.log.tail import TimestampedBatch
from dotkafka.log.transactions import AbortedTransaction, OpenTransaction, TransactionsImage

INTEGERS = st.integers(-(2**63), 2**63 - 1)


def tuples_of(kind: type) -> st.SearchStrategy[Any]:
    """Return a strategy for a tuple with integers in it."""
    return st.builds(kind, *[INTEGERS] * len(kind._fields))  # type: ignore[attr-defined]


SNAPSHOTS = st.builds(
    LogSnapshot,
    end_offset=INTEGERS,
    max_timestamp=st.none() | tuples_of(TimestampedBatch),
    leader_epochs=st.lists(st.tuples(INTEGERS, INTEGERS)),
    producers=st.dictionaries(
        INTEGERS,
        st.builds(
            ProducerEntry, INTEGERS, INTEGERS, INTEGERS, st.lists(tuples_of(BatchMetadata), max_size=5).map(tuple)
        ),
    ),
    transactions=st.builds(
        TransactionsImage,
        st.lists(tuples_of(OpenTransaction)).map(tuple),
        st.lists(tuples_of(AbortedTransaction)).map(tuple),
    ),
    extents=st.lists(tuples_of(Extent)).map(Extents),
    first_dirty_offset=INTEGERS,
    heard_ms=st.dictionaries(INTEGERS, INTEGERS),
)
EMPTY = LogSnapshot(0, None, [], {}, TransactionsImage((), ()), Extents())


@given(snapshot=SNAPSHOTS)
def test_there_and_back(snapshot: LogSnapshot) -> None:
    """What was encoded comes back equal, types included."""
    decoded = decode_snapshot(encode_snapshot(snapshot))
    assert decoded == snapshot
    assert repr(decoded.transactions) == repr(snapshot.transactions)


def test_version_of_the_future() -> None:
    """A form that is not known is refused by its number."""
    content = json.loads(encode_snapshot(EMPTY))
    content["version"] = 5
    with pytest.raises(StorageFailed, match="version 5"):
        decode_snapshot(json.dumps(content).encode())


def test_version_of_the_past() -> None:
    """What version 1 did not know stands as one extent that nothing goes of too early."""
    content = json.loads(encode_snapshot(EMPTY))
    content |= {"version": 1, "end_offset": 7, "max_timestamp": [50, 2]}
    del content["extents"]
    assert decode_snapshot(json.dumps(content).encode()).extents == Extents([Extent(7, 1, 50)])
    assert decode_snapshot(json.dumps(content).encode()).first_dirty_offset == 0
    content |= {"end_offset": 0, "max_timestamp": None}
    assert decode_snapshot(json.dumps(content).encode()).extents == Extents()


@pytest.mark.parametrize(
    "damage",
    [b"", b"\xff", b"[]", b"1", b"{}", b'{"version":1}', b"[" * 100_000, encode_snapshot(EMPTY)[:-1]],
)
def test_damage(damage: bytes) -> None:
    """What is no snapshot is refused with the one error that storage knows."""
    with pytest.raises(StorageFailed):
        decode_snapshot(damage)


@pytest.mark.parametrize("name", ["end_offset", "leader_epochs", "producers", "open", "aborted", "max_timestamp"])
def test_damaged_field(name: str) -> None:
    """So is one with something else in a field."""
    content = json.loads(encode_snapshot(EMPTY))
    content[name] = "x"
    with pytest.raises(StorageFailed):
        decode_snapshot(json.dumps(content).encode())


def test_extents_out_of_range() -> None:
    """So are numbers that no offset has."""
    content = json.loads(encode_snapshot(EMPTY))
    content["extents"] = [[2**63, 1, 1]]
    with pytest.raises(StorageFailed):
        decode_snapshot(json.dumps(content).encode())
