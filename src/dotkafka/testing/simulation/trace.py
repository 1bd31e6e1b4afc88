"""What happened, as lines to read and as a hash to compare; and the one exception that tells of it."""

from __future__ import annotations

from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.testing.simulation.scheduler import Scheduler

TAIL_LINES: Final = 60


class SimulationFailure(AssertionError):  # noqa: N818 (what fails is what is simulated)
    """Something promised does not hold; the message has the seed, the time, what it is, and the last of the trace."""


class Violation(Exception):  # noqa: N818 (it is no error of the simulation)
    """What does not hold, where it is found; `Simulation.run` makes a `SimulationFailure` of it."""


class Trace:
    """Every event that matters, with its time.

    Args:
        scheduler: whose time it is.
        show: given each line, if anybody reads along.
    """

    def __init__(self, scheduler: Scheduler, show: Callable[[str], None] | None = None) -> None:
        self._scheduler = scheduler
        self._show = show
        self._hash = blake2b(digest_size=16)
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    def note(self, text: str, data: bytes = b"") -> None:
        """Add a line, and bytes that are hashed but not shown."""
        line = f"{self._scheduler.now_us / 1e6:11.6f} {text}"
        self._hash.update(line.encode())
        self._hash.update(data)
        self._tail.append(line)
        if self._show is not None:
            self._show(line)

    def digest(self) -> str:
        """Return the hash of everything until now: two runs of a seed have the same."""
        return self._hash.hexdigest()

    def tail(self) -> str:
        """Return the last lines."""
        return "\n".join(self._tail)
