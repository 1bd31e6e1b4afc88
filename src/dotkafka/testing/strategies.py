"""Hypothesis strategies for any message and any struct; `pip install hypothesis`.

    @given(messages(METADATA.request))
    def test_anything(drawn): ...

Without Hypothesis, see `dotkafka.testing.random_messages`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout
from dotkafka.protocol.schema import RawTaggedField, set_unknown_tagged_fields
from dotkafka.protocol.wire_types import BOOLEAN, FLOAT64, STRING, UUID, FixedWidth

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

INTEGER_BOUNDS: Final = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, 2**32 - 1),
}


def values(held: ValueLayout, *, nullable: bool = False) -> st.SearchStrategy[Any]:
    """Return a strategy for all that a field can hold at one version."""
    strategy: st.SearchStrategy[Any]
    if isinstance(held, StructLayout):
        strategy = structs(held)
    elif isinstance(held, ArrayLayout):
        strategy = st.lists(values(held.element), max_size=3)
        if isinstance(held.element, FixedWidth):
            strategy |= st.lists(values(held.element), min_size=14, max_size=20)
            strategy |= st.integers(120, 300).flatmap(
                lambda size: values(held.element).map(lambda value: [value] * size),
            )
    elif held is BOOLEAN:
        strategy = st.booleans()
    elif held is UUID:
        strategy = st.binary(min_size=16, max_size=16)
    elif held is FLOAT64:
        strategy = st.floats(allow_nan=False)
    elif held is STRING:
        lengths = st.sampled_from((126, 127, 128, 16383, 16384, 32767))
        strategy = st.text(st.characters(codec="utf-8"), max_size=8) | lengths.map("x".__mul__)
    elif isinstance(held, FixedWidth):
        strategy = st.integers(*INTEGER_BOUNDS[held.name])
    else:
        lengths = st.sampled_from((126, 127, 128, 16382, 16383, 16384, 2097150, 2097151, 2097152))
        strategy = st.binary(max_size=8) | lengths.map(bytes)
    return st.none() | strategy if nullable else strategy


@st.composite
def structs(draw: st.DrawFn, layout: StructLayout) -> Any:
    """Draw a struct that can be written at one version: every field, and sometimes tagged fields nobody knows."""

    def draw_field(item: FieldLayout) -> Any:
        return draw(values(item.type, nullable=item.nullable))

    tagged = [item for item in layout.tagged if draw(st.booleans())]
    value = layout.cls(**{item.name: draw_field(item) for item in (*layout.fields, *tagged)})
    if layout.flexible and draw(st.integers(0, 7)) == 7:
        tags = draw(st.sets(st.integers(100, 2**32 - 1), max_size=3))
        set_unknown_tagged_fields(value, [RawTaggedField(tag, draw(st.binary(max_size=4))) for tag in sorted(tags)])
    return value


@st.composite
def messages(draw: st.DrawFn, message: Message[Any]) -> tuple[int, Any]:
    """Draw a version of a message, and a value of that version."""
    version = draw(st.integers(message.versions.lowest, message.versions.highest))
    return version, draw(structs(message.layout(version)))
