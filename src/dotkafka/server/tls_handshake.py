"""TlsHandshake: a TCP connection until it speaks TLS.

An event loop that accepts TLS itself tells of a connection only after its handshake, and nothing could be counted
before. So TLS ports accept plain TCP: a handshake counts among the connections from its first moment on, and gives its
place to the `ConnectionProtocol` that the event loop's TLS then talks to.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Final, cast

from dotkafka.server.connection_protocol import peer_address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from dotkafka.server.connection_protocol import ConnectionProtocol
    from dotkafka.server.connections import Connections

_logger = logging.getLogger(__name__)

TIMEOUT_S: Final = 10.0
"""How long a client may take for its part of the handshake."""

_MEANINGS: Final = {
    "HTTP_REQUEST": "it speaks HTTP",
    "WRONG_VERSION_NUMBER": "it does not speak TLS; Kafka clients do with security.protocol=SSL",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it does not accept our certificate, or the name of this host in it",
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it has sent no certificate",
    "CERTIFICATE_VERIFY_FAILED": "we do not trust its certificate",
    "NO_SHARED_CIPHER": "no cipher is common to both; or the server has no certificate",
}
"""OpenSSL's words for why a handshake failed, as seen by whoever runs the server."""


class TlsHandshake(asyncio.Protocol):
    """One handshake; see the module.

    Args:
        connections: among which it counts.
        context: of the server.
        new_protocol: makes what takes the place of the given handshake once it has succeeded.
    """

    def __init__(
        self,
        connections: Connections,
        context: ssl.SSLContext,
        new_protocol: Callable[[TlsHandshake], ConnectionProtocol],
    ) -> None:
        self._connections = connections
        self._context = context
        self._new_protocol = new_protocol
        self._peer = "?"
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake, or close at once if there are too many connections."""
        tcp = cast("asyncio.Transport", transport)
        host, port = peer_address(tcp)
        self._peer = f"{host} port {port}"
        if self._connections.admit(self, host):
            try:
                self._socket = tcp.get_extra_info("socket").dup()
            except OSError as error:
                _logger.warning("refused a connection from %s: %s", host, error)
                self._connections.leave(self)
            else:
                self._task = asyncio.get_running_loop().create_task(self._run())
        # Closed before it has read anything; what we have is the same connection. `loop.start_tls` would go on with
        # this transport, but under uvloop that reads by then, and bytes or the end of them could be lost.
        tcp.abort()

    def abort(self) -> None:
        """End the handshake now."""
        self._task.cancel()
        if self._socket is not None:
            self._socket.close()
        self._connections.leave(self)

    stop_reading = close_when_sent = abort

    def is_idle_since(self, monotonic_ms: int) -> bool:  # noqa: ARG002 (it has a time limit of its own)
        """Never."""
        return False

    @property
    def untaken_bytes(self) -> int:
        """None of an answer."""
        return 0

    def progress(self) -> None:
        """None."""

    async def _run(self) -> None:
        accepted, self._socket = cast("socket.socket", self._socket), None
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: self._new_protocol(self), accepted, ssl=self._context, ssl_handshake_timeout=TIMEOUT_S
            )
        except ssl.SSLError as error:
            _logger.warning("the TLS handshake with %s has failed: %s", self._peer, _meaning(error))
        except OSError as error:
            _logger.debug("the TLS handshake with %s has failed: %s", self._peer, error)
        finally:
            self._connections.leave(self)


def _meaning(error: ssl.SSLError) -> str:
    reason = error.reason or str(error)
    meaning = _MEANINGS.get(reason)
    return f"{meaning} ({reason})" if meaning else reason
