"""RE2's syntax: what is read, and what is refused."""

import pytest

from dotkafka.coordinator.consumer.regex_syntax import (
    ALPHABET,
    MAX_DEPTH,
    MAX_LENGTH,
    Assertion,
    Choice,
    Repeat,
    Sequence,
    parse_regex,
)
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode

A, B = frozenset("a"), frozenset("b")


@pytest.mark.parametrize(
    ("pattern", "tree"),
    [
        ("", Sequence(())),
        ("a", A),
        ("ab", Sequence((A, B))),
        ("a|b|", Choice((A, B, Sequence(())))),
        ("a*", Repeat(A, 0, None)),
        ("a+?", Repeat(A, 1, None)),
        ("a??", Repeat(A, 0, 1)),
        ("a{2}", Repeat(A, 2, 2)),
        ("a{2,}", Repeat(A, 2, None)),
        ("a{2,3}?", Repeat(A, 2, 3)),
        ("(a)", A),
        ("(?:a)", A),
        ("(?P<name>a)(?<other>b)", Sequence((A, B))),
        ("^a$", Sequence((Assertion.BEGIN, A, Assertion.END))),
        (r"\Aa\z", Sequence((Assertion.BEGIN, A, Assertion.END))),
        (r"\b\B", Sequence((Assertion.WORD_BOUNDARY, Assertion.NO_WORD_BOUNDARY))),
        (r"\Qa.b\E*", Repeat(B, 0, None)),
        ("(?i)a(?-i)b", Sequence((frozenset("aA"), B))),
        ("(?i:a)b", Sequence((frozenset("aA"), B))),
        ("(?sm)a", A),
    ],
)
def test_structure(pattern: str, tree: object) -> None:
    """Groups, choices, repetitions, flags. Of a quoted text only the last character is repeated."""
    node = parse_regex(pattern)
    if pattern.startswith(r"\Q"):
        assert isinstance(node, Sequence)
        node = node.parts[-1]
    assert node == tree


@pytest.mark.parametrize(
    ("pattern", "characters"),
    [
        (".", ALPHABET),
        ("[abc]", frozenset("abc")),
        ("[a-c]", frozenset("abc")),
        ("[^a-zA-Z0-9]", frozenset("._-")),
        ("[]a]", A),
        ("[a-]", frozenset("a-")),
        (r"[\d_]", frozenset("0123456789_")),
        ("[[:digit:]]", frozenset("0123456789")),
        ("[[:^word:]]", frozenset(".-")),
        (r"\W", frozenset(".-")),
        (r"\pN", frozenset("0123456789")),
        (r"\p{Lu}", frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        (r"\P{L}", ALPHABET - frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        (r"\p{^L}", ALPHABET - frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")),
        (r"\p{Any}", ALPHABET),
        (r"\.", frozenset(".")),
        (r"\x61", A),
        (r"\x{61}", A),
        (r"\141", A),
        (r"\0", frozenset()),
        (r"\n", frozenset()),
        (r"\s", frozenset()),
        ("é", frozenset()),
        ("(?i)[a]", frozenset("aA")),
    ],
)
def test_characters(pattern: str, characters: frozenset[str]) -> None:
    """Whatever stands for one character is the set of those that names can hold."""
    assert parse_regex(pattern) == characters


@pytest.mark.parametrize(
    "pattern",
    [
        *("(", ")", "(a", "a)", "[", "[a", "[^", "[a-", "[:alpha:", "[[:none:]]", "[b-a]", "*", "+a", "a|*", "(?:*)"),
        *("a**", "a*+", "a{2}{3}", "a{1001}", "a{2,1}", "(?=a)", "(?!a)", "(?<=a)", "(?<!a)", "(?", "(?i", "(?x)a"),
        *("(?P<n", "(?P<>a)", "(?P<a b>a)", "(?P<n>a)(?P<n>b)", "\\", r"\1", r"\8", r"\y", r"\Z", r"\x", r"\x6"),
        *(r"\x{", r"\x{}", r"\x{110000}", r"\xzz", r"\p", r"\p{L", r"\p{Nobody}", "(?--i)a"),
        *("(" * (MAX_DEPTH + 1) + ")" * (MAX_DEPTH + 1), "a" * (MAX_LENGTH + 1)),
    ],
)
def test_refusals(pattern: str) -> None:
    """With an error that says why, in a few words."""
    with pytest.raises(ApiError) as refusal:
        parse_regex(pattern)
    assert refusal.value.error_code == ErrorCode.INVALID_REGULAR_EXPRESSION
    assert len(refusal.value.message) < 400


@pytest.mark.parametrize("pattern", ["a{", "a{b}", "a{,2}", "a{1", "{", "x{1,2,3}"])
def test_braces_that_repeat_nothing_stand_for_themselves(pattern: str) -> None:
    """As in RE2; no name has any."""
    parse_regex(pattern)
