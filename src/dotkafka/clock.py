"""What time it is: the only module that reads a clock.

Everything else gets time as an `Instant` argument, so that a test can move it by hand and a simulation can own it.
"""

import time
from typing import NamedTuple, Protocol


class Instant(NamedTuple):
    """One moment, on two clocks.

    Deadlines and timeouts count on the monotonic clock, so that a jump of the wall clock expires nothing; timestamps of
    records and retention count on the wall clock, because people and other machines do.
    """

    monotonic_ms: int
    wall_ms: int

    def unhurried(self, since: "Instant") -> "Instant":
        """Return this moment with a wall clock no later than the monotonic one allows since then.

        What grows old by the wall clock must not do so because that jumps ahead.
        """
        return Instant(self.monotonic_ms, min(self.wall_ms, since.wall_ms + self.monotonic_ms - since.monotonic_ms))


class Clock(Protocol):
    """Anything that can be asked for the present moment."""

    def now(self) -> Instant:
        """Return this moment; `monotonic_ms` never goes back."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> Instant:
        """Return this moment on the machine's monotonic clock and wall clock."""
        return Instant(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)
