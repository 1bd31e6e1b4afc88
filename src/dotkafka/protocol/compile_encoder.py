"""Encoding at full speed: one generated function per message and version.

What makes it fast: pieces are appended to a list and joined once; fixed-width fields that follow each other, the next
length and the empty tag section are one `struct.Struct`; an element that holds nothing but numbers and several arrays
of numbers is one `pack`, chosen by the lengths of its arrays. Values are not checked one by one: what does not fit
makes `pack`, `len` or `encode` fail, and then the interpreter encodes again and says what is wrong.

A list of structs with text in them that stands in several elements, as the settings of topics do, is encoded once:
where the very same list comes again, so do its pieces. Only the last such list is remembered.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable
from typing import Any

from dotkafka.protocol.generated_source import FAILURES, GeneratedSource
from dotkafka.protocol.interpreter import MAX_STRING_BYTES, encode_struct, encode_tagged_fields
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout
from dotkafka.protocol.primitives import encode_unsigned_varint
from dotkafka.protocol.wire_types import BYTES, RECORDS, STRING, UUID, FixedWidth, VariableWidth

Encoder = Callable[[Any], Any]

PART_BYTES = 4096
"""From this size on, a value of bytes or records is a part of its own and not copied."""

_MAX_PACKERS = 256


def compile_encoder(layout: StructLayout, *, in_parts: bool) -> Encoder:
    """Return a function from a struct to its bytes, or to a list of parts; see `interpreter.encode_struct`."""
    source = GeneratedSource(
        FAILURES=FAILURES,
        compact_lengths=_compact_lengths(),
        encode_again=functools.partial(encode_struct, layout),
        join=b"".join,
        pack=struct.pack,
        packer_for=_packer_for,
        tagged_fields=encode_tagged_fields,
        varint=encode_unsigned_varint,
    )
    _Writer(source, in_parts=in_parts).write_function(layout)
    in_what = " in parts" if in_parts else ""
    return source.compile(f"encode {layout.cls.__name__} version {layout.version}{in_what}", "encode")


@functools.cache
def _compact_lengths() -> tuple[bytes, ...]:
    """Return the compact lengths of one byte: at 0 that of null, at 1 that of nothing, and so on."""
    return tuple(bytes([length]) for length in range(128))


def _packer_for(packers: dict[Any, Any], template: tuple[str, ...], *lengths: int) -> Callable[..., bytes]:
    """Return the `pack` of an element whose arrays have these lengths.

    `template` is the codes around the arrays, and between them the code of each array's elements.
    """
    if max(lengths) > 126 and "B" in template[0][-1:]:
        raise ValueError("these lengths take more than one byte")
    codes = template[0]
    for index, length in enumerate(lengths):
        codes += f"{length}{template[2 * index + 1]}{template[2 * index + 2]}"
    if len(packers) >= _MAX_PACKERS:
        packers.clear()
    packer: Callable[..., bytes] = struct.Struct(">" + codes).pack
    packers[lengths] = packer
    return packer


class _Writer:
    """Writes the function of one layout.

    In the generated code `a` appends to the pieces, `v` is the value at hand and `n` its length. `_run` holds the
    fixed-width values that are to be written next, and the expressions that give them.
    """

    def __init__(self, source: GeneratedSource, *, in_parts: bool) -> None:
        self.source = source
        self.in_parts = in_parts
        self._run: list[tuple[str, str]] = []
        self._is_in_element = False
        self._may_repeat = False

    def write_function(self, layout: StructLayout) -> None:
        add, block = self.source.add, self.source.block
        # Where bytes become parts, pieces do not stay.
        self._may_repeat = not _holds(layout, BYTES, RECORDS)
        with block("def encode(o):"):
            with block("try:"):
                add("pieces = []", "a = pieces.append")
                if self._may_repeat:
                    add("last = None")
                if self.in_parts:
                    add("parts = []")
                self.write_struct(layout, "o")
                self.flush()
                if self.in_parts:
                    with block("if pieces:"):
                        add("parts.append(join(pieces))")
                    add("return parts")
                else:
                    add("return join(pieces)")
            with block("except FAILURES:"):
                add("return [encode_again(o)]" if self.in_parts else "return encode_again(o)")

    def packed_run(self, *more: tuple[str, str]) -> str:
        """Return the expression that packs the run and `more` values."""
        run = [*self._run, *more]
        codes = "".join(code for code, _ in run)
        if all(value == "0" for _, value in run):
            return repr(bytes(struct.calcsize(">" + codes)))
        return f"{self.source.packed(codes, 'pack')}({', '.join(value for _, value in run)})"

    def flush(self) -> None:
        """Write the writing of the run."""
        if self._run:
            self.source.add(f"a({self.packed_run()})")
            self._run = []

    def write_struct(self, layout: StructLayout, owner: str) -> None:
        """Write the writing of a struct; the run may hold values of the structs around it."""
        self.write_refusals(layout, owner)
        for item in layout.fields:
            self.write_field(item, f"{owner}.{item.slot}", owner, flexible=layout.flexible)
        if layout.tagged:
            self.flush()
            name = self.source.name("LAYOUT", layout)
            conditions = [f"{owner}._unknown_tagged_fields"]
            conditions += [_is_not_default(self.source, item, f"{owner}.{item.slot}") for item in layout.tagged]
            with self.source.block(f"if {' or '.join(conditions)}:"):
                self.source.add(f"a(tagged_fields({name}, {owner}))")
            with self.source.block("else:"):
                self.source.add(r'a(b"\x00")')
        elif layout.flexible:
            self._run.append(("B", "0"))

    def write_refusals(self, layout: StructLayout, owner: str) -> None:
        """Write what hands over to the interpreter: values without a place here, and rare unknown tags."""
        conditions = [] if layout.tagged else [f"{owner}._unknown_tagged_fields"]
        conditions += [
            _is_not_default(self.source, item, f"{owner}.{item.slot}") for item in layout.absent if not item.ignorable
        ]
        if conditions:
            with self.source.block(f"if {' or '.join(conditions)}:"):
                self.source.add("raise ValueError")

    def write_field(self, item: FieldLayout, value: str, owner: str, *, flexible: bool) -> None:
        held = item.type
        if isinstance(held, FixedWidth):
            self.write_fixed(held, value)
        elif isinstance(held, StructLayout):
            self.write_nested_struct(item, held, owner)
        elif isinstance(held, ArrayLayout):
            self.write_array(held, value, flexible=flexible, nullable=item.nullable)
        else:
            self.write_variable(held, value, flexible=flexible, nullable=item.nullable)

    def write_fixed(self, held: FixedWidth, value: str) -> None:
        if held is UUID:
            name = self.source.variable("uuid")
            self.source.add(f"{name} = {value}")
            with self.source.block(f"if len({name}) != 16 or type({name}) is not bytes:"):
                self.source.add("raise ValueError")
            value = name
        self._run.append((held.code, value))

    def write_nested_struct(self, item: FieldLayout, layout: StructLayout, owner: str) -> None:
        nested = self.source.variable("o")
        self.source.add(f"{nested} = {owner}.{item.name}")
        if not item.nullable:
            self.write_struct(layout, nested)
            return
        self.flush()
        with self.source.block(f"if {nested} is None:"):
            self.source.add(r'a(b"\xff")')
        with self.source.block("else:"):
            self._run.append(("b", "1"))
            self.write_struct(layout, nested)
            self.flush()

    def write_variable(self, held: VariableWidth, value: str, *, flexible: bool, nullable: bool) -> None:
        add, block = self.source.add, self.source.block
        encoded = ".encode()" if held is STRING else ""
        if nullable:
            add(f"v = {value}")
            with block("if v is None:"):
                add('v = b""', "n = -1")
            with block("else:"):
                if encoded:
                    add("v = v.encode()")
                add("n = len(v)")
        else:
            add(f"v = {value}{encoded}", "n = len(v)")
        if held is BYTES or held is RECORDS:
            with block("if type(v) is memoryview and v.itemsize != 1:"):
                add("raise ValueError")
        if flexible:
            self.write_compact_length(held)
        else:
            add(f"a({self.packed_run((held.length_code, 'n'))})")
        self._run = []
        if self.in_parts and held is not STRING:
            with block(f"if n < {PART_BYTES}:"):
                add("a(v)")
            with block("else:"):
                add("parts.append(join(pieces))", "pieces.clear()", "parts.append(v)")
        else:
            add("a(v)")

    def write_compact_length(self, held: VariableWidth | None) -> None:
        """Write the writing of the run and of the length `n`, -1 for null: inline up to what the type often needs."""
        add, block = self.source.add, self.source.block
        with block("if n < 127:"):
            add(f"a({self.packed_run(('B', 'n + 1'))})" if self._run else "a(compact_lengths[n + 1])")
        if held is BYTES or held is RECORDS:
            with block("elif n < 16383:"):
                add("n1 = n + 1", f"a({self.packed_run(('B', 'n1 & 127 | 128'), ('B', 'n1 >> 7'))})")
            with block("elif n < 2097151:"):
                groups = (("B", "n1 & 127 | 128"), ("B", "n1 >> 7 & 127 | 128"), ("B", "n1 >> 14"))
                add("n1 = n + 1", f"a({self.packed_run(*groups)})")
        elif held is STRING:
            with block(f"elif n > {MAX_STRING_BYTES}:"):
                add("raise ValueError")
        with block("else:"):
            if self._run:
                add(f"a({self.packed_run()})")
            add("a(varint(n + 1))")

    def write_array(self, held: ArrayLayout, value: str, *, flexible: bool, nullable: bool) -> None:
        add, block = self.source.add, self.source.block
        values = self.source.variable("values")
        add(f"{values} = {value}")
        if nullable:
            add(f"n = -1 if {values} is None else len({values})")
        else:
            add(f"n = len({values})")
        if flexible:
            self.write_compact_length(None)
        else:
            add(f"a({self.packed_run(('i', 'n'))})")
        self._run = []
        with block("if n > 0:"):
            if isinstance(held.element, FixedWidth) and held.element is not UUID:
                add(f'a(pack(f">{{n}}{held.element.code}", *{values}))')
            elif self._may_repeat and self._is_in_element and _is_struct_with_text(held.element):
                first = self.source.variable("first")
                with block(f"if {values} is last:"):
                    add("pieces += pieces[last_first:last_end]")
                with block("else:"):
                    add(f"{first} = len(pieces)")
                    self.write_elements(held.element, values, flexible=flexible)
                    add(f"last, last_first, last_end = {values}, {first}, len(pieces)")
            else:
                self.write_elements(held.element, values, flexible=flexible)

    def write_elements(self, element: ValueLayout, values: str, *, flexible: bool) -> None:
        add, block = self.source.add, self.source.block
        item = self.source.variable("o")
        if isinstance(element, StructLayout) and _is_one_pack(element):
            self.write_packed_elements(element, values, item)
            return
        was_in_element, self._is_in_element = self._is_in_element, True
        with block(f"for {item} in {values}:"):
            if isinstance(element, StructLayout):
                self.write_struct(element, item)
            elif isinstance(element, FixedWidth):
                self.write_fixed(element, item)
            elif isinstance(element, VariableWidth):
                self.write_variable(element, item, flexible=flexible, nullable=False)
            self.flush()
            if not self._has_written(element):
                add("pass")
        self._is_in_element = was_in_element

    @staticmethod
    def _has_written(element: ValueLayout) -> bool:
        """Tell whether a loop over such elements has a body."""
        return not isinstance(element, StructLayout) or bool(element.fields) or element.flexible

    def write_packed_elements(self, layout: StructLayout, values: str, item: str) -> None:
        """Write a loop with one `pack` an element: see `_is_one_pack`."""
        add, block = self.source.add, self.source.block
        length_code = "B" if layout.flexible else "i"
        template, arguments, lengths = [""], [], []
        with block(f"for {item} in {values}:"):
            self.write_refusals(layout, item)
            for field in layout.fields:
                held = field.type
                if isinstance(held, FixedWidth):
                    template[-1] += held.code
                    arguments.append(f"{item}.{field.slot}")
                elif isinstance(held, ArrayLayout) and isinstance(held.element, FixedWidth):
                    array, length = self.source.variable("values"), self.source.variable("length")
                    add(f"{array} = {item}.{field.slot}", f"{length} = len({array})")
                    template[-1] += length_code
                    template += [held.element.code, ""]
                    arguments += [f"{length} + 1" if layout.flexible else length, f"*{array}"]
                    lengths.append(length)
            if layout.flexible:
                template[-1] += "B"
                arguments.append("0")
            packers = self.source.name("PACKERS", {})
            key = ", ".join(lengths)
            add(f"packer = {packers}.get(({key})) or packer_for({packers}, {tuple(template)!r}, {key})")
            add(f"a(packer({', '.join(arguments)}))")


def _holds(value: ValueLayout, *kinds: VariableWidth) -> bool:
    """Tell whether a value of one of these kinds is in there, outside of tagged fields."""
    if isinstance(value, ArrayLayout):
        return _holds(value.element, *kinds)
    if isinstance(value, StructLayout):
        return any(_holds(item.type, *kinds) for item in value.fields)
    return value in kinds


def _is_struct_with_text(value: ValueLayout) -> bool:
    """Tell whether a value is a struct that takes long enough to encode for its list to be looked at twice."""
    return isinstance(value, StructLayout) and any(item.type is STRING for item in value.fields)


def _is_one_pack(layout: StructLayout) -> bool:
    """Tell whether one `pack` writes an element: numbers and several arrays of numbers, none of them null."""
    arrays = 0
    for item in layout.fields:
        held = item.type
        if isinstance(held, ArrayLayout) and isinstance(held.element, FixedWidth) and not item.nullable:
            held = held.element
            arrays += 1
        if not isinstance(held, FixedWidth) or held is UUID:
            return False
    return arrays > 1 and not layout.tagged


def _is_not_default(source: GeneratedSource, item: FieldLayout, value: str) -> str:
    """Return an expression that is false only if a field certainly holds its default."""
    default = item.default
    if default is None:
        return f"{value} is not None"
    if default == ():
        return f"({value} or {value} is None)"
    if isinstance(default, bool | int | float | str | bytes):
        return f"{value} != {default!r}"
    return f"{value} != {source.name('DEFAULT', default)}"
