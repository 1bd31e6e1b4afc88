"""The clock: what time it is on the two clocks of the machine."""

import time

from dotkafka.clock import SystemClock


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
