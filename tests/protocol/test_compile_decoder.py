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
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic
from dotkafka.protocol.messages.offset_fetch import OFFSET_FETCH, OffsetFetchRequest, OffsetFetchRequestTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.primitives import encode_unsigned_varint

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

MAX_COST = 128 * 1024 * 1024


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
        version: compile_decoder(any_message.layout(version), MAX_COST)
        for version in range(any_message.versions.lowest, any_message.versions.highest + 1)
    }

    @settings(max_examples=8, deadline=None)
    @given(message_values(any_message), st.sampled_from((bytes, bytearray, memoryview)), st.binary(max_size=3))
    def check(drawn: tuple[int, Any], buffer: Any, prefix: bytes) -> None:
        version, value = drawn
        layout = any_message.layout(version)
        data = encode_struct(layout, value)
        assert decode_struct(layout, data, 0, MAX_COST) == value
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
            assert mine == outcome(decode_struct, layout, damaged, 0, any_message.max_cost)

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
        assert mine == outcome(decode_struct, layout, data, 0, any_message.max_cost)

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


def test_the_limit_for_one_message_is_checked_before_its_elements_are_made() -> None:
    """However many bytes a request has to pay with, there is an end, and an array that goes beyond is not begun."""
    counting(METADATA.request.decoders[12])
    count = 3_000_000
    data = encode_unsigned_varint(count + 1) + bytes(20) * count
    assert peak_bytes(METADATA.decode_request, 12, data) < 100_000
    with pytest.raises(DecodeError, match="more memory than one message may"):
        METADATA.decode_request(12, data)


def test_elements_that_the_bytes_do_not_pay_for_are_refused() -> None:
    """A topic of two bytes becomes an object and a string: some thousand are accepted, not one for every two bytes."""
    few = encode_unsigned_varint(5_001) + b"\x01\x00" * 5_000 + bytes(4)
    assert METADATA.decode_request(9, few).topics == [MetadataRequestTopic(name="")] * 5_000
    many = encode_unsigned_varint(60_001) + b"\x01\x00" * 60_000 + bytes(4)
    with pytest.raises(DecodeError, match="more memory than a message of so few bytes may"):
        METADATA.decode_request(9, many)


def test_cheap_elements_are_accepted_however_many() -> None:
    """Numbers of partitions are paid for by their own bytes."""
    request = OffsetFetchRequest("g", topics=[OffsetFetchRequestTopic("t", list(range(200_000)))])
    assert OFFSET_FETCH.decode_request(7, OFFSET_FETCH.encode_request(7, request)) == request


def test_what_is_damaged_far_behind_is_found_by_the_line_that_failed() -> None:
    """The slow search for the fault ends early; field and byte are known all the same."""
    topics = [MetadataResponseTopic(name=f"topic-{number}") for number in range(5_000)]
    data = bytearray(METADATA.encode_response(8, MetadataResponse(topics=topics)))
    place = data.index(b"topic-4321")
    data[place] = 0xFF
    with pytest.raises(DecodeError, match=rf"topics\.4321\.name, from byte {place} on.*utf-8"):
        METADATA.decode_response(8, data)
    del data[place:]
    with pytest.raises(DecodeError, match=rf"topics\.4321.*the message ends there, after {place} bytes"):
        METADATA.decode_response(8, data)


def test_tagged_fields_cost_more_than_their_bytes() -> None:
    """Each becomes an object, and takes time, whatever its size."""
    data = b"\x01\x00\x00" + encode_unsigned_varint(10_000)
    data += b"".join(encode_unsigned_varint(tag) + b"\x00" for tag in range(100, 10_100))
    with pytest.raises(DecodeError, match="more memory than a message of so few bytes may"):
        METADATA.decode_request(12, data)


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
    decode = compile_decoder(METADATA.request.layout(12), MAX_COST)
    assert "def decode(data, position):" in linecache.getlines(decode.__code__.co_filename)[0]
    with pytest.raises(TypeError) as raised:
        decode(None, 0)  # type: ignore[arg-type]
    assert "len(data)" in "".join(traceback.format_exception(raised.value))
