"""A broker process behind a proxy that writes what passes into a history: what any client saw, judged."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from dotkafka.server import format_address, parse_address
from dotkafka.testing.history import Finding, Healed, History, check
from dotkafka.testing.wiretap import TappedConnection, Wiretap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

HOST = "127.0.0.1"
Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter
Result = TypeVar("Result")


@asynccontextmanager
async def _closing(writer: Writer) -> AsyncIterator[None]:
    """Close a side of a connection behind what was written to it."""
    try:
        yield
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class TappedBroker:
    """A proxy in a thread of its own, at a port that nothing listens on. The broker must advertise its `address`.

    Where it leads nowhere, as in the beginning, connections are taken and wait.
    """

    def __init__(self, port: int) -> None:
        self.address = format_address(HOST, port)
        self.history = History()
        self._tap = Wiretap(self.history)
        self._errors: list[BaseException] = []
        self._connections: dict[asyncio.Task[None], Writer] = {}
        self._broker = ""
        self._has_broker = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connected, HOST, port))

    def _run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def lead_to(self, broker: str) -> None:
        """Lead to the broker at that address from now on."""
        self._broker = broker
        self._loop.call_soon_threadsafe(self._has_broker.set)

    def lead_nowhere(self) -> None:
        """The broker is about to go."""
        self._loop.call_soon_threadsafe(self._has_broker.clear)

    async def _end_connections(self) -> None:
        def tasks() -> set[asyncio.Task[Any]]:
            return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

        # A server of CPython 3.11 that is closed loses the sockets that it has just accepted, each with a task.
        while accepting := {task for task in tasks() if "_accept_connection" in repr(task.get_coro())}:
            await asyncio.wait(accepting)
        self._server.close()
        self._has_broker.set()
        while tasks():
            for to_client in self._connections.values():
                to_client.transport.abort()
            await asyncio.wait(tasks(), return_when=asyncio.FIRST_COMPLETED)

    def _connected(self, from_client: Reader, to_client: Writer) -> None:
        connection = self._loop.create_task(self._converse(from_client, to_client))
        self._connections[connection] = to_client
        connection.add_done_callback(self._connections.pop)

    async def _converse(self, from_client: Reader, to_client: Writer) -> None:
        async with _closing(to_client):
            await self._has_broker.wait()
            try:
                from_broker, to_broker = await asyncio.open_connection(*parse_address(self._broker))
            except OSError:
                return  # the client is told by the end of its connection
            async with _closing(to_broker):
                tapped = self._tap.connect()
                try:
                    await self._pass_all(tapped, (from_client, to_client), (from_broker, to_broker))
                except ExceptionGroup as group:
                    self._errors.extend(error for error in group.exceptions if not isinstance(error, OSError))
                finally:
                    tapped.close()

    @staticmethod
    async def _pass_all(tapped: TappedConnection, client: tuple[Reader, Writer], broker: tuple[Reader, Writer]) -> None:
        """When one side ends, what it has sent is passed on, and then all is over."""

        async def pass_on(feed: Callable[[bytes], None], reader: Reader, writer: Writer) -> None:
            while data := await reader.read(64 * 1024):
                feed(data)
                writer.write(data)
                await writer.drain()
            raise ConnectionResetError

        async with asyncio.TaskGroup() as directions:
            directions.create_task(pass_on(tapped.feed_requests, client[0], broker[1]))
            directions.create_task(pass_on(tapped.feed_responses, broker[0], client[1]))

    def findings(self) -> list[Finding]:
        """Stop the proxy, and return what is wrong with what has passed; all that was sent has been read by now."""
        self.stop()
        self.history.add(Healed("test"))
        return check(self.history)

    def stop(self) -> None:
        """End all connections."""
        self._run(self._end_connections())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert self._errors == []
