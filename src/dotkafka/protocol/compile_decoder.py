"""Decoding at full speed: one generated function per message and version.

What makes it fast: fixed-width fields that follow each other are one `struct.Struct`, which also swallows the next
length or tag count; objects are made without `__init__`, their slots stored directly; compact lengths of one byte are
read inline, and those of records up to three; an array of numbers is one call. Records are handed out as views.

What makes it safe: generated code may read nonsense but never past the data unnoticed. Reads past the end raise,
except slices, and since the position only grows, one comparison at the end catches those. So no length is compared
with the bytes left. On any failure the interpreter decodes again, and says what is wrong; but since it is slow, not
beyond the first 10,000 elements, so that a damaged message costs no more time than a sound one of its size.

The element budget costs nothing in a message of fewer bytes than it has elements, for each takes a byte at least.
Longer ones are decoded by a second function, made when the first of them comes, which counts.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from itertools import repeat
from typing import Any

from dotkafka.errors import DecodeError
from dotkafka.protocol.generated_source import FAILURES, GeneratedSource
from dotkafka.protocol.interpreter import MAX_STRING_BYTES, ElementBudgetSpent, decode_struct, decode_tagged_fields
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout, element_min_size_bytes
from dotkafka.protocol.primitives import Buffer, decode_unsigned_varint
from dotkafka.protocol.wire_types import RECORDS, STRING, FixedWidth, VariableWidth

Decoder = Callable[[Buffer, int], Any]

_SMALL_ARRAY = 16

_MAX_ELEMENTS_AGAIN = 10_000


def compile_decoder(layout: StructLayout, max_elements: int) -> Decoder:
    """Return a function from bytes and a position to the struct there; see `interpreter.decode_struct`."""
    return _compile(layout, max_elements, is_counting=False)


def _compile(layout: StructLayout, max_elements: int, *, is_counting: bool) -> Decoder:
    @functools.cache
    def counting_decoder() -> Decoder:
        return _compile(layout, max_elements, is_counting=True)

    source = GeneratedSource(
        FAILURES=FAILURES,
        MAX_ELEMENTS=max_elements,
        counting_decoder=counting_decoder,
        decode_again=functools.partial(_decode_again, layout),
        long_length=_long_length,
        new=object.__new__,
        repeat=repeat,
        tagged_fields=decode_tagged_fields,
        unpack_from=struct.unpack_from,
    )
    _Writer(source, has_records=_has_records(layout), is_counting=is_counting).write_function(layout)
    counting = ", counting elements" if is_counting else ""
    return source.compile(f"decode {layout.cls.__name__} version {layout.version}{counting}", "decode")


def _decode_again(layout: StructLayout, data: Buffer, position: int, max_elements: int) -> object:
    """Let the interpreter decode what generated code could not, or say why it cannot be decoded."""
    if max_elements <= _MAX_ELEMENTS_AGAIN:
        return decode_struct(layout, data, position, max_elements)
    try:
        return decode_struct(layout, data, position, _MAX_ELEMENTS_AGAIN)
    except ElementBudgetSpent as error:
        raise DecodeError(
            f"{layout.cls.__name__} version {layout.version} is damaged somewhere after its first "
            f"{_MAX_ELEMENTS_AGAIN} elements, or has more than its element budget of {max_elements}: {error}"
        ) from error


def _has_records(layout: StructLayout) -> bool:
    for item in layout.fields + layout.tagged:
        held = item.type.element if isinstance(item.type, ArrayLayout) else item.type
        if held is RECORDS or (isinstance(held, StructLayout) and _has_records(held)):
            return True
    return False


def _long_length(data: Buffer, _first: int, position: int) -> tuple[int, int]:
    """Return a compact length whose first byte, at `position - 1`, says that more follow; and the position after it."""
    return decode_unsigned_varint(data, position - 1)


@functools.cache
def _array_unpackers(code: str, shift: int) -> list[Callable[[Buffer, int], tuple[Any, ...]] | None]:
    """Return the unpackers of arrays of 0, 1, 2 ... values.

    With a shift of 1 they stand at the compact length, which is one more; at 0, the null, stands nothing to call.
    """
    return [None] * shift + [struct.Struct(">" + code * count).unpack_from for count in range(_SMALL_ARRAY + 1)]


class _Writer:
    """Writes the function of one layout.

    In the generated code `d` is the data, `m` a memoryview of it, `p` the position, `n` the length just read and `e`
    the end of a value. `_run` holds the fixed-width values that are to be read next, with the places they go to.
    """

    def __init__(self, source: GeneratedSource, *, has_records: bool, is_counting: bool) -> None:
        self.source = source
        self.has_records = has_records
        self.is_counting = is_counting
        self._run: list[tuple[str, str]] = []

    def write_function(self, layout: StructLayout) -> None:
        add, block = self.source.add, self.source.block
        with block("def decode(data, position):"):
            if not self.is_counting:
                with block("if len(data) - position > MAX_ELEMENTS:"):
                    add("return counting_decoder()(data, position)")
            with block("try:"):
                add("d = data", "p = position")
                if self.has_records:
                    add("m = memoryview(d)")
                    with block("if type(d) is memoryview:"):
                        add('m = m.cast("B")', "d = m.tobytes()")
                else:
                    with block("if type(d) is not bytes:"):
                        add("d = bytes(d)")
                if self.is_counting:
                    add("budget = MAX_ELEMENTS")
                self.write_struct(layout, "o")
                self.flush()
                with block("if p > len(d):"):
                    add("raise IndexError")
                add("return o")
            with block("except FAILURES:"):
                add("return decode_again(data, position, MAX_ELEMENTS)")

    def write_struct(self, layout: StructLayout, target: str) -> None:
        """Write the reading of a struct into a new object. The run may hold values of the structs around it."""
        self.source.add(f"{target} = new({self.source.name('C', layout.cls)})")
        for item in layout.absent + layout.tagged:
            self.source.add(f"{target}.{item.slot} = {self.constant(item.default)}")
        self.source.add(f"{target}._unknown_tagged_fields = ()")
        for item in layout.fields:
            self.write_field(item, f"{target}.{item.slot}", flexible=layout.flexible)
        if layout.flexible:
            self.write_tagged_fields(layout, target)

    def constant(self, value: object) -> str:
        is_literal = value is None or isinstance(value, bool | int | float | str) or value in ((), b"")
        return repr(value) if is_literal else self.source.name("DEFAULT", value)

    def flush(self) -> None:
        """Write the reading of the run."""
        if not self._run:
            return
        codes = "".join(code for code, _ in self._run)
        targets = ", ".join(target for _, target in self._run)
        if codes == "B":
            self.source.add(f"{targets} = d[p]", "p += 1")
        else:
            comma = "," if len(self._run) == 1 else ""
            unpack = self.source.packed(codes, "unpack_from")
            self.source.add(f"{targets}{comma} = {unpack}(d, p)", f"p += {struct.calcsize('>' + codes)}")
        self._run = []

    def read_next(self, code: str, target: str) -> None:
        """Write the reading of the run and of one more value, on which the code that follows depends."""
        self._run.append((code, target))
        self.flush()

    def write_tagged_fields(self, layout: StructLayout, target: str) -> None:
        self.read_next("B", "n")
        name = self.source.name("LAYOUT", layout)
        with self.source.block("if n:"):
            if self.is_counting:
                self.source.add(f"p, budget = tagged_fields({name}, d, p - 1, {target}, budget)")
            else:
                self.source.add(f"p, _ = tagged_fields({name}, d, p - 1, {target}, MAX_ELEMENTS)")

    def write_field(self, item: FieldLayout, target: str, *, flexible: bool) -> None:
        held = item.type
        if isinstance(held, FixedWidth):
            self._run.append((held.code, target))
        elif isinstance(held, StructLayout):
            self.write_nested_struct(item, held, target)
        elif isinstance(held, ArrayLayout):
            self.write_array(held, target, flexible=flexible, nullable=item.nullable)
        else:
            self.write_variable(held, target, flexible=flexible, nullable=item.nullable)

    def write_nested_struct(self, item: FieldLayout, layout: StructLayout, target: str) -> None:
        nested = self.source.variable("o")
        if not item.nullable:
            self.write_struct(layout, nested)
            self.source.add(f"{target} = {nested}")
            return
        self.read_next("b", "n")
        with self.source.block("if n < 0:"):
            self.source.add(f"{target} = None")
        with self.source.block("else:"):
            self.write_struct(layout, nested)
            self.flush()
            self.source.add(f"{target} = {nested}")

    def write_variable(self, held: VariableWidth, target: str, *, flexible: bool, nullable: bool) -> None:
        add, block = self.source.add, self.source.block
        if flexible:
            self.read_next("B", "n")
            self.write_long_length(held)
            present, size = "if n:", "n - 1"
        else:
            self.read_next(held.length_code, "n")
            present, size = "if n >= 0:", "n"
        with block(present):
            add(f"e = p + {size}", f"{target} = {self.slice_of(held)}", "p = e")
        with block("else:"):
            add(f"{target} = None" if nullable else "raise ValueError")

    def slice_of(self, held: VariableWidth) -> str:
        if held is STRING:
            return "d[p:e].decode()"
        if held is RECORDS:
            return "m[p:e]"
        return "bytes(d[p:e])" if self.has_records else "d[p:e]"

    def write_long_length(self, held: VariableWidth | None) -> None:
        """Write the rest of reading a compact length into `n`, whose first byte is there."""
        add, block = self.source.add, self.source.block
        with block("if n > 127:"):
            if held is RECORDS:
                add("n2 = d[p]")
                with block("if n2 < 128:"):
                    add("n += (n2 << 7) - 128", "p += 1")
                with block("elif d[p + 1] < 128:"):
                    add("n += (n2 << 7) + (d[p + 1] << 14) - 16512", "p += 2")
                with block("else:"):
                    add("n, p = long_length(d, n, p)")
            else:
                add("n, p = long_length(d, n, p)")
            if held is STRING:
                with block(f"if n > {MAX_STRING_BYTES + 1}:"):
                    add("raise ValueError")

    def write_array(self, held: ArrayLayout, target: str, *, flexible: bool, nullable: bool) -> None:
        self.read_next("B" if flexible else "i", "n")
        if isinstance(held.element, FixedWidth):
            self.write_fixed_array(held.element, target, flexible=flexible, nullable=nullable)
            return
        add, block = self.source.add, self.source.block
        if flexible:
            self.write_long_length(None)
        with block("if n > 1:" if flexible else "if n > 0:"):
            if flexible:
                add("n -= 1")
            self.spend_budget("n")
            if element_min_size_bytes(held, flexible=flexible) == 0:
                with block("if n > len(d) - p:"):
                    add("raise ValueError")
            values, append = self.source.variable("values"), self.source.variable("append")
            add(f"{values} = []", f"{append} = {values}.append")
            with block("for _ in repeat(None, n):"):
                self.write_element(held.element, append, flexible=flexible)
            add(f"{target} = {values}")
        with block("elif n == 1:" if flexible else "elif n == 0:"):
            add(f"{target} = ()")
        with block("else:"):
            add(f"{target} = None" if nullable else "raise ValueError")

    def write_element(self, element: ValueLayout, append: str, *, flexible: bool) -> None:
        target = self.source.variable("element")
        if isinstance(element, StructLayout):
            self.write_struct(element, target)
        elif isinstance(element, VariableWidth):
            self.write_variable(element, target, flexible=flexible, nullable=False)
        self.flush()
        self.source.add(f"{append}({target})")

    def write_fixed_array(self, element: FixedWidth, target: str, *, flexible: bool, nullable: bool) -> None:
        """Write the reading of an array of numbers or ids: short ones by a table of unpackers."""
        add, block = self.source.add, self.source.block
        table = self.source.name(f"ARRAYS_{element.code}", _array_unpackers(element.code, int(flexible)))
        lowest = 0 if not flexible or not nullable else 1
        with block(f"if {lowest} <= n < {_SMALL_ARRAY}:" if lowest or not flexible else f"if n < {_SMALL_ARRAY}:"):
            size = "n - 1" if flexible else "n"
            self.spend_budget(size)
            add(f"{target} = {table}[n](d, p)", f"p += ({size}) * {element.size_bytes}")
        with block("elif n > 0:"):
            if flexible:
                self.write_long_length(None)
                add("n -= 1")
            self.spend_budget("n")
            add(f"e = p + n * {element.size_bytes}")
            with block("if n < 0 or e > len(d):"):
                add("raise ValueError")
            many = f'f">{{n}}{element.code}"' if len(element.code) == 1 else f'">" + "{element.code}" * n'
            add(f"{target} = unpack_from({many}, d, p)", "p = e")
        with block("else:"):
            add(f"{target} = None" if nullable else "raise ValueError")

    def spend_budget(self, count: str) -> None:
        if self.is_counting:
            with self.source.block(f"if {count} > budget:"):
                self.source.add("raise ValueError")
            self.source.add(f"budget -= {count}")
