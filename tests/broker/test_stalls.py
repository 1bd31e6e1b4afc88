"""Stalls: a clock that stands still while an entry takes too long, and runs with all others otherwise."""

import logging

from hypothesis import given
from hypothesis import strategies as st

from dotkafka.broker.stalls import PATIENCE_MS, Stalls

MINUTE_MS = 60_000


def test_entries_that_are_quick_take_no_time():
    """However many."""
    stalls = Stalls()
    for began_ms in range(0, 100 * PATIENCE_MS, PATIENCE_MS):
        stalls.begin_entry(began_ms)
        stalls.end_entry(began_ms + PATIENCE_MS)
    assert stalls.total_ms(200 * PATIENCE_MS) == 0
    assert stalls.moment_of(5 * MINUTE_MS) == 5 * MINUTE_MS


def test_what_goes_beyond_patience_is_a_stall(caplog):
    """While it lasts, and for ever; an entry that is tried again began when it was tried first."""
    stalls = Stalls()
    stalls.begin_entry(100)
    assert stalls.total_ms(100 + PATIENCE_MS + 5) == 5
    stalls.begin_entry(MINUTE_MS)
    assert stalls.moment_of(100 + PATIENCE_MS) == 100 + PATIENCE_MS
    assert stalls.moment_of(101 + PATIENCE_MS) is None
    with caplog.at_level(logging.WARNING):
        stalls.end_entry(100 + PATIENCE_MS + MINUTE_MS)
    assert stalls.total_ms(5 * MINUTE_MS) == MINUTE_MS
    assert stalls.moment_of(101 + PATIENCE_MS) == 101 + PATIENCE_MS + MINUTE_MS
    (record,) = caplog.records
    assert "kept everybody waiting for 61.0 s" in record.getMessage()


@given(st.lists(st.tuples(st.integers(0, 3 * PATIENCE_MS), st.booleans()), max_size=30))
def test_time_never_goes_back_nor_jumps(steps):
    """Whenever entries begin and end; and a moment is told right, as far as it can be known."""
    stalls = Stalls()
    now_ms = shown_ms = 0
    for passed_ms, begins in steps:
        now_ms += passed_ms
        before_ms, shown_ms = shown_ms, now_ms - stalls.total_ms(now_ms)
        assert before_ms <= shown_ms <= before_ms + passed_ms
        (stalls.begin_entry if begins else stalls.end_entry)(now_ms)
        assert now_ms - stalls.total_ms(now_ms) == shown_ms
        coming_ms = stalls.moment_of(shown_ms + passed_ms + 1)
        if coming_ms is not None:
            assert coming_ms - stalls.total_ms(coming_ms) == shown_ms + passed_ms + 1
