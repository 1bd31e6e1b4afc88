"""A broker in memory and its clients, in one thread: time moves, and storage work runs, when a test says so."""

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.connection import Connection
from dotkafka.broker.storage_work import StorageWork
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
from dotkafka.protocol.messages.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import OFFSET_FETCH, OffsetFetchRequest, OffsetFetchRequestTopic
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    TopicProduceData,
)
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment
from dotkafka.protocol.schema import Api
from dotkafka.records.batch import batch_headers, encode_batch, iterate_records
from dotkafka.records.record import Record
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal, MemoryWalWriter
from dotkafka.storage.spi import Buffer, Changes, TopicIdPartition

if TYPE_CHECKING:
    from dotkafka.errors import StorageError

LOCAL = ("broker.test", 9092)
START = Instant(monotonic_ms=1_000, wall_ms=1_700_000_000_000)


class FaultyWal(MemoryWal):
    """The engine in memory, which fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: deque[StorageError] = deque()
        """Raised by the next appends, one each, instead of appending."""
        self.attempts: list[bytes] = []
        """What every append was asked to write, also those that failed."""
        self.trimmed: list[int] = []
        """Up to where L1 was allowed to forget, call by call."""
        self.writers: list[FaultyWriter] = []
        """All that were ever opened."""

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> "FaultyWriter":
        """Open the shard; its writer fails when this log is told to."""
        writer = super().open(shard, owner, minimum_epoch=minimum_epoch, minimum_sequence=minimum_sequence)
        self.writers.append(FaultyWriter(self, writer))
        return self.writers[-1]

    def copy(self) -> "FaultyWal":
        """What a crash at this moment leaves."""
        other = FaultyWal()
        for number, state in self._shards.items():
            other._shards[number] = attrs.evolve(state, lock=Lock(), entries=deque(state.entries))
        return other


class FaultyWriter(MemoryWalWriter):
    """The writer of a `FaultyWal`."""

    def __init__(self, wal: FaultyWal, writer: MemoryWalWriter) -> None:
        super().__init__(writer._shard, writer._state)
        self._wal = wal

    def append(self, parts: Sequence[Buffer]) -> int:
        """Append, or fail."""
        self._wal.attempts.append(b"".join(parts))
        if self._wal.errors:
            raise self._wal.errors.popleft()
        return super().append(parts)

    def trim(self, before_sequence: int) -> None:
        """Let go of old entries."""
        self._wal.trimmed.append(before_sequence)
        super().trim(before_sequence)


class FaultyCheckpointStore(MemoryCheckpointStore):
    """The engine in memory, which fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: deque[StorageError] = deque()
        """Raised by the next saves, one each."""
        self.saves_before_failing = False
        """Whether a save that fails has been done all the same: its outcome is unknown."""
        self.read_errors: deque[StorageError] = deque()
        """Raised by the next reads, one each."""
        self.saved: list[Changes] = []
        """What every save was asked to keep, also those that failed; but for the empty ones by which a start fences."""

    def save(self, shard: int, changes: Changes) -> None:
        """Save, or fail."""
        if changes.partitions or changes.deleted or changes.snapshots:
            self.saved.append(changes)
        if not self.errors or self.saves_before_failing:
            super().save(shard, changes)
        if self.errors:
            raise self.errors.popleft()

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Read, or fail."""
        if self.read_errors:
            raise self.read_errors.popleft()
        return super().read(shard, partition, offset, max_bytes)

    def batch_for_timestamp(
        self, shard: int, partition: TopicIdPartition, timestamp_ms: int, start_offset: int
    ) -> Buffer | None:
        """Search, or fail."""
        if self.read_errors:
            raise self.read_errors.popleft()
        return super().batch_for_timestamp(shard, partition, timestamp_ms, start_offset)

    def copy(self) -> "FaultyCheckpointStore":
        """What a crash at this moment leaves."""
        other = FaultyCheckpointStore()
        other._shards = dict(self._shards)
        return other


class Machine:
    """What a broker runs on: storage that outlives it, a clock moved by hand, dice that always fall the same way."""

    def __init__(self) -> None:
        self.wal = FaultyWal()
        self.checkpoints = FaultyCheckpointStore()
        self.now = START
        self._counter = itertools.count(1)

    def random_bytes(self, size: int) -> bytes:
        """Bytes that no other call has given."""
        return next(self._counter).to_bytes(size, "big")

    def copy(self) -> "Machine":
        """The machine as a crash at this moment leaves it: what storage has, and the same clock and dice."""
        other = Machine()
        other.wal = self.wal.copy()
        other.checkpoints = self.checkpoints.copy()
        other.now = self.now
        other._counter = self._counter
        return other

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
        for _ in range(1000):
            work = self.take_work()
            for piece in work:
                self.run(piece)
            if not work:
                return
        pytest.fail("the broker asks for storage work without end")

    def take_work(self) -> Sequence[StorageWork]:
        """What the broker wants storage to do now; to be given to `run`, in any order but for that of a lane."""
        return self.broker.take_work(self.machine.now)

    def run(self, piece: StorageWork) -> None:
        """Do one piece of storage work, and tell the broker."""
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

    def join(
        self,
        group: str = "g",
        member_id: str = "",
        *,
        protocols: Sequence[str] = ("range",),
        protocol_type: str = "consumer",
        session_timeout_ms: int = 10_000,
    ) -> JoinGroupResponse:
        """Join a group, alone or as the last of its members, and return the answer, after the initial delay at most."""
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=20_000,
            member_id=member_id,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=b"about " + name.encode()) for name in protocols],
        )
        self.send(JOIN_GROUP, 3, request)
        self.running.settle()
        self.running.advance(50)
        answer: JoinGroupResponse
        (answer,) = self.received()
        return answer

    def sync(self, joined: JoinGroupResponse, group: str = "g", **assignments: bytes) -> Any:
        """Hand in assignments as the leader (by default its own: `all`), and return the answer."""
        request = SyncGroupRequest(
            group_id=group,
            generation_id=joined.generation_id,
            member_id=joined.member_id,
            assignments=[
                SyncGroupRequestAssignment(member_id=member_id, assignment=assignment)
                for member_id, assignment in (assignments or {joined.member_id: b"all"}).items()
            ],
        )
        return self.call(SYNC_GROUP, 3, request)

    def commit(self, topic: str, offset: int, *, group: str = "g", partition: int = 0, **more: Any) -> int:
        """Commit one offset, from outside of the group unless `more` says otherwise, and return its error code."""
        committed = OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset)
        request = OffsetCommitRequest(
            group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[committed])], **more
        )
        error_code: int = self.call(OFFSET_COMMIT, 8, request).topics[0].partitions[0].error_code
        return error_code

    def committed(self, topic: str, *, group: str = "g", partition: int = 0) -> int:
        """The offset that a group has committed, -1 if none."""
        asked = OffsetFetchRequestTopic(name=topic, partition_indexes=[partition])
        response = self.call(OFFSET_FETCH, 5, OffsetFetchRequest(group_id=group, topics=[asked]))
        (answer,) = response.topics[0].partitions
        assert answer.error_code == ErrorCode.NONE
        offset: int = answer.committed_offset
        return offset

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
def new_machine() -> Callable[[], Machine]:
    """Makes a machine: for properties, of which each example needs one of its own."""
    return Machine


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
