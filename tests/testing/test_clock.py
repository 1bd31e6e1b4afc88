"""A manual clock moves only by hand."""

import pytest

from dotkafka.clock import Instant
from dotkafka.testing import ManualClock


def test_it_stands_still_until_moved() -> None:
    """Both clocks move together."""
    clock = ManualClock(wall_ms=1000)
    assert clock.now() == clock.now() == Instant(0, 1000)
    assert clock.advance(5) == clock.now() == Instant(5, 1005)


def test_the_wall_clock_may_jump_and_the_monotonic_clock_does_not() -> None:
    """As a machine's clocks do when the time is corrected."""
    clock = ManualClock(wall_ms=1000)
    clock.advance(7)
    assert clock.set_wall_clock(10) == clock.now() == Instant(7, 10)


def test_it_does_not_go_back() -> None:
    """A negative step is a mistake of the test."""
    with pytest.raises(ValueError, match="-1 ms"):
        ManualClock().advance(-1)
