"""A server process whose clients want its memory: it takes what the documentation says, and serves everybody else."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.clients.conftest import Server

    from dotkafka.protocol.schema import Api

MIB = 1024 * 1024
WAIT_S = 30.0
LIMIT = 32 * MIB
TOPIC = "victim"
BATCH = bytes(encode_batch([Record(0, time.time_ns() // 1_000_000, None, os.urandom(1024)) for _ in range(64)]))

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is not told")


class Peer:
    """A socket, and requests on it."""

    def __init__(self, server: Server) -> None:
        host, _, port = server.bootstrap.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), WAIT_S)

    def frame(self, api: Api[Any, Any], version: int, request: Any) -> bytes:
        """Return a request as it travels."""
        header = encode_request_header(RequestHeader(api.key, version, 1, "peer"))
        body = header + api.encode_request(version, request)
        return len(body).to_bytes(4, "big") + body

    def call(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        """Send a request, and return its response."""
        self.socket.sendall(self.frame(api, version, request))
        with self.socket.makefile("rb") as stream:
            response = stream.read(int.from_bytes(stream.read(4), "big"))
        _, position = decode_response_header(api.key, version, response)
        return api.decode_response(version, response, position)

    def produce(self, *batches: bytes) -> ErrorCode:
        """Produce batches to as many partitions, and return the worst error code."""
        data = [PartitionProduceData(index=index, records=batch) for index, batch in enumerate(batches)]
        topics = [TopicProduceData(name=TOPIC, partition_data=data)]
        response = self.call(PRODUCE, 9, ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=topics))
        return ErrorCode(max(answer.error_code for answer in response.responses[0].partition_responses))

    def create_topics(self, *topics: CreatableTopic) -> None:
        """Create topics."""
        response = self.call(CREATE_TOPICS, 4, CreateTopicsRequest(topics=list(topics), timeout_ms=10_000))
        assert {topic.error_code for topic in response.topics} == {ErrorCode.NONE}

    def send_what_it_takes(self, data: bytes) -> int:
        """Send until the other side takes no more, or all is sent; return how much was."""
        self.socket.settimeout(0)
        sent = 0
        with contextlib.suppress(BlockingIOError):
            while sent < len(data):
                sent += self.socket.send(memoryview(data)[sent : sent + MIB])
        return sent


@pytest.fixture
def server(start_server: Callable[..., Server], tmp_path: Path) -> Server:
    """A server on disk with small budgets."""
    return start_server(
        "--data",
        tmp_path / "data",
        *(
            argument
            for setting in (
                f"queued.max.request.bytes={LIMIT}",
                f"queued.max.response.bytes={LIMIT}",
                f"tail.max.bytes={8 * MIB}",
                f"checkpoint.bytes={2 * MIB}",
            )
            for argument in ("--config", setting)
        ),
    )


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[], Peer]]:
    """Connect to the server."""
    peers: list[Peer] = []

    def connect() -> Peer:
        peers.append(Peer(server))
        return peers[-1]

    yield connect
    for peer in peers:
        peer.socket.close()


def resident_bytes(server: Server) -> int:
    """Return the memory that the server's process has."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


def peak_bytes(server: Server) -> int:
    """Return the most memory that it has had."""
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def test_large_requests_that_do_not_end(server: Server, connect: Callable[[], Peer]) -> None:
    """Two hundred clients announce 100 MiB each and send what they can: within twice the limit, others are served."""
    good = connect()
    good.create_topics(CreatableTopic(name=TOPIC, num_partitions=200, replication_factor=1))
    before = resident_bytes(server)
    hostile = [connect() for _ in range(200)]
    half = (100 * MIB).to_bytes(4, "big") + bytes(6 * MIB)
    sent = sum(peer.send_what_it_takes(half) for peer in hostile)
    for _ in range(20):
        # Each is served only if the server goes on reading, and has had time to read from the hostile ones too.
        assert good.produce(BATCH) == ErrorCode.NONE
    assert sent > 3 * LIMIT
    assert peak_bytes(server) - before < 2 * LIMIT + len(hostile) * 256 * 1024
    for peer in hostile:
        peer.socket.close()
    assert good.produce(*[BATCH] * 200) == ErrorCode.NONE


def test_announced_bytes_cost_nothing(server: Server, connect: Callable[[], Peer]) -> None:
    """A thousand clients that announce 100 MiB and send a byte cost little."""
    before = resident_bytes(server)
    for _ in range(1000):
        connect().socket.sendall((100 * MIB).to_bytes(4, "big") + b"x")
    connect().create_topics(CreatableTopic(name=TOPIC, num_partitions=1, replication_factor=1))
    assert resident_bytes(server) - before < LIMIT + 1000 * 64 * 1024


def test_huge_fetches_that_nobody_reads(server: Server, connect: Callable[[], Peer]) -> None:
    """Fifty clients ask for 55 MB twenty times each, of what memory has forgotten, and read nothing."""
    good = connect()
    good.create_topics(CreatableTopic(name=TOPIC, num_partitions=20, replication_factor=1))
    for _ in range(50):
        assert good.produce(*[BATCH] * 20) == ErrorCode.NONE
    before = resident_bytes(server)
    wanted = [FetchPartition(partition=index, partition_max_bytes=55_000_000) for index in range(20)]
    fetch = FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=55_000_000,
        session_epoch=-1,
        topics=[FetchTopic(topic=TOPIC, partitions=wanted)],
    )
    hostile = [connect() for _ in range(50)]
    for peer in hostile:
        peer.socket.sendall(peer.frame(FETCH, 12, fetch) * 20)
    for _ in range(20):
        assert good.call(FETCH, 12, fetch).responses[0].partitions[0].records
        assert good.produce(BATCH) == ErrorCode.NONE
    # Beyond the limit, each may have one group of batches in the making, and what the transport has copied; and the
    # good one an answer in the making that is as large as the limit.
    assert peak_bytes(server) - before < 2 * LIMIT + len(hostile) * 2 * MIB


def describe_all(good: Peer, count: int) -> DescribeConfigsRequest:
    """Create topics, and return a small request for a large answer: it describes them all."""
    names = [f"topic-{number}" for number in range(count)]
    good.create_topics(*(CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in names))
    return DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=2, resource_name=name, configuration_keys=None) for name in names
        ],
        include_documentation=True,
        include_synonyms=True,
    )


def test_large_answers_that_one_does_not_read(server: Server, connect: Callable[[], Peer]) -> None:
    """A small request for a large answer, repeated: the next is served when the last was taken."""
    good = connect()
    request = describe_all(good, 400)
    size = len(DESCRIBE_CONFIGS.encode_response(4, good.call(DESCRIBE_CONFIGS, 4, request)))
    before = resident_bytes(server)
    hostile = connect()
    hostile.send_what_it_takes(hostile.frame(DESCRIBE_CONFIGS, 4, request) * 60)
    for _ in range(5):
        assert good.call(DESCRIBE_CONFIGS, 4, request).results
    assert size > 2 * MIB
    # An answer takes several times its size while it is made.
    assert peak_bytes(server) - before < 20 * size


def test_large_answers_that_nobody_reads(server: Server, connect: Callable[[], Peer]) -> None:
    """Three hundred clients ask for a large answer each: within the limit, and who reads has to wait, but is served."""
    good, modest = connect(), connect()
    good.create_topics(CreatableTopic(name=TOPIC, num_partitions=1, replication_factor=1))
    request = describe_all(good, 800)
    size = len(DESCRIBE_CONFIGS.encode_response(4, good.call(DESCRIBE_CONFIGS, 4, request)))
    small = bytes(encode_batch([Record(0, time.time_ns() // 1_000_000, None, b"small")]))
    fetch = FetchRequest(
        max_wait_ms=0,
        min_bytes=1,
        max_bytes=55_000_000,
        session_epoch=-1,
        topics=[FetchTopic(topic=TOPIC, partitions=[FetchPartition(partition=0, partition_max_bytes=55_000_000)])],
    )
    before = resident_bytes(server)
    hostile = [connect() for _ in range(300)]
    for peer in hostile[:20]:
        peer.socket.sendall(peer.frame(DESCRIBE_CONFIGS, 4, request))
    for _ in range(20):
        assert modest.produce(small) == ErrorCode.NONE
        assert modest.call(FETCH, 12, fetch).responses[0].partitions[0].records
    assert len(good.call(DESCRIBE_CONFIGS, 4, request).results) == 800
    for peer in hostile[20:]:
        peer.socket.sendall(peer.frame(DESCRIBE_CONFIGS, 4, request))
    for _ in range(20):
        assert modest.produce(small) == ErrorCode.NONE
        assert modest.call(FETCH, 12, fetch).responses[0].partitions[0].records
    assert 300 * size > 40 * LIMIT
    # Beyond the limit, each may have what the transport has in its buffer; and one answer is in the making.
    assert peak_bytes(server) - before < LIMIT + len(hostile) * 128 * 1024 + 10 * size
