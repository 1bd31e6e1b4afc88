"""Our bytes against kafka-python's codec on random values, at every version that both have.

`tests/protocol/test_against_kafka_python.py` holds some chosen messages against it, field by field.
"""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.schema import Message

NOT_COMPARED = {
    "ApiVersionsResponse": "kafka-python reads each that has an error as version 0",
    "DeleteTopicsRequest": "kafka-python cannot encode one that it has decoded",
}


@pytest.fixture(scope="session")
def theirs() -> dict[str, Any]:
    """All of kafka-python's requests and responses by name; importing them warns of its own use of importlib."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        package = importlib.import_module("kafka.protocol")
        for module in pkgutil.walk_packages(package.__path__, "kafka.protocol."):
            if not module.name.startswith("kafka.protocol.old"):
                found |= vars(importlib.import_module(module.name))
    return {name: value for name, value in found.items() if hasattr(value, "API_KEY") and name not in NOT_COMPARED}


def test_kafka_python_writes_the_same_bytes(
    any_message: Message[Any], theirs: dict[str, Any], random_values: Callable[..., Iterator[Any]]
) -> None:
    """What it reads of ours it writes as the same bytes; it drops tagged fields that it does not know."""
    other = theirs.get(any_message.struct.__name__)
    if other is None:
        return
    lowest = max(any_message.versions.lowest, other.min_version)
    for version in range(lowest, min(any_message.versions.highest, other.max_version) + 1):
        for value in random_values(any_message, version, unknown_tags=False):
            encoded = any_message.encode(version, value)
            assert other.decode(encoded, version=version).encode() == encoded, (version, value)
