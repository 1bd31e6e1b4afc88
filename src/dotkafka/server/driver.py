"""Driver: runs a Broker in an event loop.

Whoever gives the broker something to do (a frame, a lost connection, storage work that has run) calls `schedule`; the
driver then takes one step per iteration of the loop: all requests that were readable at once are served before the
flush that makes them durable begins, so that they share it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from dotkafka.server.storage_threads import StorageThreads

if TYPE_CHECKING:
    import asyncio

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Connection
    from dotkafka.broker.storage_work import StorageWork
    from dotkafka.clock import Clock, Instant

_logger = logging.getLogger(__name__)

LATE_MS: Final = 100
"""From how far behind a deadline on the loop has stood still: its program kept it busy, or the machine slept."""


class ResponseSender(Protocol):
    """The transport side of one `Connection` of the broker."""

    def send_responses(self, now: Instant) -> None:
        """The connection is ready: it has responses to take, may be read again, or is to be closed."""
        ...


class Driver:
    """Feeds time and finished storage work to a broker, and carries out what it asks for. Belongs to one event loop."""

    def __init__(self, broker: Broker, clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
        self.broker = broker
        self.clock = clock
        self._loop = loop
        self._senders: dict[Connection, ResponseSender] = {}
        self._threads = StorageThreads(self._ran_in_thread)
        self._is_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_deadline_ms = 0
        self._deadline_ms: int | None = None
        """The broker's next one as of the last step."""
        self._is_catching_up = False
        """Whether what has come in while the loop stood still is being read, before anybody's time is up."""
        self._idle: asyncio.Future[None] | None = None
        self.failed: asyncio.Future[Exception] = loop.create_future()
        """Done when a bug of ours has left the broker in a state that nobody knows: no more steps are taken."""

    def attach(self, connection: Connection, sender: ResponseSender) -> None:
        """From now on tell `sender` when `connection` is ready."""
        self._senders[connection] = sender

    def detach(self, connection: Connection) -> None:
        """The client of `connection` has gone."""
        del self._senders[connection]
        self.broker.disconnect(connection, self.clock.now())
        self.schedule()

    def schedule(self) -> None:
        """Take a step after what is ready in this iteration of the loop."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._step)

    def move_on(self) -> None:
        """Take a step now, with all that is due: for a clock that was moved by hand, by which nobody stood still."""
        if not self.failed.done():
            self._step(has_caught_up=True)

    async def shut_down(self) -> None:
        """Have the broker answer who waits and checkpoint what it has; return once it is idle, at once if it failed."""
        if self.failed.done():
            return
        self._idle = self._loop.create_future()
        self.broker.begin_shutdown(self.clock.now())
        self.schedule()
        await self._idle

    def stop(self, timeout_s: float) -> bool:
        """Take no more steps, and end the threads; return whether they ended in time. Blocks."""
        self._is_scheduled = True
        self._is_catching_up = False
        if self._timer is not None:
            self._timer.cancel()
        return self._threads.stop(timeout_s)

    def _ran_in_thread(self, work: StorageWork) -> None:
        try:
            self._loop.call_soon_threadsafe(self._completed, work)
        except RuntimeError:
            # The loop was closed over a server that was not stopped; there is nobody left to tell.
            _logger.debug("storage work ended after its event loop")

    def _completed(self, work: StorageWork) -> None:
        if self.failed.done():
            return
        try:
            self.broker.complete(work, self.clock.now())
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
            self._fail(error)
        else:
            self.schedule()

    def _step(self, *, has_caught_up: bool = False) -> None:
        self._is_scheduled = False
        try:
            self._take_step(has_caught_up=has_caught_up)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Stand still for good, and let nobody wait: what is acknowledged is durable, and a start finds it."""
        _logger.critical("the broker has failed, and serves nobody any more", exc_info=error)
        self._is_scheduled = True
        self._is_catching_up = False
        if self._timer is not None:
            self._timer.cancel()
        if self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        if not self.failed.done():
            self.failed.set_result(error)
        now = self.clock.now()
        for connection, sender in tuple(self._senders.items()):
            connection.is_closing = True
            sender.send_responses(now)

    def _take_step(self, *, has_caught_up: bool) -> None:
        now = self.clock.now()
        try:
            if has_caught_up or self._is_time_up(now):
                self.broker.handle_timeouts(now)
            while self._start_work(now) | self._send_responses(now):
                pass
        finally:
            self._arm_timer(now)
        if self._idle is not None and not self._idle.done() and self.broker.is_idle:
            self._idle.set_result(None)

    def _is_time_up(self, now: Instant) -> bool:
        """Tell whether a deadline has come, and nobody can say any more that he has met it.

        When the loop has stood still, heartbeats wait in sockets that it will read in its next turn only.
        """
        if self._is_catching_up or self._deadline_ms is None or now.monotonic_ms < self._deadline_ms:
            return False
        if now.monotonic_ms < self._deadline_ms + LATE_MS:
            return True
        # What is called soon comes before what the next turn reads, and so what that calls soon after it.
        self._is_catching_up = True
        self._loop.call_soon(self._loop.call_soon, self._catch_up)
        return False

    def _catch_up(self) -> None:
        if self._is_catching_up:
            self._step(has_caught_up=True)
            self._is_catching_up = False

    def _start_work(self, now: Instant) -> bool:
        works = self.broker.take_work(now)
        for work in works:
            if work.inline:
                work.run()
                self.broker.complete(work, now)
            else:
                self._threads.submit(work)
        return bool(works)

    def _send_responses(self, now: Instant) -> bool:
        connections = self.broker.take_ready_connections()
        for connection in connections:
            sender = self._senders.get(connection)
            if sender is not None:
                sender.send_responses(now)
        return bool(connections)

    def _arm_timer(self, now: Instant) -> None:
        """Have a step taken when the broker's next deadline comes.

        A timer that comes too early is left alone: it takes a step that does nothing and arms the right one. Long polls
        come and go a thousand times before their deadlines do.
        """
        self._deadline_ms = deadline_ms = self.broker.next_deadline_ms()
        if self._timer is not None:
            if deadline_ms is None or self._timer_deadline_ms <= deadline_ms:
                return
            self._timer.cancel()
            self._timer = None
        if deadline_ms is not None:
            delay_ms = max(1, deadline_ms - now.monotonic_ms)
            self._timer = self._loop.call_later(delay_ms / 1000, self._timer_due)
            self._timer_deadline_ms = deadline_ms

    def _timer_due(self) -> None:
        self._timer = None
        self.schedule()
