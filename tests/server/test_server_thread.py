"""A server in a thread starts, is called, fails and stops as if it were synchronous."""

from __future__ import annotations

import socket
import threading

import pytest
import uvloop

from dotkafka.server import run_in_thread
from dotkafka.server.server import serve
from dotkafka.server.server_thread import ServerThread


def test_it_serves_while_the_block_runs() -> None:
    """Outside of it there is neither listener nor thread."""
    before = threading.active_count()
    with run_in_thread() as server:
        assert server.bootstrap == f"127.0.0.1:{server.port}"
        socket.create_connection(("127.0.0.1", server.port), timeout=10).close()
    assert threading.active_count() == before


def test_it_may_run_on_uvloop() -> None:
    """Or whatever makes an event loop."""
    with run_in_thread(loop_factory=uvloop.new_event_loop) as server:

        async def loop_name() -> str:
            return type(server._loop).__module__

        assert server.call(loop_name()).startswith("uvloop")


def test_a_call_runs_in_its_loop_and_hands_back_errors() -> None:
    """What the coroutine raises is raised in the caller."""

    async def fail() -> None:
        raise KeyError(threading.current_thread().name)

    with run_in_thread() as server, pytest.raises(KeyError, match="dotkafka-server"):
        server.call(fail())


def test_a_call_after_the_end_is_refused() -> None:
    """With the reason, and without a coroutine that nobody awaits."""

    async def ask() -> None:
        """Do nothing."""

    with run_in_thread() as server:
        pass
    with pytest.raises(RuntimeError, match="has stopped"):
        server.call(ask())


def test_an_error_at_start_is_the_callers() -> None:
    """And no thread stays."""
    before = threading.active_count()
    with run_in_thread() as server:
        other = ServerThread(serve(server.bootstrap), None)
        with pytest.raises(OSError, match="in use"):
            other.start()
    assert threading.active_count() == before
