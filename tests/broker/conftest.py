"""A broker in memory and its clients, in one thread: time moves, and storage work runs, when a test says so."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.connection import Connection
from dotkafka.clock import Instant
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import RequestHeader, decode_response_header, encode_request_header
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic, PartitionData
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from dotkafka.protocol.schema import Api
from dotkafka.records.batch import batch_headers, encode_batch, iterate_records
from dotkafka.records.record import Record
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal
from dotkafka.storage.spi import Buffer, CheckpointStore, WriteAheadLog

LOCAL = ("broker.test", 9092)
START = Instant(monotonic_ms=1_000, wall_ms=1_700_000_000_000)


class Machine:
    """What a broker runs on: storage that outlives it, a clock moved by hand, dice that always fall the same way."""

    def __init__(self) -> None:
        self.wal: WriteAheadLog = MemoryWal()
        self.checkpoints: CheckpointStore = MemoryCheckpointStore()
        self.now = START
        self._counter = itertools.count(1)

    def random_bytes(self, size: int) -> bytes:
        """Bytes that no other call has given."""
        return next(self._counter).to_bytes(size, "big")

    def boot(self, **config: Any) -> "RunningBroker":
        """Start a broker on what the storage holds."""
        broker = Broker.open(
            BrokerConfig(**config), self.wal, self.checkpoints, now=self.now, random_bytes=self.random_bytes
        )
        return RunningBroker(self, broker)


class RunningBroker:
    """A broker with its driver: runs storage work in place until there is none."""

    def __init__(self, machine: Machine, broker: Broker) -> None:
        self.machine = machine
        self.broker = broker

    def settle(self) -> None:
        """Run all storage work there is."""
        while work := self.broker.take_work(self.machine.now):
            for piece in work:
                piece.run()
                self.broker.complete(piece, self.machine.now)

    def advance(self, milliseconds: int) -> None:
        """Let time pass, and everything happen that is due on the way, in order."""
        end_ms = self.machine.now.monotonic_ms + milliseconds
        while True:
            deadline_ms = self.broker.next_deadline_ms()
            step_ms = min(end_ms, deadline_ms) if deadline_ms is not None else end_ms
            passed = max(step_ms - self.machine.now.monotonic_ms, 0)
            self.machine.now = Instant(self.machine.now.monotonic_ms + passed, self.machine.now.wall_ms + passed)
            self.broker.handle_timeouts(self.machine.now)
            self.settle()
            if step_ms >= end_ms:
                return

    def connect(self) -> "Client":
        """A new client connection."""
        return Client(self, self.broker.connect("10.0.0.7", LOCAL, self.machine.now))


class Client:
    """One connection, from the client's side."""

    def __init__(self, running: RunningBroker, connection: Connection) -> None:
        self.running = running
        self.connection = connection
        self._correlation_ids = itertools.count(1)
        self._asked: list[tuple[int, Api[Any, Any], int]] = []
        self._received = bytearray()

    def send_frame(self, frame: bytes) -> None:
        """Send the bytes of one frame, whatever they are."""
        self.running.broker.receive(self.connection, bytearray(frame), self.running.machine.now)

    def send(self, api: Api[Any, Any], version: int, request: Any, *, expects_response: bool = True) -> None:
        """Send a request, and do not wait for the answer."""
        correlation_id = next(self._correlation_ids)
        header = RequestHeader(api.key, version, correlation_id, "test-client")
        if expects_response:
            self._asked.append((correlation_id, api, version))
        self.send_frame(encode_request_header(header) + api.encode_request(version, request))

    def received(self) -> Iterator[Any]:
        """Yield the responses that have arrived, in order, checking that they are what was asked for."""
        for part in self.connection.take_responses():
            self._received += part
        while self._received:
            size = int.from_bytes(self._received[:4], "big")
            frame = bytes(self._received[4 : 4 + size])
            assert len(frame) == size, "a response is cut"
            del self._received[: 4 + size]
            expected_id, api, version = self._asked.pop(0)
            correlation_id, position = decode_response_header(api.key, version, frame)
            assert correlation_id == expected_id
            response = api.decode_response(version, frame, position)
            assert api.encode_response(version, response) == frame[position:], "the response has bytes left over"
            yield response

    def call(self, api: Api[Any, Any], version: int, request: Any) -> Any:
        """Send a request, run the storage work it needs, and return its response, which must come without waiting."""
        self.send(api, version, request)
        self.running.settle()
        (response,) = self.received()
        return response

    def create_topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        """Create a topic; `_` in names of settings stands for `.`."""
        topic = CreatableTopic(
            name=name,
            num_partitions=partitions,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
        )
        response = self.call(CREATE_TOPICS, 7, CreateTopicsRequest(topics=[topic], timeout_ms=1000))
        assert response.topics[0].error_code == ErrorCode.NONE, response.topics[0].error_message

    def produce_request(self, topic: str, records: bytes | None, *, partition: int = 0, acks: int = -1) -> Any:
        """A Produce request for one partition, by topic name."""
        data = PartitionProduceData(index=partition, records=records)
        return ProduceRequest(
            acks=acks, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
        )

    def produce(self, topic: str, *values: bytes, partition: int = 0, **settings: Any) -> PartitionProduceResponse:
        """Produce one batch with these values, and return the answer for its partition."""
        return self.produce_batch(topic, batch_of(*values, **settings), partition=partition)

    def produce_batch(self, topic: str, records: bytes | None, partition: int = 0) -> PartitionProduceResponse:
        """Produce these bytes, and return the answer for their partition."""
        request = self.produce_request(topic, records, partition=partition)
        response = self.call(PRODUCE, 9, request)
        answer: PartitionProduceResponse = response.responses[0].partition_responses[0]
        return answer

    def fetch_request(
        self,
        topic: str,
        offset: int = 0,
        *,
        partition: int = 0,
        max_wait_ms: int = 0,
        min_bytes: int = 1,
        max_bytes: int = 1 << 20,
        **more: Any,
    ) -> FetchRequest:
        """A Fetch request for one partition, by topic name."""
        wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=max_bytes)
        return FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=min_bytes,
            max_bytes=max_bytes,
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
            **more,
        )

    def fetch(self, topic: str, offset: int = 0, **more: Any) -> PartitionData:
        """Fetch from one partition without waiting, and return the answer for it."""
        response = self.call(FETCH, 11, self.fetch_request(topic, offset, **more))
        answer: PartitionData = response.responses[0].partitions[0]
        return answer

    @property
    def is_closed_by_broker(self) -> bool:
        """Whether the broker wants the connection closed, having nothing more to say."""
        assert list(self.received()) == []
        return self.connection.is_closing


def batch_of(*values: bytes, timestamp_ms: int = START.wall_ms, **settings: Any) -> bytes:
    """A record batch with these values, as a producer sends it."""
    return bytes(encode_batch([Record(0, timestamp_ms, None, value) for value in values], **settings))


def values_in(records: Buffer | None) -> list[bytes | None]:
    """The values of all records in some batches, in order."""
    data = memoryview(records or b"")
    return [
        record.value
        for position, header in batch_headers(data)
        for record in iterate_records(data[position : position + header.size_bytes])
    ]


@pytest.fixture
def batch() -> Callable[..., bytes]:
    """Makes record batches from values."""
    return batch_of


@pytest.fixture
def values() -> Callable[[Buffer | None], list[bytes | None]]:
    """Reads the values out of record batches."""
    return values_in


@pytest.fixture
def machine() -> Machine:
    """Storage, clock and dice."""
    return Machine()


@pytest.fixture
def boot(machine: Machine) -> Callable[..., RunningBroker]:
    """Start a broker, with settings; a second call starts the next one on the same storage."""
    return machine.boot


@pytest.fixture
def running(machine: Machine) -> RunningBroker:
    """A broker with the default settings."""
    return machine.boot()


@pytest.fixture
def client(running: RunningBroker) -> Client:
    """A connection to that broker."""
    return running.connect()
