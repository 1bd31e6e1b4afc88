"""Definitions of settings: parsing, checking, showing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import ApiError
from dotkafka.metadata.configs import ConfigDefinition, ConfigType, at_least, one_of, parse_all, some_of
from dotkafka.protocol.error_codes import ErrorCode


def setting(config_type: ConfigType, check: Any = None) -> ConfigDefinition:
    """A setting of some type."""
    return ConfigDefinition("a.setting", config_type, None, "", check)


@pytest.mark.parametrize(
    ("config_type", "text", "value", "shown"),
    [
        (ConfigType.BOOLEAN, " TRUE ", True, "true"),
        (ConfigType.BOOLEAN, "False", False, "false"),
        (ConfigType.INT, " +12", 12, "12"),
        (ConfigType.INT, str(-(2**31)), -(2**31), str(-(2**31))),
        (ConfigType.LONG, str(2**63 - 1), 2**63 - 1, str(2**63 - 1)),
        (ConfigType.DOUBLE, "1", 1.0, "1.0"),
        (ConfigType.STRING, " a b ", "a b", "a b"),
        (ConfigType.LIST, "a , b", ["a", "b"], "a,b"),
        (ConfigType.LIST, " ", [], ""),
    ],
)
def test_a_text_is_read_as_kafka_reads_it(config_type: ConfigType, text: str, value: object, shown: str) -> None:
    """Blanks around a value, signs and capitals do not matter, and are not shown."""
    assert setting(config_type).parse(text) == value
    assert setting(config_type).normalize(text) == shown


@pytest.mark.parametrize(
    ("config_type", "text"),
    [
        (ConfigType.BOOLEAN, "yes"),
        (ConfigType.BOOLEAN, ""),
        (ConfigType.INT, str(2**31)),
        (ConfigType.INT, "1_000"),
        (ConfigType.INT, "\u0661"),
        (ConfigType.INT, "1.0"),
        (ConfigType.INT, "9" * 5000),
        (ConfigType.LONG, str(2**63)),
        (ConfigType.DOUBLE, "half"),
        (ConfigType.STRING, "x" * 32_768),
    ],
)
def test_a_wrong_text_is_refused(config_type: ConfigType, text: str) -> None:
    """What is not of the type is refused with INVALID_CONFIG and the setting's name, in a short message."""
    with pytest.raises(ApiError) as refusal:
        setting(config_type).parse(text)
    assert refusal.value.error_code == ErrorCode.INVALID_CONFIG
    assert "a.setting" in refusal.value.message


def test_checks_tell_what_is_expected() -> None:
    """The message of a value that is out of bounds names the bounds."""
    with pytest.raises(ApiError, match="must be 5 or more"):
        setting(ConfigType.INT, at_least(5)).parse("4")
    with pytest.raises(ApiError, match="one of a, b"):
        setting(ConfigType.STRING, one_of("a", "b")).parse("c")
    with pytest.raises(ApiError, match="occurs twice"):
        setting(ConfigType.LIST, some_of("a", "b")).parse("a,a")
    with pytest.raises(ApiError, match="one of a, b"):
        setting(ConfigType.LIST, some_of("a", "b")).parse("a,")
    assert setting(ConfigType.LIST, some_of("a", "b")).parse("") == []


def test_an_unknown_name_is_refused() -> None:
    """A name that is not defined is INVALID_CONFIG, and the message says which."""
    with pytest.raises(ApiError, match="no topic setting 'nonsense'") as refusal:
        parse_all({}, {"nonsense": "1"}, kind="topic")
    assert refusal.value.error_code == ErrorCode.INVALID_CONFIG


@given(st.sampled_from(ConfigType), st.text())
def test_what_is_shown_can_be_set(config_type: ConfigType, text: str) -> None:
    """No text raises anything but a refusal, and the text shown for a value means the same value."""
    definition = setting(config_type)
    try:
        shown = definition.normalize(text)
    except ApiError:
        return
    assert definition.normalize(shown) == shown
