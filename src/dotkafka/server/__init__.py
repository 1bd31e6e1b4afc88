"""The only layer that waits: sockets, TLS, timers, and the threads that run storage work.

`serve` gives a `Server` for programs that run asyncio, `run_in_thread` one for programs that do not.
"""

from dotkafka.server.addresses import format_address, parse_address
from dotkafka.server.server import Server, serve
from dotkafka.server.server_thread import ServerThread, run_in_thread
from dotkafka.server.storage import Storage, directory_storage, memory_storage

__all__ = [
    "Server",
    "ServerThread",
    "Storage",
    "directory_storage",
    "format_address",
    "memory_storage",
    "parse_address",
    "run_in_thread",
    "serve",
]
