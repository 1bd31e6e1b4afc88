"""Sweeping: when L2 frees the room of what it was told to forget, while there is nothing to checkpoint.

Stores that free room lazily do so with each save. A broker to which nothing is written saves nothing, so it asks: a
portion at a time, with pauses, until nothing is left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.storage_work import SweepWork
from dotkafka.storage.spi import SweepingStore

if TYPE_CHECKING:
    from dotkafka.clock import Instant
    from dotkafka.storage.spi import CheckpointStore

INTERVAL_MS: Final = 100
"""Between two portions, and after a checkpoint."""


class Sweeping:
    """Asks one checkpoint store, if it is one that sweeps. `due` after start, and after each checkpoint."""

    def __init__(self, store: CheckpointStore, *, inline: bool) -> None:
        self._store = store if isinstance(store, SweepingStore) else None
        self._inline = inline
        self._running: SweepWork | None = None
        self.next_deadline_ms: int | None = None
        """When the next portion may begin, on the monotonic clock; None if there is nothing to free."""

    @property
    def is_running(self) -> bool:
        """Whether a portion is under way."""
        return self._running is not None

    def due(self, now: Instant) -> None:
        """There may be something to free."""
        if self._store is not None and self._running is None:
            self.next_deadline_ms = now.monotonic_ms + INTERVAL_MS

    def begin(self, now: Instant) -> SweepWork | None:
        """Return the next portion, if its time has come."""
        if self._store is None or self.next_deadline_ms is None or now.monotonic_ms < self.next_deadline_ms:
            return None
        self.next_deadline_ms = None
        self._running = SweepWork(self._store, inline=self._inline)
        return self._running

    def completed(self, work: SweepWork, now: Instant) -> None:
        """A portion was freed, or could not be."""
        self._running = None
        if work.may_have_more:
            self.due(now)
