"""One client's connection: its requests in flight, and its responses in the order of its requests.

Kafka answers the requests of one connection in the order they came. Requests are served as they arrive, though, and an
answer may be ready before an earlier one (a Fetch waits, a Metadata behind it does not): ready answers queue behind
those that are not.
"""

import logging
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dotkafka.errors import EncodeError
from dotkafka.protocol.headers import encode_response_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.broker.answer_memory import AnswerMemory
    from dotkafka.errors import StorageError
    from dotkafka.protocol.schema import Api
    from dotkafka.storage.spi import Buffer

logger = logging.getLogger(__name__)

Response = TypeVar("Response")


class Place:
    """A place in the order of a connection's responses."""

    __slots__ = ("closes", "connection", "parts", "request_bytes")

    def __init__(self, connection: "Connection", request_bytes: int = 0) -> None:
        self.connection = connection
        self.request_bytes = request_bytes
        """Of the frame, which stays in memory until the answer is given."""
        self.parts: list[Buffer] | None = None
        """The answer, once it is given."""
        self.closes = False
        """Whether the connection ends here instead."""

    def close_connection(self) -> None:
        """Close the connection after the answers to earlier requests; later ones get none."""
        self.closes = True
        self.connection.is_doomed = True
        self._fulfil([])

    def _fulfil(self, parts: "list[Buffer]", size_bytes: int = 0) -> None:
        self.parts = parts
        self.connection.answer_given(self, size_bytes)


class Exchange(Place, Generic[Response]):
    """One request, and where its response goes: a handler that cannot answer at once keeps it, and answers later."""

    __slots__ = ("_held_back", "_is_held_back", "api", "client_id", "correlation_id", "version")

    def __init__(
        self,
        connection: "Connection",
        api: "Api[Any, Response]",
        version: int,
        correlation_id: int,
        client_id: str | None,
        request_bytes: int = 0,
    ) -> None:
        super().__init__(connection, request_bytes)
        self.api = api
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id or ""
        self._is_held_back = False
        self._held_back: list[Buffer] | None = None

    def respond(self, response: Response) -> None:
        """Give the answer, once; it leaves when all earlier ones of the connection have left.

        An answer that does not fit the wire closes the connection instead: whoever gives it, often on behalf of many
        (a flush that has become durable), must not stumble over what one client made of its request.
        """
        self.respond_at_version(response, self.version)

    def respond_at_version(self, response: Response, version: int) -> None:
        """Give the answer in the layout of another version: only ApiVersions may, to a client that is too new."""
        if self.connection.is_closed:
            return
        header = encode_response_header(self.api.key, version, self.correlation_id)
        try:
            body = self.api.encode_response_parts(version, response)
        except EncodeError as error:
            logger.error("the connection from %s is closed: no answer fits: %s", self.connection.peer_host, error)  # noqa: TRY400 (the message says where)
            self.close_connection()
            return
        size = len(header) + sum(map(len, body))
        parts = [size.to_bytes(4, "big") + header, *body]
        if self._is_held_back:
            self._held_back = parts
            self.connection.hold_answer(4 + size)
        else:
            self._fulfil(parts, 4 + size)

    def hold_back(self) -> None:
        """Keep the answer that is given next, as bytes that count, until `release`."""
        self._is_held_back = True

    def release(self, error: "StorageError | None") -> None:
        """Let the answer go that was held back; or close the connection instead, if it will never be true."""
        self._is_held_back = False
        held_back, self._held_back = self._held_back, None
        if self.parts is not None:
            # No answer fitted, and the connection is being closed.
            return
        if error is not None:
            self.close_connection()
        elif held_back is not None:
            self._fulfil(held_back)

    def respond_nothing(self) -> None:
        """End the exchange without an answer: a Produce with acks=0 wants none."""
        self._fulfil([])


class Connection:
    """What the broker knows of one client connection."""

    __slots__ = (
        "_memory",
        "_on_ready",
        "_places",
        "_taken_bytes",
        "answer_bytes",
        "client_software",
        "is_closed",
        "is_closing",
        "is_doomed",
        "is_held",
        "local",
        "peer_host",
        "reading_bytes",
        "request_bytes",
    )

    def __init__(
        self,
        peer_host: str,
        local: tuple[str, int],
        on_ready: "Callable[[Connection], None]",
        memory: "AnswerMemory",
    ) -> None:
        self.peer_host = peer_host
        self.local = local
        """Host and port at which the client reached this broker: where it is told to come again."""
        self.client_software: tuple[str, str] = ("unknown", "unknown")
        """Name and version of the client library (KIP-511)."""
        self.is_doomed = False
        """Whether no more requests are read, since the connection will close at one of those pending."""
        self.is_closing = False
        """Whether the transport is to be closed after what `take_responses` has given."""
        self.is_closed = False
        self.is_held = False
        """Whether no more requests are read, since one of those read waits until storage has caught up."""
        self.request_bytes = 0
        """Of the requests that have no answer yet."""
        self.answer_bytes = 0
        """Of the answers that are not known to have gone."""
        self.reading_bytes = 0
        """Of what is being read from storage for answers."""
        self._taken_bytes = 0
        """Of the answers that were taken last."""
        self._memory = memory
        self._on_ready = on_ready
        self._places: deque[Place] = deque()

    @property
    def pending_requests(self) -> int:
        """Requests read whose response has not been taken yet."""
        return len(self._places)

    def begin(self, place: Place) -> None:
        """Take the next place in the order of responses."""
        self._places.append(place)
        self.request_bytes += place.request_bytes

    def answer_given(self, place: Place, size_bytes: int) -> None:
        """A request has its answer; if it is the oldest one's, the connection has something to send."""
        self.request_bytes -= place.request_bytes
        if self.is_closed:
            return
        self.hold_answer(size_bytes)
        if self._places and self._places[0].parts is not None:
            self._on_ready(self)

    def hold_answer(self, size_bytes: int) -> None:
        """Count an answer."""
        self.answer_bytes += size_bytes
        self._memory.held_bytes += size_bytes

    def hold_reading(self, size_bytes: int) -> None:
        """Count memory of what is being read for an answer; a negative size gives it back."""
        self.reading_bytes += size_bytes
        self._memory.reading_bytes += size_bytes

    def _release_answers(self, size_bytes: int) -> None:
        self.answer_bytes -= size_bytes
        self._memory.held_bytes -= size_bytes

    def close_when_answered(self) -> None:
        """Close after the answers to the pending requests: what has come now cannot be served."""
        place = Place(self)
        self.begin(place)
        place.close_connection()

    def take_responses(self) -> "list[Buffer]":
        """Return the bytes that are ready, in request order; empty if the oldest request is still without answer.

        To be called again once they have gone: until then they count as memory of this connection.
        """
        if self._taken_bytes:
            self._release_answers(self._taken_bytes)
        ready: list[Buffer] = []
        places = self._places
        while places and places[0].parts is not None:
            place = places.popleft()
            ready.extend(place.parts or ())
            if place.closes:
                self.is_closing = True
                places.clear()
        self._taken_bytes = sum(map(len, ready))
        return ready

    def abandon(self) -> None:
        """Forget everything: the client has gone."""
        self.is_closed = True
        self._release_answers(self.answer_bytes)
        self._taken_bytes = 0
        self._places.clear()
