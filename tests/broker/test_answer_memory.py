"""Requests wait while answers take too much memory, in the order in which they came, and little ones do not."""

import pytest

from dotkafka.broker.answer_memory import LITTLE_BYTES, AnswerMemory
from dotkafka.broker.connection import Connection
from dotkafka.broker.dispatch import HANDLERS
from dotkafka.broker.intake import Intake
from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest


def frame(api, version, request):
    """Return a request, with its size."""
    data = encode_request_header(RequestHeader(api.key, version, 1, "test")) + api.encode_request(version, request)
    return len(data).to_bytes(4, "big") + data


LARGE = frame(METADATA, 9, MetadataRequest(topics=None))
LITTLE = frame(API_VERSIONS, 0, ApiVersionsRequest())


class Peer:
    """A connection, and what comes in on it."""

    def __init__(self, running):
        self.client = running.connect()
        self.connection = self.client.connection
        self.intake = Intake(running.broker, self.connection, memoryview(bytearray(4096)))
        self.running = running

    def send(self, data):
        """Send frames, and have served what may be."""
        self.intake.feed(data)
        self.serve()

    def serve(self):
        """Go on."""
        self.intake.serve(self.running.machine.now)
        self.running.settle()

    def take(self):
        """Take all answers; return how many bytes they were."""
        taken = sum(map(len, self.connection.take_responses()))
        self.connection.take_responses()
        return taken


@pytest.fixture(name="running")
def fixture_running(boot):
    """A broker whose memory for answers one answer takes."""
    return boot(queued_max_response_bytes=1)


@pytest.fixture(name="peers")
def fixture_peers(running):
    """Six clients."""
    return [Peer(running) for _ in range(6)]


def test_who_has_waited_longest_is_served_first(running, peers):
    """One at a time, as long as there is room: who comes meanwhile is not."""
    broker = running.broker
    hog, *waiting, late = peers
    hog.send(LARGE)
    assert broker.answer_memory.is_scarce
    for peer in waiting:
        peer.send(LARGE * 2)
        assert peer.intake.is_waiting
        assert not peer.connection.answer_bytes
    assert broker.take_ready_connections() == (hog.connection,)
    assert hog.take()
    for _ in range(2):
        for peer in waiting:
            late.send(LARGE)
            assert not late.connection.answer_bytes
            assert broker.take_ready_connections() == (peer.connection,)
            # Nobody else until it has had its turn.
            peer.serve()
            assert peer.connection.answer_bytes
            assert broker.take_ready_connections() == (peer.connection,)
            assert peer.take()
        assert broker.take_ready_connections() == (late.connection,)
        late.serve()
        assert broker.take_ready_connections() == (late.connection,)
        assert late.take()
    assert list(broker.answer_memory.waiting) == [late.connection]


def test_a_turn_that_nobody_takes_is_passed_on(running, peers):
    """Its connection has gone, or may not be read."""
    broker = running.broker
    hog, gone, next_one, *_ = peers
    hog.send(LARGE)
    for peer in (gone, next_one):
        peer.send(LARGE)
    broker.disconnect(gone.connection, running.machine.now)
    assert gone.connection not in broker.answer_memory.waiting
    hog.take()
    assert next_one.connection in broker.take_ready_connections()
    broker.disconnect(next_one.connection, running.machine.now)
    assert broker.answer_memory.may_serve(hog.connection)


def test_little_ones_do_not_wait(running, peers):
    """Unless there is something to take before; what is in front of them in their connection waits for itself."""
    hog, modest, *_ = peers
    hog.send(LARGE)
    modest.send(LITTLE)
    assert modest.connection.pending_requests == 1
    modest.send(LITTLE)
    assert modest.connection.pending_requests == 1
    assert modest.take()
    modest.send(LITTLE)
    assert modest.take()
    assert hog.connection.pending_requests == 1
    running.broker.disconnect(hog.connection, running.machine.now)
    modest.serve()
    assert modest.take()


def test_a_long_request_is_not_little(running, peers):
    """Whatever it asks for: its answer may be as long."""
    hog, other, *_ = peers
    hog.send(LARGE)
    long = frame(API_VERSIONS, 3, ApiVersionsRequest("a" * 5000, "1"))
    other.send(long)
    assert other.intake.is_waiting
    assert not other.connection.pending_requests


def test_what_answers_little():
    """These, whose answers are in proportion to what is asked; all others may describe what they do not name."""
    names = {ApiKey(key).name for key, handler in HANDLERS.items() if handler.answers_little}
    assert names == {
        "API_VERSIONS",
        "FETCH",
        "FIND_COORDINATOR",
        "HEARTBEAT",
        "INIT_PRODUCER_ID",
        "LEAVE_GROUP",
        "LIST_OFFSETS",
        "OFFSET_COMMIT",
        "PRODUCE",
    }


def test_reading_makes_nobody_wait():
    """A disk that hangs must not stop those who do not read from it; but Fetch answers shrink."""
    memory = AnswerMemory(100)
    connection = Connection("10.0.0.7", ("broker.test", 9092), lambda _: None, memory)
    connection.hold_reading(150)
    assert memory.left_bytes == -50
    assert memory.may_serve(connection)
    connection.hold_reading(-150)
    assert memory.left_bytes == 100


@pytest.mark.parametrize("settings", [{}, {"tail_max_bytes": 4000, "checkpoint_bytes": 1000}], ids=["hot", "cold"])
def test_fetch_gets_little_while_memory_is_scarce(boot, values, settings):
    """Small batches as always; of large ones nothing, at the end of its wait, and all when there is room again."""
    running = boot(queued_max_response_bytes=1, **settings)
    writer = running.connect()
    for topic in ("small", "large"):
        writer.create_topic(topic)
    for _ in range(20):
        writer.produce("small", bytes(6_000))
    writer.produce("large", bytes(LITTLE_BYTES))
    assert list(writer.received()) == []
    log = running.broker.partition("large", 0)[1]
    assert (log.tail_start_offset > 0) == bool(settings)
    hog, reader = Peer(running), running.connect()
    hog.send(LARGE)
    small = reader.fetch("small")
    assert len(values(small.records)) == 10
    assert list(reader.received()) == []
    reader.send(FETCH, 11, reader.fetch_request("large", max_wait_ms=500))
    running.settle()
    assert list(reader.received()) == []
    running.advance(500)
    (nothing,) = reader.received()
    assert nothing.responses[0].partitions[0].records == b""
    assert list(reader.received()) == []
    hog.take()
    assert len(reader.fetch("large").records) > LITTLE_BYTES
