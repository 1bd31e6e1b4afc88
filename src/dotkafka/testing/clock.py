"""ManualClock: time that stands still until a test moves it."""

from dotkafka.clock import Instant


class ManualClock:
    """A `Clock` moved by hand.

    Args:
        wall_ms: the wall clock at the start, in milliseconds since 1970. The default is a round moment in 2023.
    """

    def __init__(self, *, wall_ms: int = 1_700_000_000_000) -> None:
        self._now = Instant(0, wall_ms)

    def now(self) -> Instant:
        """Return the moment that the clock was last moved to."""
        return self._now

    def advance(self, duration_ms: int) -> Instant:
        """Move both clocks on, and return the new moment.

        Raises:
            ValueError: the duration is negative.
        """
        if duration_ms < 0:
            raise ValueError(f"time does not go back: {duration_ms} ms")
        self._now = Instant(self._now.monotonic_ms + duration_ms, self._now.wall_ms + duration_ms)
        return self._now

    def set_wall_clock(self, wall_ms: int) -> Instant:
        """Let the wall clock jump, as a correction of the machine's time does; the monotonic clock stays."""
        self._now = Instant(self._now.monotonic_ms, wall_ms)
        return self._now
