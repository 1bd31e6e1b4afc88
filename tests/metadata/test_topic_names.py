"""Legal, colliding and internal topic names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import ApiError
from dotkafka.metadata.topic_names import is_internal, unified_name, validate_topic_name
from dotkafka.protocol.error_codes import ErrorCode


@given(st.text(alphabet="abcXYZ019._-", min_size=1, max_size=249))
def test_every_name_of_legal_characters_is_legal_but_two(name: str) -> None:
    """Letters, digits, `.`, `_` and `-` in up to 249 characters make a name; `.` and `..` alone do not."""
    if name in {".", ".."}:
        with pytest.raises(ApiError):
            validate_topic_name(name)
    else:
        validate_topic_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "a" * 250, "a b", "ä", "a\n", "a/b", "\u0661", "a\x00"])
def test_an_illegal_name_is_refused(name: str) -> None:
    """What no topic may be called is refused with Kafka's code and a reason."""
    with pytest.raises(ApiError) as refusal:
        validate_topic_name(name)
    assert refusal.value.error_code == ErrorCode.INVALID_TOPIC_EXCEPTION
    assert refusal.value.message.startswith("The topic name is invalid: ")


def test_dots_and_underscores_are_one_letter_where_names_collide() -> None:
    """Names that differ in `.` and `_` alone have the same unified name; others do not."""
    assert unified_name("a.b_c") == unified_name("a_b.c")
    assert unified_name("a-b") != unified_name("a_b")


def test_only_the_brokers_own_topics_are_internal() -> None:
    """Two underscores alone make no internal topic."""
    assert is_internal("__consumer_offsets")
    assert not is_internal("__mine")
