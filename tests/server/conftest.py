"""A client without rules: it sends what a test wants sent, and reads frame by frame."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest_asyncio

from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine

    import pytest

    from dotkafka.protocol.schema import Api
    from dotkafka.server import Server

TIMEOUT_S = 20


class RawClient:
    """One TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._correlation_id = 0

    @staticmethod
    async def connect(server: Server, **options: Any) -> RawClient:
        """Connect to a running server."""
        host, _, port = server.bootstrap.rpartition(":")
        return RawClient(*await asyncio.open_connection(host.strip("[]"), int(port), **options))

    def frame(self, api: Api[Any, Any], version: int, request: Any) -> bytes:
        """Return a request as it goes over the wire, size first; correlation ids count from 1."""
        self._correlation_id += 1
        header = encode_request_header(RequestHeader(api.key, version, self._correlation_id, "raw"))
        body = header + api.encode_request(version, request)
        return len(body).to_bytes(4, "big") + body

    def send(self, api: Api[Any, Any], version: int, request: Any) -> None:
        """Send a request."""
        self.writer.write(self.frame(api, version, request))

    async def receive_frame(self) -> bytes:
        """Return the next response, without its size."""
        async with asyncio.timeout(TIMEOUT_S):
            return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4), "big"))

    async def receive(self, api: Api[Any, Any], version: int) -> tuple[int, Any]:
        """Return the correlation id and the body of the next response."""
        frame = await self.receive_frame()
        correlation_id, body = decode_response_header(api.key, version, frame)
        return correlation_id, api.decode_response(version, frame, body)

    async def request(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        """Send a request and return its response."""
        self.send(api, version, request)
        return (await self.receive(api, version))[1]

    async def is_closed_by_server(self) -> bool:
        """Read to the end; return True when the server has closed the connection."""
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while await self.reader.read(65_536):
                    pass
        except ConnectionResetError:
            return True
        return True

    def close(self) -> None:
        """Close the connection at once, without waiting for the other side."""
        self.writer.transport.abort()


@pytest_asyncio.fixture
async def connect() -> AsyncIterator[Callable[..., Coroutine[Any, Any, RawClient]]]:
    """Give a function that connects a raw client to a server, which is closed when the test ends."""
    clients: list[RawClient] = []

    async def connect_one(server: Server, **options: Any) -> RawClient:
        clients.append(await RawClient.connect(server, **options))
        return clients[-1]

    yield connect_one
    for client in clients:
        client.close()
    # The event loop closes aborted transports in its next turns.
    for _ in range(3):
        await asyncio.sleep(0)


@pytest_asyncio.fixture
async def pass_time(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], Awaitable[None]]:
    """Stop the clock of the event loop; move it on by seconds, until all that is due then is done."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    monkeypatch.setattr(loop, "time", lambda: now_s)

    async def pass_time(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds
        for _ in range(2):  # what is due runs in the next turn of the loop, behind who waits for that
            await asyncio.sleep(0)

    return pass_time
