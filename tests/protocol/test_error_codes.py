"""Promises of the error codes: Kafka's numbers, names and flags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dotkafka.protocol.error_codes import ErrorCode

FACTS: list[tuple[int, str, bool, bool]] = json.loads(Path(__file__).with_name("error_facts.json").read_text())


@pytest.mark.parametrize(("code", "name", "retriable", "invalidates_metadata"), FACTS)
def test_equals_kafkas_error(code: int, name: str, *, retriable: bool, invalidates_metadata: bool) -> None:
    """Number, name and what a client may do are Kafka's."""
    error = ErrorCode(code)
    assert error.name == name
    assert error.retriable is retriable
    assert error.invalidates_metadata is invalidates_metadata


def test_there_are_no_others() -> None:
    """Every code from -1 to 133 is there, and none besides."""
    assert [error.value for error in ErrorCode] == [fact[0] for fact in FACTS] == list(range(-1, 134))
