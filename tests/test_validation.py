"""What is wrong with a setting is said with its name."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from dotkafka.validation import of_kind, whole_number


@attrs.frozen
class Settings:
    """One of each kind."""

    count: int = whole_number(3, at_least=1, at_most=5)
    name: str = attrs.field(default="a", validator=of_kind(str, "a text"))


def test_what_is_right_is_taken() -> None:
    """The bounds are within."""
    assert [Settings().count, Settings(count=1).count, Settings(count=5).count] == [3, 1, 5]


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"count": 0}, ValueError, "count must be 1 or more, not 0"),
        ({"count": 6}, ValueError, "count must be 5 or less, not 6"),
        ({"count": "3"}, TypeError, "count must be a whole number, not '3'"),
        ({"count": 3.0}, TypeError, "count must be a whole number, not 3.0"),
        ({"count": True}, TypeError, "count must be a whole number, not True"),
        ({"name": 3}, TypeError, "name must be a text, not 3"),
    ],
)
def test_what_is_wrong_is_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    """A truth value is no number, whatever Python says."""
    with pytest.raises(error, match=f"^{message}$"):
        Settings(**given)
