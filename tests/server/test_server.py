"""A server speaks Kafka's framing over real sockets, bounds what clients can cost, and stops without loss."""

from __future__ import annotations

import asyncio
import ssl
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from dotkafka.broker.config import BrokerConfig
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import batch_headers, encode_batch
from dotkafka.records.record import Record
from dotkafka.server import Storage, memory_storage, serve
from dotkafka.server.connection_protocol import ConnectionProtocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dotkafka.storage.spi import Buffer, WalWriter

pytestmark = pytest.mark.asyncio

TOPIC = "orders"
VALUE = b"v" * 1000


def create_request(partitions: int = 1) -> CreateTopicsRequest:
    """Ask for the topic of these tests, taking batches of up to 16 MiB."""
    return CreateTopicsRequest(topics=[CreatableTopic(name=TOPIC, num_partitions=partitions, replication_factor=1)])


def produce_request(value: bytes = VALUE) -> ProduceRequest:
    """Ask for one record to be written."""
    batch = encode_batch([Record(0, 1, None, value, ())])
    data = TopicProduceData(name=TOPIC, partition_data=[PartitionProduceData(index=0, records=batch)])
    return ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[data])


def fetch_request(offset: int = 0, *, max_wait_ms: int = 0, max_bytes: int = 64 * 1024 * 1024) -> FetchRequest:
    """Ask for records from an offset on; with max_wait_ms, wait for at least one."""
    partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    topic = FetchTopic(topic=TOPIC, partitions=[partition])
    return FetchRequest(max_wait_ms=max_wait_ms, min_bytes=1, max_bytes=max_bytes, session_epoch=-1, topics=[topic])


def fetched_offsets(response: Any) -> list[int]:
    """Return the base offsets of the batches in a Fetch response for one partition."""
    records = response.responses[0].partitions[0].records or b""
    return [header.base_offset for _, header in batch_headers(records)]


async def until(condition: Callable[[], bool]) -> None:
    """Let the event loop turn until the condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 (the server does not announce what a test wants to see)
            await asyncio.sleep(0)


async def test_responses_come_in_the_order_of_requests(connect: Any) -> None:
    """A Fetch that waits holds back the answers to what was asked after it, not the serving of it."""
    async with serve() as server:
        client, other = await connect(server), await connect(server)
        await client.request(CREATE_TOPICS, 5, create_request())
        client.send(FETCH, 11, fetch_request(max_wait_ms=20_000))
        client.send(METADATA, 9, MetadataRequest(topics=None))
        client.send(API_VERSIONS, 0, ApiVersionsRequest())
        await until(lambda: connection_count(server) == 2 and pending(server) == 3)
        produced = await other.request(PRODUCE, 9, produce_request())
        assert produced.responses[0].partition_responses[0].error_code == 0
        number, fetched = await client.receive(FETCH, 11)
        assert (number, fetched_offsets(fetched)) == (2, [0])
        assert (await client.receive(METADATA, 9))[0] == 3
        assert (await client.receive(API_VERSIONS, 0))[0] == 4


async def test_a_client_that_does_not_read_costs_bounded_memory(connect: Any) -> None:
    """Its answers stay in the log, its requests in the network; when it reads, it gets everything."""
    batches, fetches = 8, 60
    async with serve() as server:
        client = await connect(server, limit=4096)
        await client.request(CREATE_TOPICS, 5, create_request())
        for _ in range(batches):
            await client.request(PRODUCE, 9, produce_request(b"x" * 1_000_000))
        client.writer.transport.pause_reading()
        for _ in range(fetches):
            client.send(FETCH, 11, fetch_request())
        (protocol,) = server._connections._open
        assert isinstance(protocol, ConnectionProtocol)
        await until(lambda: not protocol._may_write)
        assert not protocol._is_reading
        assert protocol._transport.get_write_buffer_size() < 500_000
        client.writer.transport.resume_reading()
        for _ in range(fetches):
            assert fetched_offsets((await client.receive(FETCH, 11))[1]) == list(range(batches))


async def test_requests_larger_than_any_buffer(connect: Any) -> None:
    """A frame of several megabytes arrives whole, and its answer too."""
    async with serve(config=BrokerConfig(message_max_bytes=16_000_000)) as server:
        client = await connect(server)
        await client.request(CREATE_TOPICS, 5, create_request())
        produced = await client.request(PRODUCE, 9, produce_request(bytes(range(256)) * 40_000))
        assert produced.responses[0].partition_responses[0].error_code == 0
        fetched = await client.request(FETCH, 11, fetch_request())
        assert bytes(range(256)) * 40_000 in bytes(fetched.responses[0].partitions[0].records)


@pytest.mark.parametrize("config", [BrokerConfig(max_connections=1), BrokerConfig(max_connections_per_ip=1)])
async def test_connections_are_limited(connect: Any, config: BrokerConfig) -> None:
    """One too many is closed at once; when another leaves, there is room again."""
    async with serve(config=config) as server:
        first, second = await connect(server), await connect(server)
        assert await second.is_closed_by_server()
        first.close()
        await until(lambda: connection_count(server) == 0)
        third = await connect(server)
        assert (await third.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0


async def test_a_silent_connection_is_closed_and_one_that_waits_is_not(connect: Any) -> None:
    """Only the client's silence counts: a long poll is ours."""
    async with serve(config=BrokerConfig(connections_max_idle_ms=40)) as server:
        waiting = await connect(server)
        await waiting.request(CREATE_TOPICS, 5, create_request())
        waiting.send(FETCH, 11, fetch_request(max_wait_ms=300))
        silent = await connect(server)
        assert await silent.is_closed_by_server()
        assert fetched_offsets((await waiting.receive(FETCH, 11))[1]) == []


async def test_stopping_answers_who_waits(connect: Any) -> None:
    """A long poll does not hold up a clean stop: it is answered, then the connection closes."""
    server = serve()
    await server.start()
    client = await connect(server)
    await client.request(CREATE_TOPICS, 5, create_request())
    client.send(FETCH, 11, fetch_request(max_wait_ms=600_000))
    await until(lambda: pending(server) == 1)
    await server.stop()
    assert fetched_offsets((await client.receive(FETCH, 11))[1]) == []
    assert await client.is_closed_by_server()


async def test_a_stop_is_bounded_even_if_storage_hangs(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Storage that never answers is left behind, and the log says so."""
    hanging = HangingWal()
    server = serve(data=Storage(hanging, memory_storage().checkpoints), stop_timeout_s=0.2)
    await server.start()
    client = await connect(server)
    hanging.hangs.set()
    client.send(CREATE_TOPICS, 5, create_request())
    await asyncio.to_thread(hanging.is_hanging.wait, 20)
    async with asyncio.timeout(10):
        await server.stop()
    assert "recovers at the next start" in caplog.text
    hanging.released.set()


async def test_a_stop_is_bounded_even_if_a_client_does_not_read(
    connect: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that leaves its answers is disconnected when the time is up, and the storage closed all the same."""
    server = serve(data=tmp_path, stop_timeout_s=0.2)
    await server.start()
    client = await connect(server)
    await client.request(CREATE_TOPICS, 5, create_request())
    for _ in range(20):
        await client.request(PRODUCE, 9, produce_request(bytes(1_000_000)))
    client.writer.transport.pause_reading()
    client.send(FETCH, 11, fetch_request())
    await until(lambda: server.broker.answer_memory.left_bytes < BrokerConfig().queued_max_response_bytes - 10_000_000)
    async with asyncio.timeout(10):
        await server.stop()
    assert "did not come to rest" in caplog.text
    async with serve(data=tmp_path):
        pass


@pytest.mark.parametrize("storage", ["memory", "directory"])
async def test_what_was_acknowledged_before_a_stop_is_there_after_a_restart(
    connect: Any, storage: str, tmp_path: Path
) -> None:
    """A stop in the middle of producing loses nothing that was answered, and duplicates nothing."""
    data = memory_storage() if storage == "memory" else tmp_path / "data"
    server = serve(data=data)
    await server.start()
    client = await connect(server)
    await client.request(CREATE_TOPICS, 5, create_request())
    for _ in range(50):
        client.send(PRODUCE, 9, produce_request())
    acknowledged = [(await client.receive(PRODUCE, 9))[1] for _ in range(10)]
    await server.stop()
    try:
        while True:
            acknowledged.append((await client.receive(PRODUCE, 9))[1])
    except (asyncio.IncompleteReadError, ConnectionResetError):
        pass
    offsets = [answer.responses[0].partition_responses[0].base_offset for answer in acknowledged]
    assert offsets == list(range(len(offsets)))
    async with serve(data=data) as again:
        client = await connect(again)
        found = fetched_offsets(await client.request(FETCH, 11, fetch_request()))
        assert found == list(range(len(found)))
        assert len(found) >= len(offsets)


async def test_tls(connect: Any) -> None:
    """The same over TLS, small and large."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serve("localhost:0", tls=context) as server:
        client = await connect(server, ssl=trusting)
        metadata = await client.request(METADATA, 9, MetadataRequest(topics=None))
        assert [(broker.host, broker.port) for broker in metadata.brokers] == [("localhost", server.port)]
        await client.request(CREATE_TOPICS, 5, create_request())
        for _ in range(4):
            await client.request(PRODUCE, 9, produce_request(b"x" * 1_000_000))
        assert fetched_offsets(await client.request(FETCH, 11, fetch_request())) == [0, 1, 2, 3]


async def test_plain_text_at_a_tls_port_harms_nobody(connect: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A failed handshake is that client's own affair; the log says why it failed."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serve(tls=context) as server:
        plain = await connect(server)
        plain.send(API_VERSIONS, 0, ApiVersionsRequest())
        assert await plain.is_closed_by_server()
        assert "it does not speak TLS" in caplog.text
        client = await connect(server, ssl=trusting)
        assert (await client.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0


async def test_clients_are_told_the_address_they_reached_or_the_advertised_one(connect: Any) -> None:
    """By default what they have reached works again; behind a port mapping somebody must say."""
    for server, expected in (
        (serve("0.0.0.0:0"), "127.0.0.1"),
        (serve("localhost:0"), "localhost"),
        (serve(advertise="kafka.example.org:1234"), "kafka.example.org"),
    ):
        async with server:
            client = await connect(server)
            (broker,) = (await client.request(METADATA, 9, MetadataRequest(topics=None))).brokers
            assert broker.host == expected
            assert broker.port == (1234 if expected == "kafka.example.org" else server.port)


async def test_a_port_in_use_is_an_error_at_start() -> None:
    """And the server can be forgotten: it holds nothing."""
    async with serve() as server:
        with pytest.raises(OSError, match="in use"):
            await serve(server.bootstrap).start()


async def test_an_unknown_host_is_named() -> None:
    """The resolver itself does not say what it was asked for."""
    with pytest.raises(OSError, match=r"nowhere\.invalid"):
        await serve("nowhere.invalid:0").start()


async def test_a_server_runs_once() -> None:
    """A second start would lose hold of what the first has opened."""
    server = serve()
    with pytest.raises(RuntimeError, match="has not been started"):
        _ = server.driver
    async with server:
        with pytest.raises(RuntimeError, match="runs once"):
            await server.start()
    with pytest.raises(RuntimeError, match="runs once"):
        await server.start()


def connection_count(server: Any) -> int:
    """Return how many connections the server has open."""
    return len(server._connections)


def pending(server: Any) -> int:
    """Return how many requests of all connections wait for their answers."""
    return sum(protocol._connection.pending_requests for protocol in server._connections._open)


class HangingWal:
    """A write-ahead log whose appends block from a moment on: a disk that has stopped answering."""

    durable = True

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.is_hanging = threading.Event()
        self.released = threading.Event()
        self._wal = memory_storage().wal

    def open(self, shard: int, owner: str, **options: Any) -> WalWriter:
        """Give a writer that hangs when told to."""
        writer = self._wal.open(shard, owner, **options)
        append = writer.append

        def hang_or_append(parts: Sequence[Buffer]) -> int:
            if self.hangs.is_set():
                self.is_hanging.set()
                self.released.wait()
            return append(parts)

        writer.append = hang_or_append  # type: ignore[method-assign]
        return writer

    def read(self, shard: int, from_sequence: int) -> Any:
        """Read what was appended."""
        return self._wal.read(shard, from_sequence)
