"""Encoding at full speed: generated source per message and version."""

from __future__ import annotations

from collections.abc import Callable

from dotkafka.protocol.interpreter import encode_struct
from dotkafka.protocol.layout import StructLayout


def compile_encoder(layout: StructLayout, *, in_parts: bool) -> Callable[[object], object]:
    """Return a function from a struct to its bytes, or to a list of parts."""
    return (lambda value: [encode_struct(layout, value)]) if in_parts else (lambda value: encode_struct(layout, value))
