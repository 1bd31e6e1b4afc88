"""ServerThread: a server for programs that do not run asyncio. It has an event loop, in a thread, to itself."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from dotkafka.server.server import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from dotkafka.server.server import Server

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
        """Run a coroutine in the event loop of the server, wait for it, and return what it returns."""
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
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
    **options: Any,
) -> Iterator[ServerThread]:
    """Run a server in a thread for the time of a `with` block.

    with dotkafka.run_in_thread("127.0.0.1:9092", data="data") as server:
        print(server.bootstrap)

    Args:
        listen: as for `serve`.
        loop_factory: makes the event loop, for example `uvloop.new_event_loop`. None for asyncio's own.
        options: the other arguments of `serve`.

    Raises:
        Exception: what `Server.start` raises, from the `with` statement.
    """
    thread = ServerThread(serve(listen, **options), loop_factory)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
