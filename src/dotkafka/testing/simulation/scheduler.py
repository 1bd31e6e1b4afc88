"""Virtual time: what happens next, in an order that depends on nothing but what was scheduled."""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

from dotkafka.clock import Instant

if TYPE_CHECKING:
    from collections.abc import Callable

START_WALL_MS: Final = 1_700_000_000_000
START_US: Final = 1_000_000


class Timer:
    """A call that is to come; `cancel` it, and it will not."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def cancel(self) -> None:
        """Do not make the call."""
        self._call = None

    def fire(self) -> bool:
        """Make the call, unless it was cancelled; return whether it was made."""
        call, self._call = self._call, None
        if call is None:
            return False
        call()
        return True


class Scheduler:
    """Calls in the order of their times, and those of one time in the order in which they were scheduled."""

    def __init__(self) -> None:
        self.now_us = START_US
        """Microseconds on the monotonic clock."""
        self.steps = 0
        """Calls made."""
        self._wall_offset_ms = START_WALL_MS
        self._heap: list[tuple[int, int, Timer]] = []
        self._scheduled = 0

    @property
    def now(self) -> Instant:
        """This moment, as the broker is told it."""
        monotonic_ms = self.now_us // 1000
        return Instant(monotonic_ms, monotonic_ms + self._wall_offset_ms)

    def jump_wall_clock(self, by_ms: int) -> None:
        """Move the wall clock; the monotonic clock goes on as if nothing had happened."""
        self._wall_offset_ms += by_ms

    def at(self, time_us: int, call: Callable[[], None]) -> Timer:
        """Make a call at a time, or now if that is over."""
        timer = Timer(call)
        self._scheduled += 1
        heapq.heappush(self._heap, (max(time_us, self.now_us), self._scheduled, timer))
        return timer

    def after(self, delay_us: int, call: Callable[[], None]) -> Timer:
        """Make a call after a while."""
        return self.at(self.now_us + delay_us, call)

    def run_until(self, is_over: Callable[[], bool], deadline_us: int) -> bool:
        """Make calls until `is_over`, which is asked after each; return whether it came to that before the deadline."""
        heap = self._heap
        while heap and heap[0][0] <= deadline_us:
            self.now_us, _, timer = heapq.heappop(heap)
            if timer.fire():
                self.steps += 1
                if is_over():
                    return True
        self.now_us = max(self.now_us, deadline_us)
        return False
