"""Messages as JSON, under Kafka's own names: what its request log and its tools print, out and in.

A message is an object with Kafka's field names in camelCase and the fields of one version. A tagged field that holds
its default is left out. Numbers are numbers, 64 bits wide too; bytes and records are base64, ids are Kafka's URL-safe
base64; a float that JSON has no number for is `"NaN"`, `"Infinity"` or `"-Infinity"`, as Kafka's JSON library has it.

Two things that Kafka's own converters drop are kept, so that nothing is lost on the way out and in again: records, for
which Kafka prints an empty string, and tagged fields that the definition does not know, under `_unknownTaggedFields`.

Source: KIP-673.
"""

from __future__ import annotations

import base64
import binascii
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias, TypeVar

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.interpreter import MAX_STRING_BYTES
from dotkafka.protocol.layout import ArrayLayout, FieldLayout, StructLayout, ValueLayout
from dotkafka.protocol.primitives import Buffer, uuid_from_text, uuid_to_text
from dotkafka.protocol.structs import RawTaggedField, set_unknown_tagged_fields, unknown_tagged_fields
from dotkafka.protocol.wire_types import BOOLEAN, FLOAT64, RECORDS, STRING, UUID, FixedWidth, VariableWidth

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

T = TypeVar("T")

JsonObject: TypeAlias = dict[str, Any]
"""What `json.dumps` takes and `json.loads` gives for an object."""

UNKNOWN_TAGGED_FIELDS: Final = "_unknownTaggedFields"
"""The name that tagged fields without a definition stand under: a list of `{"tag": number, "data": base64}`."""

_IRREGULAR_NAMES: Final = {
    "is_kraft_controller": "isKRaftController",
    "kraft_version": "kRaftVersion",
    "kraft_version_feature": "kRaftVersionFeature",
}
"""The names whose capitals do not follow from the words."""

_INTEGER_BOUNDS: Final = {
    "int8": (-(2**7), 2**7),
    "int16": (-(2**15), 2**15),
    "int32": (-(2**31), 2**31),
    "int64": (-(2**63), 2**63),
    "uint16": (0, 2**16),
    "uint32": (0, 2**32),
}
_MAX_TAG: Final = 2**32 - 1


@functools.cache
def json_name(name: str) -> str:
    """Return Kafka's name of a field: `group_id` is `groupId`."""
    first, *others = name.split("_")
    return _IRREGULAR_NAMES.get(name) or first + "".join(word.capitalize() for word in others)


def base64_text(data: Buffer) -> str:
    """Return bytes as they stand in JSON."""
    return base64.b64encode(data).decode()


def to_json(
    message: Message[T], version: int, value: T, *, records: Callable[[Buffer], object] | None = base64_text
) -> JsonObject:
    """Return a message as an object for `json.dumps`.

    Args:
        message: which message it is: `METADATA.request`, say.
        version: the version to show it at.
        value: the message itself.
        records: makes what is shown of record batches. With None only their size is shown, as in Kafka's request log,
            under the field's name and `SizeInBytes`; what comes of that cannot be read back.

    Raises:
        EncodeError: the version is not one of this message, or a value does not fit it; it says which field.
    """
    if version not in message.versions:
        raise EncodeError(f"{message.struct.__name__} has versions {message.versions}, not {version}")
    layout = _layout(message, version)
    return _Writer(layout, records).struct(layout, value)


def from_json(message: Message[T], version: int, node: object) -> T:
    """Return the message that an object of `json.loads` describes; it can then be encoded at this version.

    Each field of the version must be there, except tagged ones, and no others.

    Raises:
        DecodeError: the version is not one of this message, or the object is not a message of that version; it says
            which field.
    """
    if version not in message.versions:
        raise DecodeError(f"{message.struct.__name__} has versions {message.versions}, not {version}")
    layout = _layout(message, version)
    value: T = _Reader(layout).struct(layout, node)
    return value


@functools.lru_cache(maxsize=256)
def _layout(message: Message[Any], version: int) -> StructLayout:
    return message.layout(version)


class _Writer:
    """Where the writing of one message has come to."""

    def __init__(self, layout: StructLayout, records: Callable[[Buffer], object] | None) -> None:
        self.path = [f"{layout.cls.__name__} version {layout.version}"]
        self.records = records

    def refuse(self, reason: str) -> NoReturn:
        raise EncodeError(f"{'.'.join(self.path)}: {reason}")

    def struct(self, layout: StructLayout, value: object) -> JsonObject:
        if not isinstance(value, layout.cls):
            self.refuse(f"a {layout.cls.__name__} is needed, not {type(value).__name__}")
        node: JsonObject = {}
        for item in layout.absent:
            if not item.ignorable and not item.holds_default(value):
                self.path.append(item.name)
                self.refuse(f"it is set, and version {layout.version} does not have it")
        for item in layout.fields:
            self.field(item, value, node)
        for item in layout.tagged:
            if not item.holds_default(value):
                self.field(item, value, node)
        unknown = unknown_tagged_fields(value)
        if unknown:
            if not layout.flexible:
                self.refuse(f"it has tagged fields, and version {layout.version} has no place for them")
            node[UNKNOWN_TAGGED_FIELDS] = [{"tag": tag, "data": base64_text(data)} for tag, data in unknown]
        return node

    def field(self, item: FieldLayout, value: object, node: JsonObject) -> None:
        self.path.append(item.name)
        held = getattr(value, item.name)
        name = json_name(item.name)
        if held is None:
            if not item.nullable and item.type is not RECORDS:
                self.refuse("null is not allowed here")
            node[name] = None
        elif item.type is RECORDS and self.records is None:
            node[name + "SizeInBytes"] = len(self.buffer(held))
        else:
            node[name] = self.value(item.type, held)
        self.path.pop()

    def value(self, layout: ValueLayout, value: Any) -> object:
        if isinstance(layout, StructLayout):
            return self.struct(layout, value)
        if isinstance(layout, ArrayLayout):
            return self.array(layout, value)
        if isinstance(layout, FixedWidth):
            return self.fixed(layout, value)
        if layout is STRING:
            if not isinstance(value, str):
                self.refuse(f"a string is needed, not {type(value).__name__}")
            return value
        data = self.buffer(value)
        return self.records(data) if layout is RECORDS and self.records is not None else base64_text(data)

    def fixed(self, layout: FixedWidth, value: Any) -> object:
        if layout is UUID:
            if not isinstance(value, bytes) or len(value) != 16:
                self.refuse(f"an id of 16 bytes is needed, not {value!r}")
            return uuid_to_text(value)
        if layout is BOOLEAN:
            return bool(value)
        if layout is FLOAT64:
            if not isinstance(value, int | float):
                self.refuse(f"{value!r} is no float64")
            return _float_to_json(float(value))
        lowest, end = _INTEGER_BOUNDS[layout.name]
        if not isinstance(value, int) or not lowest <= value < end:
            self.refuse(f"{value!r} is no {layout.name}")
        return int(value)

    def array(self, layout: ArrayLayout, values: Any) -> list[object]:
        if not isinstance(values, Sequence) or isinstance(values, str | bytes | bytearray | memoryview):
            self.refuse(f"a sequence is needed, not {type(values).__name__}")
        nodes = []
        for index, value in enumerate(values):
            self.path.append(str(index))
            nodes.append(self.value(layout.element, value))
            self.path.pop()
        return nodes

    def buffer(self, value: object) -> memoryview:
        if not isinstance(value, bytes | bytearray | memoryview):
            self.refuse(f"bytes are needed, not {type(value).__name__}")
        return memoryview(value).cast("B")


class _Reader:
    """Where the reading of one message has come to."""

    def __init__(self, layout: StructLayout) -> None:
        self.path = [f"{layout.cls.__name__} version {layout.version}"]

    def refuse(self, reason: str) -> NoReturn:
        raise DecodeError(f"{'.'.join(self.path)}: {reason}")

    def struct(self, layout: StructLayout, node: object) -> Any:
        if not isinstance(node, Mapping):
            self.refuse(f"an object is needed, not {_shown(node)}")
        self.check_names(layout, node)
        value = layout.cls.__new__(layout.cls)
        set_unknown_tagged_fields(value, ())
        for item in layout.absent:
            setattr(value, item.slot, item.default)
        for item in (*layout.fields, *layout.tagged):
            name = json_name(item.name)
            self.path.append(name)
            if name in node:
                held = self.field(item, node[name])
            elif item.tag is None:
                self.refuse(f"it is missing, and version {layout.version} needs it")
            else:
                held = item.default
            setattr(value, item.slot, held)
            self.path.pop()
        if UNKNOWN_TAGGED_FIELDS in node:
            set_unknown_tagged_fields(value, self.unknown_tagged_fields(layout, node[UNKNOWN_TAGGED_FIELDS]))
        return value

    def check_names(self, layout: StructLayout, node: Mapping[Any, object]) -> None:
        known = {json_name(item.name) for item in (*layout.fields, *layout.tagged)}
        if layout.flexible:
            known.add(UNKNOWN_TAGGED_FIELDS)
        for name in node:
            if name not in known:
                self.refuse(f"there is no field {_shown(name)} in version {layout.version}")

    def field(self, item: FieldLayout, node: object) -> object:
        if node is not None:
            return self.value(item.type, node)
        if not item.nullable and item.type is not RECORDS:
            self.refuse("null is not allowed here")
        return None

    def value(self, layout: ValueLayout, node: object) -> object:
        if isinstance(layout, StructLayout):
            return self.struct(layout, node)
        if isinstance(layout, ArrayLayout):
            return self.array(layout, node)
        if isinstance(layout, VariableWidth):
            return self.string(node) if layout is STRING else self.data(node)
        if layout is UUID:
            return self.uuid(node)
        if layout is BOOLEAN:
            if not isinstance(node, bool):
                self.refuse(f"true or false is needed, not {_shown(node)}")
            return node
        if layout is FLOAT64:
            return self.float64(node)
        lowest, end = _INTEGER_BOUNDS[layout.name]
        if not isinstance(node, int) or isinstance(node, bool) or not lowest <= node < end:
            self.refuse(f"{_shown(node)} is no {layout.name}")
        return node

    def array(self, layout: ArrayLayout, nodes: object) -> list[object]:
        if not isinstance(nodes, list | tuple):
            self.refuse(f"an array is needed, not {_shown(nodes)}")
        values = []
        for index, node in enumerate(nodes):
            self.path.append(str(index))
            values.append(self.value(layout.element, node))
            self.path.pop()
        return values

    def string(self, node: object) -> str:
        if not isinstance(node, str):
            self.refuse(f"a string is needed, not {_shown(node)}")
        try:
            size_bytes = len(node.encode())
        except UnicodeEncodeError as error:
            self.refuse(f"cannot be written as UTF-8: {error.reason}")
        if size_bytes > MAX_STRING_BYTES:
            self.refuse(f"a string of {size_bytes} bytes is longer than {MAX_STRING_BYTES}")
        return node

    def data(self, node: object) -> bytes:
        if not isinstance(node, str):
            self.refuse(f"bytes as a string in base64 are needed, not {_shown(node)}")
        try:
            return base64.b64decode(node.encode("ascii"), validate=True)
        except (UnicodeEncodeError, binascii.Error):
            self.refuse(f"{_shown(node)} is no base64")

    def uuid(self, node: object) -> bytes:
        if not isinstance(node, str):
            self.refuse(f"an id as a string is needed, not {_shown(node)}")
        try:
            return uuid_from_text(node)
        except DecodeError as error:
            self.refuse(str(error))

    def float64(self, node: object) -> float:
        if isinstance(node, str) and node in {"NaN", "Infinity", "-Infinity"}:
            return float(node)
        if not isinstance(node, int | float) or isinstance(node, bool):
            self.refuse(f"{_shown(node)} is no float64")
        try:
            return float(node)
        except OverflowError:
            self.refuse(f"{_shown(node)} is too large for a float64")

    def unknown_tagged_fields(self, layout: StructLayout, nodes: object) -> tuple[RawTaggedField, ...]:
        self.path.append(UNKNOWN_TAGGED_FIELDS)
        if not isinstance(nodes, list | tuple):
            self.refuse(f"an array is needed, not {_shown(nodes)}")
        found: dict[int, RawTaggedField] = {}
        for index, node in enumerate(nodes):
            self.path.append(str(index))
            if not isinstance(node, Mapping) or node.keys() != {"tag", "data"}:
                self.refuse(f'{{"tag": ..., "data": ...}} is needed, not {_shown(node)}')
            tag = node["tag"]
            if not isinstance(tag, int) or isinstance(tag, bool) or not 0 <= tag <= _MAX_TAG:
                self.refuse(f"{_shown(tag)} is no tag")
            if tag in layout.known_tags or tag in found:
                self.refuse(f"tag {tag} is known, or is there twice")
            found[tag] = RawTaggedField(tag, self.data(node["data"]))
            self.path.pop()
        self.path.pop()
        return tuple(found.values())


def _float_to_json(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _shown(node: object) -> str:
    """Return what was there instead, as JSON and short. It may be large, so no more of it is written out than shown."""
    if node is None:
        return "null"
    if isinstance(node, bool):
        return str(node).lower()
    if isinstance(node, Mapping):
        return "an object"
    if isinstance(node, list | tuple):
        return "an array"
    if isinstance(node, str):
        return repr(node[:40])
    if isinstance(node, int) and node.bit_length() > 128:
        return "a number of many digits"
    return repr(node)
