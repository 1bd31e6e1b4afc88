"""Embed a Kafka-compatible broker in your own process; or use its codec, its partition log, its group coordinator.

In an asyncio program:

    async with dotkafka.serve("127.0.0.1:9092", data="data") as server:
        ...

in any other, `with dotkafka.run_in_thread("127.0.0.1:9092", data="data") as server:`, and in tests
`dotkafka.testing.running_broker` or the pytest fixture `kafka`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.config import BrokerConfig
    from dotkafka.coordinator.config import GroupConfig
    from dotkafka.errors import (
        ApiError,
        DecodeError,
        DotkafkaError,
        EncodeError,
        Fenced,
        ProtocolError,
        StorageError,
        StorageFailed,
        StorageUnavailable,
    )
    from dotkafka.protocol.error_codes import ErrorCode
    from dotkafka.server import Server, ServerThread, Storage, run_in_thread, serve

__version__ = "0.1.0.dev0"

__all__ = [
    "ApiError",
    "Broker",
    "BrokerConfig",
    "DecodeError",
    "DotkafkaError",
    "EncodeError",
    "ErrorCode",
    "Fenced",
    "GroupConfig",
    "ProtocolError",
    "Server",
    "ServerThread",
    "Storage",
    "StorageError",
    "StorageFailed",
    "StorageUnavailable",
    "run_in_thread",
    "serve",
]

_HOMES = {
    "Broker": "dotkafka.broker.broker",
    "BrokerConfig": "dotkafka.broker.config",
    "ErrorCode": "dotkafka.protocol.error_codes",
    "GroupConfig": "dotkafka.coordinator.config",
    "Server": "dotkafka.server",
    "ServerThread": "dotkafka.server",
    "Storage": "dotkafka.server",
    "run_in_thread": "dotkafka.server",
    "serve": "dotkafka.server",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: who only wants the codec does not pay for the broker."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "dotkafka.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
