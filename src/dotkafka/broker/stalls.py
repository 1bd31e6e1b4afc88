"""Stalls: the time for which L1 has kept everybody waiting.

While an entry is not durable, whoever waits for an answer that rests on it can say nothing, however alive he is; and on
a full disk heartbeats are refused. So that time is not counted against the members of groups: theirs stands still.
"""

from __future__ import annotations

import logging
from typing import Final

logger = logging.getLogger(__name__)

PATIENCE_MS: Final = 1000
"""How long an entry may take before it is a stall. What is spent up to there counts, or a busy disk would stop time."""


class Stalls:
    """How much time has gone by in stalls, and what a clock shows that stood still in them."""

    __slots__ = ("_began_ms", "_past_ms")

    def __init__(self) -> None:
        self._began_ms: int | None = None
        """When the entry that is under way was first tried."""
        self._past_ms = 0

    def begin_entry(self, now_ms: int) -> None:
        """An entry is given to L1, or once more."""
        if self._began_ms is None:
            self._began_ms = now_ms

    def end_entry(self, now_ms: int) -> None:
        """The entry is durable."""
        stalled_ms = self.total_ms(now_ms) - self._past_ms
        if stalled_ms:
            logger.warning(
                "the write-ahead log has kept everybody waiting for %.1f s; groups have stood still meanwhile",
                (stalled_ms + PATIENCE_MS) / 1000,
            )
            self._past_ms += stalled_ms
        self._began_ms = None

    def total_ms(self, now_ms: int) -> int:
        """Return how much time has gone by in stalls up to now: never less than before, nor ever faster than time."""
        if self._began_ms is None:
            return self._past_ms
        return self._past_ms + max(0, now_ms - self._began_ms - PATIENCE_MS)

    def moment_of(self, unstalled_ms: int) -> int | None:
        """Return when a clock that stands still in stalls shows this; None if not before the entry under way ends."""
        at_ms = unstalled_ms + self._past_ms
        if self._began_ms is not None and at_ms > self._began_ms + PATIENCE_MS:
            return None
        return at_ms
