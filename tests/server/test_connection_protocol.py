"""A connection takes requests however they are cut, and what is none costs its sender the connection, nobody else."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.server import serve

if TYPE_CHECKING:
    from dotkafka.server.connection_protocol import ConnectionProtocol

pytestmark = pytest.mark.asyncio


async def test_a_request_may_come_byte_by_byte(connect: Any) -> None:
    """The server waits for the rest of a frame."""
    async with serve() as server:
        client = await connect(server)
        for byte in client.frame(API_VERSIONS, 0, ApiVersionsRequest()):
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await client.receive(API_VERSIONS, 0))[0] == 1


async def test_many_requests_in_one_segment(connect: Any) -> None:
    """More than may wait at once are all answered, in order."""
    count = BrokerConfig().max_pending_requests_per_connection * 5
    async with serve() as server:
        client = await connect(server)
        client.writer.write(b"".join(client.frame(API_VERSIONS, 0, ApiVersionsRequest()) for _ in range(count)))
        assert [(await client.receive(API_VERSIONS, 0))[0] for _ in range(count)] == list(range(1, count + 1))


@pytest.mark.parametrize("size", [-1, BrokerConfig().socket_request_max_bytes + 1, 2**31 - 1])
async def test_a_bad_frame_size_closes_that_connection_only(
    connect: Any, size: int, caplog: pytest.LogCaptureFixture
) -> None:
    """What was asked before it is answered, the log names the size, and others notice nothing."""
    async with serve() as server:
        good, bad = await connect(server), await connect(server)
        bad.writer.write(
            bad.frame(API_VERSIONS, 0, ApiVersionsRequest()) + size.to_bytes(4, "big", signed=True) + b"zzz"
        )
        assert (await bad.receive(API_VERSIONS, 0))[0] == 1
        assert await bad.is_closed_by_server()
        assert f"a frame of {size} bytes" in caplog.text
        assert (await good.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0


@pytest.mark.parametrize("body", [b"", b"\x00", b"\x7f\xff\x00\x00\x00\x00\x00\x01\xff\xff", b"\xff" * 100])
async def test_a_frame_that_is_no_request_closes_that_connection_only(connect: Any, body: bytes) -> None:
    """Too short for a header, an unknown API, a broken header: the connection is closed and the server goes on."""
    async with serve() as server:
        good, bad = await connect(server), await connect(server)
        bad.writer.write(len(body).to_bytes(4, "big") + body)
        assert await bad.is_closed_by_server()
        assert (await good.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0


async def test_a_broken_handler_costs_one_connection(
    connect: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody expected closes the connection it came from, with a traceback in the log."""
    async with serve() as server:
        bad, good = await connect(server), await connect(server)
        assert (await good.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0
        with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr(type(server.broker), "receive", lambda *_: 1 // 0)
            bad.send(API_VERSIONS, 0, ApiVersionsRequest())
            assert await bad.is_closed_by_server()
        assert "ZeroDivisionError" in caplog.text
        assert (await good.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0


class FullTransport(asyncio.Transport):
    """Takes one part, and then no more until its client has read."""

    def __init__(self, protocol: ConnectionProtocol, its_socket: socket.socket) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2), "socket": its_socket})
        self._protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """It has its own."""

    def pause_reading(self) -> None:
        """It reads nothing."""

    resume_reading = pause_reading

    def write(self, data: Any) -> None:
        """Take it."""
        assert data
        self._protocol.pause_writing()

    def get_write_buffer_size(self) -> int:
        """It has some."""
        return 1

    def is_closing(self) -> bool:
        """Not by itself."""
        return False


async def test_an_answer_counts_until_the_transport_has_room_again(connect: Any) -> None:
    """What the transport has taken, its client has not; when it has, who waits for memory goes on."""
    async with serve(config=BrokerConfig(queued_max_response_bytes=1)) as server:
        unconnected = socket.socket()
        client = await connect(server)
        await client.request(METADATA, 9, MetadataRequest(topics=None))
        protocol = server._new_protocol()
        protocol.connection_made(FullTransport(protocol, unconnected))
        frame = client.frame(API_VERSIONS, 0, ApiVersionsRequest())
        protocol.get_buffer(-1)[: len(frame)] = frame
        protocol.buffer_updated(len(frame))
        client.send(METADATA, 9, MetadataRequest(topics=None))
        async with asyncio.timeout(20):
            while not server.broker.answer_memory.waiting:  # noqa: ASYNC110 (nobody is told)
                await asyncio.sleep(0)
        assert protocol.untaken_bytes > 100
        protocol.resume_writing()
        assert protocol.untaken_bytes == 0
        await client.receive(METADATA, 9)
        protocol.connection_lost(None)
        unconnected.close()
