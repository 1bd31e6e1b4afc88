"""Promises of the wire types: Kafka's names and widths."""

from __future__ import annotations

import struct

import pytest

from dotkafka.protocol import wire_types
from dotkafka.protocol.wire_types import FixedWidth

FIXED = [value for value in vars(wire_types).values() if isinstance(value, FixedWidth)]


@pytest.mark.parametrize("wire_type", FIXED, ids=[wire_type.name for wire_type in FIXED])
def test_width_is_that_of_the_format(wire_type: FixedWidth) -> None:
    """A fixed-width type takes as many bytes as it says, and its default fits it."""
    assert struct.calcsize(">" + wire_type.code) == wire_type.size_bytes
    assert len(struct.pack(">" + wire_type.code, wire_type.default)) == wire_type.size_bytes


def test_all_of_kafkas_fixed_types_are_there() -> None:
    """No type of Kafka's message definitions is missing."""
    names = {"int8", "int16", "int32", "int64", "uint16", "uint32", "float64", "bool", "uuid"}
    assert {wire_type.name for wire_type in FIXED} == names
