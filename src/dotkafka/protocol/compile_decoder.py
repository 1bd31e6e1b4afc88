"""Decoding at full speed: generated source per message and version."""

from __future__ import annotations

from collections.abc import Callable

from dotkafka.protocol.interpreter import decode_struct
from dotkafka.protocol.layout import StructLayout
from dotkafka.protocol.primitives import Buffer


def compile_decoder(layout: StructLayout, max_elements: int) -> Callable[[Buffer, int], object]:
    """Return a function from bytes and a position to the struct there."""
    return lambda data, position: decode_struct(layout, data, position, max_elements)
