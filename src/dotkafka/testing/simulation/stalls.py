"""Standing still: what comes in meanwhile waits, in its order."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.testing.simulation.scheduler import Scheduler


class Stalls:
    """Lets calls through, unless a process stands still; then they wait until it goes on.

    Args:
        scheduler: of the time that it stands still for.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._until_us = 0
        self._waiting: deque[Callable[[], None]] = deque()

    def stall(self, duration_ms: int) -> None:
        """Stand still for so long, or longer if that was said before."""
        self._until_us = max(self._until_us, self._scheduler.now_us + duration_ms * 1000)
        self._scheduler.at(self._until_us, self._go_on)

    def wake_up(self) -> None:
        """Go on now."""
        self._until_us = self._scheduler.now_us
        self._scheduler.after(0, self._go_on)

    def when_awake(self, call: Callable[[], None]) -> None:
        """Make a call, now or after all that has come before."""
        if self._waiting or self._until_us > self._scheduler.now_us:
            self._waiting.append(call)
        else:
            call()

    def _go_on(self) -> None:
        while self._waiting and self._until_us <= self._scheduler.now_us:
            self._waiting.popleft()()
