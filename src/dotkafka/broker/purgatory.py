"""Purgatory: requests that wait for something to happen, or for their time to be over.

The name is Kafka's. A Fetch waits for bytes in its partitions: an advance of one of their logs wakes it, never a poll.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from sortedcontainers import SortedDict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotkafka.clock import Instant
    from dotkafka.log.partition_log import PartitionLog


class Waiting(Protocol):
    """A request that waits."""

    def wake(self, now: Instant) -> bool:
        """Look whether the wait is over, and if so answer; return whether it is."""
        ...

    def expire(self, now: Instant) -> None:
        """Answer with what there is: the time is over."""
        ...


class Purgatory:
    """Waiting requests by the partitions they watch and by their deadlines. All calls cost O(log n) or O(watched)."""

    def __init__(self) -> None:
        self._watchers: dict[PartitionLog, dict[Waiting, None]] = {}
        self._watched: dict[Waiting, tuple[tuple[PartitionLog, ...], tuple[int, int]]] = {}
        self._deadlines: SortedDict[tuple[int, int], Waiting] = SortedDict()
        self._arrivals = 0

    def __len__(self) -> int:
        """How many requests wait."""
        return len(self._watched)

    def add(self, waiting: Waiting, logs: Iterable[PartitionLog], deadline_ms: int) -> None:
        """Let a request wait for an advance of any of `logs`, until `deadline_ms` on the monotonic clock."""
        self._arrivals += 1
        # A request may name a partition twice.
        watched = tuple(dict.fromkeys(logs))
        key = (deadline_ms, self._arrivals)
        self._watched[waiting] = (watched, key)
        self._deadlines[key] = waiting
        for log in watched:
            self._watchers.setdefault(log, {})[waiting] = None

    def wake(self, log: PartitionLog, now: Instant) -> None:
        """Let those look who watch a log that has advanced, in the order in which they came."""
        watchers = self._watchers.get(log)
        if not watchers:
            return
        for waiting in tuple(watchers):
            if waiting in self._watched and waiting.wake(now):
                self.remove(waiting)

    def remove(self, waiting: Waiting) -> None:
        """Forget a request that waits no more; no error if it does not wait."""
        watched, key = self._watched.pop(waiting, ((), (0, 0)))
        self._deadlines.pop(key, None)
        for log in watched:
            watchers = self._watchers[log]
            del watchers[waiting]
            if not watchers:
                del self._watchers[log]

    def expire(self, now: Instant) -> None:
        """Answer all whose time is over."""
        while self._deadlines and self._deadlines.peekitem(0)[0][0] <= now.monotonic_ms:
            waiting = self._deadlines.peekitem(0)[1]
            self.remove(waiting)
            waiting.expire(now)

    def expire_all(self, now: Instant) -> None:
        """Answer everybody now: the broker stops."""
        for waiting in tuple(self._watched):
            self.remove(waiting)
            waiting.expire(now)

    def next_deadline_ms(self) -> int | None:
        """Return the earliest deadline on the monotonic clock."""
        return self._deadlines.peekitem(0)[0][0] if self._deadlines else None
