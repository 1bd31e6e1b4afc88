"""Decoding at full speed: one generated function per message and version.

What makes it fast: fixed-width fields that follow each other are one `struct.Struct`, which also swallows the next
length or tag count; objects are made without `__init__`, their slots stored directly; compact lengths of one byte are
read inline, and those of records up to three; an array of numbers is one call, and one of structs that are nothing but
numbers one iterator. Records are handed out as views.

What makes it safe: generated code may read nonsense but never past the data unnoticed. Reads past the end raise,
except slices, and since the position only grows, one comparison at the end catches those. So no length is compared
with the bytes left. On any failure the interpreter decodes again, and says what is wrong; but since it is slow, not
beyond the first 2,000 elements, so that a damaged message costs no more time than a sound one of its size. Beyond them
the place is known from the line of the generated code that has failed.

Whether the bytes of a message pay for what is made of them (see `decoding_cost`) needs no look where they are so few
that they must. Longer messages, and those from 1 KiB on that have tagged fields, are decoded by a second function, made
when the first of them comes, which keeps account.
"""

from __future__ import annotations

import functools
import struct
import typing
from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any

from dotkafka.errors import DecodeError
from dotkafka.protocol.decoding_cost import (
    FREE_COST,
    FREE_WITH_TAGS_BYTES,
    LIST_COST,
    NOT_PAID,
    TOO_DEAR,
    element_cost,
    length_cost_source,
    never_too_dear_bytes,
    number_cost,
)
from dotkafka.protocol.generated_source import FAILURES, GeneratedSource
from dotkafka.protocol.interpreter import MAX_STRING_BYTES, TooManyElements, decode_struct, decode_tagged_fields
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout, element_min_size_bytes
from dotkafka.protocol.primitives import Buffer, decode_unsigned_varint
from dotkafka.protocol.wire_types import RECORDS, STRING, UUID, FixedWidth, VariableWidth

if TYPE_CHECKING:
    from types import TracebackType

Decoder = Callable[[Buffer, int], Any]

_SMALL_ARRAY = 16

_MAX_ELEMENTS_AGAIN = 2_000

_TAG_SECTIONS_BEHIND_RECORDS = 2
"""Those of the structs around, which let two bytes more than a length be read without a look at the end."""


def compile_decoder(layout: StructLayout, max_cost: int) -> Decoder:
    """Return a function from bytes and a position to the struct there; see `interpreter.decode_struct`."""
    return _compile(layout, max_cost, is_counting=False)


def _compile(layout: StructLayout, max_cost: int, *, is_counting: bool) -> Decoder:
    @functools.cache
    def counting_decoder() -> Decoder:
        return _compile(layout, max_cost, is_counting=True)

    source = GeneratedSource(
        FAILURES=FAILURES,
        MAX_COST=max_cost,
        counting_decoder=counting_decoder,
        decode_again=functools.partial(_decode_again, layout),
        long_length=_long_length,
        new=object.__new__,
        repeat=repeat,
        tagged_fields=decode_tagged_fields,
        unpack_from=struct.unpack_from,
        uuids=_uuids,
    )
    source.names["fault"] = functools.partial(_fault, source)
    _Writer(source, max_cost, has_records=_has_records(layout), is_counting=is_counting).write_function(layout)
    counting = ", counting costs" if is_counting else ""
    return source.compile(f"decode {layout.cls.__name__} version {layout.version}{counting}", "decode")


def _fault(source: GeneratedSource, error: Exception, values: dict[str, Any]) -> str:
    """Return where generated code has failed: the field, by the line that failed, and the byte; clears its `locals()`.

    They would else be kept beside the frame, and with them all that has been made.
    """
    line_number = typing.cast("TracebackType", error.__traceback__).tb_lineno
    position, size_bytes = values["p"], len(values["d"])
    names = [f".{len(values[name])}" if is_array else f".{name}" for name, is_array in source.place(line_number)]
    values.clear()
    if isinstance(error, IndexError | struct.error) or position > size_bytes:
        reason = f"the message ends there, after {size_bytes} bytes"
    else:
        reason = str(error)
    return f"{''.join(names)}, from byte {position} on, or the field after it: {reason}"


def _decode_again(layout: StructLayout, data: Buffer, position: int, max_cost: int, fault: str) -> object:
    """Let the interpreter decode what generated code could not, or say why it cannot be decoded."""
    try:
        return decode_struct(layout, data, position, max_cost, max_elements=_MAX_ELEMENTS_AGAIN)
    except TooManyElements:
        raise DecodeError(f"{layout.cls.__name__} version {layout.version}{fault}") from None


def _has_records(layout: StructLayout) -> bool:
    for item in layout.fields + layout.tagged:
        held = item.type.element if isinstance(item.type, ArrayLayout) else item.type
        if held is RECORDS or (isinstance(held, StructLayout) and _has_records(held)):
            return True
    return False


def _is_row(layout: StructLayout) -> bool:
    """Tell whether a struct is nothing but values of fixed width; and a tag section, if the version is flexible."""
    return bool(layout.fields) and all(isinstance(item.type, FixedWidth) for item in layout.fields)


def _long_length(data: Buffer, _first: int, position: int) -> tuple[int, int]:
    """Return a compact length whose first byte, at `position - 1`, says that more follow; and the position after it."""
    return decode_unsigned_varint(data, position - 1)


def _uuids(data: Buffer, position: int, end: int) -> tuple[bytes, ...]:
    """Return ids. No `struct` format for so many is made: they would stay in that module's cache."""
    return tuple([bytes(data[start : start + 16]) for start in range(position, end, 16)])


@functools.cache
def _array_unpackers(code: str, shift: int) -> list[Callable[[Buffer, int], tuple[Any, ...]] | None]:
    """Return the unpackers of arrays of 0, 1, 2 ... values.

    With a shift of 1 they stand at the compact length, which is one more; at 0, the null, stands nothing to call.
    """
    return [None] * shift + [struct.Struct(">" + code * count).unpack_from for count in range(_SMALL_ARRAY + 1)]


class _Writer:
    """Writes the function of one layout.

    In the generated code `d` is the data, `m` a memoryview of it, `p` the position, `n` the length just read, `e` the
    end of a value, and `owed` is explained in `decoding_cost`. `_run` holds the fixed-width values that are to be read
    next, with the places they go to.
    """

    def __init__(self, source: GeneratedSource, max_cost: int, *, has_records: bool, is_counting: bool) -> None:
        self.source = source
        self.max_cost = max_cost
        self.has_records = has_records
        self.is_counting = is_counting
        self._run: list[tuple[str, str]] = []
        self._made: list[str] = []
        self._depth = 0

    def write_function(self, layout: StructLayout) -> None:
        add, block = self.source.add, self.source.block
        with block("def decode(data, position):"):
            if not self.is_counting:
                with block(f"if len(data) - position > {never_too_dear_bytes(layout, self.max_cost)}:"):
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
                    add(f"owed = p - {FREE_COST}", "max_owed = owed + MAX_COST")
                self.write_struct(layout, "o")
                self.flush()
                with block("if p > len(d):"):
                    add("raise IndexError")
                add("return o")
            with block("except FAILURES as error:"):
                add("where = fault(error, locals())")
            # What has been made must not be in memory beside what the interpreter makes.
            add("".join(f"{name} = " for name in self._made) + "d = m = None")
            add("return decode_again(data, position, MAX_COST, where)")

    def write_struct(self, layout: StructLayout, target: str) -> None:
        """Write the reading of a struct into a new object. The run may hold values of the structs around it."""
        self._depth += 1
        self.write_new(layout, target)
        for item in layout.fields:
            self.write_field(item, f"{target}.{item.slot}", flexible=layout.flexible)
        if layout.flexible:
            self.write_tagged_fields(layout, target)
        self._depth -= 1

    def write_new(self, layout: StructLayout, target: str) -> None:
        """Write the making of a struct, with defaults in what need not be read."""
        self._made.append(target)
        self.source.add(f"{target} = new({self.source.name('C', layout.cls)})")
        for item in layout.absent + layout.tagged:
            self.source.add(f"{target}.{item.slot} = {self.constant(item.default)}")
        self.source.add(f"{target}._unknown_tagged_fields = ()")

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
                self.source.add(f"p, owed = tagged_fields({name}, d, p - 1, {target}, owed, max_owed)")
            else:
                with self.source.block(f"if len(d) - position > {FREE_WITH_TAGS_BYTES}:"):
                    self.source.add("return counting_decoder()(data, position)")
                self.source.add(f"p, _ = tagged_fields({name}, d, p - 1, {target}, p - {FREE_COST}, p + {FREE_COST})")

    def write_field(self, item: FieldLayout, target: str, *, flexible: bool) -> None:
        with self.source.at(item.name):
            self.write_value(item, target, flexible=flexible)

    def write_value(self, item: FieldLayout, target: str, *, flexible: bool) -> None:
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
            if held is RECORDS and self._depth >= _TAG_SECTIONS_BEHIND_RECORDS:
                self.read_length_of_records()
            else:
                self.read_next("B", "n")
                self.write_long_length(held)
            present, size = "if n:", "n - 1"
        else:
            self.read_next(held.length_code, "n")
            present, size = "if n >= 0:", "n"
        with block(present):
            add(f"e = p + {size}", f"{target} = {self.slice_of(held)}", "p = e")
            if self.is_counting and (cost := length_cost_source(held, size)):
                add(f"owed += {cost}")
        with block("else:"):
            add(f"{target} = None" if nullable else _refusal("null is not allowed here"))

    def slice_of(self, held: VariableWidth) -> str:
        if held is STRING:
            return "d[p:e].decode()"
        if held is RECORDS:
            return "m[p:e]"
        return "bytes(d[p:e])" if self.has_records else "d[p:e]"

    def read_length_of_records(self) -> None:
        """Write the reading of a compact length of up to three bytes at once; that of real records mostly has so many.

        Behind a shorter one stand the records, and two tag sections at the least.
        """
        add, block = self.source.add, self.source.block
        self._run += [("B", "n"), ("B", "n2"), ("B", "n3")]
        self.flush()
        with block("if n < 128:"):
            add("p -= 2")
        with block("elif n2 < 128:"):
            add("n += (n2 << 7) - 128", "p -= 1")
        with block("elif n3 < 128:"):
            add("n += (n2 << 7) + (n3 << 14) - 16512")
        with block("else:"):
            add("n, p = long_length(d, n, p - 2)")

    def write_long_length(self, held: VariableWidth | None) -> None:
        """Write the rest of reading a compact length into `n`, whose first byte is there."""
        add, block = self.source.add, self.source.block
        with block("if n > 127:"):
            add("n, p = long_length(d, n, p)")
            if held is STRING:
                with block(f"if n > {MAX_STRING_BYTES + 1}:"):
                    add(_refusal(f"a string is longer than {MAX_STRING_BYTES} bytes"))

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
            cost = element_cost(held.element)
            if self.is_counting:
                add(f"owed += {LIST_COST}")
                with block(f"if owed + n * {cost} > max_owed:"):
                    add(_refusal(TOO_DEAR))
            if element_min_size_bytes(held, flexible=flexible) == 0:
                with block("if n > len(d) - p:"):
                    add("raise IndexError")
            values, append = self.source.variable("values"), self.source.variable("append")
            add(f"{values} = []", f"{append} = {values}.append")
            self._made += [values, append]
            left = "n"
            if isinstance(held.element, StructLayout) and _is_row(held.element) and not self.is_counting:
                self.write_rows(held.element, values, append)
                left = f"n - len({values})"
            with block(f"for _ in repeat(None, {left}):"), self.source.at(values, is_array=True):
                self.write_element(held.element, append, flexible=flexible)
                if self.is_counting:
                    add(f"owed += {cost}")
                    with block("if owed > p:"):
                        add(_refusal(NOT_PAID))
            add(f"{target} = {values}")
        with block("elif n == 1:" if flexible else "elif n == 0:"):
            add(f"{target} = ()")
        with block("else:"):
            add(f"{target} = None" if nullable else _refusal("null is not allowed here"))

    def write_rows(self, layout: StructLayout, values: str, append: str) -> None:
        """Write a loop over elements of the same size: all, or those up to the first that has tagged fields."""
        add, block = self.source.add, self.source.block
        codes = "".join(item.type.code for item in layout.fields if isinstance(item.type, FixedWidth))
        codes += "B" * layout.flexible
        size_bytes = struct.calcsize(">" + codes)
        row = [self.source.variable("field") for _ in layout.fields]
        element = self.source.variable("element")
        add(f"e = p + n * {size_bytes}")
        with block("if e <= len(d):"):
            rows = f"{self.source.packed(codes, 'iter_unpack')}(d[p:e])"
            with block(f"for {', '.join(row)}{', tags' * layout.flexible}, in {rows}:"):
                if layout.flexible:
                    with block("if tags:"):
                        add("break")
                self.write_new(layout, element)
                add(*(f"{element}.{item.slot} = {name}" for item, name in zip(layout.fields, row, strict=True)))
                add(f"{append}({element})")
            add(f"p += len({values}) * {size_bytes}")

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
            self.owe_numbers(element, size)
            add(f"{target} = {table}[n](d, p)", f"p += ({size}) * {element.size_bytes}")
        with block("elif n > 0:"):
            if flexible:
                self.write_long_length(None)
                add("n -= 1")
            self.owe_numbers(element, "n")
            add(f"e = p + n * {element.size_bytes}")
            with block("if n < 0 or e > len(d):"):
                add("raise IndexError")
            many = "uuids(d, p, e)" if element is UUID else f'unpack_from(f">{{n}}{element.code}", d, p)'
            add(f"{target} = {many}", "p = e")
        with block("else:"):
            add(f"{target} = None" if nullable else _refusal("null is not allowed here"))

    def owe_numbers(self, element: FixedWidth, count: str) -> None:
        if not self.is_counting:
            return
        cost = number_cost(element)
        self.source.add(f"owed += ({count}) * {cost}")
        with self.source.block("if owed > max_owed:"):
            self.source.add(_refusal(TOO_DEAR))
        if cost > element.size_bytes:
            with self.source.block(f"if owed > p + ({count}) * {element.size_bytes}:"):
                self.source.add(_refusal(NOT_PAID))


def _refusal(reason: str) -> str:
    return f"raise ValueError({reason!r})"
