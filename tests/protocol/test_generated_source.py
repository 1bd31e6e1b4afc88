"""Promises of generated source: fresh names, one name a value, and text that debuggers find."""

from __future__ import annotations

import linecache

from dotkafka.protocol.generated_source import GeneratedSource


def test_a_function_is_made_of_lines() -> None:
    """Blocks indent, names are given, and the function runs."""
    source = GeneratedSource(offset=1)
    with source.block("def shift(value):"):
        with source.block("if value < 0:"):
            source.add("return 0")
        source.add("return value + offset")
    shift = source.compile("shift test", "shift")
    assert [shift(-5), shift(1)] == [0, 2]
    assert linecache.getline("<dotkafka shift test>", 4) == "    return value + offset\n"


def test_variables_are_fresh_and_values_keep_their_name() -> None:
    """Two variables never collide; the same object is one global."""
    source = GeneratedSource()
    first, second = source.variable("n"), source.variable("n")
    assert first != second
    value, other = [1], [1]
    assert source.name("V", value) == source.name("V", value) != source.name("V", other)


def test_runs_of_codes_are_named_once() -> None:
    """The same run is one struct, booleans included, whose code is no letter."""
    source = GeneratedSource()
    name = source.packed("?h", "pack")
    assert name.isidentifier()
    assert source.packed("?h", "pack") == name
    assert source.names[name](1, 2) == b"\x01\x00\x02"
