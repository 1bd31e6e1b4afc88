"""The codec read straight off a layout: slow, plain, and right.

It is the oracle that the compilers are tested against, and it takes over from their code whenever that fails: its
errors name the field and the byte offset. It also reads and writes tag sections that are not empty, for both.

Limits while decoding, checked before anything of size is allocated: an array cannot have more elements than the bytes
left can hold, and what is made of a message must be paid for by its bytes, see `decoding_cost`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.decoding_cost import (
    FREE_COST,
    LIST_COST,
    NOT_PAID,
    SLOW_FACTOR,
    TAG_SECTION_COST,
    TAGGED_FIELD_COST,
    TOO_DEAR,
    element_cost,
    length_cost,
    number_cost,
)
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout, element_min_size_bytes
from dotkafka.protocol.primitives import Buffer, decode_unsigned_varint, encode_unsigned_varint
from dotkafka.protocol.structs import RawTaggedField, set_unknown_tagged_fields, unknown_tagged_fields
from dotkafka.protocol.wire_types import BYTES, RECORDS, STRING, FixedWidth, VariableWidth

MAX_STRING_BYTES = 32767


class TooManyElements(DecodeError):  # noqa: N818 (a condition, not a mistake)
    """The message has more elements than the caller wanted to wait for."""


def decode_struct(
    layout: StructLayout, data: Buffer, position: int, max_cost: int, *, max_elements: int | None = None
) -> object:
    """Return the struct that starts at `position`; bytes after it are ignored.

    Raises:
        DecodeError: it is not one, its bytes do not pay for it, or it costs more than `max_cost`.
        TooManyElements: it has more than `max_elements` array elements.
    """
    reader = _Reader(data, position, position - FREE_COST, position - FREE_COST + max_cost, max_elements)
    reader.path.append(f"{layout.cls.__name__} version {layout.version}")
    return reader.read_struct(layout)


def decode_tagged_fields(
    layout: StructLayout, data: Buffer, position: int, target: object, owed: int, max_owed: int
) -> tuple[int, int]:
    """Read the tag section at `position` into `target`, which holds the defaults of all tagged fields already.

    Returns:
        The position after it, and what is owed then; see `decoding_cost`.
    """
    reader = _Reader(data, position, owed, max_owed)
    reader.path.append(f"{layout.cls.__name__} version {layout.version}")
    reader.read_tagged_fields(layout, target)
    return reader.position, reader.owed


class _Reader:
    """Where the decoding of one message has come to."""

    def __init__(self, data: Buffer, position: int, owed: int, max_owed: int, max_elements: int | None = None) -> None:
        self.data = memoryview(data).cast("B")
        self.position = position
        self.end = len(self.data)
        self.owed = owed
        self.max_owed = max_owed
        self.cost_factor = 1
        self.elements_left = max_elements
        self.path: list[str] = []

    def error(self, reason: str, position: int | None = None) -> DecodeError:
        at = self.position if position is None else position
        return DecodeError(f"{'.'.join(self.path)}, byte {at}: {reason}")

    def take(self, size_bytes: int) -> memoryview:
        if size_bytes > self.end - self.position:
            raise self.error(f"{size_bytes} bytes are needed, {max(0, self.end - self.position)} are left")
        start = self.position
        self.position += size_bytes
        return self.data[start : self.position]

    def read_fixed(self, code: str) -> Any:
        return struct.unpack(">" + code, self.take(struct.calcsize(">" + code)))[0]

    def read_unsigned_varint(self) -> int:
        try:
            value, self.position = decode_unsigned_varint(self.data, self.position)
        except DecodeError as error:
            raise self.error(str(error)) from error
        return value

    def read_length(self, length_code: str, *, flexible: bool, nullable: bool) -> int | None:
        start = self.position
        length: int = self.read_unsigned_varint() - 1 if flexible else self.read_fixed(length_code)
        if length >= 0:
            return length
        if not nullable:
            raise self.error("null is not allowed here" if length == -1 else f"negative length {length}", start)
        return None

    def read_struct(self, layout: StructLayout) -> object:
        value = layout.cls.__new__(layout.cls)
        for item in layout.absent + layout.tagged:
            setattr(value, item.slot, item.default)
        set_unknown_tagged_fields(value, ())
        for item in layout.fields:
            self.path.append(item.name)
            setattr(value, item.slot, self.read_value(item.type, flexible=layout.flexible, nullable=item.nullable))
            self.path.pop()
        if layout.flexible:
            self.read_tagged_fields(layout, value)
        return value

    def read_value(self, layout: ValueLayout, *, flexible: bool, nullable: bool) -> object:
        if isinstance(layout, FixedWidth):
            return self.read_fixed(layout.code)
        if isinstance(layout, VariableWidth):
            return self.read_variable(layout, flexible=flexible, nullable=nullable)
        if isinstance(layout, ArrayLayout):
            return self.read_array(layout, flexible=flexible, nullable=nullable)
        if nullable and self.read_fixed("b") < 0:
            return None
        return self.read_struct(layout)

    def read_variable(self, layout: VariableWidth, *, flexible: bool, nullable: bool) -> object:
        start = self.position
        length = self.read_length(layout.length_code, flexible=flexible, nullable=nullable)
        if length is None:
            return None
        if layout is STRING and length > MAX_STRING_BYTES:
            raise self.error(f"a string of {length} bytes is longer than {MAX_STRING_BYTES}", start)
        raw = self.take(length)
        self.owed += length_cost(layout, length)
        if layout is RECORDS:
            return raw
        if layout is BYTES:
            return bytes(raw)
        try:
            return str(raw, "utf-8")
        except UnicodeDecodeError as error:
            raise self.error(f"not UTF-8: {error.reason}", start) from error

    def read_array(self, layout: ArrayLayout, *, flexible: bool, nullable: bool) -> object:
        start = self.position
        length = self.read_length("i", flexible=flexible, nullable=nullable)
        if length is None:
            return None
        size_bytes = length * max(1, element_min_size_bytes(layout, flexible=flexible))
        if size_bytes > self.end - self.position:
            left = max(0, self.end - self.position)
            raise self.error(f"an array of {length} takes at least {size_bytes} bytes, {left} are left", start)
        cost = 0
        if isinstance(layout.element, FixedWidth):
            self.check_total(length * number_cost(layout.element))
            self.owe(length * number_cost(layout.element), self.position + length * layout.element.size_bytes)
        elif length:
            cost = element_cost(layout.element)
            self.owed += LIST_COST * self.cost_factor
            self.check_total(length * cost)
        values = []
        for index in range(length):
            self.path.append(str(index))
            self.count_element()
            values.append(self.read_value(layout.element, flexible=flexible, nullable=False))
            self.owe(cost, self.position)
            self.path.pop()
        return values

    def owe(self, cost: int, paid_position: int) -> None:
        """Add a cost that the bytes up to `paid_position` must pay for, together with all before."""
        self.owed += cost * self.cost_factor
        if self.owed > paid_position:
            raise self.error(NOT_PAID)

    def check_total(self, cost: int) -> None:
        """Refuse a cost that would be beyond the limit for one message, however long it is."""
        if self.owed + cost * self.cost_factor > self.max_owed:
            raise self.error(TOO_DEAR)

    def count_element(self) -> None:
        if self.elements_left is not None:
            if not self.elements_left:
                raise TooManyElements(str(self.error("more elements than were to be read")))
            self.elements_left -= 1

    def read_tagged_fields(self, layout: StructLayout, target: object) -> None:
        """Read a tag section: each tag at most once, and each with exactly the size that it says."""
        known = {item.tag: item for item in layout.tagged}
        seen: set[int] = set()
        unknown: list[RawTaggedField] = []
        start = self.position
        count = self.read_unsigned_varint()
        if count * 2 > self.end - self.position:
            raise self.error(f"{count} tagged fields are more than the bytes left can hold", start)
        if not count:
            return
        self.owed += TAG_SECTION_COST
        cost_factor, self.cost_factor = self.cost_factor, SLOW_FACTOR
        for _ in range(count):
            start = self.position
            tag = self.read_unsigned_varint()
            if tag in seen:
                raise self.error(f"tag {tag} occurs twice", start)
            seen.add(tag)
            self.owed += TAGGED_FIELD_COST
            size_bytes = self.read_unsigned_varint()
            if tag in known:
                self.read_tagged_field(known[tag], size_bytes, target)
            elif tag in layout.known_tags:
                raise self.error(f"tag {tag} is not valid at version {layout.version}", start)
            else:
                unknown.append(RawTaggedField(tag, bytes(self.take(size_bytes))))
            self.owe(0, self.position)
        self.cost_factor = cost_factor
        set_unknown_tagged_fields(target, tuple(unknown))

    def read_tagged_field(self, item: FieldLayout, size_bytes: int, target: object) -> None:
        self.path.append(item.name)
        start = self.position
        if isinstance(item.type, StructLayout) and item.nullable:
            value: object = self.read_struct(item.type) if self.read_unsigned_varint() else None
        else:
            value = self.read_value(item.type, flexible=True, nullable=item.nullable)
        if self.position - start != size_bytes:
            raise self.error(f"the tagged field takes {self.position - start} bytes, its size says {size_bytes}", start)
        setattr(target, item.slot, value)
        self.path.pop()


def encode_struct(layout: StructLayout, value: object) -> bytes:
    """Return the bytes of a struct.

    Raises:
        EncodeError: a value does not fit its field, or is set at a version that has no place for it.
    """
    writer = _Writer()
    writer.path.append(f"{layout.cls.__name__} version {layout.version}")
    writer.write_struct(layout, value)
    return b"".join(writer.parts)


def encode_tagged_fields(layout: StructLayout, value: object) -> bytes:
    """Return the tag section of a struct: the tagged fields that differ from their default, then the unknown ones."""
    writer = _Writer()
    writer.path.append(f"{layout.cls.__name__} version {layout.version}")
    writer.write_tagged_fields(layout, value)
    return b"".join(writer.parts)


class _Writer:
    """What has been written of one message."""

    def __init__(self) -> None:
        self.parts: list[Buffer] = []
        self.path: list[str] = []

    def error(self, reason: str) -> EncodeError:
        return EncodeError(f"{'.'.join(self.path)}: {reason}")

    def write_struct(self, layout: StructLayout, value: object) -> None:
        if not isinstance(value, layout.cls):
            raise self.error(f"a {layout.cls.__name__} is needed, not {type(value).__name__}")
        for item in layout.absent:
            if not item.ignorable and not item.holds_default(value):
                raise self.error(f"{item.name} is set, but version {layout.version} does not have it")
        for item in layout.fields:
            self.path.append(item.name)
            self.write_value(item.type, self.value_of(item, value), flexible=layout.flexible, nullable=item.nullable)
            self.path.pop()
        if layout.flexible:
            self.write_tagged_fields(layout, value)
        elif unknown_tagged_fields(value):
            raise self.error(f"version {layout.version} has no tagged fields")

    def value_of(self, item: FieldLayout, value: object) -> object:
        """Return what a field holds; a default struct comes into being only where it must be written."""
        held = getattr(value, item.slot)
        return getattr(value, item.name) if held is item.default and item.slot != item.name else held

    def write_value(self, layout: ValueLayout, value: Any, *, flexible: bool, nullable: bool) -> None:
        if isinstance(layout, StructLayout):
            if nullable:
                self.parts.append(b"\xff" if value is None else b"\x01")
            if value is not None or not nullable:
                self.write_struct(layout, value)
        elif isinstance(layout, FixedWidth):
            self.parts.append(self.pack_fixed(layout, value))
        elif value is None:
            if not nullable:
                raise self.error("null is not allowed here")
            length_code = "i" if isinstance(layout, ArrayLayout) else layout.length_code
            self.parts.append(b"\x00" if flexible else struct.pack(">" + length_code, -1))
        elif isinstance(layout, ArrayLayout):
            self.write_array(layout, value, flexible=flexible)
        else:
            self.write_variable(layout, value, flexible=flexible)

    def pack_fixed(self, layout: FixedWidth, value: Any) -> bytes:
        if layout.name == "uuid" and not (isinstance(value, bytes) and len(value) == 16):
            raise self.error(f"an id of 16 bytes is needed, not {value!r}")
        try:
            return struct.pack(">" + layout.code, value)
        except (struct.error, OverflowError, TypeError) as error:
            raise self.error(f"{value!r} is no {layout.name}") from error

    def pack_length(self, length: int, length_code: str, *, flexible: bool) -> bytes:
        try:
            return encode_unsigned_varint(length + 1) if flexible else struct.pack(">" + length_code, length)
        except (struct.error, EncodeError) as error:
            raise self.error(f"a length of {length} is too long for its field") from error

    def write_variable(self, layout: VariableWidth, value: Any, *, flexible: bool) -> None:
        if layout is STRING:
            if not isinstance(value, str):
                raise self.error(f"a string is needed, not {type(value).__name__}")
            try:
                raw: Buffer = value.encode()
            except UnicodeEncodeError as error:
                raise self.error(f"cannot be written as UTF-8: {error.reason}") from error
            if len(raw) > MAX_STRING_BYTES:
                raise self.error(f"a string of {len(raw)} bytes is longer than {MAX_STRING_BYTES}")
        elif isinstance(value, bytes | bytearray | memoryview):
            raw = memoryview(value).cast("B")
        else:
            raise self.error(f"bytes are needed, not {type(value).__name__}")
        self.parts.append(self.pack_length(len(raw), layout.length_code, flexible=flexible))
        self.parts.append(raw)

    def write_array(self, layout: ArrayLayout, values: Any, *, flexible: bool) -> None:
        if not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray | memoryview):
            raise self.error(f"a sequence is needed, not {type(values).__name__}")
        self.parts.append(self.pack_length(len(values), "i", flexible=flexible))
        for index, value in enumerate(values):
            self.path.append(str(index))
            self.write_value(layout.element, value, flexible=flexible, nullable=False)
            self.path.pop()

    def write_tagged_fields(self, layout: StructLayout, value: object) -> None:
        sections: dict[int, bytes] = {}
        for item in layout.tagged:
            if item.tag is not None and not item.holds_default(value):
                self.path.append(item.name)
                sections[item.tag] = self.tagged_field(item, value)
                self.path.pop()
        for tag, data in unknown_tagged_fields(value):
            if tag in layout.known_tags or tag in sections:
                raise self.error(f"tag {tag} is attached as an unknown one, but it is known or attached twice")
            sections[tag] = data
        self.parts.append(encode_unsigned_varint(len(sections)))
        for tag, data in sorted(sections.items()):
            self.parts += (encode_unsigned_varint(tag), encode_unsigned_varint(len(data)), data)

    def tagged_field(self, item: FieldLayout, value: object) -> bytes:
        writer = _Writer()
        writer.path = self.path
        held = self.value_of(item, value)
        if isinstance(item.type, StructLayout) and item.nullable:
            writer.parts.append(b"\x00" if held is None else b"\x01")
            if held is not None:
                writer.write_struct(item.type, held)
        else:
            writer.write_value(item.type, held, flexible=True, nullable=item.nullable)
        return b"".join(writer.parts)
