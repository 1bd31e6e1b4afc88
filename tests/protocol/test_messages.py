"""Promises of `dotkafka.protocol.messages`: they are Kafka's own definitions, field by field.

`facts.json` holds the facts of Kafka 4.3.1's message definitions, with the versions that Kafka 4.0 removed put back.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from dotkafka.protocol.apis import FIRST_FLEXIBLE_VERSIONS, ApiKey, api_for
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout
from dotkafka.protocol.schema import NULL_UUID, Message, Versions
from dotkafka.protocol.structs import UNBOUNDED

FACTS = json.loads(Path(__file__).with_name("facts.json").read_text())

IMPLICIT_DEFAULTS: dict[str, Any] = {"bool": False, "string": "", "bytes": b"", "uuid": NULL_UUID, "float64": 0.0}


def snake_case(name: str) -> str:
    """Return Kafka's name of a field as dotkafka writes it."""
    name = name.replace("KRaft", "Kraft")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def facts_at(fields: list[dict[str, Any]], version: int) -> list[tuple[Any, ...]]:
    """Return what Kafka says of the fields of a struct at one version, in the order of the wire."""
    rows: list[tuple[Any, ...]] = []
    for fact in fields:
        present = version in Versions.parse(fact["versions"])
        tag = fact.get("tag") if version in Versions.parse(fact.get("tagged", "none")) else None
        type_name = fact["type"].removeprefix("[]")
        is_array = fact["type"].startswith("[]")
        default = fact.get("default", () if is_array else IMPLICIT_DEFAULTS.get(type_name, 0))
        if type_name == "records" or (type_name[0].isupper() and not is_array):
            default = None
        nested = facts_at(fact["fields"], version) if "fields" in fact else None
        wire_type = "struct" if nested is not None else type_name
        nullable = version in Versions.parse(fact.get("nullable", "none"))
        name = snake_case(fact["name"])
        if present:
            rows.append((name, wire_type, is_array, nullable, tag, default, nested))
        else:
            rows.append((name, "absent", default, fact.get("ignorable", False)))
    return rows


def layout_rows(layout: StructLayout) -> list[tuple[Any, ...]]:
    """Return what dotkafka says of the same, in the same form."""

    def row(item: FieldLayout) -> tuple[Any, ...]:
        is_array = isinstance(item.type, ArrayLayout)
        held = item.type.element if isinstance(item.type, ArrayLayout) else item.type
        nested = layout_rows(held) if isinstance(held, StructLayout) else None
        wire_type = "struct" if isinstance(held, StructLayout) else getattr(held, "name", "")
        return (item.name, wire_type, is_array, item.nullable, item.tag, item.default, nested)

    rows = {item.name: row(item) for item in (*layout.fields, *layout.tagged)}
    rows |= {item.name: (item.name, "absent", item.default, item.ignorable) for item in layout.absent}
    return [rows[item.name] for item in layout.cls.struct_fields]


def test_every_fact_has_its_message(all_messages: dict[str, Message[Any]]) -> None:
    """There is a definition for each message that the facts tell of, and none without facts."""
    assert set(all_messages) == set(FACTS)


def test_equals_kafkas_definition(any_message: Message[Any]) -> None:
    """Names, order, types, versions, nulls, tags, defaults: each field at each version is as Kafka has it."""
    fact = FACTS[any_message.struct.__name__]
    assert str(any_message.versions) == fact["versions"]
    assert str(any_message.flexible) == fact["flexible"]
    for version in range(any_message.versions.lowest, any_message.versions.highest + 1):
        assert layout_rows(any_message.layout(version)) == facts_at(fact["fields"], version), version


@pytest.mark.parametrize("name", sorted({name.removesuffix("Request") for name in FACTS if name.endswith("Request")}))
def test_an_api_has_kafkas_key(name: str) -> None:
    """Key, request and response of an API belong together, and the header's table knows its flexible versions."""
    api = api_for(FACTS[f"{name}Request"]["api_key"])
    assert api.request.struct.__name__ == f"{name}Request"
    assert api.response.struct.__name__ == f"{name}Response"
    assert api.request.versions == api.response.versions
    first_flexible = FIRST_FLEXIBLE_VERSIONS.get(ApiKey(api.key))
    assert api.flexible == (Versions(0, -1) if first_flexible is None else Versions(first_flexible, UNBOUNDED))
