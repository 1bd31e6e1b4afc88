"""What a struct looks like on the wire at one version: the part that the interpreter and the compilers agree on.

A definition speaks of all versions; a layout of one. It says which fields are there and in what order, which of them
are in the tag section, which may be null, and what the absent ones are set to.
"""

from __future__ import annotations

from typing import TypeAlias, Union

from dotkafka.protocol.structs import Field, Struct, Versions, default_of, value_types
from dotkafka.protocol.wire_types import ArrayOf, FixedWidth, ValueType, VariableWidth


class ArrayLayout:
    """An array; `element` is what it holds."""

    __slots__ = ("element",)

    def __init__(self, element: ValueLayout) -> None:
        self.element = element


class FieldLayout:
    """One field at one version.

    `slot` is the attribute that holds it: `name`, except where the slot may hold its default for a struct. `tag` is
    None for a field outside the tag section.
    """

    __slots__ = ("default", "ignorable", "name", "nullable", "slot", "tag", "type")

    def __init__(self, cls: type[Struct], item: Field, slot: str, version: int, value: ValueLayout) -> None:
        self.name = item.name
        self.slot = slot
        self.type = value
        self.nullable = version in Versions.parse(item.nullable)
        self.default = default_of(cls, item)
        self.ignorable = item.ignorable
        self.tag = item.tag if version in Versions.parse(item.tagged) else None

    def holds_default(self, value: object) -> bool:
        """Tell whether a struct's `slot` holds the default."""
        current = getattr(value, self.slot)
        if isinstance(self.type, StructLayout) and self.slot != self.name:
            return current is self.default or bool(current == self.type.cls())
        if isinstance(self.type, ArrayLayout) and self.default is not None:
            return current is not None and len(current) == 0
        return bool(current == self.default)


class StructLayout:
    """A struct at one version: `fields` in wire order, `tagged` by ascending tag, `absent` those it does not have.

    `known_tags` are those of all versions: a known tag at a version that does not have it is an error.
    """

    __slots__ = ("absent", "cls", "fields", "flexible", "known_tags", "min_size_bytes", "tagged", "version")

    def __init__(self, cls: type[Struct], version: int, *, flexible: bool) -> None:
        self.cls = cls
        self.version = version
        self.flexible = flexible
        present: list[FieldLayout] = []
        absent: list[FieldLayout] = []
        for item, slot in zip(cls.struct_fields, cls.struct_slots, strict=True):
            value = _value_layout(value_types(cls)[item.name], version, flexible=flexible)
            chosen = present if version in Versions.parse(item.versions) else absent
            chosen.append(FieldLayout(cls, item, slot, version, value))
        self.fields = tuple(item for item in present if item.tag is None)
        self.tagged = tuple(sorted((item for item in present if item.tag is not None), key=lambda item: item.tag or 0))
        self.absent = tuple(absent)
        self.known_tags = frozenset(item.tag for item in cls.struct_fields if item.tag is not None)
        self.min_size_bytes = int(flexible) + sum(_min_size_bytes(item, flexible=flexible) for item in self.fields)
        if self.tagged and not flexible:
            raise TypeError(f"{cls.__name__} has tagged fields at version {version}, which is not flexible")


ValueLayout: TypeAlias = Union[FixedWidth, VariableWidth, ArrayLayout, StructLayout]  # noqa: UP007 (names above)
"""What a field or an element holds, at one version."""


def _value_layout(value_type: ValueType, version: int, *, flexible: bool) -> ValueLayout:
    if isinstance(value_type, ArrayOf):
        return ArrayLayout(_value_layout(value_type.element, version, flexible=flexible))
    if isinstance(value_type, type):
        return StructLayout(value_type, version, flexible=flexible)
    return value_type


def _min_size_bytes(item: FieldLayout, *, flexible: bool) -> int:
    if isinstance(item.type, StructLayout):
        return 1 if item.nullable else item.type.min_size_bytes
    if isinstance(item.type, FixedWidth):
        return item.type.size_bytes
    return length_size_bytes(item.type, flexible=flexible)


def element_min_size_bytes(array: ArrayLayout, *, flexible: bool) -> int:
    """Return the fewest bytes that one element can take."""
    element = array.element
    if isinstance(element, StructLayout):
        return element.min_size_bytes
    return element.size_bytes if isinstance(element, FixedWidth) else length_size_bytes(element, flexible=flexible)


def length_size_bytes(value: VariableWidth | ArrayLayout, *, flexible: bool) -> int:
    """Return the fewest bytes that the length in front of a value takes."""
    if flexible:
        return 1
    return 2 if isinstance(value, VariableWidth) and value.length_code == "h" else 4
