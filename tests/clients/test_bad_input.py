"""What a server does with bytes that no client should send, over plain sockets.

Each test ends with another connection that is served as if nothing had happened.
"""

import itertools
import os
import socket
import subprocess
import sys
import time
from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest
from dotkafka.protocol.schema import Api
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record

WAIT_S = 20.0
API_VERSIONS_FRAME = encode_request_header(RequestHeader(18, 0, 1, "test"))


class RawClient:
    """A socket, and just enough of the protocol to spoil it."""

    def __init__(self, bootstrap: str) -> None:
        host, port = bootstrap.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), WAIT_S)
        self._correlation_ids = itertools.count(1)

    def send_frame(self, frame: bytes) -> None:
        """Send one frame with its true size."""
        self.socket.sendall(len(frame).to_bytes(4, "big") + frame)

    def receive_exactly(self, size: int) -> bytes:
        """Bytes from the server, as many as asked for, or fewer if it has closed the connection."""
        received = b""
        while len(received) < size:
            try:
                part = self.socket.recv(size - len(received))
            except ConnectionResetError:
                break
            if not part:
                break
            received += part
        return received

    def call(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        """Send a request and return its response."""
        correlation_id = next(self._correlation_ids)
        header = encode_request_header(RequestHeader(api.key, version, correlation_id, "test"))
        self.send_frame(header + api.encode_request(version, request))
        frame = self.receive_exactly(int.from_bytes(self.receive_exactly(4), "big"))
        answered_id, position = decode_response_header(api.key, version, frame)
        assert answered_id == correlation_id
        return api.decode_response(version, frame, position)

    def is_closed(self) -> bool:
        """Whether the server closes the connection, and says nothing before."""
        return self.receive_exactly(1) == b""

    def create_topic(self, name: str) -> None:
        """Create a topic with one partition."""
        topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1)
        response = self.call(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic], timeout_ms=10_000))
        assert response.topics[0].error_code == ErrorCode.NONE

    def produce(self, topic: str, records: bytes, partition: int = 0) -> int:
        """Produce bytes, and return the error code."""
        data = PartitionProduceData(index=partition, records=records)
        request = ProduceRequest(
            acks=-1, timeout_ms=10_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
        )
        error_code: int = self.call(PRODUCE, 9, request).responses[0].partition_responses[0].error_code
        return error_code


@pytest.fixture(scope="module")
def bootstrap(tmp_path_factory):
    """A server in memory, for all tests of this module: none of them may harm it."""
    errors = tmp_path_factory.mktemp("bad-input") / "stderr"
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "dotkafka", "serve", "--memory", "--listen", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    prefix = "listening on "
    yield next(line for line in lines if line.startswith(prefix)).removeprefix(prefix).strip()
    process.terminate()
    assert process.wait(WAIT_S) == 0, errors.read_text()
    process.stdout.close()
    assert "Traceback" not in errors.read_text()


@pytest.fixture
def connect(bootstrap):
    """Connect to the server; at the end, see that it serves somebody else."""
    clients = []

    def connect():
        clients.append(RawClient(bootstrap))
        return clients[-1]

    yield connect
    connect().call(API_VERSIONS, 3, ApiVersionsRequest("test", "1"))
    for client in clients:
        client.socket.close()


@pytest.fixture
def client(connect):
    """One connection."""
    return connect()


@pytest.fixture
def topic(client, unique):
    """A new topic."""
    name = unique("topic")
    client.create_topic(name)
    return name


def records(*values: bytes) -> bytearray:
    """A record batch, too young for retention."""
    return encode_batch([Record(0, time.time_ns() // 1_000_000, None, value) for value in values])


class TestFrames:
    """Bytes that are no request."""

    @pytest.mark.parametrize("key", [999, -1, 4, 32767])
    def test_unknown_api_key(self, client, key):
        """There is no layout for an answer, so the connection closes."""
        client.send_frame(key.to_bytes(2, "big", signed=True) + bytes([0, 0, 0, 0, 0, 1, 0xFF, 0xFF]))
        assert client.is_closed()

    @pytest.mark.parametrize(("key", "version"), [(0, 99), (0, 2), (1, 3), (3, 99), (3, -1), (11, 99)])
    def test_unsupported_version(self, client, key, version):
        """As in Kafka, only ApiVersions answers a version that the broker does not have."""
        header = key.to_bytes(2, "big") + version.to_bytes(2, "big", signed=True)
        client.send_frame(header + bytes([0, 0, 0, 1, 0xFF, 0xFF, 0]) + bytes(100))
        assert client.is_closed()

    def test_unsupported_version_of_api_versions(self, client):
        """It says in version 0 what it has, and the client asks again on the same connection."""
        client.send_frame(bytes.fromhex("0012 7fff 00000007 0001 63 00") + b"anything")
        assert client.receive_exactly(20).hex(" ") == "00 00 00 10 00 00 00 07 00 23 00 00 00 01 00 12 00 00 00 04"
        assert client.call(API_VERSIONS, 4, ApiVersionsRequest("test", "1")).error_code == ErrorCode.NONE

    def test_truncated_frame(self, client):
        """A client that goes away in the middle of a frame is let go."""
        client.socket.sendall((100).to_bytes(4, "big") + bytes(50))
        client.socket.shutdown(socket.SHUT_WR)
        assert client.is_closed()

    @pytest.mark.parametrize("size", [104_857_601, 2**31 - 1])
    def test_oversized_frame(self, client, size):
        """A frame that is too large is refused by its size, before any of it is waited for."""
        client.socket.sendall(size.to_bytes(4, "big"))
        assert client.is_closed()

    @pytest.mark.parametrize("size", [-1, -(2**31)])
    def test_negative_size(self, client, size):
        """A size below zero is none."""
        client.socket.sendall(size.to_bytes(4, "big", signed=True))
        assert client.is_closed()

    @pytest.mark.parametrize("size", [0, 1, 7])
    def test_frames_too_short_for_a_header(self, client, size):
        """Without a whole header there is no request."""
        client.send_frame(bytes(size))
        assert client.is_closed()

    @pytest.mark.parametrize(
        "garbage",
        [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            bytes.fromhex("16030100f8010000f4030300") + bytes(240),
            b"\xff" * 64,
        ],
        ids=["http", "tls", "ones"],
    )
    def test_other_protocols(self, client, garbage):
        """Who takes the broker for something else is disconnected."""
        client.socket.sendall(garbage)
        assert client.is_closed()

    @pytest.mark.parametrize("length", [b"\x7f\xff\xff\xff", b"\x00\x00\x10\x00"])
    def test_arrays_that_are_longer_than_the_frame(self, client, length):
        """A length costs nothing until it is believed."""
        header = encode_request_header(RequestHeader(METADATA.key, 1, 1, "test"))
        client.send_frame(header + length)
        assert client.is_closed()

    def test_earlier_requests_are_answered(self, client):
        """What was asked before the malformed frame gets its answer."""
        client.socket.sendall(len(API_VERSIONS_FRAME).to_bytes(4, "big") + API_VERSIONS_FRAME + b"\xff\xff\xff\xff")
        size = int.from_bytes(client.receive_exactly(4), "big")
        assert client.receive_exactly(size)[:6] == bytes([0, 0, 0, 1, 0, 0])
        assert client.is_closed()


class TestRecords:
    """Batches that are damaged, and topics that are not there."""

    @pytest.mark.parametrize("position", [17, 30, 60, -1])
    def test_corrupt_batch(self, client, topic, position):
        """A flipped bit is found by the checksum; the connection goes on."""
        batch = records(b"value")
        batch[position] ^= 0x10
        assert client.produce(topic, bytes(batch)) == ErrorCode.CORRUPT_MESSAGE
        assert client.produce(topic, bytes(records(b"value"))) == ErrorCode.NONE

    def test_truncated_batch(self, client, topic):
        """A batch that ends before its length says is no batch for Kafka, which then misses one."""
        assert client.produce(topic, bytes(records(b"value")[:-3])) == ErrorCode.INVALID_RECORD

    def test_garbage_instead_of_a_batch(self, client, topic):
        """Bytes that are no batch at all are refused, and not stored."""
        assert client.produce(topic, b"\xff" * 80) != ErrorCode.NONE
        wanted = FetchTopic(topic=topic, partitions=[FetchPartition(partition=0, partition_max_bytes=1000)])
        response = client.call(FETCH, 11, FetchRequest(max_wait_ms=0, min_bytes=1, topics=[wanted]))
        assert response.responses[0].partitions[0].high_watermark == 0

    def test_unknown_topic_or_partition(self, client, topic, unique):
        """Producing, fetching and describing each have Kafka's code for what is not there."""
        unknown = unique("unknown")
        assert client.produce(unknown, bytes(records(b"x"))) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert client.produce(topic, bytes(records(b"x")), partition=7) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        wanted = FetchTopic(topic=unknown, partitions=[FetchPartition(partition=0, partition_max_bytes=1000)])
        fetched = client.call(FETCH, 11, FetchRequest(max_wait_ms=0, min_bytes=1, topics=[wanted]))
        assert fetched.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        asked = MetadataRequest(topics=[MetadataRequestTopic(name=unknown)], allow_auto_topic_creation=False)
        (described,) = client.call(METADATA, 9, asked).topics
        assert described.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


class TestGroups:
    """Clients that do not keep to the group protocol."""

    @pytest.fixture
    def group(self, unique):
        """A group that nobody else is in."""
        return unique("group")

    def join(self, client, group, *protocols, member_id=""):
        """Join, and return the answer."""
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=10_000,
            rebalance_timeout_ms=10_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name=name, metadata=b"") for name in protocols],
        )
        return client.call(JOIN_GROUP, 3, request)

    def test_sync_without_join(self, client, group):
        """Who has not joined is no member."""
        request = SyncGroupRequest(group_id=group, generation_id=1, member_id="nobody")
        assert client.call(SYNC_GROUP, 3, request).error_code == ErrorCode.UNKNOWN_MEMBER_ID

    def test_wrong_generation(self, client, group):
        """A member of another generation has missed a rebalance."""
        joined = self.join(client, group, "range")
        assert joined.error_code == ErrorCode.NONE
        stale = {"group_id": group, "generation_id": joined.generation_id + 1, "member_id": joined.member_id}
        assert client.call(SYNC_GROUP, 3, SyncGroupRequest(**stale)).error_code == ErrorCode.ILLEGAL_GENERATION
        assert client.call(HEARTBEAT, 3, HeartbeatRequest(**stale)).error_code == ErrorCode.ILLEGAL_GENERATION

    def test_inconsistent_protocol(self, client, connect, group):
        """A member that shares no assignor with the group is refused, and the group goes on."""
        joined = self.join(client, group, "range")
        assert self.join(connect(), group, "sticky").error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        assert self.join(connect(), group).error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        request = SyncGroupRequest(group_id=group, generation_id=joined.generation_id, member_id=joined.member_id)
        assert client.call(SYNC_GROUP, 3, request).error_code == ErrorCode.NONE

    def test_unknown_member_joins(self, client, group):
        """A member id that the coordinator has not given is none."""
        assert self.join(client, group, "range", member_id="made-up").error_code == ErrorCode.UNKNOWN_MEMBER_ID
