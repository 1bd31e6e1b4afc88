"""Promises of `@struct`: constructor, comparison and representation from the definition alone."""

from __future__ import annotations

from typing import Any

import pytest

from dotkafka.protocol.schema import (
    Array,
    Boolean,
    Bytes,
    Float64,
    Int32,
    RawTaggedField,
    Records,
    String,
    Uuid,
    Versions,
    field,
    set_unknown_tagged_fields,
    struct,
)
from dotkafka.protocol.structs import value_types


@struct
class Outer:
    """Stands before the struct it refers to."""

    number: Int32 = field()
    ratio: Float64 = field()
    flag: Boolean = field()
    name: String = field()
    nickname: String | None = field(nullable="0+")
    blob: Bytes = field()
    uuid: Uuid = field()
    records: Records = field()
    limit: Int32 = field(default=-1)
    inner: Inner = field()
    maybe: Inner | None = field(nullable="0+", default=None)
    unless_null: Inner | None = field(nullable="0+")
    inners: Array[Inner] = field()
    numbers: Array[Int32] | None = field(nullable="0+", default=None)


@struct
class Inner:
    """Stands after it."""

    value: Int32 = field(default=7)


@struct
class NullableWithoutNone:
    """Contradicts itself: may be null, but its annotation denies it."""

    name: String = field(nullable="0+")


@struct
class NoneWithoutNullable:
    """Contradicts itself the other way."""

    name: String | None = field()


@struct
class ArrayOfArrays:
    """Kafka has none."""

    numbers: Array[Array[Int32]] = field()


@struct
class NoWireType:
    """A Python type says nothing of the wire."""

    number: int = field()


def test_implicit_defaults() -> None:
    """What is not set is what Kafka takes it to be."""
    value = Outer()
    assert (value.number, value.ratio, value.flag, value.name, value.nickname) == (0, 0.0, False, "", "")
    assert (value.blob, value.uuid, value.records, value.limit) == (b"", bytes(16), None, -1)
    assert (value.inner, value.maybe, value.unless_null) == (Inner(7), None, Inner(7))
    assert (list(value.inners), value.numbers) == ([], None)


def test_arguments_by_position_and_by_name() -> None:
    """Fields are arguments in the order of the definition."""
    value = Outer(1, 2.0, name="n", inner=Inner(8))
    assert (value.number, value.ratio, value.name, value.inner.value) == (1, 2.0, "n", 8)
    with pytest.raises(TypeError, match="surname"):
        Outer(surname="n")  # type: ignore[call-arg]


def test_a_default_struct_is_not_shared() -> None:
    """Changing one message's default struct changes no other's."""
    first, second = Outer(), Outer()
    first.inner.value = 1
    assert second.inner.value == 7
    assert first.inner.value == 1


def test_null_is_not_the_default_of_a_struct_unless_said() -> None:
    """A struct that may be null is the default struct when not set; setting it to null is something else."""
    value = Outer()
    value.unless_null = None
    assert value.unless_null is None
    assert value == Outer(unless_null=None)
    assert value != Outer()


def test_equality_looks_at_values_not_at_kinds_of_sequences() -> None:
    """A list equals a tuple of the same elements; a default struct equals an explicit one."""
    assert Outer(inners=[Inner(1)], numbers=(1, 2)) == Outer(inners=(Inner(1),), numbers=[1, 2], inner=Inner())
    assert Outer(inners=[Inner(1)]) != Outer(inners=[Inner(2)])
    assert Outer(inners=[Inner(1)]) != Outer(inners=[])
    assert Outer(maybe=None) != Outer(maybe=Inner())
    assert Outer(records=memoryview(b"r")) == Outer(records=b"r")


def test_unknown_tagged_fields_count_for_equality() -> None:
    """Two messages that differ in what nobody knows differ."""
    first, second = Inner(), Inner()
    set_unknown_tagged_fields(first, [RawTaggedField(1, b"")])
    assert first != second
    assert "unknown tagged fields [RawTaggedField(tag=1" in repr(first)
    set_unknown_tagged_fields(second, (RawTaggedField(1, b""),))
    assert first == second


def test_structs_have_slots_no_hash_and_a_representation() -> None:
    """A misspelt attribute is an error, and so is a struct as a key, since it can change."""
    value = Inner()
    with pytest.raises(AttributeError):
        value.valeu = 1  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="unhashable"):
        {value}  # noqa: B018
    assert repr(value) == "Inner(value=7)"


def test_structs_match_by_position() -> None:
    """A struct can be taken apart by `match`."""
    match Inner(3):
        case Inner(value):
            assert value == 3


@pytest.mark.parametrize("definition", [NullableWithoutNone, NoneWithoutNullable, ArrayOfArrays, NoWireType])
def test_a_definition_that_contradicts_itself_is_a_type_error(definition: Any) -> None:
    """The author of a definition hears of it on first use."""
    with pytest.raises(TypeError):
        value_types(definition)


def test_annotations_must_be_text() -> None:
    """Without postponed annotations the order of definitions would matter; the author is told."""
    early = type("Early", (), {"__annotations__": {"number": Int32}, "number": field()})
    with pytest.raises(TypeError, match="from __future__ import annotations"):
        struct(early)


@pytest.mark.parametrize("text", ["none", "4", "0-3", "9+"])
def test_versions_print_as_they_are_written(text: str) -> None:
    """Kafka's notation, in and out."""
    assert str(Versions.parse(text)) == text


def test_versions_contain_their_bounds() -> None:
    """Both ends of a range belong to it."""
    assert [version in Versions.parse("2-3") for version in range(1, 5)] == [False, True, True, False]
    assert 32767 in Versions.parse("9+")
    assert 0 not in Versions.parse("none")
    with pytest.raises(ValueError, match="invalid literal"):
        Versions.parse("some")
