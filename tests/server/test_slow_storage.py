"""A server on a real log whose checkpoint store is slow, or does not answer: what goes on, and how much it takes."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.shard import MAX_FLUSH_BYTES
from dotkafka.log.tail import BATCH_OVERHEAD_BYTES
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.server import serve
from dotkafka.server.storage import Storage
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.wal_file import FileWal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dotkafka.server import Server
    from dotkafka.storage.spi import Buffer, Changes, TopicIdPartition

pytestmark = pytest.mark.asyncio

MIB = 1024 * 1024
TIMEOUT_S = 20
TAIL = 4 * MIB
CONFIG = BrokerConfig(tail_max_bytes=TAIL, checkpoint_bytes=MIB, checkpoint_interval_ms=50)
BATCH = bytes(encode_batch([Record(0, 0, None, os.urandom(100_000))]))


class GatedStore(SqliteCheckpointStore):
    """The store in SQLite, whose saves and reads begin only while their gates are open."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.saves = threading.Event()
        self.reads = threading.Event()
        self.saves.set()
        self.reads.set()
        self.waiting_reads = threading.Semaphore(0)
        """Released by each read that comes."""

    def save(self, shard: int, changes: Changes) -> None:
        """Save, when the gate is open."""
        assert self.saves.wait(TIMEOUT_S)
        super().save(shard, changes)

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Read, when the gate is open."""
        self.waiting_reads.release()
        assert self.reads.wait(TIMEOUT_S)
        return super().read(shard, partition, offset, max_bytes)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """A log in files, with small segments, and a gated store."""
    return Storage(FileWal(OsFileSystem(tmp_path), segment_bytes=MIB), GatedStore(tmp_path / "checkpoint.sqlite"))


async def create(client: Any, name: str) -> None:
    """Create a topic of one partition."""
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1)
    response = await client.request(CREATE_TOPICS, 4, CreateTopicsRequest(topics=[topic], timeout_ms=1000))
    assert response.topics[0].error_code == 0


def produce(topic: str) -> ProduceRequest:
    """A request that appends one batch."""
    data = [PartitionProduceData(index=0, records=BATCH)]
    return ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name=topic, partition_data=data)])


def fetch(topic: str, offset: int = 0) -> FetchRequest:
    """A request for one batch."""
    wanted = [FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=1)]
    topics = [FetchTopic(topic=topic, partitions=wanted)]
    return FetchRequest(max_wait_ms=1000, min_bytes=1, max_bytes=1, session_epoch=-1, topics=topics)


async def until(condition: Any) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 (the broker tells nobody)
            await asyncio.sleep(0.01)


async def fill(server: Server, client: Any, topic: str) -> int:
    """Produce until memory has forgotten the first batch; return where the log ends."""
    await create(client, topic)
    end_offset = 0
    log = None
    while log is None or log.tail_start_offset == 0:
        response = await client.request(PRODUCE, 9, produce(topic))
        end_offset = response.responses[0].partition_responses[0].base_offset + 1
        log = server.broker.partition(topic, 0)[1]
    return end_offset


async def test_reads_that_hang_stop_nobody_else(connect: Any, storage: Storage) -> None:
    """While more cold reads hang than there are threads for, others produce and read, and a checkpoint is saved."""
    store = storage.checkpoints
    assert isinstance(store, GatedStore)
    async with serve(data=storage, config=CONFIG) as server:
        good, *readers = [await connect(server) for _ in range(9)]
        await fill(server, good, "cold")
        await create(good, "hot")
        store.reads.clear()
        for reader in readers:
            reader.send(FETCH, 12, fetch("cold"))
        await asyncio.to_thread(store.waiting_reads.acquire, timeout=TIMEOUT_S)
        hot_log = server.broker.partition("hot", 0)[1]
        for offset in range(20):
            produced = await good.request(PRODUCE, 9, produce("hot"))
            assert produced.responses[0].partition_responses[0].base_offset == offset
            fetched = await good.request(FETCH, 12, fetch("hot", offset))
            assert len(fetched.responses[0].partitions[0].records) == len(BATCH)
        await until(lambda: hot_log.checkpointed_offset == 20)
        assert (await (await connect(server)).request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0
        store.reads.set()
        for reader in readers:
            _, answer = await reader.receive(FETCH, 12)
            assert len(answer.responses[0].partitions[0].records) == len(BATCH)


async def test_an_idle_broker_frees_what_was_deleted(
    connect: Any, storage: Storage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written any more, and the file shrinks all the same, until the room of a large topic is free."""
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._REMOVED_GROUPS_PER_SAVE", 3)
    monkeypatch.setattr("dotkafka.storage.checkpoint_sqlite._RELEASED_PAGES_PER_SAVE", 10)
    path = tmp_path / "checkpoint.sqlite"
    async with serve(data=storage, config=CONFIG) as server:
        client = await connect(server)
        await fill(server, client, "large")
        assert path.stat().st_size > 3 * MIB
        request = DeleteTopicsRequest(topic_names=["large"], timeout_ms=1000)
        response = await client.request(DELETE_TOPICS, 5, request)
        assert response.responses[0].error_code == 0
        await until(lambda: path.stat().st_size < MIB)
        await until(lambda: server.broker.shard.next_deadline_ms() is None)


async def test_a_producer_that_is_faster_than_checkpoints_waits(connect: Any, storage: Storage, tmp_path: Path) -> None:
    """While nothing can be checkpointed, memory and L1 stay within their bounds, and others are served."""
    store = storage.checkpoints
    assert isinstance(store, GatedStore)
    async with serve(data=storage, config=CONFIG) as server:
        good, *producers = [await connect(server) for _ in range(6)]
        await create(good, "t")
        store.saves.clear()
        count = 40
        for producer in producers:
            for _ in range(count):
                producer.send(PRODUCE, 9, produce("t"))
        shard = server.broker.shard
        await until(lambda: shard.is_overloaded)
        log = server.broker.partition("t", 0)[1]
        fetched = await good.request(FETCH, 12, fetch("t"))
        assert len(fetched.responses[0].partitions[0].records) == len(BATCH)
        # Each producer has sent a next request by now, which is held: nothing changes until the gate opens.
        await until(lambda: len(server.broker._held) == len(producers))
        requests = len(producers) * (len(BATCH) + BATCH_OVERHEAD_BYTES)
        assert TAIL <= log.tail_bytes <= TAIL + requests + TAIL // len(BATCH) * BATCH_OVERHEAD_BYTES
        folder_bytes = sum(path.stat().st_size for path in (tmp_path / "wal").rglob("*") if path.is_file())
        assert folder_bytes <= TAIL + requests + (4 + 3) * MIB
        assert log.tail_bytes < len(producers) * count * len(BATCH) / 2
        store.saves.set()
        for producer in producers:
            for _ in range(count):
                _, answer = await producer.receive(PRODUCE, 9)
                assert answer.responses[0].partition_responses[0].error_code == 0
        assert log.high_watermark == len(producers) * count
        await until(lambda: log.tail_bytes <= TAIL + MAX_FLUSH_BYTES and not shard.is_overloaded)
