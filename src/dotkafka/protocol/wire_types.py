"""What a field can hold: Kafka's wire types, and the aliases that definitions are annotated with.

An alias is the Python type for the type checker and carries the wire type for the codec: `Int32` is `int` to mypy and
`FixedWidth("int32", ...)` to `dotkafka.protocol.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, TypeAlias

from dotkafka.protocol.primitives import NULL_UUID, Buffer

Array = Sequence
"""An array; decoded as a tuple or a list, whichever was cheaper. No arrays of arrays exist, and no null elements."""


class FixedWidth:
    """A value that always takes the same number of bytes.

    Args:
        name: Kafka's name of the type.
        code: its character in a `struct` format.
        size_bytes: its width.
        default: the value of a field that was not set or not sent.
    """

    __slots__ = ("code", "default", "name", "size_bytes")

    def __init__(self, name: str, code: str, size_bytes: int, default: object) -> None:
        self.name = name
        self.code = code
        self.size_bytes = size_bytes
        self.default = default


class VariableWidth:
    """A value that is written after its length, or after a mark of null.

    Args:
        name: Kafka's name of the type.
        length_code: the `struct` character of its length where the version is not flexible.
        default: the value of a field that was not set or not sent.
    """

    __slots__ = ("default", "length_code", "name")

    def __init__(self, name: str, length_code: str, default: object) -> None:
        self.name = name
        self.length_code = length_code
        self.default = default


class ArrayOf:
    """What `Array[...]` resolves to; `element` is a wire type or a struct."""

    __slots__ = ("element",)

    def __init__(self, element: FixedWidth | VariableWidth | type) -> None:
        self.element = element


ValueType: TypeAlias = FixedWidth | VariableWidth | ArrayOf | type
"""What a field holds: a wire type, an array, or a struct."""

INT8 = FixedWidth("int8", "b", 1, 0)
INT16 = FixedWidth("int16", "h", 2, 0)
INT32 = FixedWidth("int32", "i", 4, 0)
INT64 = FixedWidth("int64", "q", 8, 0)
UINT16 = FixedWidth("uint16", "H", 2, 0)
UINT32 = FixedWidth("uint32", "I", 4, 0)
FLOAT64 = FixedWidth("float64", "d", 8, 0.0)
BOOLEAN = FixedWidth("bool", "?", 1, default=False)
UUID = FixedWidth("uuid", "16s", 16, NULL_UUID)
STRING = VariableWidth("string", "h", "")
BYTES = VariableWidth("bytes", "i", b"")
RECORDS = VariableWidth("records", "i", None)

Int8: TypeAlias = Annotated[int, INT8]
Int16: TypeAlias = Annotated[int, INT16]
Int32: TypeAlias = Annotated[int, INT32]
Int64: TypeAlias = Annotated[int, INT64]
UInt16: TypeAlias = Annotated[int, UINT16]
UInt32: TypeAlias = Annotated[int, UINT32]
Float64: TypeAlias = Annotated[float, FLOAT64]
Boolean: TypeAlias = Annotated[bool, BOOLEAN]
"""One byte; any but zero is read as true, and true is written as one."""
Uuid: TypeAlias = Annotated[bytes, UUID]
"""16 raw bytes; `dotkafka.protocol.primitives.uuid_to_text` gives the form that people read."""
String: TypeAlias = Annotated[str, STRING]
"""At most 32,767 bytes of UTF-8."""
Bytes: TypeAlias = Annotated[bytes, BYTES]
"""Opaque; decoded as a copy, so that it outlives the frame."""
Records: TypeAlias = Annotated[Buffer | None, RECORDS]
"""Record batches, opaque to the codec; decoded as a memoryview of the frame, writable if the frame is a bytearray."""
