"""What a setting is: its name, its type, which values it takes, and what to tell people about it.

Values travel and are stored as text. `ConfigDefinition.parse` is the only way from text to value, and refuses all
that Kafka refuses; `normalize` gives the text that is shown for a value, whatever blanks and capitals it was set with.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

import attrs

from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
MAX_VALUE_LENGTH: Final = 32_767
"""The longest text of a value: what a string of the metadata records can hold."""
MAX_LISTED_NAMES: Final = 10
"""How many names a message lists."""
MAX_SHOWN_LENGTH: Final = 100
"""How much of a wrong name or value a message shows: the message must fit into a string of the protocol too."""


class ConfigType(IntEnum):
    """The type of a setting; the numbers are those of DescribeConfigs."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    LONG = 5
    DOUBLE = 6
    LIST = 7


class ConfigSource(IntEnum):
    """Where a value comes from; the numbers are those of DescribeConfigs."""

    TOPIC = 1
    DYNAMIC_BROKER = 2
    DYNAMIC_DEFAULT_BROKER = 3
    STATIC_BROKER = 4
    DEFAULT = 5
    GROUP = 8


@attrs.frozen
class ConfigDefinition:
    """One setting."""

    name: str
    config_type: ConfigType
    default: str | None
    documentation: str
    check: Callable[[Any], str | None] | None = None
    broker_synonym: str | None = None
    """The broker setting that stands in where a topic or group has no value of its own."""
    is_read_only: bool = False
    """Whether it is fixed while the broker runs."""
    is_hidden: bool = False
    """Whether it is accepted, but never described."""

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for.

        Raises:
            ApiError: INVALID_CONFIG, saying what is expected.
        """
        if len(text) > MAX_VALUE_LENGTH:
            raise self._refusal(text, f"it is longer than {MAX_VALUE_LENGTH} characters")
        try:
            value = _PARSERS[self.config_type](text.strip())
        except ValueError as error:
            raise self._refusal(text, str(error)) from None
        problem = self.check(value) if self.check is not None else None
        if problem is not None:
            raise self._refusal(text, problem)
        return value

    def normalize(self, text: str) -> str:
        """Return the text that is shown for a valid value.

        Raises:
            ApiError: INVALID_CONFIG, if the value is not valid.
        """
        value = self.parse(text)
        match self.config_type:
            case ConfigType.BOOLEAN:
                return "true" if value else "false"
            case ConfigType.LIST:
                return ",".join(value)
            case _:
                return str(value)

    def _refusal(self, text: str, problem: str) -> ApiError:
        shown = repr(text) if len(text) <= MAX_SHOWN_LENGTH else f"{text[:MAX_SHOWN_LENGTH]!r}..."
        return ApiError(ErrorCode.INVALID_CONFIG, f"Invalid value {shown} for {self.name}: {problem}.")


def _parse_boolean(text: str) -> bool:
    match text.lower():
        case "true":
            return True
        case "false":
            return False
        case _:
            raise ValueError("expected true or false")


def _parse_integer(text: str, maximum: int) -> int:
    digits = text[1:] if text[:1] in {"+", "-"} else text
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 40) or not -maximum - 1 <= int(text) <= maximum:
        raise ValueError(f"expected a whole number of {-maximum - 1} to {maximum}")
    return int(text)


def _parse_double(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("expected a number") from None


def _parse_list(text: str) -> Sequence[str]:
    return [item.strip() for item in text.split(",")] if text else []


_PARSERS: dict[ConfigType, Callable[[str], Any]] = {
    ConfigType.BOOLEAN: _parse_boolean,
    ConfigType.STRING: str,
    ConfigType.INT: lambda text: _parse_integer(text, INT32_MAX),
    ConfigType.LONG: lambda text: _parse_integer(text, INT64_MAX),
    ConfigType.DOUBLE: _parse_double,
    ConfigType.LIST: _parse_list,
}


def at_least(minimum: int) -> Callable[[Any], str | None]:
    """Return the check that a number is `minimum` or more."""
    return lambda value: None if value >= minimum else f"it must be {minimum} or more"


def between(minimum: float, maximum: float) -> Callable[[Any], str | None]:
    """Return the check that a number is in a range, both ends included."""
    return lambda value: None if minimum <= value <= maximum else f"it must be {minimum} to {maximum}"


def one_of(*choices: str) -> Callable[[Any], str | None]:
    """Return the check that a text is one of `choices`."""
    return lambda value: None if value in choices else f"it must be one of {', '.join(choices)}"


def some_of(*choices: str) -> Callable[[Any], str | None]:
    """Return the check that a list, which may be empty, has only `choices`, each at most once."""

    def check(values: Sequence[str]) -> str | None:
        if not set(values) <= set(choices):
            return f"each of its items must be one of {', '.join(choices)}"
        return None if len(set(values)) == len(values) else "an item occurs twice"

    return check


def parse_all(definitions: Mapping[str, ConfigDefinition], configs: Mapping[str, str], *, kind: str) -> dict[str, Any]:
    """Return the values of some settings.

    Args:
        definitions: the settings that there are, by name.
        configs: what is to be parsed.
        kind: of the resource, for the message: `topic`, `broker`.

    Raises:
        ApiError: INVALID_CONFIG, for a name that is not defined or a value that is not valid.
    """
    values = {}
    for name, text in configs.items():
        definition = definitions.get(name)
        if definition is None:
            raise ApiError(ErrorCode.INVALID_CONFIG, f"There is no {kind} setting {name[:MAX_SHOWN_LENGTH]!r}.")
        values[name] = definition.parse(text)
    return values


def listed(names: Sequence[str]) -> str:
    """Return some names as a message shows them: not too many, and none of them at any length."""
    shown = ", ".join(repr(name[:MAX_SHOWN_LENGTH]) for name in names[:MAX_LISTED_NAMES])
    return shown if len(names) <= MAX_LISTED_NAMES else f"{shown} ..."
