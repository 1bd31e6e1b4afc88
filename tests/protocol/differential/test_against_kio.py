"""Our bytes against kio's codec on random values, at every version that both have.

kio is generated from Kafka's own definitions, decodes in Rust and encodes in Python.
"""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from kio.schema.errors import ErrorCode
from kio.schema.index import schema_name_map
from kio.serial import entity_reader, entity_writer

from dotkafka.protocol.wire_types import INT16, INT64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.layout import FieldLayout
    from dotkafka.protocol.schema import Message

REMOVED_APIS = ("ControlledShutdown", "LeaderAndIsr", "StopReplica", "UpdateMetadata")
ERROR_CODE_FIELDS = {"error_code", "partition_error_code"}
ERROR_CODES = [int(code.value) for code in ErrorCode]
TIME_END_MS = 2**47
"""The year 6429: datetimes end with 9999, and timedeltas go through floats, where long ones lose milliseconds."""


@pytest.fixture(scope="module")
def theirs() -> dict[str, dict[int, str]]:
    """The module of each of kio's messages, by name and version."""
    modules: dict[str, dict[int, str]] = {}
    for versions in schema_name_map.values():
        for version, by_type in versions.items():
            for path in by_type.values():
                module, _, name = path.partition(":")
                modules.setdefault(name, {})[version] = module
    return modules


def for_kio(item: FieldLayout, value: Any) -> Any:
    """Return a value that kio can hold: it has an enum of errors, and datetimes and timedeltas in place of numbers."""
    if item.type is INT16 and item.name in ERROR_CODE_FIELDS:
        return ERROR_CODES[value % len(ERROR_CODES)]
    if item.type is INT64 and item.name.endswith("_ms"):
        return value % TIME_END_MS
    return value


def test_kio_writes_the_same_bytes(
    any_message: Message[Any], theirs: dict[str, dict[int, str]], random_values: Callable[..., Iterator[Any]]
) -> None:
    """What it reads of ours, leaving no byte over, it writes as the same bytes; it refuses unknown tagged fields."""
    name = any_message.struct.__name__
    for version, module in theirs.get(name, {}).items():
        if version not in any_message.versions:
            continue
        entity = getattr(import_module(module), name)
        for value in random_values(any_message, version, unknown_tags=False, fit=for_kio):
            encoded = any_message.encode(version, value)
            decoded, size = entity_reader(entity)(encoded, 0)
            written = io.BytesIO()
            entity_writer(entity)(written, decoded)
            assert written.getvalue() == encoded, (version, value)
            assert size == len(encoded)
            assert any_message.decode(version, encoded) == value, version


def test_kio_has_all_requests_and_responses(
    all_messages: dict[str, Message[Any]], theirs: dict[str, dict[int, str]]
) -> None:
    """It lacks those that Kafka 4 removed, and the records of coordinators and of the cluster's metadata."""
    missing = {name for name in all_messages if name.endswith(("Request", "Response"))} - theirs.keys()
    assert missing == {api + end for api in REMOVED_APIS for end in ("Request", "Response")}
