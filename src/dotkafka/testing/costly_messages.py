"""Messages that cost as much as they can for their size: what decoders must withstand.

The dearest are those of many elements, each as short as can be. They are made for each array of a message: elements
that are empty; elements whose texts, bytes and arrays hold just enough to be objects; elements with a tagged field that
nobody knows. And messages that are one large tag section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dotkafka.protocol.layout import ArrayLayout, StructLayout, ValueLayout
from dotkafka.protocol.structs import RawTaggedField, set_unknown_tagged_fields
from dotkafka.protocol.wire_types import BOOLEAN, FLOAT64, RECORDS, STRING, UUID, FixedWidth, VariableWidth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.schema import Message

SHAPES: Final = ("empty", "filled", "tagged")


class CostlyMessage(NamedTuple):
    """One of them, encoded; `name` says which array is long and what its elements are like."""

    name: str
    data: bytes


def costly_messages(message: Message[Any], version: int, size_bytes: int) -> Iterator[CostlyMessage]:
    """Yield messages of one version, each of about that size."""
    layout = message.layout(version)
    for path in array_paths(layout):
        for shape in _shapes(layout, path):
            one, two = (len(message.encode(version, with_array(layout, path, count, shape))) for count in (1, 2))
            count = max(1, (size_bytes - one) // (two - one))
            yield CostlyMessage(
                f"{'.'.join(path)} {shape}", message.encode(version, with_array(layout, path, count, shape))
            )
    if layout.flexible:
        value = layout.cls()
        tags = range(1_000, 1_000 + size_bytes // 3)
        set_unknown_tagged_fields(value, [RawTaggedField(tag, b"") for tag in tags])
        yield CostlyMessage("tags", message.encode(version, value))


def _shapes(layout: StructLayout, path: tuple[str, ...]) -> tuple[str, ...]:
    """Return what the elements of an array can be like; numbers are all alike."""
    _, inner = _field(layout, path[0])
    if not isinstance(inner, StructLayout):
        return ("filled",)
    if len(path) > 1:
        return _shapes(inner, path[1:])
    return SHAPES if layout.flexible else SHAPES[:2]


def array_paths(layout: StructLayout) -> Iterator[tuple[str, ...]]:
    """Yield the way to each array of a struct, by the names of fields; tagged ones are among them."""
    for item in layout.fields + layout.tagged:
        is_array, inner = _field(layout, item.name)
        if is_array:
            yield (item.name,)
        if isinstance(inner, StructLayout):
            yield from ((item.name, *path) for path in array_paths(inner))


def with_array(layout: StructLayout, path: tuple[str, ...], count: int, shape: str) -> Any:
    """Return a struct with so many elements in one array, and nothing else but what leads there."""
    value = short_value(layout, "empty")
    is_array, inner = _field(layout, path[0])
    if len(path) == 1:
        held = [short_value(inner, shape)] * count
    elif isinstance(inner, StructLayout):
        nested = with_array(inner, path[1:], count, shape)
        held = [nested] if is_array else nested
    setattr(value, path[0], held)
    return value


def _field(layout: StructLayout, name: str) -> tuple[bool, ValueLayout]:
    """Tell whether a field is an array, and return what it or its elements are."""
    held = next(item.type for item in layout.fields + layout.tagged if item.name == name)
    return (True, held.element) if isinstance(held, ArrayLayout) else (False, held)


def short_value(held: ValueLayout, shape: str) -> Any:
    """Return a value of few bytes; a filled one has something in every field, and in every array one element."""
    if isinstance(held, StructLayout):
        value = held.cls()
        if shape == "tagged":
            set_unknown_tagged_fields(value, [RawTaggedField(100, b"")])
        for item in held.fields:
            if shape == "filled" or (item.type is RECORDS and not item.nullable):
                setattr(value, item.name, short_value(item.type, shape))
        return value
    if isinstance(held, ArrayLayout):
        return [short_value(held.element, shape)]
    if isinstance(held, VariableWidth):
        if shape != "filled":
            return "" if held is STRING else b""
        return "\u0101" if held is STRING else b"ab"  # the shortest text of two bytes a character
    return short_number(held)


def short_number(held: FixedWidth) -> Any:
    """Return a number that no interpreter has ready, or an id."""
    if held is UUID:
        return bytes(range(16))
    if held is BOOLEAN or held is FLOAT64:
        return held.default
    return -100 if held.code.islower() else 60_000
