"""What decoding may cost: memory and time in proportion to the bytes of a message, however tiny its elements are.

Bytes alone are no limit in Python, where an element of one byte becomes an object of a hundred. So every thing that is
made of a message has a cost, and the bytes that have been read must pay for it: one byte pays for one unit, which
stands for 15 bytes of memory (the 16th is for a copy of the message), and 64 KiB of units are free. Hence a decoded
message takes at most 16 times its bytes and 1 MiB. Messages that clients send are far below; one that is not is
refused when its cost comes to be more than its bytes.

A decoder keeps what is `owed`: the position that the message must have reached to pay for all that has been made so
far. It starts `FREE_COST` before the message. An array element adds its `element_cost`, once it has been read; an array
that is not empty adds `LIST_COST`; texts, bytes and numbers in arrays add what grows with their length.

Tagged fields cost more than their memory: they are read by the interpreter, and so it is their time that counts.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from dotkafka.protocol.layout import ArrayLayout, StructLayout, ValueLayout, element_min_size_bytes
from dotkafka.protocol.wire_types import BOOLEAN, BYTES, RECORDS, STRING, UUID, FixedWidth, VariableWidth

if TYPE_CHECKING:
    from collections.abc import Iterator

FREE_COST: Final = 64 * 1024
"""What a message may cost for nothing, however short it is: 1 MiB of memory."""

LIST_COST: Final = 7
TAG_SECTION_COST: Final = 64
TAGGED_FIELD_COST: Final = 24

SLOW_FACTOR: Final = 8
"""How much more than elsewhere an element costs inside a tagged field."""

FREE_WITH_TAGS_BYTES: Final = 1024
"""A message up to here cannot cost more than `FREE_COST`, whatever is in it."""

NOT_PAID: Final = "what has been decoded so far takes more memory than a message of so few bytes may"
TOO_DEAR: Final = "the message takes more memory than one message may"

_UNIT_BYTES: Final = 15

# Bytes of memory in CPython 3.11, 64 bits, the garbage collector's 16 included.
_OBJECT: Final = 32
_SLOT: Final = 8
_LIST_ITEM: Final = 9  # a list has up to an eighth more places than items, and six
_TUPLE: Final = 48
_TEXT: Final = 61
_BYTES: Final = 36
_VIEW: Final = 192
_NUMBERS: Final = {1: 28, 2: 28, 4: 32, 8: 36}
_UUID: Final = 49


def element_cost(element: ValueLayout) -> int:
    """Return what an array element costs, with all that it holds but the elements and the length of that."""
    return -(-(_LIST_ITEM + _memory(element)) // _UNIT_BYTES)


def number_cost(element: FixedWidth) -> int:
    """Return what one number of an array of numbers costs, or one id."""
    return -(-(_SLOT + _memory(element)) // _UNIT_BYTES)


def length_cost(held: VariableWidth, size_bytes: int) -> int:
    """Return what a text or bytes cost for their length, beyond what `element_cost` counts for them."""
    return size_bytes >> _LENGTH_SHIFTS[held] if held in _LENGTH_SHIFTS else 0


def length_cost_source(held: VariableWidth, size_bytes: str) -> str:
    """Return `length_cost` as source code, and nothing where there is no such cost."""
    return f"{size_bytes} >> {_LENGTH_SHIFTS[held]}" if held in _LENGTH_SHIFTS else ""


def never_too_dear_bytes(layout: StructLayout, max_cost: int) -> int:
    """Return up to how many bytes a message without tagged fields is sure to pay, and to cost less than `max_cost`."""
    dearest = max(_costs_per_byte(layout), default=0.0)
    return min(int(FREE_COST / (dearest - 1)), max_cost) if dearest > 1 else max_cost


_LENGTH_SHIFTS: Final = {STRING: 1, BYTES: 2}


def _memory(held: ValueLayout) -> int:
    """Return the bytes of memory of a value that is there, but for what grows with a length."""
    if isinstance(held, StructLayout):
        slots = len(held.fields) + len(held.tagged) + len(held.absent) + 1
        return _OBJECT + slots * _SLOT + sum(_memory(item.type) for item in held.fields)
    if isinstance(held, ArrayLayout):
        return _TUPLE if isinstance(held.element, FixedWidth) else 0
    if isinstance(held, VariableWidth):
        return {STRING: _TEXT, BYTES: _BYTES, RECORDS: _VIEW}[held]
    if held is BOOLEAN:
        return 0
    return _UUID if held is UUID else _NUMBERS[held.size_bytes]


def _costs_per_byte(layout: StructLayout) -> Iterator[float]:
    """Yield what each array costs if it has one element, by the fewest bytes that this takes."""
    for item in layout.fields:
        held = item.type
        if isinstance(held, StructLayout):
            yield from _costs_per_byte(held)
        elif isinstance(held, ArrayLayout) and isinstance(held.element, FixedWidth):
            yield number_cost(held.element) / held.element.size_bytes
        elif isinstance(held, ArrayLayout):
            size_bytes = element_min_size_bytes(held, flexible=layout.flexible)
            yield (LIST_COST + element_cost(held.element)) / size_bytes if size_bytes else math.inf
            if isinstance(held.element, StructLayout):
                yield from _costs_per_byte(held.element)
