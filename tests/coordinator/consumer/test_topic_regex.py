"""Which topics match, and what that may cost."""

import random
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.coordinator.consumer.topic_regex import TopicRegex, matching_topics
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode

atoms = st.sampled_from(
    ["a", "b", ".", "-", "[ab]", "[^a]", r"\w", r"\d", r"\.", "^", "$", r"\b", r"\B", "(?i:a)", "1"]
)
patterns = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{2,}", "*?"])).map(
            lambda parts: f"(?:{parts[0]}){parts[1]}"
        ),
    ),
    max_leaves=8,
)


@given(patterns, st.lists(st.text("abAB1.-_", min_size=1, max_size=8), max_size=8))
def test_matches_what_python_matches(pattern: str, names: list[str]) -> None:
    """Python's `re` reads all of this too, and means the same."""
    regex = TopicRegex(pattern)
    for name in names:
        assert regex.matches(name) == (re.fullmatch(pattern, name, re.ASCII) is not None)


@pytest.mark.parametrize(
    "pattern",
    ["(a*)*b", "(a+)+b", "(a|a)*b", "(a|ab)(c|bcd)(d*)x", "(.*)(.*)(.*)(.*)(.*)x", "((a?){5}){5}b"],
)
def test_nothing_goes_back(pattern: str) -> None:
    """What takes a backtracking engine for ever is nothing here."""
    began = time.process_time()
    assert not matching_topics(pattern, ["a" * 249] * 100)
    assert time.process_time() - began < 2


def test_what_takes_too_long_is_refused() -> None:
    """Soon, though each of these names is new to it."""
    pattern = "(a|b)*a(a|b){500}"
    chance = random.Random(1)
    names = ["".join(chance.choices("ab", k=249)) for _ in range(1_000)]
    began = time.process_time()
    with pytest.raises(ApiError, match="takes too long") as refusal:
        matching_topics(pattern, names)
    assert refusal.value.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    assert time.process_time() - began < 5


@pytest.mark.parametrize("pattern", ["(((a{1000}){1000}){1000})", "((){1000}){1000}", "a{1000}" * 11])
def test_what_is_too_large_is_refused(pattern: str) -> None:
    """Repetitions are written out only so far."""
    with pytest.raises(ApiError, match="too large"):
        TopicRegex(pattern)


def test_many_topics_are_quick() -> None:
    """Names of one kind cost a look-up a character."""
    names = [f"orders-{number}" for number in range(20_000)]
    began = time.process_time()
    assert len(matching_topics("orders-[0-9]*7", names)) == 2_000
    assert time.process_time() - began < 2


def test_a_list_of_names_is_an_expression_too() -> None:
    """Librdkafka joins all that is subscribed to."""
    names = [f"topic-{number}" for number in range(500)]
    assert matching_topics("|".join(f"(^{name}$)" for name in names[:300]), names) == set(names[:300])
