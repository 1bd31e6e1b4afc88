"""How a struct of the protocol is written down: `@struct` over one annotated `field` a line.

The class is the specification, the constructor and the documentation. A module of them starts with

    from __future__ import annotations

so that annotations stay text until the struct is first used: the outermost struct can stand first, and importing a
definition costs next to nothing. For the same reason no method is generated at import: the first construction of a
struct writes its `__init__`.
"""

from __future__ import annotations

import functools
import sys
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, NamedTuple, TypeVar, dataclass_transform, get_args, get_origin

from dotkafka.protocol import wire_types
from dotkafka.protocol.wire_types import RECORDS, ArrayOf, ValueType

T = TypeVar("T")

UNBOUNDED = 32767
"""The highest version there can be: it is an int16 in the request header."""


class Versions:
    """A range of versions in Kafka's notation: `4`, `0-3`, `9+` or `none`."""

    __slots__ = ("highest", "lowest")

    def __init__(self, lowest: int, highest: int) -> None:
        self.lowest = lowest
        self.highest = highest

    @staticmethod
    @functools.cache
    def parse(text: str) -> Versions:
        """Return the range that `text` stands for; raises ValueError for any other notation."""
        if text == "none":
            return Versions(0, -1)
        if text.endswith("+"):
            return Versions(int(text[:-1]), UNBOUNDED)
        lowest, _, highest = text.partition("-")
        return Versions(int(lowest), int(highest or lowest))

    def __contains__(self, version: int) -> bool:
        return self.lowest <= version <= self.highest

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Versions):
            return NotImplemented
        return (self.lowest, self.highest) == (other.lowest, other.highest)

    def __hash__(self) -> int:
        return hash((self.lowest, self.highest))

    def __str__(self) -> str:
        if self.highest < self.lowest:
            return "none"
        if self.highest == UNBOUNDED:
            return f"{self.lowest}+"
        return str(self.lowest) if self.lowest == self.highest else f"{self.lowest}-{self.highest}"

    def __repr__(self) -> str:
        return f"Versions({str(self)!r})"


class RawTaggedField(NamedTuple):
    """A tagged field that the definition does not know, as it came; it is written back unchanged."""

    tag: int
    data: bytes


class _Unset:
    """The type of `UNSET`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset()
"""No default was given: the wire type's own one holds (0, false, "", empty, the null uuid)."""


class Field:
    """One line of a definition, as `field` was called. `name` is filled in by `struct`."""

    __slots__ = ("default", "ignorable", "name", "nullable", "tag", "tagged", "versions")

    def __init__(
        self,
        versions: str,
        nullable: str,
        tag: int | None,
        tagged: str,
        default: object,
        ignorable: bool,  # noqa: FBT001 (only `field` calls this)
    ) -> None:
        self.name = ""
        self.versions = versions
        self.nullable = nullable
        self.tag = tag
        self.tagged = tagged
        self.default = default
        self.ignorable = ignorable


def field(
    versions: str = "0+",
    *,
    nullable: str = "none",
    tag: int | None = None,
    tagged: str | None = None,
    default: object = UNSET,
    ignorable: bool = False,
) -> Any:
    """Declare one field of a struct.

    Args:
        versions: those that have the field.
        nullable: those at which it may be null.
        tag: its number in the tag section, if it is a tagged field.
        tagged: the versions at which it is tagged; where not said, all that have the field.
        default: its value where it was not set, not sent or is not in the version; null is None.
        ignorable: whether a value other than the default is dropped, and not refused, at a version without the field.

    Every field has a default, explicit or implied by its type, so type checkers see each argument of `__init__` as
    optional. That is why this returns `Any` and is no PEP 681 field specifier: those want an explicit default.
    """
    if tagged is None:
        tagged = versions if tag is not None else "none"
    return Field(versions, nullable, tag, tagged, default, ignorable)


class Struct:
    """The base that `@struct` gives to every definition."""

    __slots__ = ("_unknown_tagged_fields",)
    __match_args__: tuple[str, ...] = ()
    struct_fields: ClassVar[tuple[Field, ...]] = ()
    struct_slots: ClassVar[tuple[str, ...]] = ()
    """The slot that holds each field: its name, or with an underscore where `_default_struct` stands in front."""
    _unknown_tagged_fields: Sequence[RawTaggedField]

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        cls = type(self)
        cls.__init__ = _make_init(cls)  # type: ignore[method-assign]
        cls.__init__(self, *arguments, **keywords)

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, name), getattr(other, name)) for name in self.__match_args__) and _same(
            self._unknown_tagged_fields, unknown_tagged_fields(other)
        )

    __hash__ = None  # type: ignore[assignment]  # structs can change

    def __repr__(self) -> str:
        values = [f"{name}={getattr(self, name)!r}" for name in self.__match_args__]
        if self._unknown_tagged_fields:
            values.append(f"unknown tagged fields {list(self._unknown_tagged_fields)!r}")
        return f"{type(self).__name__}({', '.join(values)})"


def _same(left: object, right: object) -> bool:
    """Compare two values of fields: arrays by their elements, whatever kind of sequence holds them."""
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    return left == right


def unknown_tagged_fields(value: object) -> Sequence[RawTaggedField]:
    """Return the tagged fields that came with a struct and that its definition does not know."""
    return typing.cast("Struct", value)._unknown_tagged_fields  # noqa: SLF001 (public attributes are the fields)


def set_unknown_tagged_fields(value: object, tagged_fields: Sequence[RawTaggedField]) -> None:
    """Attach tagged fields that the definition of a struct does not know; they are written after the known ones."""
    typing.cast("Struct", value)._unknown_tagged_fields = tagged_fields  # noqa: SLF001 (see above)


@dataclass_transform()
def struct(cls: type[T]) -> type[T]:
    """Make a class of annotated `field` lines a struct: slots, `__init__` with Kafka's defaults, `==` and `repr`."""
    namespace = dict(vars(cls))
    fields = tuple(value for value in namespace.values() if isinstance(value, Field))
    slots = []
    annotations = namespace.get("__annotations__", {})
    for name in [name for name, value in namespace.items() if isinstance(value, Field)]:
        item = namespace.pop(name)
        item.name = name
        if _is_default_struct(annotations[name], item):
            slots.append("_" + name)
            namespace[name] = _default_struct(item)
        else:
            slots.append(name)
    for name in ("__dict__", "__weakref__"):
        namespace.pop(name, None)
    namespace["__slots__"] = tuple(slots)
    namespace["__match_args__"] = tuple(item.name for item in fields)
    namespace["struct_fields"] = fields
    namespace["struct_slots"] = tuple(slots)
    return typing.cast("type[T]", type(cls.__name__, (Struct,), namespace))


def _is_default_struct(annotation: object, item: Field) -> bool:
    """Tell whether a field that is not set holds a struct: its type is one, and it has no other default."""
    if not isinstance(annotation, str):
        raise TypeError("a module of structs must start with `from __future__ import annotations`")
    name = annotation.removesuffix(" | None")
    return name.isidentifier() and name not in _ALIASES and item.default is UNSET


_ALIASES = {name for name, value in vars(wire_types).items() if get_origin(value) is Annotated}


def _default_struct(item: Field) -> property:
    """Return the property in front of a field whose default is a struct.

    Most such fields are tagged and hardly ever sent. Their slot holds None for "the default" (`UNSET` where None is
    null), and the default struct comes into being when somebody reads the field: decoding a fetch response would else
    make three per partition.
    """
    name, slot = item.name, "_" + item.name
    unset = None if item.nullable == "none" else UNSET

    def read(self: Struct) -> object:
        value = getattr(self, slot)
        if value is unset:
            value = typing.cast("type[Struct]", value_types(type(self))[name])()
            setattr(self, slot, value)
        return value

    def write(self: Struct, value: object) -> None:
        setattr(self, slot, value)

    return property(read, write)


_value_types: dict[type[Struct], dict[str, ValueType]] = {}


def value_types(cls: type[Struct]) -> dict[str, ValueType]:
    """Return what each field of a struct holds, by name.

    Raises:
        TypeError: the definition contradicts itself.
    """
    resolved = _value_types.get(cls)
    if resolved is None:
        module = vars(sys.modules[cls.__module__])
        resolved = _value_types[cls] = {
            item.name: _value_type(cls, item, eval(cls.__annotations__[item.name], module))  # noqa: S307 (source text)
            for item in cls.struct_fields
        }
    return resolved


def _value_type(cls: type[Struct], item: Field, annotation: Any) -> ValueType:
    is_optional = get_origin(annotation) in {typing.Union, types.UnionType}
    if is_optional:
        (annotation,) = [option for option in get_args(annotation) if option is not types.NoneType]
    resolved = _resolve(annotation)
    if is_optional != (item.nullable != "none") and resolved is not RECORDS:
        raise TypeError(f"{cls.__name__}.{item.name}: annotate with None exactly the fields that can be null")
    return resolved


def _resolve(annotation: Any) -> ValueType:
    if get_origin(annotation) is Annotated:
        return typing.cast("ValueType", annotation.__metadata__[0])
    if get_origin(annotation) is Sequence:
        element = _resolve(get_args(annotation)[0])
        if isinstance(element, ArrayOf):
            raise TypeError("Kafka has no arrays of arrays")
        return ArrayOf(element)
    if not (isinstance(annotation, type) and issubclass(annotation, Struct)):
        raise TypeError(f"{annotation!r} is neither a wire type nor a @struct")
    return annotation


def default_of(cls: type[Struct], item: Field) -> object:
    """Return a field's default, as its slot holds it.

    The default struct is None in a field that always holds a struct, and `UNSET` in one that may be null.
    """
    if item.default is not UNSET:
        return item.default
    value_type = value_types(cls)[item.name]
    if isinstance(value_type, ArrayOf):
        return ()
    if isinstance(value_type, type):
        return None if item.nullable == "none" else UNSET
    return value_type.default


def _make_init(cls: type[Struct]) -> Any:
    """Write the `__init__` of a struct: one parameter per field, in the order of the definition."""
    scope: dict[str, Any] = {f"default_{item.name}": default_of(cls, item) for item in cls.struct_fields}
    parameters = "".join(f", {item.name}=default_{item.name}" for item in cls.struct_fields)
    lines = [f"def __init__(self{parameters}):"]
    lines += [f"    self.{slot} = {item.name}" for slot, item in zip(cls.struct_slots, cls.struct_fields, strict=True)]
    lines.append("    self._unknown_tagged_fields = ()")
    exec("\n".join(lines), scope)  # noqa: S102 (names of fields, which Python has already read as such)
    return scope["__init__"]
