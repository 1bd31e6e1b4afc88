"""Promises of the compiled decoders: the interpreter's results, its errors, and its limits, only faster."""

from __future__ import annotations

import linecache
import traceback
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotkafka.errors import DecodeError
from dotkafka.protocol.compile_decoder import compile_decoder
from dotkafka.protocol.interpreter import decode_struct, encode_struct
from dotkafka.protocol.messages.fetch import FETCH, FetchableTopicResponse, FetchResponse, PartitionData
from dotkafka.protocol.messages.metadata import METADATA
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.primitives import encode_unsigned_varint

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

MAX_ELEMENTS = 100_000


def outcome(decode: Any, *arguments: Any) -> Any:
    """Return what a decoder returns, or the text of the one error it may raise."""
    try:
        return decode(*arguments)
    except DecodeError as error:
        return str(error)


def counting(decode: Any) -> Any:
    """Return the decoder of long messages that belongs to one of short ones."""
    return decode.__globals__["counting_decoder"]()


def test_equals_the_interpreter(any_message: Message[Any], message_values: Any, without_interpreter: Any) -> None:
    """Every valid message of every version decodes to what the interpreter makes of it, without its help."""
    decoders = {
        version: compile_decoder(any_message.layout(version), MAX_ELEMENTS)
        for version in range(any_message.versions.lowest, any_message.versions.highest + 1)
    }

    @settings(max_examples=8, deadline=None)
    @given(message_values(any_message), st.sampled_from((bytes, bytearray, memoryview)), st.binary(max_size=3))
    def check(drawn: tuple[int, Any], buffer: Any, prefix: bytes) -> None:
        version, value = drawn
        layout = any_message.layout(version)
        data = encode_struct(layout, value)
        assert decode_struct(layout, data, 0, MAX_ELEMENTS) == value
        for decode in (decoders[version], counting(decoders[version])):
            decoded = without_interpreter(decode)(buffer(prefix + data), len(prefix))
            assert decoded == value
            assert encode_struct(layout, decoded) == data

    check()


def test_damaged_messages_raise_decode_error_and_nothing_else(any_message: Message[Any], message_values: Any) -> None:
    """Whatever is cut off or changed, the outcome is the interpreter's: a message, or `DecodeError` with its words."""

    @settings(max_examples=8, deadline=None)
    @given(message_values(any_message), st.data())
    def check(drawn: tuple[int, Any], data: st.DataObject) -> None:
        version, value = drawn
        layout = any_message.layout(version)
        damaged = bytearray(encode_struct(layout, value))
        if damaged and data.draw(st.booleans()):
            del damaged[data.draw(st.integers(0, len(damaged) - 1)) :]
        for _ in range(data.draw(st.integers(0, 3)) if damaged else 0):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        for decode in (any_message.decoders[version], counting(any_message.decoders[version])):
            mine = outcome(decode, damaged, 0)
            assert mine == outcome(decode_struct, layout, damaged, 0, any_message.max_elements)

    check()


def test_every_truncation_is_an_error(any_message: Message[Any]) -> None:
    """A message of defaults cut anywhere is refused, at every version."""
    for version in range(any_message.versions.lowest, any_message.versions.highest + 1):
        data = any_message.encode(version, any_message.struct())
        for size in range(len(data)):
            with pytest.raises(DecodeError, match="byte"):
                any_message.decode(version, data[:size])


def test_random_bytes_raise_decode_error_and_nothing_else(any_message: Message[Any]) -> None:
    """Bytes that no encoder wrote are a message or a `DecodeError`."""

    @settings(max_examples=10, deadline=None)
    @given(st.binary(max_size=60), st.integers(any_message.versions.lowest, any_message.versions.highest))
    def check(data: bytes, version: int) -> None:
        layout = any_message.layout(version)
        mine = outcome(any_message.decode, version, data)
        assert mine == outcome(decode_struct, layout, data, 0, any_message.max_elements)

    check()


def peak_bytes(function: Any, *arguments: Any) -> int:
    """Return how much memory a call had at its peak; it must end in `DecodeError`."""
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            function(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("length", [2**31 - 1, 2**28, 10_000])
def test_an_array_longer_than_its_bytes_costs_nothing(length: int) -> None:
    """A length that the bytes left cannot hold is refused before anything of that size is made."""
    METADATA.response.decoders[12]
    data = bytes(4) + encode_unsigned_varint(length + 1) + bytes(100)
    assert peak_bytes(METADATA.decode_response, 12, data) < 200_000


def test_the_element_budget_bounds_a_message_of_tiny_elements() -> None:
    """A large message of one-byte elements is refused by its element budget, before the elements are made."""
    counting(METADATA.request.decoders[12])
    count = 3_000_000
    data = encode_unsigned_varint(count + 1) + bytes(20) * count
    assert peak_bytes(METADATA.decode_request, 12, data) < 100_000
    with pytest.raises(DecodeError, match="element budget"):
        METADATA.decode_request(12, data)


def test_a_damaged_message_of_many_elements_is_not_decoded_twice() -> None:
    """The slow search for the fault ends early: the error is still `DecodeError`, and says how far it looked."""
    data = encode_unsigned_varint(60_001) + b"\x01\x00" * 60_000
    with pytest.raises(DecodeError, match="damaged somewhere after its first 10000 elements"):
        METADATA.decode_request(9, data)


def test_the_element_budget_counts_tagged_fields() -> None:
    """Tagged fields count: each becomes an object, whatever its size."""
    decode = compile_decoder(METADATA.request.layout(12), 10)
    tags = b"".join(encode_unsigned_varint(tag) + b"\x00" for tag in range(100, 111))
    with pytest.raises(DecodeError, match="element budget"):
        decode(b"\x01\x00\x00" + b"\x0b" + tags, 0)


def test_a_message_within_the_budget_decodes_however_long_it_is() -> None:
    """Only elements count against the budget, not bytes: large records are no reason to refuse."""
    records = bytes(1_000_000)
    request = ProduceRequest(topic_data=[TopicProduceData("t", partition_data=[PartitionProduceData(0, records)])])
    assert PRODUCE.decode_request(9, PRODUCE.encode_request(9, request)) == request


@pytest.mark.parametrize("version", [8, 9, 13])
def test_records_are_a_writable_view_of_the_frame(version: int) -> None:
    """Records are not copied: what the log patches in them is patched in the frame."""
    request = ProduceRequest(topic_data=[TopicProduceData("t", partition_data=[PartitionProduceData(0, b"records")])])
    frame = bytearray(PRODUCE.encode_request(version, request))
    records = PRODUCE.decode_request(version, frame).topic_data[0].partition_data[0].records
    assert isinstance(records, memoryview)
    records[0:1] = b"R"
    assert b"Records" in frame


def test_a_memoryview_of_a_frame_still_gives_views_of_it() -> None:
    """Records of a decoded memoryview are views of the same memory."""
    response = FetchResponse(responses=[FetchableTopicResponse("t", partitions=[PartitionData(records=b"abc")])])
    frame = bytearray(FETCH.encode_response(12, response))
    records = FETCH.decode_response(12, memoryview(frame)).responses[0].partitions[0].records
    assert isinstance(records, memoryview)
    assert records.obj is frame


def test_the_generated_source_shows_in_tracebacks() -> None:
    """The source of a decoder is there for debuggers and tracebacks."""
    decode = compile_decoder(METADATA.request.layout(12), MAX_ELEMENTS)
    assert "def decode(data, position):" in linecache.getlines(decode.__code__.co_filename)[0]
    with pytest.raises(TypeError) as raised:
        decode(None, 0)  # type: ignore[arg-type]
    assert "len(data)" in "".join(traceback.format_exception(raised.value))
