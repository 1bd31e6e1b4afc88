"""Checks of settings: a value that is wrong is refused where it is given, by the name of its setting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable


def of_kind(kind: type, what: str) -> Callable[[Any, Any, object], None]:
    """The check that a value is of a type, which has a name for people."""

    def check(_config: Any, attribute: Any, value: object) -> None:
        if not isinstance(value, kind):
            raise TypeError(f"{attribute.name} must be {what}, not {value!r}")

    return check


def whole_number(default: int, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """A setting that is a whole number within bounds; what breaks them is a TypeError or a ValueError."""

    def check(_config: Any, attribute: Any, value: object) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise TypeError(f"{attribute.name} must be a whole number, not {value!r}")
        if at_least is not None and value < at_least:
            raise ValueError(f"{attribute.name} must be {at_least} or more, not {value}")
        if at_most is not None and value > at_most:
            raise ValueError(f"{attribute.name} must be {at_most} or less, not {value}")

    number: int = attrs.field(default=default, validator=check)
    return number
