"""A client's side of one connection: requests out, answers in, in Kafka's framing; opened again whenever it is lost."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

import attrs

from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.framing import SCRATCH_BYTES, FrameReader
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.protocol.schema import Api
    from dotkafka.testing.simulation.client import Client
    from dotkafka.testing.simulation.network import Link, Server
    from dotkafka.testing.simulation.scheduler import Timer

Request = TypeVar("Request")
Response = TypeVar("Response")

TIMEOUT_MS: Final = 3_000
MAX_FRAME_BYTES: Final = 100_000_000
_SCRATCH: Final = memoryview(bytearray(SCRATCH_BYTES))


@attrs.define(eq=False)
class _Pending:
    """A request that waits for its answer."""

    correlation_id: int
    api: Api[Any, Any]
    version: int
    on_answer: Callable[[Any], None]
    timer: Timer


class _Session:
    """A channel's end of one link: what arrives by an earlier one is not for the present one."""

    def __init__(self, channel: Channel, client: Client) -> None:
        self._channel = channel
        self._client = client

    def received(self, data: bytes) -> None:
        """Take what has arrived."""
        self._client.when_awake(lambda: self._channel.take(self, data))

    def lost(self) -> None:
        """Hear that the connection has ended."""
        self._client.when_awake(lambda: self._channel.lose(self))


class Channel:
    """One connection at a time, for one client. Answers come in the order of requests, or all at once not at all.

    Args:
        client: whose it is.
        label: tells it from others of that client.
    """

    def __init__(self, client: Client, label: str) -> None:
        self.name = f"{client.name}/{label}"
        self._client = client
        self._world = client.world
        self._link: Link | None = None
        self._session: _Session | None = None
        self._reader = FrameReader(MAX_FRAME_BYTES, _SCRATCH)
        self._pending: deque[_Pending] = deque()
        self._last_id = 0
        self._server: Server | None = None
        """Who gave the last answer."""

    @property
    def is_up_to_date(self) -> bool:
        """Whether the last answer came from the owner of the storage, as far as that is one still."""
        return self._server is not None and self._server.superseded_us > self._world.scheduler.now_us

    def as_of(self, asked_us: int) -> int:
        """Return the moment whose state the last answer has to know: when it was asked for, as a rule.

        A broker that does not know that it is superseded answers as of then.
        """
        return asked_us if self._server is None else min(asked_us, self._server.superseded_us)

    def may_serve(self, asked_us: int) -> bool:
        """Whether the broker that gave the last answer did not know, when it was asked, that it is superseded."""
        return self._server is None or asked_us <= self._server.knew_us

    def ask(
        self,
        api: Api[Request, Response],
        version: int,
        request: Request,
        on_answer: Callable[[Response | None], None],
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        """Send a request; `on_answer` is called with its answer, or with None once that is lost.

        Never from within this call.
        """
        pending = self._send(api, version, request, on_answer)
        pending.timer = self._world.scheduler.after(
            timeout_ms * 1000, lambda: self._client.when_awake(lambda: self._time_out(pending))
        )
        self._pending.append(pending)

    def tell(self, api: Api[Request, Response], version: int, request: Request) -> None:
        """Send a request that gets no answer: a Produce with acks=0."""
        self._send(api, version, request, lambda _answer: None)

    def close(self) -> None:
        """End the connection; what waits gets no answer."""
        if self._link is not None:
            self._link.close(by_client=True)
            self._lose()

    def take(self, session: _Session, data: bytes) -> None:
        """Take what has arrived for a session, if it is not over."""
        if session is self._session:
            self._take(data)

    def lose(self, session: _Session) -> None:
        """Hear that a session's connection has ended."""
        if session is self._session:
            self._lose()

    def _send(
        self, api: Api[Request, Response], version: int, request: Request, on_answer: Callable[[Any], None]
    ) -> _Pending:
        if self._link is None:
            self._session = _Session(self, self._client)
            self._link = self._world.network.connect(self.name, self._session)
            self._reader = FrameReader(MAX_FRAME_BYTES, _SCRATCH)
        self._last_id += 1
        header = RequestHeader(api.key, version, self._last_id, self._client.name)
        frame = encode_request_header(header) + api.encode_request(version, request)
        self._world.trace.note(f"{self.name} > {ApiKey(api.key).name} {version} #{self._last_id}", frame)
        self._world.counts["requests"] += 1
        self._link.send(len(frame).to_bytes(4, "big") + frame, to_server=True)
        return _Pending(self._last_id, api, version, on_answer, timer=None)  # type: ignore[arg-type] # set by `ask`

    def _take(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if not self._pending:
                raise Violation(f"{self.name} gets an answer that it has not asked for")
            pending = self._pending.popleft()
            pending.timer.cancel()
            self._server = self._link.served_by if self._link is not None else None
            correlation_id, position = decode_response_header(pending.api.key, pending.version, frame)
            self._world.trace.note(f"{self.name} < {ApiKey(pending.api.key).name} #{correlation_id}", bytes(frame))
            if correlation_id != pending.correlation_id:
                raise Violation(f"{self.name} gets answer {correlation_id} to request {pending.correlation_id}")
            pending.on_answer(pending.api.decode_response(pending.version, frame, position))
            if not self._client.is_alive:
                return

    def _time_out(self, pending: _Pending) -> None:
        if pending in self._pending:
            self._world.trace.note(f"{self.name} waits no more for #{pending.correlation_id}")
            self._world.counts["timeouts"] += 1
            self.close()

    def _lose(self) -> None:
        self._link = self._session = None
        pending, self._pending = self._pending, deque()
        if pending:
            self._world.counts["lost connections"] += 1
        for lost in pending:
            lost.timer.cancel()
        for lost in pending:
            if self._client.is_alive:  # a killed one asks nothing more
                lost.on_answer(None)
