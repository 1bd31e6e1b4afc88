"""The clock: what time it is on the two clocks of the machine."""

import time

from dotkafka.clock import Instant, SystemClock


def test_the_monotonic_clock_never_goes_back():
    """Moments follow each other."""
    clock = SystemClock()
    moments = [clock.now().monotonic_ms for _ in range(1000)]
    assert moments == sorted(moments)


def test_both_clocks_are_in_milliseconds():
    """The wall clock counts from 1970, the monotonic one as the system's does."""
    before = (time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
    now = SystemClock().now()
    after = (time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
    assert before[0] <= now.monotonic_ms <= after[0]
    assert before[1] <= now.wall_ms <= after[1]


def test_a_jump_ahead_is_not_believed():
    """The wall clock counts no further than the monotonic one allows; what goes back is taken as it is."""
    started = Instant(1_000, 50_000)
    assert Instant(1_500, 90_000).unhurried(started) == Instant(1_500, 50_500)
    assert Instant(1_500, 50_500).unhurried(started) == Instant(1_500, 50_500)
    assert Instant(1_500, 20_000).unhurried(started) == Instant(1_500, 20_000)
