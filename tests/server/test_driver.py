"""The driver moves a broker on: with the loop's iterations, with time, with finished work."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest
import uvloop

from dotkafka.broker.config import BrokerConfig
from dotkafka.coordinator.config import GroupConfig
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.framing import encode_frame_size
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.server import Storage, memory_storage, serve
from dotkafka.testing.clock import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dotkafka.storage.spi import Buffer, WalWriter

CREATE_ORDERS = CreateTopicsRequest(topics=[CreatableTopic(name="orders", num_partitions=1, replication_factor=1)])
JOIN = JoinGroupRequest(
    group_id="g",
    session_timeout_ms=10_000,
    rebalance_timeout_ms=60_000,
    protocol_type="consumer",
    protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
)


class CountingWal:
    """A write-ahead log in memory that counts its appends."""

    durable = True

    def __init__(self) -> None:
        self.appends = 0
        self._wal = memory_storage().wal

    def open(self, shard: int, owner: str, **options: Any) -> WalWriter:
        """Give a writer that counts."""
        writer = self._wal.open(shard, owner, **options)
        append = writer.append

        def count_and_append(parts: Sequence[Buffer]) -> int:
            self.appends += 1
            return append(parts)

        writer.append = count_and_append  # type: ignore[method-assign]
        return writer

    def read(self, shard: int, from_sequence: int) -> Any:
        """Read what was appended."""
        return self._wal.read(shard, from_sequence)


def produce_request() -> ProduceRequest:
    """Ask for one record to be written."""
    batch = encode_batch([Record(0, 1, None, b"value", ())])
    data = TopicProduceData(name="orders", partition_data=[PartitionProduceData(index=0, records=batch)])
    return ProduceRequest(acks=-1, timeout_ms=10_000, topic_data=[data])


@pytest.mark.asyncio
async def test_requests_of_one_iteration_share_a_flush() -> None:
    """Twenty clients that are readable at once cost one append, not twenty."""
    wal = CountingWal()
    async with serve(data=Storage(wal, memory_storage().checkpoints)) as server:
        clients = [server.connect_locally() for _ in range(20)]
        await clients[0].request(CREATE_TOPICS, 5, CREATE_ORDERS)
        before = wal.appends
        answers = await asyncio.gather(*(client.request(PRODUCE, 9, produce_request()) for client in clients))
        offsets = [answer.responses[0].partition_responses[0].base_offset for answer in answers]
        assert offsets == list(range(20))
        assert wal.appends == before + 1
        for client in clients:
            client.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("over_ms", [1, 1_000_000])
async def test_a_wait_ends_at_its_deadline_and_not_before(over_ms: int) -> None:
    """By the broker's clock, however far that is moved at once."""
    clock = ManualClock()
    async with serve(clock=clock) as server:
        client = server.connect_locally()
        await client.request(CREATE_TOPICS, 5, CREATE_ORDERS)
        fetch = FetchRequest(
            max_wait_ms=50_000,
            min_bytes=1,
            session_epoch=-1,
            topics=[FetchTopic(topic="orders", partitions=[FetchPartition(partition_max_bytes=1000)])],
        )
        waiting = asyncio.ensure_future(client.request(FETCH, 11, fetch))
        await asyncio.sleep(0)
        for duration_ms, is_over in ((0, False), (49_999, False), (over_ms, True)):
            clock.advance(duration_ms)
            server.driver.move_on()
            await asyncio.sleep(0)
            assert waiting.done() == is_over
        client.close()


@pytest.mark.parametrize("loop_factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("event", ["step", "timer"])
def test_what_came_in_while_the_loop_stood_still_is_read_first(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], event: str
) -> None:
    """A heartbeat that was sent in time keeps its member, however late the loop comes to read it."""

    async def run() -> list[int]:
        clock = ManualClock()
        config = BrokerConfig(group=GroupConfig(group_initial_rebalance_delay_ms=0))
        async with serve("127.0.0.1:0", clock=clock, config=config) as server:
            client, sock = server.connect_locally(), socket.create_connection(("127.0.0.1", server.port))
            joined = await client.request(JOIN_GROUP, 3, JOIN)
            member_id, generation_id = joined.member_id, joined.generation_id
            sync = SyncGroupRequest(group_id="g", member_id=member_id, generation_id=generation_id)
            await client.request(SYNC_GROUP, 3, sync)
            heartbeat = HeartbeatRequest(group_id="g", member_id=member_id, generation_id=generation_id)
            frame = encode_request_header(RequestHeader(HEARTBEAT.key, 3, 1, "member"))
            frame += HEARTBEAT.encode_request(3, heartbeat)
            errors = []
            for frames in ([encode_frame_size([frame]), frame], []):
                if event == "step":
                    server.driver.schedule()
                # What the loop does not notice: this goes by in one of its callbacks.
                sock.sendall(b"".join(frames))
                clock.advance(11_000)
                if event == "timer":
                    server.driver._timer_due()
                for _ in range(5):
                    await asyncio.sleep(0)
                errors.append((await client.request(HEARTBEAT, 3, heartbeat)).error_code)
            sock.close()
            client.close()
            return errors

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        assert runner.run(run()) == [ErrorCode.NONE, ErrorCode.UNKNOWN_MEMBER_ID]


@pytest.mark.asyncio
async def test_real_time_wakes_it() -> None:
    """The loop's timer takes the step that the deadline asks for."""
    async with serve() as server, asyncio.timeout(10):
        client = server.connect_locally()
        await client.request(CREATE_TOPICS, 5, CREATE_ORDERS)
        fetch = FetchRequest(
            max_wait_ms=20,
            min_bytes=1,
            session_epoch=-1,
            topics=[FetchTopic(topic="orders", partitions=[FetchPartition(partition_max_bytes=1000)])],
        )
        assert (await client.request(FETCH, 11, fetch)).error_code == 0
        client.close()


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["complete", "handle_timeouts", "take_work"])
async def test_a_bug_closes_all_connections(method: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    """Nobody waits for an answer that never comes; it is said, and the server can be stopped at once."""

    def fail(*_args: Any, **_options: Any) -> None:
        raise RuntimeError("a bug")

    async with asyncio.timeout(10), serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        client = server.connect_locally()
        await client.request(CREATE_TOPICS, 5, CREATE_ORDERS)
        topics = [FetchTopic(topic="orders", partitions=[FetchPartition(partition_max_bytes=1000)])]
        fetch = FetchRequest(max_wait_ms=50_000, min_bytes=1, session_epoch=-1, topics=topics)
        waiting = asyncio.ensure_future(client.request(FETCH, 11, fetch))
        await asyncio.sleep(0)
        monkeypatch.setattr(type(server.broker), method, fail)
        monkeypatch.setattr(type(server.broker), "next_deadline_ms", lambda _broker: 0)
        if method == "complete":
            server.driver._completed(None)  # type: ignore[arg-type]
        server.driver.schedule()
        assert str(await server.driver.failed) == "a bug"
        assert await reader.read() == b""
        with pytest.raises(ConnectionError):
            await waiting
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
    assert "the broker has failed" in caplog.text
