"""TLS handshakes count as connections from their first byte on, take bounded time, and hand over to what serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme
import uvloop

from dotkafka.broker.config import BrokerConfig
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.server import run_in_thread, serve, tls_handshake
from dotkafka.server.tls_handshake import TlsHandshake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.server import ServerThread

TIMEOUT_S = 20
HEADER = encode_request_header(RequestHeader(API_VERSIONS.key, 0, 7, "tls"))
BODY = HEADER + API_VERSIONS.encode_request(0, ApiVersionsRequest())
REQUEST = len(BODY).to_bytes(4, "big") + BODY


class Contexts(NamedTuple):
    """What both sides need to trust each other."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def contexts() -> Contexts:
    """A certificate of our own."""
    authority = trustme.CA()
    of_server, of_client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(of_server)
    authority.configure_trust(of_client)
    return Contexts(of_server, of_client)


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest, contexts: Contexts) -> Any:
    """Run a TLS server for the time of a `with` block, on each event loop."""
    return lambda **options: run_in_thread(loop_factory=request.param, tls=contexts.server, **options)


@pytest.fixture
def connect() -> Iterator[Callable[[ServerThread], socket.socket]]:
    """Connect to a server, without a word of TLS."""
    sockets = []

    def connect(server: ServerThread) -> socket.socket:
        sockets.append(socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S))
        return sockets[-1]

    yield connect
    for one in sockets:
        one.close()


def is_closed(client: socket.socket) -> bool:
    """Wait until the server has closed the connection."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def read_to_end(client: socket.socket) -> None:
    """Read until the server has closed the connection, whatever it says before."""
    with contextlib.suppress(ConnectionResetError):
        while client.recv(1000):
            pass


def is_served(client: socket.socket, contexts: Contexts) -> bool:
    """Shake hands, and ask something."""
    with contexts.client.wrap_socket(client, server_hostname="127.0.0.1") as tls:
        tls.sendall(REQUEST)
        return is_answered(tls.recv(65_536))


def is_answered(answer: bytes | bytearray) -> bool:
    """Whether it begins with the answer to `REQUEST`."""
    return answer[4:8] == (7).to_bytes(4, "big")


async def until_connected(server: Any, count: int) -> None:
    """Wait until so many connections count."""
    async with asyncio.timeout(TIMEOUT_S):
        while len(server._connections) != count:  # noqa: ASYNC110 (nobody is told)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_ip"])
def test_who_never_says_hello_counts(
    start: Any, connect: Any, contexts: Contexts, limit: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Handshakes take the places of all connections together; who comes then is closed at once."""
    config: dict[str, Any] = {limit: 3}
    with start(config=BrokerConfig(**config)) as server:
        silent = [connect(server) for _ in range(3)]
        assert is_closed(connect(server))
        assert f"{limit.replace('_', '.')}=3" in caplog.text
        silent.pop().close()
        server.call(until_connected(server.server, 2))
        assert is_served(connect(server), contexts)


def test_a_place_is_free_when_the_time_for_the_handshake_is_up(
    start: Any, connect: Any, contexts: Contexts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever says nothing is closed then, and the log is left alone."""
    monkeypatch.setattr(tls_handshake, "TIMEOUT_S", 0.05)
    with start(config=BrokerConfig(max_connections=1)) as server:
        assert is_closed(connect(server))
        server.call(until_connected(server.server, 0))
        monkeypatch.setattr(tls_handshake, "TIMEOUT_S", TIMEOUT_S)
        assert is_served(connect(server), contexts)
    assert caplog.records == []


@pytest.mark.parametrize("said", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01", b"\x00\x00\x00\x08hello, you"])
def test_a_handshake_that_fails_gives_its_place_back(
    start: Any, connect: Any, contexts: Contexts, said: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it says nothing, half of something, or something else, before it goes; with a line in the log at most."""
    with start(config=BrokerConfig(max_connections=1)) as server:
        client = connect(server)
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        read_to_end(client)
        server.call(until_connected(server.server, 0))
        assert is_served(connect(server), contexts)
        server.call(until_connected(server.server, 0))
    assert len([record for record in caplog.records if record.levelno > logging.DEBUG]) <= 1


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        (b"GET / HTTP/1.1\r\nHost: kafka\r\n\r\n", "it speaks HTTP (HTTP_REQUEST)"),
        (REQUEST, "it does not speak TLS; Kafka clients do with security.protocol=SSL (WRONG_VERSION_NUMBER)"),
    ],
)
def test_the_log_says_why_a_handshake_has_failed(
    start: Any, connect: Any, said: bytes, meaning: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whose it was, and what OpenSSL's word for it means."""
    with start() as server:
        client = connect(server)
        client.sendall(said)
        host, port = client.getsockname()
        read_to_end(client)
        server.call(until_connected(server.server, 0))
    assert caplog.messages == [f"the TLS handshake with {host} port {port} has failed: {meaning}"]


def test_the_log_says_that_a_client_does_not_trust_us(
    start: Any, connect: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """What most often goes wrong with TLS."""
    with start() as server:
        client = connect(server)
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(client, server_hostname="127.0.0.1")
        server.call(until_connected(server.server, 0))
    (message,) = caplog.messages
    assert message.endswith("has failed: it does not trust our certificate (TLSV1_ALERT_UNKNOWN_CA)")


@pytest.mark.parametrize("size", [1, 100])
def test_requests_may_come_with_the_end_of_the_handshake(
    start: Any, connect: Any, contexts: Contexts, size: int
) -> None:
    """In one segment with the client's last word of it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = contexts.client.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    with start() as server:
        client = connect(server)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65_536))
        tls.write(REQUEST * size)
        client.sendall(outgoing.read())
        answers = bytearray()
        answer_bytes = 0
        while not answer_bytes or len(answers) < size * answer_bytes:
            try:
                answers += tls.read()
                answer_bytes = 4 + int.from_bytes(answers[:4], "big")
            except ssl.SSLWantReadError:
                incoming.write(client.recv(65_536))
        assert all(is_answered(answers[begin:]) for begin in range(0, len(answers), answer_bytes))
        # Not politely: the end of the server would wait for it.
        client.close()


@pytest.mark.asyncio
async def test_a_stop_ends_handshakes(
    contexts: Contexts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Those under way, and the one that begins just now."""
    monkeypatch.setattr(tls_handshake, "TIMEOUT_S", 600)
    server = serve(tls=contexts.server, stop_timeout_s=600)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await until_connected(server, 1)
    late_reader, late_writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(TIMEOUT_S):
        await server.stop()
        for ending in (reader, late_reader):
            with contextlib.suppress(ConnectionResetError):
                assert await ending.read() == b""
    for closing in (writer, late_writer):
        closing.close()
    assert caplog.records == []


@pytest.mark.asyncio
async def test_a_handshake_may_end_before_it_has_begun(contexts: Contexts) -> None:
    """In the same turn of the event loop: its socket is closed all the same, and it does not count."""

    class Aborted(TlsHandshake):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            self.abort()

    async with serve(tls=contexts.server) as server:
        listener = await asyncio.get_running_loop().create_server(
            lambda: Aborted(server._connections, contexts.server, server._new_protocol), "127.0.0.1", 0
        )
        reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
        async with asyncio.timeout(TIMEOUT_S):
            assert await reader.read() == b""
        assert len(server._connections) == 0
        writer.close()
        listener.close()
