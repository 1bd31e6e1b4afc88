"""What decoding a request may cost: for up to 1 MiB of hostile bytes, 16 times the bytes and 1 MiB at most.

The dearest requests are those of as many elements as the element budget allows, each as short as can be. They are
looked for in each array of each request: elements that are empty, those whose own arrays have one
element each, and tagged fields that nobody knows; whole, and damaged at their very end.
"""

from __future__ import annotations

import gc
import itertools
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.errors import DecodeError
from dotkafka.protocol.compile_decoder import BYTES_PER_ELEMENT
from dotkafka.protocol.interpreter import TAGGED_FIELD_ELEMENTS
from dotkafka.protocol.layout import ArrayLayout, StructLayout, ValueLayout
from dotkafka.protocol.schema import (
    REQUEST_FREE_ELEMENTS,
    REQUEST_MAX_ELEMENTS,
    RawTaggedField,
    set_unknown_tagged_fields,
)
from dotkafka.protocol.wire_types import STRING, UUID, FixedWidth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.schema import Message

MIB = 1024 * 1024
INPUT_BYTES = 256 * 1024
"""Long enough: from here on the element budget grows by less than the bytes do."""

Path = tuple[str, ...]


def array_paths(layout: StructLayout, path: Path = ()) -> Iterator[Path]:
    """Yield the way to each array of a struct, by the names of fields."""
    for item in layout.fields:
        if isinstance(item.type, ArrayLayout):
            yield (*path, item.name)
        inner = item.type.element if isinstance(item.type, ArrayLayout) else item.type
        if isinstance(inner, StructLayout):
            yield from array_paths(inner, (*path, item.name))


def element(held: ValueLayout, *, filled: bool) -> tuple[Any, int]:
    """Return a short value, and how many elements it counts for in an array; `filled` ones have one in each array."""
    if isinstance(held, StructLayout):
        value, count = held.cls(), 1
        for item in held.fields:
            if filled and isinstance(item.type, ArrayLayout):
                inner, inner_count = element(item.type.element, filled=True)
                setattr(value, item.name, [inner])
                count += inner_count
            elif filled and item.type is STRING:
                setattr(value, item.name, "ab")
        return value, count
    if isinstance(held, FixedWidth):
        return (bytes(16) if held is UUID else 300 if held.size_bytes > 1 else 1), 1
    return ("ab" if filled else "") if held is STRING else b"", 1


def with_elements(layout: StructLayout, path: Path, count: int, *, filled: bool) -> Any:
    """Return a struct with so many elements in one array, and nothing else but what leads there."""
    value = layout.cls()
    held = next(item.type for item in layout.fields if item.name == path[0])
    inner: Any
    if isinstance(held, ArrayLayout) and len(path) == 1:
        inner = [element(held.element, filled=filled)[0]] * count
    else:
        nested = held.element if isinstance(held, ArrayLayout) else held
        assert isinstance(nested, StructLayout)
        inner = with_elements(nested, path[1:], count, filled=filled)
        inner = [inner] if isinstance(held, ArrayLayout) else inner
    setattr(value, path[0], inner)
    return value


def element_at(layout: StructLayout, path: Path) -> ValueLayout:
    """Return what the array at the end of a path holds."""
    held = next(item.type for item in layout.fields if item.name == path[0])
    inner = held.element if isinstance(held, ArrayLayout) else held
    if len(path) == 1:
        return inner
    assert isinstance(inner, StructLayout)
    return element_at(inner, path[1:])


def dear_requests(message: Message[Any], version: int) -> Iterator[tuple[object, bytes]]:
    """Yield requests of one version that are as dear as can be for their size, each with what makes it differ."""
    layout = message.layout(version)
    for path, filled in itertools.product(array_paths(layout), (False, True)):
        _, elements = element(element_at(layout, path), filled=filled)
        one, two = (len(message.encode(version, with_elements(layout, path, count, filled=filled))) for count in (1, 2))
        size_bytes = two - one
        allowed = (INPUT_BYTES - one) // size_bytes
        if size_bytes < BYTES_PER_ELEMENT * elements:
            free = REQUEST_FREE_ELEMENTS - len(path)
            allowed = min(allowed, int(free / (elements - size_bytes / BYTES_PER_ELEMENT)))
        count = min(allowed, (REQUEST_MAX_ELEMENTS - len(path)) // elements)
        value = with_elements(layout, path, count, filled=filled)
        yield (path, filled, size_bytes, elements), message.encode(version, value)
    if layout.flexible:
        value = layout.cls()
        tags = range(100, 100 + REQUEST_FREE_ELEMENTS // TAGGED_FIELD_ELEMENTS)
        set_unknown_tagged_fields(value, [RawTaggedField(tag, b"") for tag in tags])
        yield "tags", message.encode(version, value)


def refusing_bytes(message: Message[Any], version: int, data: bytes) -> int:
    """Return how much memory it took at its peak to refuse a damaged message."""
    gc.collect()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError):
            message.decode(version, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_requests_take_16_times_their_bytes_at_most(any_message: Message[Any]) -> None:
    """And 1 MiB; which a short request may take, but only that."""
    if not any_message.struct.__name__.endswith("Request"):
        return
    seen: set[object] = set()
    lowest, highest = any_message.versions.lowest, any_message.versions.highest
    for version in sorted({lowest, highest, min(highest, max(lowest, any_message.flexible.lowest))}):
        for kind, data in dear_requests(any_message, version):
            if kind in seen:
                continue
            seen.add(kind)
            any_message.decode(version, data)  # it is accepted; and this compiles what it needs
            peak = refusing_bytes(any_message, version, data[:-1])
            assert peak <= 16 * len(data) + MIB, (version, kind, len(data))


def test_what_is_dearer_is_refused(all_messages: dict[str, Message[Any]]) -> None:
    """A short request of tiny elements is refused for their number; the same number is welcome in a longer one."""
    message = all_messages["MetadataRequest"]
    layout = message.layout(12)
    count = 2 * REQUEST_FREE_ELEMENTS
    tiny = message.encode(9, with_elements(message.layout(9), ("topics",), count, filled=False))
    with pytest.raises(DecodeError, match="element budget"):
        message.decode(9, tiny)
    longer = message.encode(12, with_elements(layout, ("topics",), count, filled=False))
    assert len(message.decode(12, longer).topics) == count
