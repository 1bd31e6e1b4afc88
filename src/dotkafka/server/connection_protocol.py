"""ConnectionProtocol: one client's socket, plain or TLS, between the event loop and the broker.

Back-pressure goes both ways. No more is read while the broker may not be given more (`Broker.may_read`: too many
requests of this connection wait, or one of them waits for storage to catch up), nor while all connections together hold
too much (`RequestMemory`), nor while the client does not read its answers. Answers that the socket does not take stay
where they are, as views of the log, instead of being copied into the transport's buffer.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from typing import TYPE_CHECKING, cast

from dotkafka.broker.intake import Intake

if sys.platform == "linux":
    import fcntl
    import termios

if TYPE_CHECKING:
    from dotkafka.broker.connection import Connection
    from dotkafka.clock import Instant
    from dotkafka.server.connections import Connections
    from dotkafka.server.tls_handshake import TlsHandshake
    from dotkafka.storage.spi import Buffer

_logger = logging.getLogger(__name__)

_UNSENT_BYTES = 64 * 1024
"""Above this many bytes in the transport's buffer no more is given to it."""
_JOINED_BYTES = 64 * 1024
"""Response parts are joined up to this size, as a copy costs less than a system call. Larger ones go as they are."""
_PIECE_BYTES = 256 * 1024
"""The most that is given to the transport at once."""


def peer_address(transport: asyncio.Transport) -> tuple[str, int]:
    """Return host and port of the client; a client that has already gone has no name any more."""
    host, port = (transport.get_extra_info("peername") or ("unknown", 0))[:2]
    return host, port


class ConnectionProtocol(asyncio.BufferedProtocol):
    """Receives frames for the broker, and sends its responses in the order it gives them.

    Args:
        connections: the registry that this connection belongs to.
        local_host: the host under which clients find this server, or None for the address that this client has reached.
        handshake: which has counted for this connection until it is made.
    """

    def __init__(self, connections: Connections, local_host: str | None, handshake: TlsHandshake | None = None) -> None:
        self._connections = connections
        self._driver = connections.driver
        self._broker = connections.driver.broker
        self._local_host = local_host
        self._handshake = handshake
        self._transport: asyncio.Transport
        self._connection: Connection | None = None
        self._intake: Intake
        self._memory = connections.request_memory
        self._unsent: deque[Buffer] = deque()
        self._is_reading = True
        self._may_write = True
        self._stops_reading = False
        self._closes_when_sent = False
        self._received_ms = 0
        self._sent_ms = 0
        self._peer = "?"

    # -- called by the event loop --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce the client to the broker, or close at once if there are too many."""
        self._transport = cast("asyncio.Transport", transport)
        peer_host, peer_port = peer_address(self._transport)
        self._peer = f"{peer_host} port {peer_port}"
        if self._handshake is not None:
            self._connections.leave(self._handshake)
            self._handshake = None
        if not self._connections.admit(self, peer_host):
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=_UNSENT_BYTES)
        reached_host, port = self._transport.get_extra_info("sockname")[:2]
        now = self._driver.clock.now()
        self._received_ms = now.monotonic_ms
        self._connection = self._broker.connect(peer_host, (self._local_host or reached_host, port), now)
        self._intake = Intake(self._broker, self._connection, self._connections.scratch)
        self._driver.attach(self._connection, self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the broker that the client has gone, and let go of everything."""
        if exc is not None:
            _logger.debug("lost the connection from %s: %s", self._peer, exc)
        self._memory.forget(self)
        self._unsent.clear()
        if self._connection is not None:
            self._intake.clear()
            self._driver.detach(self._connection)
            self._connection = None
        self._connections.leave(self)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 (the event loop's guess; ours is better)
        """Return where to receive the next bytes."""
        # One that was not admitted is closed already, and what it still sends is thrown away.
        return self._connections.scratch if self._connection is None else self._intake.buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Give the broker the frames that are complete now."""
        if self._connection is None:
            return
        self._intake.received(nbytes, self._memory.first_bytes)
        now = self._driver.clock.now()
        self._received_ms = now.monotonic_ms
        if self._intake.is_waiting:
            self._serve(now)
        else:
            self._update_reading()

    def pause_writing(self) -> None:
        """The client does not read as fast as it asks: keep the rest, and read no more of its requests."""
        self._may_write = False
        self._update_reading()

    def resume_writing(self) -> None:
        """The client has read: go on."""
        self._may_write = True
        now = self._driver.clock.now()
        self._sent_ms = now.monotonic_ms
        self.send_responses(now)
        # Others may wait for the memory of what has gone.
        self._driver.schedule()

    # -- called by the driver and the server ---------------------------------------------------------------------------

    def send_responses(self, now: Instant) -> None:
        """Send what is ready as far as the socket takes it; then serve what has waited for that."""
        connection = self._connection
        if connection is None or not self._may_write or self._transport.is_closing():
            return
        # As long as the transport has more in its buffer than it should, what was taken last has not gone.
        while (is_sent := self._send_unsent()) and (parts := connection.take_responses()):
            self._sent_ms = now.monotonic_ms
            self._unsent.extend(parts)
        if not is_sent:
            return
        if connection.is_closing or (self._closes_when_sent and not connection.pending_requests):
            self._transport.close()
        elif self._intake.is_waiting:
            self._serve(now)
        else:
            self._update_reading()

    def memory_is_free(self) -> None:
        """All connections together hold less again: this one may go on, if nothing else is in its way."""
        self._update_reading()

    def stop_reading(self) -> None:
        """Read no more requests; those already read are served."""
        self._stops_reading = True
        self._update_reading()

    def close_when_sent(self) -> None:
        """Close the connection after the answers to the requests that the broker has."""
        self._closes_when_sent = True
        self.send_responses(self._driver.clock.now())

    def abort(self) -> None:
        """Close the connection now."""
        self._transport.abort()

    def is_idle_since(self, monotonic_ms: int) -> bool:
        """Whether nothing has come or gone since that time, and the client is not the one who waits."""
        waits_for_us = self._may_write and self._connection is not None and self._connection.pending_requests > 0
        return max(self._received_ms, self._sent_ms) <= monotonic_ms and not waits_for_us

    @property
    def untaken_bytes(self) -> int:
        """Of the answers that are not known to have gone."""
        return self._connection.answer_bytes if self._connection is not None else 0

    def progress(self) -> tuple[int, int, int]:
        """Return something that is another with every byte that the client takes, as far as the system tells."""
        return self._sent_ms, self._transport.get_write_buffer_size(), _unacknowledged_bytes(self._transport)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _serve(self, now: Instant) -> None:
        """Give the broker frames for as long as it takes them, and the client its answers."""
        try:
            if self._may_write:
                self._intake.serve(now)
        except Exception:
            # A bug of ours. It must cost this client its connection, and nobody else anything.
            _logger.exception("a request from %s failed; closing its connection", self._peer)
            self._transport.abort()
        if self._broker.answer_memory.waiting:
            self._connections.untaken_answers.watch()
        self._update_reading()
        self._driver.schedule()

    def _send_unsent(self) -> bool:
        """Give the transport response parts until it has enough; return whether it has all, and takes more.

        By `write`, not `writelines`: some releases of Python join there all they get, others never pause the writer.
        """
        unsent = self._unsent
        while unsent and self._may_write:
            part = unsent.popleft()
            if len(part) > _PIECE_BYTES:
                # The transport copies what the socket does not take at once.
                unsent.appendleft(memoryview(part)[_PIECE_BYTES:])
                part = memoryview(part)[:_PIECE_BYTES]
            elif unsent and len(part) + len(unsent[0]) <= _JOINED_BYTES:
                joined = bytearray(part)
                while unsent and len(joined) + len(unsent[0]) <= _JOINED_BYTES:
                    joined += unsent.popleft()
                part = joined
            self._transport.write(part)
        return self._may_write and not unsent

    def _update_reading(self) -> None:
        may_read = (
            self._connection is not None
            and self._memory.may_hold_more(self, self._intake.held_bytes)
            and self._may_write
            and not self._stops_reading
            and self._intake.may_read
        )
        if may_read == self._is_reading:
            return
        self._is_reading = may_read
        if may_read:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()


def _unacknowledged_bytes(transport: asyncio.Transport) -> int:
    """Return what the system has of a connection that the other side has not acknowledged; 0 where it does not tell.

    It takes megabytes, so that a slow reader is seen here long before the transport can go on.
    """
    if sys.platform != "linux":
        return 0
    try:
        told = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):
        # It is being closed.
        return 0
    return int.from_bytes(told, sys.byteorder)
