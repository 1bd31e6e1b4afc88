"""UntakenAnswers: whose answers make others wait for memory, and for how long that is borne.

While requests wait for the memory of answers (`dotkafka.broker.answer_memory`), those who hold it are looked at every
few seconds. Who has taken nothing of its answers for `PATIENCE_S` is closed: the first ones first, until half of the
limit is free. Whoever reads is left alone, even if slowly: systems tell of what was read in steps of up to some hundred
kilobytes. So is who holds less than half of an equal share: all of those together hold less than half of the limit.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple, Protocol

from dotkafka.server.request_memory import PATIENCE_S

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection, Hashable

    from dotkafka.broker.answer_memory import AnswerMemory

_logger = logging.getLogger(__name__)


class Holder(Protocol):
    """A connection."""

    @property
    def untaken_bytes(self) -> int:
        """Of its answers, as far as they count."""
        ...

    def progress(self) -> Hashable:
        """Something that is another with every byte that its client takes."""
        ...

    def abort(self) -> None:
        """Close it."""
        ...


class _Seen(NamedTuple):
    """How far a holder's client has come, and since when it has not come further."""

    progress: Hashable
    since_s: float


class UntakenAnswers:
    """Watches those who hold answers; see the module.

    Args:
        memory: that they hold.
        holders: returns all connections.
        loop: tells the time.
    """

    def __init__(
        self, memory: AnswerMemory, holders: Callable[[], Collection[Holder]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._memory = memory
        self._holders = holders
        self._loop = loop
        self._seen: dict[Holder, _Seen] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self) -> None:
        """Somebody waits: look, again and again until half of the memory is free."""
        if self._timer is None:
            self._look()

    def stop(self) -> None:
        """Look no more: the server ends."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        now_s = self._loop.time()
        self._note(now_s)
        if self._memory.waiting:
            self._close_late(now_s - PATIENCE_S)
        if self._is_half_free(self._memory.held_bytes):
            self._timer = None
            self._seen.clear()
        else:
            self._timer = self._loop.call_later(PATIENCE_S / 4, self._look)

    def _note(self, now_s: float) -> None:
        holders = self._holders()
        seen = {}
        for holder in holders:
            if self._is_half_free(holder.untaken_bytes * len(holders)):
                continue
            progress = holder.progress()
            before = self._seen.get(holder)
            seen[holder] = before if before is not None and before.progress == progress else _Seen(progress, now_s)
        self._seen = seen

    def _close_late(self, deadline_s: float) -> None:
        held_bytes = self._memory.held_bytes
        late = []
        for holder, seen in sorted(self._seen.items(), key=lambda item: item[1].since_s):
            if seen.since_s > deadline_s or self._is_half_free(held_bytes):
                break
            late.append(holder)
            held_bytes -= holder.untaken_bytes
        if late:
            _logger.warning("closing %d connections: queued.max.response.bytes is used up by answers", len(late))
        for holder in late:
            holder.abort()

    def _is_half_free(self, held_bytes: int) -> bool:
        return 2 * held_bytes < self._memory.limit_bytes
