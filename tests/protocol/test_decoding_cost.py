"""Promises about the memory of decoding: 16 times the bytes of a message and 1 MiB at most, whatever the bytes are."""

from __future__ import annotations

import tracemalloc
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.errors import DecodeError
from dotkafka.protocol.decoding_cost import FREE_COST, element_cost, length_cost, number_cost
from dotkafka.protocol.interpreter import _Reader, decode_struct
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from dotkafka.protocol.wire_types import BYTES, INT8, INT32, RECORDS, STRING
from dotkafka.testing.costly_messages import costly_messages

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

MIB = 1024 * 1024
OVERHEAD_BYTES = 8 * 1024
"""What decoding takes whatever the message holds: its outermost struct, frames of calls."""


def peak_bytes(message: Message[Any], version: int, data: bytes) -> int:
    """Return how much memory the decoding of some bytes had at its peak; they may be refused.

    The least of several times: what other threads take meanwhile is counted in.
    """
    peaks = []
    for _ in range(3):
        tracemalloc.start()
        try:
            with suppress(DecodeError):
                message.decode(version, data)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    return min(peaks[1:])  # the first one compiles what it needs


def cost(message: Message[Any], version: int, data: bytes) -> int:
    """Return what is owed for a message, beginning with nothing."""
    reader = _Reader(data, 0, -FREE_COST, message.max_cost)
    reader.read_struct(message.layout(version))
    return reader.owed + FREE_COST


def test_what_is_made_costs_its_memory_or_more(any_message: Message[Any]) -> None:
    """However dear the elements of an array are, they take no more memory than is owed for them."""
    for version in {any_message.versions.lowest, any_message.versions.highest}:
        for costly in costly_messages(any_message, version, 1500):
            paid = 15 * cost(any_message, version, costly.data) + len(costly.data) + OVERHEAD_BYTES
            assert peak_bytes(any_message, version, costly.data) <= paid, (version, costly.name)


@pytest.mark.parametrize("size_bytes", [16 * 1024, 100 * 1024])
@pytest.mark.parametrize(
    "name", ["MetadataRequest", "ProduceRequest", "OffsetCommitRequest", "ShareAcknowledgeRequest"]
)
def test_no_message_takes_more_than_its_bytes_pay_for(
    name: str, size_bytes: int, all_messages: dict[str, Message[Any]]
) -> None:
    """16 times its bytes and 1 MiB, also if it is damaged at its very end, so that the interpreter looks at it too."""
    message = all_messages[name]
    for version in {message.versions.lowest, message.versions.highest}:
        for costly in costly_messages(message, version, size_bytes):
            peak = peak_bytes(message, version, costly.data[:-1])
            assert peak <= 16 * len(costly.data) + MIB, (version, costly.name)


def test_costs_are_those_of_the_bytes() -> None:
    """What is long pays for itself; an element that may be short costs more than its bytes."""
    assert length_cost(STRING, 1000) <= 1000
    assert length_cost(BYTES, 1000) <= 1000
    assert length_cost(RECORDS, 1000) == 0
    assert number_cost(INT32) <= 4
    assert number_cost(INT8) > 1
    assert element_cost(STRING) > 1


@pytest.mark.parametrize(("extra", "is_accepted"), [(-10, True), (10, False)])
def test_what_is_free_is_used_up_once(extra: int, *, is_accepted: bool) -> None:
    """The same short elements are accepted up to some number and refused from there on, by both decoders."""
    layout = METADATA.request.layout(9)
    (topics,) = layout.fields[:1]
    cost = element_cost(topics.type.element) - len(b"\x01\x00")  # type: ignore[union-attr]
    empty = [MetadataRequestTopic(name="")] * (FREE_COST // cost + extra)
    data = METADATA.encode_request(9, MetadataRequest(topics=empty))
    with nullcontext() if is_accepted else pytest.raises(DecodeError, match="more memory"):
        METADATA.decode_request(9, data)
    with nullcontext() if is_accepted else pytest.raises(DecodeError, match="more memory"):
        decode_struct(layout, data, 0, METADATA.request.max_cost)
