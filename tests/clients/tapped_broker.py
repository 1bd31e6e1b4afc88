"""A broker process behind a proxy that writes what passes into a history: what any client saw, judged."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from dotkafka.server import format_address, parse_address
from dotkafka.testing.history import Finding, Healed, History, check
from dotkafka.testing.wiretap import TappedConnection, Wiretap

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

Reader: TypeAlias = asyncio.StreamReader
Writer: TypeAlias = asyncio.StreamWriter


@asynccontextmanager
async def _closing(writer: Writer) -> AsyncIterator[None]:
    """Close a side of a connection behind what was written to it, or at once where the proxy is to end."""
    try:
        yield
    except asyncio.CancelledError:
        writer.transport.abort()
        raise
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


class TappedBroker:
    """A proxy in a thread of its own. What stands behind it may be replaced: set `broker` to its address.

    The broker must advertise the proxy's `address`.
    """

    def __init__(self) -> None:
        self.history = History()
        self.broker = ""
        self._tap = Wiretap(self.history)
        self._errors: list[BaseException] = []
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._is_to_stop = asyncio.Event()
        self._is_listening = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),), daemon=True)
        self._thread.start()
        self._is_listening.wait()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.address = format_address(*server.sockets[0].getsockname())
        self._is_listening.set()
        await self._is_to_stop.wait()
        server.close()
        # Those of connections, and the loop's own for those that have just come.
        while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
            for connection in self._connections:
                if not connection.cancelling():
                    connection.cancel()
            await asyncio.wait(tasks)

    def _connected(self, from_client: Reader, to_client: Writer) -> None:
        connection = self._loop.create_task(self._converse(from_client, to_client))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _converse(self, from_client: Reader, to_client: Writer) -> None:
        async with _closing(to_client):
            try:
                from_broker, to_broker = await asyncio.open_connection(*parse_address(self.broker))
            except OSError:
                return  # it is down: the client is told by the end of its connection
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
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._is_to_stop.set)
            self._thread.join()
            self._loop.close()
        assert self._errors == []
