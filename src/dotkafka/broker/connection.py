"""One client's connection: its requests in flight, and its responses in the order of its requests.

Kafka answers the requests of one connection in the order they came. Requests are served as they arrive, though, and an
answer may be ready before an earlier one (a Fetch waits, a Metadata behind it does not): ready answers queue behind
those that are not.
"""

from collections import deque
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from dotkafka.protocol.headers import encode_response_header

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.protocol.schema import Api
    from dotkafka.storage.spi import Buffer

Response = TypeVar("Response")


class Exchange(Generic[Response]):
    """One request, and where its response goes: a handler that cannot answer at once keeps it, and answers later."""

    __slots__ = ("api", "client_id", "connection", "correlation_id", "parts", "version")

    def __init__(
        self,
        connection: "Connection",
        api: "Api[Any, Response]",
        version: int,
        correlation_id: int,
        client_id: str | None,
    ) -> None:
        self.connection = connection
        self.api = api
        self.version = version
        self.correlation_id = correlation_id
        self.client_id = client_id or ""
        self.parts: list[Buffer] | None = None

    def respond(self, response: Response) -> None:
        """Give the answer, once; it leaves when all earlier ones of the connection have left."""
        self.respond_at_version(response, self.version)

    def respond_at_version(self, response: Response, version: int) -> None:
        """Give the answer in the layout of another version: only ApiVersions may, to a client that is too new."""
        header = encode_response_header(self.api.key, version, self.correlation_id)
        body = self.api.encode_response_parts(version, response)
        size = len(header) + sum(map(len, body))
        self._fulfil([size.to_bytes(4, "big") + header, *body])

    def respond_nothing(self) -> None:
        """End the exchange without an answer: a Produce with acks=0 wants none."""
        self._fulfil([])

    def close_connection(self) -> None:
        """End the exchange by closing the connection, after the answers to earlier requests."""
        self.connection.is_doomed = True
        self._fulfil([])

    def _fulfil(self, parts: "list[Buffer]") -> None:
        self.parts = parts
        self.connection.exchange_ready()


class Connection:
    """What the broker knows of one client connection."""

    __slots__ = ("_exchanges", "_on_ready", "client_software", "is_closed", "is_doomed", "local", "peer_host")

    def __init__(self, peer_host: str, local: tuple[str, int], on_ready: "Callable[[Connection], None]") -> None:
        self.peer_host = peer_host
        self.local = local
        """Host and port at which the client reached this broker: where it is told to come again."""
        self.client_software: tuple[str, str] = ("unknown", "unknown")
        """Name and version of the client library (KIP-511)."""
        self.is_doomed = False
        """No more requests are read; the connection closes when the answers before its last request have left."""
        self.is_closed = False
        self._on_ready = on_ready
        self._exchanges: deque[Exchange[Any]] = deque()

    @property
    def pending_requests(self) -> int:
        """Requests read whose response has not been taken yet."""
        return len(self._exchanges)

    @property
    def is_closing(self) -> bool:
        """Whether the transport is to be closed after what `take_responses` gave."""
        return self.is_doomed and not self._exchanges

    def begin(self, exchange: Exchange[Any]) -> None:
        """Take the next place in the order of responses."""
        self._exchanges.append(exchange)

    def exchange_ready(self) -> None:
        """Say that some exchange has its answer; if it is the oldest, the connection has something to send."""
        if not self.is_closed and self._exchanges and self._exchanges[0].parts is not None:
            self._on_ready(self)

    def close_when_answered(self) -> None:
        """Read no more requests, and close when the pending ones are answered."""
        self.is_doomed = True
        self._on_ready(self)

    def take_responses(self) -> "list[Buffer]":
        """Return the bytes that are ready, in request order; empty if the oldest request is still without answer."""
        ready: list[Buffer] = []
        exchanges = self._exchanges
        while exchanges and exchanges[0].parts is not None:
            ready.extend(exchanges.popleft().parts or ())
        return ready

    def abandon(self) -> None:
        """Forget everything: the client has gone."""
        self.is_closed = True
        self._exchanges.clear()
