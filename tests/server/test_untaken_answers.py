"""Who is closed when answers that nobody takes make others wait, and who is not."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.broker.answer_memory import AnswerMemory
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.connection import Connection
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from dotkafka.server import serve, untaken_answers
from dotkafka.server.untaken_answers import UntakenAnswers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.asyncio

TIMEOUT_S = 20


@pytest.fixture(autouse=True)
def patience_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """Less than is good for real clients."""
    monkeypatch.setattr(untaken_answers, "PATIENCE_S", 0.2)
    return 0.2


class Holder:
    """Holds what it is told to."""

    def __init__(self, memory: AnswerMemory) -> None:
        self.memory = memory
        self.untaken_bytes = 0
        self.is_steady = False
        self.looks = 0
        self.closed = asyncio.Event()

    def hold(self, size_bytes: int) -> None:
        """Hold so much, and take nothing of it."""
        self.memory.held_bytes += size_bytes - self.untaken_bytes
        self.untaken_bytes = size_bytes

    def progress(self) -> int:
        """None, unless it is a steady one."""
        self.looks += 1
        return self.looks if self.is_steady else 0

    def abort(self) -> None:
        """Go, with everything."""
        self.hold(0)
        self.closed.set()


class Scene:
    """Five connections that share 1000 bytes, and one that waits for some."""

    def __init__(self) -> None:
        self.memory = AnswerMemory(1000)
        self.holders = [Holder(self.memory) for _ in range(5)]
        self.waiting = Connection("10.0.0.7", ("broker.test", 9092), lambda _: None, self.memory)
        self.watcher = UntakenAnswers(self.memory, lambda: self.holders, asyncio.get_running_loop())

    def begin_waiting(self) -> None:
        """Somebody waits."""
        self.memory.wait(self.waiting)
        self.watcher.watch()

    async def closed(self, holder: Holder) -> None:
        """Wait until one is closed."""
        async with asyncio.timeout(TIMEOUT_S):
            await holder.closed.wait()


async def test_who_takes_nothing_is_closed_until_half_is_free(caplog: pytest.LogCaptureFixture) -> None:
    """The first ones first, no more than that takes, and those that read or hold little not at all."""
    scene = Scene()
    first, steady, little, last, spared = scene.holders
    steady.is_steady = True
    for holder, size in ((first, 400), (steady, 150), (little, 99), (last, 251), (spared, 100)):
        holder.hold(size)
    scene.begin_waiting()
    await scene.closed(first)
    await scene.closed(last)
    assert not any(holder.closed.is_set() for holder in (steady, little, spared))
    assert steady.looks >= 5
    assert little.looks == 0
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


async def test_each_has_its_own_time(patience_s: float, pass_time: Callable[[float], Awaitable[None]]) -> None:
    """Who came later goes later, if at all."""
    scene = Scene()
    first, last, *_ = scene.holders
    first.hold(1000)
    scene.begin_waiting()
    last.hold(800)
    for is_first_closed, is_last_closed in ((False, False),) * 3 + ((True, False), (True, True)):
        await pass_time(0.3 * patience_s)
        assert (first.closed.is_set(), last.closed.is_set()) == (is_first_closed, is_last_closed)


async def test_nobody_is_closed_for_nobody() -> None:
    """While no one waits any more; and when there is room, nobody looks."""
    scene = Scene()
    first, other, *_ = scene.holders
    first.hold(600)
    other.hold(400)
    scene.begin_waiting()
    scene.memory.forget(scene.waiting)
    async with asyncio.timeout(TIMEOUT_S):
        while first.looks < 10:  # noqa: ASYNC110 (nobody is told)
            await asyncio.sleep(0)
    assert not first.closed.is_set()
    first.hold(0)
    other.hold(499)
    looks = other.looks
    async with asyncio.timeout(TIMEOUT_S):
        while scene.watcher._timer is not None:  # noqa: ASYNC110 (nobody is told)
            await asyncio.sleep(0)
    assert other.looks <= looks + 1
    other.hold(1000)
    scene.begin_waiting()
    await scene.closed(other)


async def test_the_end_of_the_server_ends_the_watch() -> None:
    """Nothing is left behind in the event loop."""
    scene = Scene()
    scene.holders[0].hold(1000)
    scene.begin_waiting()
    assert scene.watcher._timer is not None
    scene.watcher.stop()
    assert scene.watcher._timer.cancelled()


async def create_topics(client: Any, count: int) -> DescribeConfigsRequest:
    """Create topics, and return a request whose answer describes them all, 6 KB each."""
    names = [f"topic-{number}" for number in range(count)]
    request = CreateTopicsRequest(
        topics=[CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in names]
    )
    await client.request(CREATE_TOPICS, 5, request)
    return DescribeConfigsRequest(
        resources=[
            DescribeConfigsResource(resource_type=2, resource_name=name, configuration_keys=None) for name in names
        ],
        include_documentation=True,
        include_synonyms=True,
    )


async def test_over_real_sockets(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not read makes others wait and is closed; who reads slowly and who asks for little notice nothing."""
    looked = asyncio.Event()
    look = UntakenAnswers._look

    def look_and_tell(self: UntakenAnswers) -> None:
        look(self)
        looked.set()

    monkeypatch.setattr(UntakenAnswers, "_look", look_and_tell)
    async with serve(config=BrokerConfig(queued_max_response_bytes=20_000_000)) as server:
        good, modest = await connect(server), await connect(server)
        request = await create_topics(good, 800)
        slow, *hostile = [await connect(server, limit=4096) for _ in range(8)]
        for client in (slow, *hostile):
            client.writer.transport.pause_reading()
            client.send(DESCRIBE_CONFIGS, 4, request)
        memory = server.broker.answer_memory
        async with asyncio.timeout(TIMEOUT_S):
            while not memory.waiting:  # noqa: ASYNC110 (nobody is told)
                await asyncio.sleep(0)
        assert 20_000_000 <= memory.held_bytes < 27_000_000
        good.send(DESCRIBE_CONFIGS, 4, request)
        assert (await modest.request(API_VERSIONS, 0, ApiVersionsRequest())).error_code == 0
        assert memory.is_scarce
        answer = asyncio.ensure_future(good.receive(DESCRIBE_CONFIGS, 4))
        answer.add_done_callback(lambda _: looked.set())  # nobody looks any more once half of the memory is free
        slow.writer.transport.resume_reading()
        size = 4 + int.from_bytes(await slow.reader.readexactly(4), "big")
        received = 4
        while not answer.done():
            looked.clear()
            await asyncio.wait_for(looked.wait(), TIMEOUT_S)
            # The system of a reader tells of less only now and then: when a sixteenth of its buffer is free again.
            received += len(await slow.reader.readexactly(min(256 * 1024, size - received)))
        assert len(answer.result()[1].results) == 800
        await slow.reader.readexactly(size - received)
        for client in hostile[:2]:
            client.writer.transport.resume_reading()
            assert await client.is_closed_by_server()
        for client in hostile:
            client.close()
