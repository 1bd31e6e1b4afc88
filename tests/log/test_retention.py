"""What goes by time and by size."""

from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.log.config import LogConfig
from dotkafka.log.extents import Extent
from dotkafka.log.retention import log_start_offset_after_retention

NOW_MS = 1_000


def new_start(extents: Sequence[Extent], config: LogConfig, log_start_offset: int = 0) -> int:
    """Return the new log start offset of a log."""
    return log_start_offset_after_retention(
        iter(extents),
        log_start_offset=log_start_offset,
        size_bytes=sum(extent.size_bytes for extent in extents),
        config=config,
        now_ms=NOW_MS,
    )


def batches(timestamps: Sequence[int]) -> Sequence[Extent]:
    """Return batches of 10 offsets and 100 bytes each."""
    return [Extent(index * 10 + 10, 100, timestamp) for index, timestamp in enumerate(timestamps)]


@pytest.mark.parametrize(
    ("timestamps", "expected"),
    [
        ([], 0),
        ([900, 950], 0),
        ([899, 900, 950], 10),
        ([100, 200, 300], 30),
        ([950, 100, 100], 0),  # the first that stays stops it
        ([-1, 100, 950], 20),  # a batch without timestamps goes with a later one
        ([-1, -1, 950], 0),
        ([-1, -1], 0),
        ([100, -1], 10),
        ([2_000, 100], 0),
    ],
)
def test_by_time(timestamps: Sequence[int], expected: int) -> None:
    """Batches whose largest timestamp is more than retention.ms ago go, oldest first."""
    assert new_start(batches(timestamps), LogConfig(retention_ms=100)) == expected


@pytest.mark.parametrize(("retention_bytes", "expected"), [(0, 30), (99, 20), (100, 20), (101, 10), (299, 0), (300, 0)])
def test_by_size(retention_bytes: int, expected: int) -> None:
    """At least retention.bytes stay, as long as there are so many."""
    assert new_start(batches([1, 1, 1]), LogConfig(retention_ms=-1, retention_bytes=retention_bytes)) == expected


def test_nothing_goes_without_a_limit() -> None:
    """-1 is for ever, and compaction alone deletes nothing by age or size."""
    assert new_start(batches([1, 1]), LogConfig(retention_ms=-1)) == 0
    assert new_start(batches([1, 1]), LogConfig(retention_ms=1, retention_bytes=0, cleanup_policy="compact")) == 0
    assert new_start(batches([1, 1]), LogConfig(retention_ms=1, cleanup_policy="compact,delete")) == 20


def test_log_start_within_a_batch() -> None:
    """The log start never goes back to where its batch begins."""
    assert new_start(batches([950, 950]), LogConfig(retention_ms=100), log_start_offset=7) == 7


def test_only_what_may_go_is_looked_at() -> None:
    """A long log costs no more than a short one."""
    looked_at = (Extent(next_offset, 10, 950) for next_offset in count(10, 10))
    config = LogConfig(retention_ms=100)
    start = log_start_offset_after_retention(
        looked_at, log_start_offset=0, size_bytes=10**9, config=config, now_ms=NOW_MS
    )
    assert (start, next(looked_at).next_offset) == (0, 20)


logs = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 200), st.integers(-1, 1_100)), max_size=12)


@given(log=logs, size=st.integers(-1, 1_000), age=st.integers(-1, 1_000))
def test_against_kafkas_words(log: Sequence[tuple[int, int, int]], size: int, age: int) -> None:
    """A batch goes if all before it go, and it or a later one had to: too old, or not needed for retention.bytes."""
    extents: list[Extent] = []
    for records, size_bytes, timestamp_ms in log:
        extents.append(Extent((extents[-1].next_offset if extents else 0) + records, size_bytes, timestamp_ms))

    def must_stay(index: int) -> bool:
        is_needed = size < 0 or sum(extent.size_bytes for extent in extents[index + 1 :]) < size
        timestamp_ms = extents[index].max_timestamp_ms
        is_young = age < 0 or timestamp_ms >= NOW_MS - age
        return is_needed and (is_young or timestamp_ms == -1)

    kept = 0
    for index, extent in enumerate(extents):
        if not must_stay(index):
            kept = index + 1
        elif age < 0 or extent.max_timestamp_ms != -1:
            break
    expected = extents[kept - 1].next_offset if kept else 0
    assert new_start(extents, LogConfig(retention_ms=age, retention_bytes=size)) == expected
