"""Server: a broker that listens, in an asyncio program."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from typing import TYPE_CHECKING, Self

import attrs

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import SystemClock
from dotkafka.errors import Fenced, StorageFailed
from dotkafka.server.addresses import WILDCARD_HOSTS, format_address, parse_address
from dotkafka.server.connection_protocol import ConnectionProtocol
from dotkafka.server.connections import Connections
from dotkafka.server.driver import Driver
from dotkafka.server.local_client import LocalClient
from dotkafka.server.storage import Storage, directory_storage, memory_storage
from dotkafka.server.tls_handshake import TlsHandshake

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from dotkafka.clock import Clock

_logger = logging.getLogger(__name__)

_BACKLOG = 512
"""Connections that the kernel keeps waiting until we accept them."""


class Server:
    """A Kafka broker on a TCP address. Made by `serve`, which says what the arguments mean.

    Use it as an async context manager, or call `start` and `stop`. It runs once: a stopped server is not started again.
    """

    def __init__(
        self,
        host: str,
        port: int,
        open_storage: Callable[[], Storage],
        config: BrokerConfig,
        *,
        tls: ssl.SSLContext | None,
        clock: Clock,
        stop_timeout_s: float,
        directory: str | None = None,
    ) -> None:
        self.host = host
        """The host that it listens on, as it was given."""
        self.port = port
        """The port that it listens on; while it runs never 0."""
        self._open_storage = open_storage
        self._directory = directory
        self._config = config
        self._tls = tls
        self._clock = clock
        self._stop_timeout_s = stop_timeout_s
        self._broker: Broker | None = None
        self._was_started = False
        self._driver: Driver
        self._connections: Connections
        self._listeners: list[asyncio.Server] = []

    @property
    def broker(self) -> Broker:
        """The broker itself, to look at: it belongs to the event loop of this server.

        Raises:
            RuntimeError: the server is not running.
        """
        if self._broker is None:
            raise RuntimeError("the server is not running")
        return self._broker

    @property
    def bootstrap(self) -> str:
        """What to give a client on this machine as `bootstrap.servers`."""
        if self.host == "::":
            return format_address("::1", self.port)
        return format_address("127.0.0.1" if self.host in WILDCARD_HOSTS else self.host, self.port)

    @property
    def driver(self) -> Driver:
        """What moves the broker on; its `move_on` is for clocks that are moved by hand, after each such move.

        Raises:
            RuntimeError: the server has not been started.
        """
        if not hasattr(self, "_driver"):
            raise RuntimeError("the server has not been started")
        return self._driver

    async def start(self) -> None:
        """Open the storage, recover what it holds, and listen. Clients are served from its return on.

        Raises:
            OSError: the address cannot be listened on, or the data directory not be used.
            Fenced: another server holds the data directory.
            StorageError: the data cannot be opened, or is damaged.
            RuntimeError: it was started before.
        """
        if self._was_started:
            raise RuntimeError("a server runs once; make another one with dotkafka.serve")
        self._was_started = True
        loop = asyncio.get_running_loop()
        self._broker = await asyncio.to_thread(self._open_broker)
        self._driver = Driver(self._broker, self._clock, loop)
        self._connections = Connections(self._driver, loop)
        try:
            await self._listen()
        except BaseException:
            await self.stop()
            raise
        self._driver.failed.add_done_callback(lambda _failed: self._close_to_clients())
        self._driver.schedule()

    def _close_to_clients(self) -> None:
        """The broker has failed: no client may wait for it."""
        for listener in self._listeners:
            listener.close()
        self._connections.abort()

    async def stop(self) -> None:
        """Stop cleanly: accept no more, answer who waits, make everything durable, and close.

        Takes at most about the stop timeout, whatever clients and disks do. What was acknowledged is safe even if the
        time is too short: the next start replays it. Stopping a server that does not run does nothing.
        """
        broker, self._broker = self._broker, None
        if broker is None:
            return
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + self._stop_timeout_s
        self._connections.stop_reading()
        # Python 3.11 drops, unclosed, a connection that it has accepted but not yet set up when the listener closes.
        for _ in range(2):
            await asyncio.sleep(0)
        for listener in self._listeners:
            listener.close()
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._driver.shut_down()
                await self._connections.close()
        except TimeoutError:
            _logger.warning("the server did not come to rest within %g s; closing what is open", self._stop_timeout_s)
        self._connections.abort()
        await self._connections.close()
        if await asyncio.to_thread(self._driver.stop, max(0.1, deadline_s - loop.time())):
            await asyncio.to_thread(broker.close)
        else:
            _logger.error("storage did not answer in time and is left as it is; it recovers at the next start")

    def connect_locally(self) -> LocalClient:
        """Return a client inside this process, without a socket. To be used in the event loop of this server."""
        return LocalClient(self.driver, (self.host, self.port))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def _open_broker(self) -> Broker:
        try:
            wal, checkpoints = self._open_storage()
            try:
                return Broker.open(self._config, wal, checkpoints, now=self._clock.now(), random_bytes=os.urandom)
            except BaseException:
                checkpoints.close()
                raise
        except StorageFailed as error:
            if self._directory is None:
                raise
            advice = f"if it is damage, `dotkafka check {self._directory}` tells where, and can recover the rest"
            raise StorageFailed(f"{error}; {advice}") from error
        except Fenced as error:
            if self._directory is None:
                raise
            raise Fenced(f"{self._directory} is in use by another server: {error}") from error

    async def _listen(self) -> None:
        """Listen on every address of the host, on the same port."""
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                None if self.host in {"", "*"} else self.host,
                self.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
        except socket.gaierror as error:
            raise socket.gaierror(error.errno, error.strerror, self.host) from None
        for address in dict.fromkeys(str(info[4][0]) for info in sorted(found, key=lambda info: info[0])):
            try:
                listener = await loop.create_server(self._accepted, address, self.port, backlog=_BACKLOG)
            except OSError as error:
                # A name may stand for an address that this machine lacks: "localhost" for ::1 where there is no IPv6.
                if self._listeners and error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                    continue
                raise
            self._listeners.append(listener)
            self.port = listener.sockets[0].getsockname()[1]

    def _accepted(self) -> ConnectionProtocol | TlsHandshake:
        """Return what is told of a connection that has just been accepted."""
        if self._tls is None:
            return self._new_protocol()
        return TlsHandshake(self._connections, self._tls, self._new_protocol)

    def _new_protocol(self, handshake: TlsHandshake | None = None) -> ConnectionProtocol:
        return ConnectionProtocol(self._connections, None if self.host in WILDCARD_HOSTS else self.host, handshake)


def serve(
    listen: str = "127.0.0.1:0",
    *,
    data: str | os.PathLike[str] | Storage | None = None,
    config: BrokerConfig | None = None,
    tls: ssl.SSLContext | None = None,
    advertise: str | None = None,
    clock: Clock | None = None,
    stop_timeout_s: float = 30.0,
) -> Server:
    """Return a server that is not yet started.

    async with dotkafka.serve("127.0.0.1:9092", data="data") as server:
        print(server.bootstrap)

    Args:
        listen: `HOST:PORT`. Port 0 takes a free one, see `Server.port`; no host, or `0.0.0.0`, means every address.
        data: the directory that keeps the data, created if missing; or None to keep it in memory, where it dies with
            the server; or a `Storage` of your own.
        config: the settings of the broker.
        tls: serve TLS with this context (made with `ssl.PROTOCOL_TLS_SERVER` and a certificate); None serves plain TCP.
        advertise: `HOST:PORT` that clients are told to connect to, where it is not the one that they reach, behind a
            port mapping for example. With TLS, clients check the host against the certificate.
        clock: what the broker takes for the time.
        stop_timeout_s: how long a clean stop may take, in seconds.

    Raises:
        ValueError: `listen` or `advertise` is not `HOST:PORT`, `data` is an empty name, `tls` is a client's context.
        TypeError: an argument is something else.
    """
    host, port = _address("listen", listen)
    settings = BrokerConfig() if config is None else config
    _check_config(settings)
    if advertise is not None:
        advertised = _address("advertise", advertise)
        if advertised[0] in WILDCARD_HOSTS or not advertised[1]:
            raise ValueError(f"advertise: {advertise!r} is nothing that a client could connect to")
        settings = attrs.evolve(settings, advertised_listener=advertised)
    _check_tls(tls)
    _check_data(data)

    def open_storage() -> Storage:
        if data is None:
            return memory_storage()
        return data if isinstance(data, Storage) else directory_storage(data)

    return Server(
        host,
        port,
        open_storage,
        settings,
        tls=tls,
        clock=clock or SystemClock(),
        stop_timeout_s=stop_timeout_s,
        directory=None if data is None or isinstance(data, Storage) else os.fspath(data),
    )


def _address(argument: str, text: str) -> tuple[str, int]:
    try:
        return parse_address(text)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{argument}: {error}") from None


def _check_config(config: object) -> None:
    if not isinstance(config, BrokerConfig):
        raise TypeError(f"config is a dotkafka.BrokerConfig, not {config!r}")


def _check_tls(tls: object) -> None:
    if tls is None:
        return
    if not isinstance(tls, ssl.SSLContext):
        raise TypeError(f"tls is an ssl.SSLContext, not {tls!r}")
    if tls.protocol == ssl.PROTOCOL_TLS_CLIENT:
        raise ValueError("tls is a client's context; a server's is ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)")


def _check_data(data: object) -> None:
    if isinstance(data, Storage):
        data.check()
    elif data is not None:
        if not isinstance(data, str | os.PathLike):
            raise TypeError(f"data is a directory, a dotkafka.Storage, or None for memory; not {data!r}")
        if not os.fspath(data):
            raise ValueError("data is an empty name; '.' is the directory that the process is in")
