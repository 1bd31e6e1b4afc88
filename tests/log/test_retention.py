"""What goes by time and by size."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.clock import Instant
from dotkafka.log.config import LogConfig
from dotkafka.log.retention import BatchExtent, log_start_offset_after_retention

NOW = Instant(0, 1_000)


def new_start(timestamps: Sequence[int], config: LogConfig, log_start_offset: int = 0) -> int:
    """Return the new log start offset of a log of batches of 10 offsets and 100 bytes each."""
    batches = [BatchExtent(index * 10, 100, timestamp) for index, timestamp in enumerate(timestamps)]
    return log_start_offset_after_retention(
        iter(batches),
        log_start_offset=log_start_offset,
        end_offset=len(batches) * 10,
        total_bytes=len(batches) * 100,
        config=config,
        now=NOW,
    )


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
        ([100, -1], 10),
        ([2_000, 100], 0),
    ],
)
def test_by_time(timestamps: Sequence[int], expected: int) -> None:
    """Batches whose largest timestamp is more than retention.ms ago go, oldest first."""
    assert new_start(timestamps, LogConfig(retention_ms=100)) == expected


@pytest.mark.parametrize(("retention_bytes", "expected"), [(0, 30), (99, 20), (100, 20), (101, 10), (299, 0), (300, 0)])
def test_by_size(retention_bytes: int, expected: int) -> None:
    """At least retention.bytes stay, as long as there are so many."""
    assert new_start([1, 1, 1], LogConfig(retention_ms=-1, retention_bytes=retention_bytes)) == expected


def test_nothing_goes_without_a_limit() -> None:
    """-1 is for ever, and compaction alone deletes nothing by age or size."""
    assert new_start([1, 1], LogConfig(retention_ms=-1)) == 0
    assert new_start([1, 1], LogConfig(retention_ms=1, retention_bytes=0, cleanup_policy="compact")) == 0
    assert new_start([1, 1], LogConfig(retention_ms=1, cleanup_policy="compact,delete")) == 20


def test_log_start_within_a_batch() -> None:
    """The log start never goes back to where its batch begins."""
    assert new_start([950, 950], LogConfig(retention_ms=100), log_start_offset=7) == 7


@given(timestamps=st.lists(st.integers(-1, 1_100)), size=st.integers(-1, 500), age=st.integers(-1, 1_000))
def test_what_stays_is_enough(timestamps: Sequence[int], size: int, age: int) -> None:
    """What goes is a prefix that had to go up to its last batch, and size would take no more."""
    start = new_start(timestamps, LogConfig(retention_ms=age, retention_bytes=size))
    gone = start // 10
    assert 0 <= gone <= len(timestamps)
    if gone:
        left_bytes = (len(timestamps) - gone) * 100
        by_size = size >= 0 and left_bytes >= size
        assert by_size or (age >= 0 and -1 < timestamps[gone - 1] < NOW.wall_ms - age)
    if gone < len(timestamps) and size >= 0:
        assert (len(timestamps) - gone - 1) * 100 < size
