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
from dotkafka.protocol.compile_decoder import compile_decoder
from dotkafka.protocol.headers import RequestHeader, encode_request_header, encode_response_header
from dotkafka.protocol.interpreter import decode_struct, encode_struct
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout
from dotkafka.protocol.messages.alter_client_quotas import (
    ALTER_CLIENT_QUOTAS,
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    OpData,
)
from dotkafka.protocol.messages.consumer_group_records import (
    CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE,
    CONSUMER_GROUP_MEMBER_METADATA_VALUE,
    ClassicMemberMetadata,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataValue,
    TopicPartitions,
)
from dotkafka.protocol.messages.control_records import VOTERS_RECORD, Endpoint, QuorumVoter, VotersRecord
from dotkafka.protocol.messages.producer_snapshot import PRODUCER_SNAPSHOT, ProducerSnapshot
from dotkafka.protocol.schema import NULL_UUID, Message, Versions
from dotkafka.protocol.structs import UNBOUNDED, UNSET
from dotkafka.protocol.wire_types import STRING, FixedWidth

FACTS = json.loads(Path(__file__).with_name("facts.json").read_text())

IMPLICIT_DEFAULTS: dict[str, Any] = {"bool": False, "string": "", "bytes": b"", "uuid": NULL_UUID, "float64": 0.0}

EXTREMES: dict[str, Any] = {
    "int8": 127,
    "int16": 2**15 - 1,
    "int32": 2**31 - 1,
    "int64": 2**63 - 1,
    "uint16": 2**16 - 1,
    "uint32": 2**32 - 1,
    "float64": 1.7976931348623157e308,
    "bool": True,
    "uuid": b"\xff" * 16,
}
"""A value of each type that is no default: the largest number, mostly."""


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
        if type_name == "records":
            default = None
        if "fields" in fact and not is_array:
            # The empty struct; a field that may be null says so otherwise than one that may not.
            default = fact.get("default", UNSET) if "nullable" in fact else None
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
    """There is a definition for each message that the facts tell of, and none without facts; headers have a module."""
    assert set(all_messages) == set(FACTS) - {"RequestHeader", "ResponseHeader"}


def test_equals_kafkas_definition(any_message: Message[Any]) -> None:
    """Names, order, types, versions, nulls, tags, defaults: each field at each version is as Kafka has it."""
    fact = FACTS[any_message.struct.__name__]
    assert str(any_message.versions) == fact["versions"]
    assert str(any_message.flexible) == fact["flexible"]
    for version in range(any_message.versions.lowest, any_message.versions.highest + 1):
        assert layout_rows(any_message.layout(version)) == facts_at(fact["fields"], version), version


def header_bytes(name: str, version: int, values: dict[str, Any]) -> bytes:
    """Return a header as the facts tell to write it."""
    fact = FACTS[name]
    written = b""
    for item in fact["fields"]:
        value = values[item["name"]]
        if version in Versions.parse(item["versions"]):
            size_bytes = {"int16": 2, "int32": 4}.get(item["type"])
            if size_bytes is None:
                assert item["flexible"] == "none"
                written += len(value).to_bytes(2, "big") + value
            else:
                written += value.to_bytes(size_bytes, "big")
    return written + b"\x00" * (version in Versions.parse(fact["flexible"]))


@pytest.mark.parametrize(("key", "api_version", "version"), [(7, 0, 0), (1, 11, 1), (1, 12, 2)])
def test_headers_equal_kafkas_definition(key: int, api_version: int, version: int) -> None:
    """Three versions of the request's, two of the response's: one of them without a client id, one with tags."""
    values = {"RequestApiKey": key, "RequestApiVersion": api_version, "CorrelationId": 5, "ClientId": b"me"}
    header = RequestHeader(key, api_version, 5, "me")
    assert encode_request_header(header) == header_bytes("RequestHeader", version, values)
    assert encode_response_header(key, api_version, 5) == header_bytes("ResponseHeader", max(0, version - 1), values)


def value_of(held: ValueLayout, *, nullable: bool, with_nulls: bool) -> Any:
    """Return a value that is not the default of a field at one version, or null where that is wanted and allowed."""
    if nullable and with_nulls:
        return None
    if isinstance(held, StructLayout):
        return complete(held, with_nulls=with_nulls)
    if isinstance(held, ArrayLayout):
        return [value_of(held.element, nullable=False, with_nulls=with_nulls)]
    if isinstance(held, FixedWidth):
        return EXTREMES[held.name]
    return "é" if held is STRING else b"\xff"


def complete(layout: StructLayout, *, with_nulls: bool) -> Any:
    """Return a struct of one version that has every field set, the tagged ones included."""
    items = (*layout.fields, *layout.tagged)
    return layout.cls(
        **{item.name: value_of(item.type, nullable=item.nullable, with_nulls=with_nulls) for item in items}
    )


@pytest.mark.parametrize("with_nulls", [False, True])
def test_every_version_is_read_back(any_message: Message[Any], with_nulls: Any, without_interpreter: Any) -> None:
    """With every field set, to a value or to null, a version is written as the interpreter does, and read as it was."""
    for version in range(any_message.versions.lowest, any_message.versions.highest + 1):
        layout = any_message.layout(version)
        value = complete(layout, with_nulls=with_nulls)
        data = any_message.encode(version, value)
        assert data == encode_struct(layout, value)
        decoded = without_interpreter(compile_decoder(layout, any_message.max_cost))(data, 0)
        assert decoded == decode_struct(layout, data, 0, any_message.max_cost) == value
        assert any_message.encode(version, decoded) == data


def test_null_in_a_tagged_field_whose_default_is_not_null() -> None:
    """It is written as size 1 and a zero byte; what is not written is the default, an empty struct or array."""
    member = CONSUMER_GROUP_MEMBER_METADATA_VALUE
    empty = member.encode(0, ConsumerGroupMemberMetadataValue())
    assert empty.endswith(b"\x00")
    assert member.decode(0, empty).classic_member_metadata == ClassicMemberMetadata()
    assert member.encode(0, ConsumerGroupMemberMetadataValue(classic_member_metadata=ClassicMemberMetadata())) == empty
    null = member.encode(0, ConsumerGroupMemberMetadataValue(classic_member_metadata=None))
    assert null == empty[:-1] + b"\x01\x00\x01\x00"
    assert member.decode(0, null).classic_member_metadata is None
    topic = TopicPartitions(assignment_epochs=None)
    data = CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT_VALUE.encode(
        0, ConsumerGroupCurrentMemberAssignmentValue(assigned_partitions=[topic])
    )
    assert bytes(16) + b"\x01" + b"\x01\x00\x01\x00" in data


def test_numbers_without_a_sign_and_with_a_fraction() -> None:
    """Ports go up to 65,535, checksums up to 2**32 - 1, quotas are IEEE doubles."""
    voters = VOTERS_RECORD.encode(0, VotersRecord(voters=[QuorumVoter(endpoints=[Endpoint("n", "h", 65535)])]))
    assert b"\x02n\x02h\xff\xff\x00" in voters
    assert PRODUCER_SNAPSHOT.encode(1, ProducerSnapshot(crc=2**32 - 1)) == b"\xff\xff\xff\xff\x00\x00\x00\x00"
    assert ALTER_CLIENT_QUOTAS.encode_request(
        1, AlterClientQuotasRequest([AlterClientQuotasRequestEntryData(ops=[OpData("k", 1.5)])])
    ) == bytes.fromhex("02 01 02 02 6b 3ff8000000000000 00 00 00 00 00")


@pytest.mark.parametrize("name", sorted({name.removesuffix("Request") for name in FACTS if name.endswith("Request")}))
def test_an_api_has_kafkas_key(name: str) -> None:
    """Key, request and response of an API belong together, and the header's table knows its flexible versions."""
    api = api_for(FACTS[f"{name}Request"]["api_key"])
    assert api.request.struct.__name__ == f"{name}Request"
    assert api.response.struct.__name__ == f"{name}Response"
    assert api.request.versions == api.response.versions
    first_flexible = FIRST_FLEXIBLE_VERSIONS.get(ApiKey(api.key))
    assert api.flexible == (Versions(0, -1) if first_flexible is None else Versions(first_flexible, UNBOUNDED))
