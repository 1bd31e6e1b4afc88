"""Random values of any message, by a seed: for fuzzers, and for tests against other implementations.

    request = RandomValues("seed 7").message(METADATA.request, 12)

They are well-formed, and go where mistakes are: the bounds of numbers, lengths that need one more byte, nulls, and
tagged fields that nobody knows. For Hypothesis, see `dotkafka.testing.strategies`.
"""

from __future__ import annotations

import math
import random
import struct
from typing import TYPE_CHECKING, Any, Final, TypeVar

from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout
from dotkafka.protocol.schema import RawTaggedField, set_unknown_tagged_fields
from dotkafka.protocol.wire_types import BOOLEAN, FLOAT64, STRING, UUID, FixedWidth

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

T = TypeVar("T")

ALPHABET: Final = "aZ09 _-.\t\x00\x7fé€\U0001f600"
LENGTHS: Final = (0, 1, 2, 5, 9, 126, 127, 128, 300)
LONG_LENGTHS: Final = (16382, 16383, 16384, 32767)
FIRST_UNKNOWN_TAG: Final = 100


class RandomValues:
    """Draws values that can be written at one version: every field of it, and sometimes tagged fields nobody knows.

    To have some fields drawn otherwise, override one of the methods.

    Args:
        seed: the same seed gives the same values, as long as the definitions are the same.
        unknown_tags: whether there are tagged fields that nobody knows, in one of ten structs that have a place for
            them.
    """

    def __init__(self, seed: str, *, unknown_tags: bool = True) -> None:
        self.random = random.Random(seed)  # noqa: S311 (values of a test, the same for the same seed)
        self.unknown_tags = unknown_tags

    def struct(self, layout: StructLayout) -> Any:
        """Return a struct; half of its tagged fields keep their defaults."""
        tagged = [item for item in layout.tagged if self.random.random() < 0.5]
        value = layout.cls(**{item.name: self.field(item) for item in (*layout.fields, *tagged)})
        if layout.flexible and self.unknown_tags and self.random.random() < 0.1:
            tags = sorted(self.random.sample(range(FIRST_UNKNOWN_TAG, 2**31), 2))
            set_unknown_tagged_fields(value, tuple(RawTaggedField(tag, self.bytes()) for tag in tags))
        return value

    def message(self, message: Message[T], version: int) -> T:
        """Return a value of a message at that version."""
        value: T = self.struct(message.layout(version))
        return value

    def field(self, item: FieldLayout) -> Any:
        """Return what one field holds; a fourth of those that may be null are."""
        if item.nullable and self.random.random() < 0.25:
            return None
        return self.value(item.type)

    def value(self, held: ValueLayout) -> Any:
        """Return any value but null."""
        if isinstance(held, StructLayout):
            return self.struct(held)
        if isinstance(held, ArrayLayout):
            sizes = (0, 1, 2, 3, 17, 130) if isinstance(held.element, FixedWidth) else (0, 1, 2, 3)
            return [self.value(held.element) for _ in range(self.random.choice(sizes))]
        if held is STRING:
            return self.text()
        return self.fixed(held) if isinstance(held, FixedWidth) else self.bytes()

    def fixed(self, held: FixedWidth) -> Any:
        """Return a number, a boolean or an id: any pattern of bits, and often one at the bounds."""
        if held is UUID:
            return self.random.randbytes(16)
        if held is BOOLEAN:
            return self.random.random() < 0.5
        width = held.size_bytes
        patterns = (bytes(width), b"\xff" * width, b"\x7f" + b"\xff" * (width - 1), b"\x80" + bytes(width - 1))
        raw = self.random.choice((*patterns, self.random.randbytes(width), self.random.randbytes(width)))
        (number,) = struct.unpack(">" + held.code, raw)
        return number if held is not FLOAT64 or math.isfinite(number) else 0.5

    def text(self) -> str:
        """Return a string; the bytes of its UTF-8 stay within Kafka's limit."""
        length = self.length()
        characters = self.random.choice(("x", ALPHABET if length <= LENGTHS[-1] else "x"))
        return "".join(self.random.choices(characters, k=length))

    def bytes(self) -> bytes:
        """Return bytes of some length."""
        return self.random.randbytes(self.length())

    def length(self) -> int:
        """Return a length: mostly short, and often where the length in front of it becomes longer."""
        if self.random.random() < 0.9:
            return self.random.choice(LENGTHS[:5])
        return self.random.choice(LENGTHS if self.random.random() < 0.9 else LONG_LENGTHS)
