"""Who is read, and who waits, when requests hold too much memory."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from dotkafka.protocol.framing import FIRST_BYTES
from dotkafka.server.request_memory import PATIENCE_S, SCARCE_FIRST_BYTES, RequestMemory

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.asyncio


class Connection:
    """Holds what it is told to, and remembers what it was told."""

    def __init__(self, memory: RequestMemory) -> None:
        self.memory = memory
        self.wants = 0
        self.is_read = True
        self.closed = asyncio.Event()

    def hold(self, size_bytes: int) -> bool:
        """Hold that much now; return whether more may be read."""
        self.wants = size_bytes
        self.is_read = self.memory.may_hold_more(self, size_bytes)
        return self.is_read

    def memory_is_free(self) -> None:
        """Ask again."""
        self.hold(self.wants)

    def abort(self) -> None:
        """Go, with everything."""
        self.memory.forget(self)
        self.closed.set()


def connections(limit_bytes: int, count: int) -> list[Connection]:
    """Some connections that share a limit."""
    memory = RequestMemory(limit_bytes, lambda: count, asyncio.get_running_loop())
    return [Connection(memory) for _ in range(count)]


async def test_beyond_the_limit_the_greedy_wait_and_the_modest_are_read() -> None:
    """An equal share of 100 for four is 25."""
    greedy, large, modest, other = connections(100, 4)
    assert greedy.hold(60)
    assert not large.hold(41)
    assert modest.hold(25)
    assert not other.hold(26)
    assert not greedy.hold(61)


async def test_who_waits_goes_on_when_there_is_room() -> None:
    """An answered request, or a connection that goes, lets the others in."""
    greedy, large, *_ = connections(100, 4)
    greedy.hold(60)
    assert not large.hold(60)
    greedy.hold(10)
    assert large.is_read
    assert not greedy.hold(50)
    large.memory.forget(large)
    assert greedy.is_read
    assert greedy.memory.held_bytes == 50


async def test_sizes_are_believed_only_while_there_is_plenty() -> None:
    """From half of the limit on a frame gets little before its bytes have come."""
    first, *_ = connections(100, 2)
    assert first.memory.first_bytes == FIRST_BYTES
    first.hold(50)
    assert first.memory.first_bytes == SCARCE_FIRST_BYTES


async def test_who_waits_too_long_is_closed(pass_time: Callable[[float], Awaitable[None]]) -> None:
    """What it holds is free then; the one that came later has its own time, and goes on."""
    stuck, late, *_ = connections(100, 4)
    assert not stuck.hold(100)
    await pass_time(0.4 * PATIENCE_S)
    assert not late.hold(60)
    await pass_time(0.5 * PATIENCE_S)
    assert not stuck.closed.is_set()
    await pass_time(0.2 * PATIENCE_S)
    assert stuck.closed.is_set()
    assert late.is_read
    assert not late.closed.is_set()
    assert late.memory.held_bytes == 60
