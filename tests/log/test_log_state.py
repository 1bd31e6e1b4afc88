"""What is remembered of batches, and how much of it can be undone; the log as a whole is tested with its model."""

from collections.abc import Callable
from typing import Any

import pytest

from dotkafka.log.log_state import LogState
from dotkafka.log.tail import Tail, TimestampedBatch
from dotkafka.records.batch import read_header


@pytest.fixture
def state() -> LogState:
    """An empty memory."""
    return LogState(Tail(0))


@pytest.fixture
def append(state: LogState, make_batch: Callable[..., memoryview]) -> Callable[..., None]:
    """Return a function that appends a batch of one record."""

    def append_batch(timestamp_ms: int = 1, leader_epoch: int = 0, **fields: Any) -> None:
        batch = make_batch(timestamp_ms=timestamp_ms, **fields)
        tail = state._tail
        state.append(read_header(batch), tail.end_offset, leader_epoch, None)
        tail.append(batch, tail.end_offset + 1, timestamp_ms)

    return append_batch


def test_going_back(state: LogState, append: Callable[..., None]) -> None:
    """Truncation leaves the state that the shorter log had."""
    append(5, producer_id=7, producer_epoch=0, base_sequence=0)
    before = state.snapshot(0, 1)
    append(9, leader_epoch=1, producer_id=7, producer_epoch=0, base_sequence=1, is_transactional=True)
    assert state.snapshot(0, 1) == before
    assert state.max_timestamp(0, 2) == TimestampedBatch(9, 1)
    state._tail.truncate_to(1)
    state.truncate_to(1)
    assert state.snapshot(0, 1) == before
    assert not state.transactions.is_open(7)
    state.check_invariants(1)


def test_a_snapshot_is_restored(state: LogState, append: Callable[..., None]) -> None:
    """Sizes, timestamps and epochs come back, but for what lies below the log start."""
    for timestamp_ms in (3, 8, 4):
        append(timestamp_ms)
    size_bytes = state.size_bytes(0)
    restored = LogState(Tail(3))
    restored.restore(state.snapshot(0, 3), 1)
    assert restored.size_bytes(1) == size_bytes // 3 * 2
    assert restored.max_timestamp(1, 3) == TimestampedBatch(8, 1)
    assert restored.forgotten_max_timestamp_ms == 8
