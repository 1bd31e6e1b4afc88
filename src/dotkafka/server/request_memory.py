"""RequestMemory: what the requests of all connections hold together, and who has to wait when that is too much.

A connection holds the frame that it is receiving, as far as memory was taken for it, and the frames that are not
answered yet. Beyond the limit those that hold more than an equal share of it are not read; all others are, so many that
hold much never stop one that sends ordinary requests. Together they hold at most twice the limit, and what one receive
call of each may add.

Who is not read is not seen to go away either, and may never send the rest. So connections that still wait `PATIENCE_S`
after they first had to, with nothing of theirs answered since, are closed: the first ones first, until half of the
limit is free.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from dotkafka.protocol.framing import FIRST_BYTES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

_logger = logging.getLogger(__name__)

PATIENCE_S: Final = 10.0
"""How long a connection may wait for memory with what it holds."""
SCARCE_FIRST_BYTES: Final = 4096
"""What a frame gets on the word of its size while memory is scarce."""


class Holder(Protocol):
    """A connection."""

    def memory_is_free(self) -> None:
        """It may be read again."""
        ...

    def abort(self) -> None:
        """Its time is up: close it."""
        ...


class RequestMemory:
    """The memory of requests; see the module.

    Args:
        limit_bytes: `queued.max.request.bytes`.
        connection_count: returns how many connections share it.
        loop: tells the time.
    """

    def __init__(self, limit_bytes: int, connection_count: Callable[[], int], loop: asyncio.AbstractEventLoop) -> None:
        self.held_bytes = 0
        """By all together."""
        self._limit_bytes = limit_bytes
        self._connection_count = connection_count
        self._held: dict[Holder, int] = {}
        self._waiting: dict[Holder, None] = {}
        self._since: dict[Holder, float] = {}
        """When each first had to wait, since it last held less than before; earliest first."""
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    @property
    def first_bytes(self) -> int:
        """What a large frame gets before its bytes have come."""
        return FIRST_BYTES if 2 * self.held_bytes < self._limit_bytes else SCARCE_FIRST_BYTES

    def may_hold_more(self, holder: Holder, held_bytes: int) -> bool:
        """Note what a connection holds now; tell whether it may be read. If not, it is told when it may."""
        if not held_bytes and holder not in self._held:
            return True
        self._note(holder, held_bytes)
        if self.held_bytes < self._limit_bytes or held_bytes * self._connection_count() <= self._limit_bytes:
            self._waiting.pop(holder, None)
            return True
        self._waiting[holder] = None
        self._since.setdefault(holder, self._loop.time())
        if self._timer is None:
            self._timer = self._loop.call_later(PATIENCE_S, self._close_late)
        return False

    def forget(self, holder: Holder) -> None:
        """A connection has gone, with all that it held."""
        self._waiting.pop(holder, None)
        self._note(holder, 0)

    def _note(self, holder: Holder, held_bytes: int) -> None:
        before = self._held.pop(holder, 0)
        if held_bytes:
            self._held[holder] = held_bytes
        self.held_bytes += held_bytes - before
        if held_bytes < before:
            self._since.pop(holder, None)
        if self._waiting and held_bytes < before and self.held_bytes < self._limit_bytes:
            waiting, self._waiting = self._waiting, {}
            for waiter in waiting:
                if waiter is not holder:
                    waiter.memory_is_free()

    def _close_late(self) -> None:
        self._timer = None
        deadline_s = self._loop.time() - PATIENCE_S
        held_bytes = self.held_bytes
        late = []
        for holder, since_s in self._since.items():
            if since_s > deadline_s or 2 * held_bytes < self._limit_bytes:
                break
            if holder in self._waiting:
                late.append(holder)
                held_bytes -= self._held[holder]
        if late:
            _logger.warning("closing %d connections: queued.max.request.bytes is used up by requests", len(late))
        for holder in late:
            holder.abort()
        if len(self._waiting) > len(late):
            self._timer = self._loop.call_later(PATIENCE_S / 4, self._close_late)

    def stop(self) -> None:
        """Close nobody any more: the server ends."""
        if self._timer is not None:
            self._timer.cancel()
