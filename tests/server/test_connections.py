"""Connections are counted in and out within the limits, whatever order they come and go in."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.server import serve

pytestmark = pytest.mark.asyncio


class Silent:
    """A connection as the registry sees it."""

    def __init__(self) -> None:
        self.is_aborted = False
        self.idle_since_ms = 0

    def is_idle_since(self, monotonic_ms: int) -> bool:
        """Answer as if the last byte had come at `idle_since_ms`."""
        return self.idle_since_ms <= monotonic_ms

    def abort(self) -> None:
        """Remember it."""
        self.is_aborted = True

    stop_reading = close_when_sent = abort


async def test_limits_hold_for_all_and_for_each_host() -> None:
    """And who was not admitted does not count when it leaves."""
    async with serve(config=BrokerConfig(max_connections=3, max_connections_per_ip=2)) as server:
        registry: Any = server._connections
        first, second, third, fourth = (Silent() for _ in range(4))
        assert registry.admit(first, "a")
        assert registry.admit(second, "a")
        assert not registry.admit(third, "a")
        registry.leave(third)
        assert registry.admit(third, "b")
        assert not registry.admit(fourth, "c")
        assert len(registry) == 3
        registry.leave(first)
        assert registry.admit(fourth, "a")
        for left in (second, third, fourth):
            registry.leave(left)
        assert len(registry) == 0
        assert not registry._per_host


async def test_only_the_silent_are_swept() -> None:
    """Those heard of later stay."""
    async with serve(config=BrokerConfig(connections_max_idle_ms=100_000)) as server:
        registry: Any = server._connections
        silent, lively = Silent(), Silent()
        lively.idle_since_ms = server.driver.clock.now().monotonic_ms
        silent.idle_since_ms = lively.idle_since_ms - 200_000
        registry.admit(silent, "a")
        registry.admit(lively, "a")
        registry._close_idle()
        assert (silent.is_aborted, lively.is_aborted) == (True, False)
        registry.leave(silent)
        registry.leave(lively)


async def test_nobody_is_swept_where_idling_has_no_end() -> None:
    """A negative connections.max.idle.ms is Kafka's way to say so."""
    async with serve(config=BrokerConfig(connections_max_idle_ms=-1)) as server:
        registry: Any = server._connections
        silent = Silent()
        registry.admit(silent, "a")
        assert registry._sweep is None
        registry.leave(silent)


async def test_nobody_is_admitted_once_the_server_stops() -> None:
    """And the wait for those that are left ends with the last of them."""
    async with serve() as server:
        registry: Any = server._connections
        open_one = Silent()
        registry.admit(open_one, "a")
        registry.stop_reading()
        assert not registry.admit(Silent(), "a")
        closing = asyncio.ensure_future(registry.close())
        await asyncio.sleep(0)
        assert not closing.done()
        registry.leave(open_one)
        await closing
