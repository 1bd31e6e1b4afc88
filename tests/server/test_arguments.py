"""What `serve` is given is looked at before anything is opened."""

import re
import ssl
from typing import Any

import pytest

from dotkafka.server import Storage, serve
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"listen": 9092}, "listen: 9092 is not HOST:PORT"),
        ({"listen": "localhost"}, "listen: 'localhost' is not HOST:PORT, such as "),
        ({"advertise": "kafka"}, "advertise: 'kafka' is not HOST:PORT"),
        ({"advertise": "kafka:0"}, "nothing that a client could connect to"),
        ({"advertise": "0.0.0.0:9092"}, "nothing that a client could connect to"),
        ({"data": ""}, "data is an empty name"),
        ({"data": b"data"}, "data is a directory, "),
        ({"data": (MemoryWal(), MemoryCheckpointStore())}, "a dotkafka.Storage, "),
        ({"data": Storage(MemoryCheckpointStore(), MemoryWal())}, "is no WriteAheadLog: it has no durable, open"),  # type: ignore[arg-type]
        ({"data": Storage(MemoryWal(), MemoryWal())}, "is no CheckpointStore: it has no load, save, "),  # type: ignore[arg-type]
        ({"data": Storage(MemoryWal(), MemoryCheckpointStore)}, "is no CheckpointStore: it is a class"),  # type: ignore[arg-type]
        ({"config": {"num.partitions": 3}}, "config is a dotkafka.BrokerConfig, not "),
        ({"tls": True}, "tls is an ssl.SSLContext, not True"),
        ({"tls": ssl.create_default_context()}, "ssl.PROTOCOL_TLS_SERVER"),
    ],
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    """Before anything is opened, with what is expected."""
    with pytest.raises((TypeError, ValueError), match=re.escape(message)):
        serve(**arguments)
