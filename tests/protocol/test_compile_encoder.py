"""Promises of the compiled encoders: the interpreter's bytes and errors, only faster, and records not copied."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from dotkafka.errors import EncodeError
from dotkafka.protocol.compile_encoder import PART_BYTES, compile_encoder
from dotkafka.protocol.interpreter import encode_struct
from dotkafka.protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from dotkafka.protocol.messages.fetch import FETCH, FetchableTopicResponse, FetchResponse, PartitionData
from dotkafka.protocol.messages.metadata import METADATA, MetadataResponse, MetadataResponsePartition
from dotkafka.protocol.messages.metadata import MetadataResponseTopic as Topic
from dotkafka.protocol.schema import Message, unknown_tagged_fields


def needs_interpreter(value: Any) -> bool:
    """Tell whether a struct or one within it has unknown tags, or another rarity left to the interpreter."""
    if isinstance(value, list | tuple):
        return len(value) > 126 or any(needs_interpreter(item) for item in value)
    if hasattr(value, "struct_fields"):
        return bool(unknown_tagged_fields(value)) or any(
            needs_interpreter(getattr(value, name)) for name in value.struct_slots
        )
    return False


def test_equals_the_interpreter(any_message: Message[Any], message_values: Any, without_interpreter: Any) -> None:
    """Every valid value of every version is written as the interpreter does, and without its help in plain cases."""

    @settings(max_examples=8, deadline=None)
    @given(message_values(any_message))
    def check(drawn: tuple[int, Any]) -> None:
        version, value = drawn
        layout = any_message.layout(version)
        expected = encode_struct(layout, value)
        whole, in_parts = any_message.encoders[version], any_message.part_encoders[version]
        if not needs_interpreter(value):
            whole = without_interpreter(compile_encoder(layout, in_parts=False))
            in_parts = without_interpreter(compile_encoder(layout, in_parts=True))
        assert whole(value) == expected
        assert b"".join(in_parts(value)) == expected

    check()


def repeated(value: Any) -> Any:
    """Return a value whose elements stand twice each, and then all once more: the same objects, with all in them."""
    if isinstance(value, list | tuple) and value and hasattr(value[0], "struct_fields"):
        once = [repeated(element) for element in value]
        return [element for element in once for _ in range(2)] + once
    if hasattr(value, "struct_fields"):
        for name in value.struct_slots:
            setattr(value, name, repeated(getattr(value, name)))
    return value


def test_lists_that_come_again(any_message: Message[Any], message_values: Any) -> None:
    """Where the same lists stand in several elements, every one of them is written."""

    @settings(max_examples=4, deadline=None)
    @given(message_values(any_message))
    def check(drawn: tuple[int, Any]) -> None:
        version, value = drawn
        value = repeated(value)
        expected = encode_struct(any_message.layout(version), value)
        assert any_message.encoders[version](value) == expected
        assert b"".join(any_message.part_encoders[version](value)) == expected

    check()


def test_settings_of_many_topics() -> None:
    """The case that it is made for, with lists that alternate and lists within the lists."""
    synonyms = [DescribeConfigsSynonym(name="s", value=None, source=5)]
    some, others = (
        [DescribeConfigsResourceResult(name=f"{prefix}{number}", value="v", synonyms=synonyms) for number in range(3)]
        for prefix in "ab"
    )
    results = [
        DescribeConfigsResult(resource_type=2, resource_name=str(number), configs=configs)
        for number, configs in enumerate([some, some, others, some, [], others, others, others, some])
    ]
    response = DescribeConfigsResponse(results=results)
    for version in range(1, 5):
        encoded = DESCRIBE_CONFIGS.encode_response(version, response)
        assert encoded == encode_struct(DESCRIBE_CONFIGS.response.layout(version), response)
        decoded = DESCRIBE_CONFIGS.decode_response(version, encoded).results
        assert [list(result.configs) for result in decoded] == [list(result.configs) for result in results]


def test_a_refusal_is_the_interpreters(any_message: Message[Any]) -> None:
    """A value of the wrong type is `EncodeError` with the field's name, whichever field it is."""
    for version in range(any_message.versions.lowest, any_message.versions.highest + 1):
        for item in any_message.layout(version).fields:
            value = any_message.struct(**{item.name: object()})
            if item.type.__class__.__name__ == "FixedWidth" and getattr(item.type, "name", "") == "bool":
                continue
            with pytest.raises(EncodeError, match=item.name):
                any_message.encode(version, value)
            with pytest.raises(EncodeError, match=item.name):
                any_message.encode_parts(version, value)


def fetch_response(records: bytes | bytearray | memoryview) -> FetchResponse:
    """Return a response with one partition that has these records."""
    return FetchResponse(responses=[FetchableTopicResponse("t", partitions=[PartitionData(records=records)])])


@pytest.mark.parametrize("version", [4, 11, 12, 18])
def test_large_records_are_a_part_of_their_own(version: int) -> None:
    """Large records are handed on, not copied, and the parts are the message."""
    records = memoryview(bytes(PART_BYTES))
    parts = FETCH.encode_response_parts(version, fetch_response(records))
    assert any(part is records for part in parts)
    assert b"".join(parts) == FETCH.encode_response(version, fetch_response(records))


def test_small_records_are_joined_with_what_is_around_them() -> None:
    """Small records are copied: many tiny parts would cost more than the copy."""
    assert len(FETCH.encode_response_parts(12, fetch_response(b"x" * (PART_BYTES - 1)))) == 1


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 1000])
def test_elements_of_many_array_lengths(size: int) -> None:
    """Elements that are packed in one piece are right whatever the lengths of their arrays."""
    partition = MetadataResponsePartition(replica_nodes=range(size), isr_nodes=[1], offline_replicas=())
    response = MetadataResponse(topics=[Topic(name="t", partitions=[partition])])
    decoded = METADATA.decode_response(12, METADATA.encode_response(12, response))
    assert list(decoded.topics[0].partitions[0].replica_nodes) == list(range(size))


def test_more_packers_than_are_kept() -> None:
    """Elements with more combinations of array lengths than are remembered are written all the same."""
    partitions = [
        MetadataResponsePartition(replica_nodes=[0] * first, isr_nodes=[0] * second)
        for first in range(20)
        for second in range(20)
    ]
    response = MetadataResponse(topics=[Topic(name="t", partitions=partitions)])
    assert METADATA.decode_response(12, METADATA.encode_response(12, response)) == response


def test_a_view_of_wider_items_is_written_by_its_bytes() -> None:
    """A memoryview of integers counts by bytes, not by items."""
    records = memoryview(b"12345678").cast("Q")
    response = FETCH.decode_response(12, FETCH.encode_response(12, fetch_response(records)))
    assert response.responses[0].partitions[0].records == b"12345678"
