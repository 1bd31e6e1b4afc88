"""ServerThread: a server for programs that do not run asyncio. It has an event loop, in a thread, to itself."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from dotkafka.server.server import serve

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Callable, Coroutine, Iterator

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.clock import Clock
    from dotkafka.server.server import Server
    from dotkafka.server.storage import Storage

T = TypeVar("T")


class ServerThread:
    """A running server in a thread of its own. Made by `run_in_thread`. Its methods may be called from any thread."""

    def __init__(self, server: Server, loop_factory: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
        self.server = server
        """To look at. Whatever is to be done with it goes through `call`."""
        self._loop_factory = loop_factory
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._started = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="dotkafka-server", daemon=True)

    @property
    def bootstrap(self) -> str:
        """What to give a client on this machine as `bootstrap.servers`."""
        return self.server.bootstrap

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self.server.port

    def call(self, what: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the event loop of the server, wait for it, and return what it returns.

        Raises:
            RuntimeError: the server has stopped.
        """
        if self._loop.is_closed():
            what.close()
            raise RuntimeError("the server has stopped: its `with` block is over")
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()

    def start(self) -> None:
        """Start, and return when clients are served.

        Raises:
            Exception: what `Server.start` raises.
        """
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            self._thread.join()
            raise self._error

    def stop(self) -> None:
        """Stop cleanly (see `Server.stop`), and return when the thread has ended."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=self._loop_factory) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 (it goes to the thread that started or stops us)
            self._error = error
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with self.server:
            self._started.set()
            await self._stop.wait()


@contextmanager
def run_in_thread(
    listen: str = "127.0.0.1:0",
    *,
    data: str | os.PathLike[str] | Storage | None = None,
    config: BrokerConfig | None = None,
    tls: ssl.SSLContext | None = None,
    advertise: str | None = None,
    clock: Clock | None = None,
    stop_timeout_s: float = 30.0,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> Iterator[ServerThread]:
    """Run a server in a thread for the time of a `with` block.

    with dotkafka.run_in_thread("127.0.0.1:9092", data="data") as server:
        print(server.bootstrap)

    Args:
        listen: as for `serve`, and so are all others but the last.
        data: the directory, a `Storage` of your own, or None for memory.
        config: the settings of the broker.
        tls: serve TLS with this context.
        advertise: what clients are told to connect to.
        clock: what the broker takes for the time.
        stop_timeout_s: how long a clean stop may take, in seconds.
        loop_factory: makes the event loop, for example `uvloop.new_event_loop`. None for asyncio's own.

    Raises:
        Exception: what `serve` and `Server.start` raise, from the `with` statement.
    """
    server = serve(
        listen, data=data, config=config, tls=tls, advertise=advertise, clock=clock, stop_timeout_s=stop_timeout_s
    )
    thread = ServerThread(server, loop_factory)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
