"""What a client sends reaches the broker frame by frame, as fast as the broker takes it, whatever the pieces."""

import pytest

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.intake import Intake
from dotkafka.clock import Instant
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal

NOW = Instant(1_000, 1_700_000_000_000)


@pytest.fixture(name="broker")
def fixture_broker():
    """One that takes two requests of a connection at a time."""
    config = BrokerConfig(max_pending_requests_per_connection=2, socket_request_max_bytes=1_000)
    return Broker.open(config, MemoryWal(), MemoryCheckpointStore(), now=NOW, random_bytes=bytes)


@pytest.fixture(name="connection")
def fixture_connection(broker):
    """Of one client."""
    return broker.connect("127.0.0.1", ("127.0.0.1", 9092), NOW)


@pytest.fixture(name="intake")
def fixture_intake(broker, connection):
    """What it sends."""
    return Intake(broker, connection, memoryview(bytearray(4_096)))


def frames(count):
    """Requests, with their sizes."""
    header = encode_request_header(RequestHeader(API_VERSIONS.key, 0, 1, "test"))
    frame = header + API_VERSIONS.encode_request(0, ApiVersionsRequest())
    return (len(frame).to_bytes(4, "big") + frame) * count


def test_pieces_become_frames(intake, connection):
    """Byte by byte, or straight into the buffer."""
    for byte in frames(1):
        assert not intake.is_waiting
        intake.feed(bytes([byte]))
    assert intake.is_waiting
    intake.serve(NOW)
    assert connection.pending_requests == 1
    data = frames(1)
    intake.buffer()[: len(data)] = data
    intake.received(len(data))
    intake.serve(NOW)
    assert connection.pending_requests == 2
    assert not intake.is_waiting


def test_frames_wait_until_the_broker_takes_them(intake, connection):
    """Nothing more is read while some wait."""
    assert intake.may_read
    intake.feed(frames(5))
    for served in (2, 2, 1):
        intake.serve(NOW)
        assert connection.pending_requests == served
        connection.take_responses()
    assert intake.may_read


def test_a_bad_frame_closes_the_connection_behind_the_good_ones(intake, connection):
    """What came before it is answered."""
    intake.feed(frames(3) + (1_001).to_bytes(4, "big"))
    intake.serve(NOW)
    assert not connection.is_doomed
    connection.take_responses()
    assert intake.is_waiting
    intake.serve(NOW)
    assert connection.is_doomed
    assert not intake.is_waiting
    assert connection.take_responses()
    assert connection.is_closing


def test_nothing_is_served_of_a_client_that_has_gone(intake, connection):
    """Its frames are forgotten."""
    intake.feed(frames(3))
    intake.clear()
    intake.serve(NOW)
    assert connection.pending_requests == 0
