"""Intake: what one client sends, cut into frames and given to the broker as fast as it takes them.

Whoever receives the bytes, from a socket or anywhere else, puts them in by `feed`, or straight into `buffer` and says
`received`. Frames that the broker may not be given yet (`Broker.may_serve`) wait here.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

from dotkafka.protocol.framing import FIRST_BYTES, FrameReader

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Connection
    from dotkafka.clock import Instant
    from dotkafka.storage.spi import Buffer

_logger = logging.getLogger(__name__)


class Intake:
    """The frames of one connection, on their way to the broker.

    Args:
        broker: that serves them.
        connection: that they come from.
        scratch: where small frames are received; see `FrameReader`.
    """

    def __init__(self, broker: Broker, connection: Connection, scratch: memoryview) -> None:
        self._broker = broker
        self._connection = connection
        self._reader = FrameReader(broker.config.socket_request_max_bytes, scratch)
        self._frames: deque[bytearray] = deque()
        self._frames_bytes = 0

    @property
    def held_bytes(self) -> int:
        """The memory of all requests that are not answered yet, and of the one that is being received."""
        return self._reader.held_bytes + self._frames_bytes + self._connection.request_bytes

    @property
    def may_read(self) -> bool:
        """Whether more may be received: no frame waits, and the broker would take one."""
        return not self._frames and self._broker.may_read(self._connection)

    @property
    def is_waiting(self) -> bool:
        """Whether `serve` has anything left to do."""
        return bool(self._frames) or (self._reader.error is not None and not self._connection.is_doomed)

    def buffer(self) -> memoryview:
        """Return where to receive the next bytes; see `FrameReader.buffer`."""
        return self._reader.buffer()

    def received(self, count: int, first_bytes: int = FIRST_BYTES) -> None:
        """Take `count` bytes that were put into `buffer()`; a new frame gets `first_bytes` on the word of its size."""
        self._reader.first_bytes = first_bytes
        self._wait(self._reader.received(count))

    def feed(self, data: Buffer) -> None:
        """Take bytes from anywhere."""
        self._wait(self._reader.feed(data))

    def _wait(self, frames: list[bytearray]) -> None:
        self._frames.extend(frames)
        self._frames_bytes += sum(map(len, frames))

    def serve(self, now: Instant) -> None:
        """Give the broker frames for as long as it takes them; close the connection behind them at a bad one."""
        broker, connection, frames = self._broker, self._connection, self._frames
        while frames and broker.may_serve(connection, frames[0]):
            frame = frames.popleft()
            self._frames_bytes -= len(frame)
            broker.receive(connection, frame, now)
        if self._reader.error is not None and not frames and not connection.is_doomed:
            _logger.warning(
                "closing the connection from %s: %s (socket.request.max.bytes)",
                connection.peer_host,
                self._reader.error,
            )
            connection.close_when_answered()

    def clear(self) -> None:
        """Forget the frames that wait: the client has gone."""
        self._frames.clear()
        self._frames_bytes = 0
