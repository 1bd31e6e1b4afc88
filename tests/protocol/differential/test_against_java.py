"""Our bytes against Apache Kafka's own message classes, at every version that both have.

The program in tests/java_oracle decodes what dotkafka wrote, encodes it again, and says in Kafka's JSON what it read.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.protocol.layout import ArrayLayout, StructLayout, ValueLayout
from dotkafka.protocol.wire_types import BYTES, RECORDS, UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.protocol.schema import Message

RECORDS_FIELDS = {"records", "unalignedRecords"}


class Oracle:
    """The Java program, asked about messages."""

    def __init__(self, ask_java: Callable[..., dict[str, Any]]) -> None:
        self.ask_java = ask_java

    def ask(self, message: Message[Any], **question: Any) -> dict[str, Any]:
        """Return its answer about a message; that there is an error is left to the caller."""
        return self.ask_java(message=message.struct.__name__, **question)

    def shared_versions(self, message: Message[Any]) -> range:
        """Return the versions that both have: Kafka 4 has dropped old ones, and some messages as a whole."""
        versions = self.ask(message)
        if not versions:
            return range(0)
        lowest = max(message.versions.lowest, versions["lowest"])
        return range(lowest, min(message.versions.highest, versions["highest"]) + 1)


@pytest.fixture(scope="module")
def java(ask_java: Callable[..., dict[str, Any]]) -> Oracle:
    """Kafka's own message classes."""
    return Oracle(ask_java)


def in_json(held: ValueLayout, value: Any) -> Any:
    """Return a value as Kafka's tools print it, with the names of fields as `plain` makes them."""
    if value is None or held is RECORDS:
        return None
    if isinstance(held, StructLayout):
        fields = {plain(item.name): in_json(item.type, getattr(value, item.name)) for item in held.fields}
        for item in held.tagged:
            if not item.holds_default(value):
                fields[plain(item.name)] = in_json(item.type, getattr(value, item.name))
        return fields
    if isinstance(held, ArrayLayout):
        return [in_json(held.element, element) for element in value]
    if held is BYTES:
        return base64.b64encode(value).decode()
    return base64.urlsafe_b64encode(value).decode().rstrip("=") if held is UUID else value


def plain(name: str) -> str:
    """Return a name without what distinguishes Kafka's way to write it from Python's."""
    return name.replace("_", "").lower()


def with_plain_names(value: Any) -> Any:
    """Return Kafka's JSON with the names of fields as `plain` makes them, and no records: Kafka leaves them out."""
    if isinstance(value, dict):
        return {plain(name): None if name in RECORDS_FIELDS else with_plain_names(item) for name, item in value.items()}
    return [with_plain_names(item) for item in value] if isinstance(value, list) else value


def test_kafka_reads_what_we_write(
    any_message: Message[Any], java: Oracle, random_values: Callable[..., Iterator[Any]]
) -> None:
    """Kafka finds each value in the field that we put it into, leaves no byte over, and writes the same bytes."""
    for version in java.shared_versions(any_message):
        for value in random_values(any_message, version):
            encoded = any_message.encode(version, value)
            answer = java.ask(any_message, version=version, hex=encoded.hex())
            assert "error" not in answer, (version, value)
            assert answer["hex"] == encoded.hex(), (version, value)
            assert answer["left"] == 0
            assert with_plain_names(answer["json"]) == in_json(any_message.layout(version), value), version
            assert any_message.decode(version, encoded) == value


def test_we_read_what_kafka_writes(
    any_message: Message[Any], java: Oracle, random_values: Callable[..., Iterator[Any]]
) -> None:
    """What Kafka makes of its own JSON, which has no unknown tagged fields, is read by us as what Kafka says it is."""
    for version in java.shared_versions(any_message):
        layout = any_message.layout(version)
        for value in random_values(any_message, version):
            said = java.ask(any_message, version=version, hex=any_message.encode(version, value).hex())["json"]
            answer = java.ask(any_message, version=version, json=said)
            decoded = any_message.decode(version, bytes.fromhex(answer["hex"]))
            assert in_json(layout, decoded) == with_plain_names(answer["json"]), version


def test_defaults_are_kafkas(any_message: Message[Any], java: Oracle) -> None:
    """A message whose fields nobody has set is the same bytes from both."""
    for version in java.shared_versions(any_message):
        answer = java.ask(any_message, version=version)
        assert any_message.encode(version, any_message.struct()).hex() == answer["hex"], version
