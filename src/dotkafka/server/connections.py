"""Connections: who is connected, how many may be, and who has been silent for too long."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING

from dotkafka.protocol.framing import SCRATCH_BYTES
from dotkafka.server.request_memory import RequestMemory
from dotkafka.server.untaken_answers import UntakenAnswers

if TYPE_CHECKING:
    from dotkafka.server.connection_protocol import ConnectionProtocol
    from dotkafka.server.driver import Driver
    from dotkafka.server.tls_handshake import TlsHandshake

_logger = logging.getLogger(__name__)


class Connections:
    """The open connections of one server, within its limits, those whose TLS handshake is under way among them.

    `scratch` is the receive buffer that they share: an event loop fills and empties it for one connection at a time.
    """

    def __init__(self, driver: Driver, loop: asyncio.AbstractEventLoop) -> None:
        self.driver = driver
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._config = driver.broker.config
        self.request_memory = RequestMemory(self._config.queued_max_request_bytes, self.__len__, loop)
        self._loop = loop
        self._open: dict[ConnectionProtocol | TlsHandshake, str] = {}
        self.untaken_answers = UntakenAnswers(driver.broker.answer_memory, self._open.keys, loop)
        self._per_host: Counter[str] = Counter()
        self._sweep: asyncio.TimerHandle | None = None
        self._all_closed: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def admit(self, protocol: ConnectionProtocol | TlsHandshake, host: str) -> bool:
        """Count a new connection from `host` in; return False, and count nothing, if that would pass a limit."""
        if self._all_closed is not None:
            return False
        if len(self._open) >= self._config.max_connections:
            _logger.warning("refused a connection from %s: max.connections=%d", host, self._config.max_connections)
            return False
        if self._per_host[host] >= self._config.max_connections_per_ip:
            limit = self._config.max_connections_per_ip
            _logger.warning("refused a connection from %s: max.connections.per.ip=%d", host, limit)
            return False
        self._open[protocol] = host
        self._per_host[host] += 1
        if self._sweep is None:
            self._sweep_later()
        return True

    def leave(self, protocol: ConnectionProtocol | TlsHandshake) -> None:
        """Count a connection out. One that was not admitted does not count."""
        host = self._open.pop(protocol, None)
        if host is None:
            return
        self._per_host[host] -= 1
        if not self._per_host[host]:
            del self._per_host[host]
        if self._all_closed is not None and not self._open and not self._all_closed.done():
            self._all_closed.set_result(None)

    def stop_reading(self) -> None:
        """Admit no more connections, and read no more requests from those that are open."""
        self._all_closed = self._loop.create_future()
        if not self._open:
            self._all_closed.set_result(None)
        if self._sweep is not None:
            self._sweep.cancel()
        self.request_memory.stop()
        self.untaken_answers.stop()
        for protocol in tuple(self._open):
            protocol.stop_reading()

    async def close(self) -> None:
        """Close all connections, each after what is still to be sent; return when none is left."""
        for protocol in tuple(self._open):
            protocol.close_when_sent()
        if self._all_closed is not None:
            # Shielded: a stop whose time is up cancels its wait, aborts the connections, and waits again.
            await asyncio.shield(self._all_closed)

    def abort(self) -> None:
        """Close all connections now, whatever is unsent."""
        for protocol in tuple(self._open):
            protocol.abort()

    def _sweep_later(self) -> None:
        if self._config.connections_max_idle_ms < 0:
            return
        interval_ms = max(1, min(self._config.connections_max_idle_ms // 4, 30_000))
        self._sweep = self._loop.call_later(interval_ms / 1000, self._close_idle)

    def _close_idle(self) -> None:
        silent_since_ms = self.driver.clock.now().monotonic_ms - self._config.connections_max_idle_ms
        for protocol, host in tuple(self._open.items()):
            if protocol.is_idle_since(silent_since_ms):
                _logger.info("closing the connection from %s: connections.max.idle.ms has passed", host)
                protocol.abort()
        self._sweep = None
        if self._open:
            self._sweep_later()
