"""AnswerMemory: what answers take that clients have not taken yet, and who waits until they have.

Answers count from when they are made until they have gone. When they have reached the limit, requests wait, each
connection in its turn, and whoever runs the broker closes those who leave theirs lying meanwhile. Of connections that
have nothing to take, requests do not wait whose answers are little by their nature (`dispatch.answers_little`), Fetch
among them, whose answers are made as small as that: heartbeats, commits and small records go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dotkafka.broker.connection import Connection

LITTLE_BYTES: Final = 64 * 1024
"""What the records of a Fetch answer may always take."""


class AnswerMemory:
    """The memory of all answers together; see the module.

    Args:
        limit_bytes: `queued.max.response.bytes`.
    """

    __slots__ = ("_turn", "held_bytes", "limit_bytes", "reading_bytes", "waiting")

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        """Of answers."""
        self.reading_bytes = 0
        """Of what is being read from storage for answers. Nobody waits for it: storage may hang."""
        self.waiting: dict[Connection, None] = {}
        """Whose next request waits, the first one first."""
        self._turn: Connection | None = None

    @property
    def left_bytes(self) -> int:
        """How much more answers may take, with what is being read for them; negative if that is too much already."""
        return self.limit_bytes - self.held_bytes - self.reading_bytes

    @property
    def is_scarce(self) -> bool:
        """Whether answers take all there is."""
        return self.held_bytes >= self.limit_bytes

    def may_serve(self, connection: Connection) -> bool:
        """Whether there is memory for one more answer of this connection, and nobody has waited longer."""
        if self.held_bytes >= self.limit_bytes:
            return False
        if self.waiting:
            if connection is not self._turn:
                return False
            self._turn = None
        return True

    def wait(self, connection: Connection) -> None:
        """Have `next_in_turn` return this connection, after those that wait already."""
        self.waiting[connection] = None

    def next_in_turn(self) -> Connection | None:
        """Return the connection that has waited longest, which may be served now; None if there is none, or no room."""
        if not self.waiting or self.is_scarce:
            return None
        self._turn = next(iter(self.waiting))
        del self.waiting[self._turn]
        return self._turn

    def forget(self, connection: Connection) -> None:
        """A connection has gone."""
        self.waiting.pop(connection, None)
        if self._turn is connection:
            self._turn = None
