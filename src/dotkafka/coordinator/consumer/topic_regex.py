"""Which topics a regular expression matches, at a cost that its author cannot drive up.

An expression becomes a small program (Thompson's construction) that is in several states at once, so no text makes it
go back. Sets of states and what follows them are remembered: a name costs one look-up a character once its kind was
seen. What has to be found out anew is counted, and an expression that needs too much of it is refused.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from dotkafka.coordinator.consumer.regex_syntax import (
    WORD,
    Assertion,
    Characters,
    Choice,
    Node,
    Repeat,
    Sequence,
    parse_regex,
    refusal,
)

MAX_STATES: Final = 10_000
"""States of one program; repetitions are written out."""
MAX_STEPS: Final = 250_000
"""States that may be looked at to match an expression against all topics, beside what is remembered: about 0.1 s."""


class _Consume(NamedTuple):
    characters: Characters
    following: int


class _Split(NamedTuple):
    branches: tuple[int, ...]


class _Assert(NamedTuple):
    assertion: Assertion
    following: int


class _Accept(NamedTuple):
    pass


_State = _Consume | _Split | _Assert | _Accept
_BEGIN, _IN_WORD, _OUTSIDE_WORD = range(3)
_END: Final = ""


class TopicRegex:
    """One expression, ready to be matched.

    Raises:
        ApiError: INVALID_REGULAR_EXPRESSION, if it is not valid or too large.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._states: list[_State] = [_Accept()]
        self._compiled = 0
        self._start = self._compile(parse_regex(pattern), 0)
        self._steps_left = MAX_STEPS
        self._transitions: dict[tuple[frozenset[int], int, str], frozenset[int]] = {}

    def matches(self, name: str) -> bool:
        """Whether the whole name matches.

        Raises:
            ApiError: INVALID_REGULAR_EXPRESSION, if that takes too long.
        """
        states = frozenset((self._start,))
        before = _BEGIN
        for character in (*name, _END):
            key = (states, before, character)
            following = self._transitions.get(key)
            if following is None:
                following = self._transitions[key] = self._step(states, before, character)
            if not following:
                return False
            states = following
            before = _IN_WORD if character in WORD else _OUTSIDE_WORD
        return True

    def _step(self, states: Iterable[int], before: int, character: str) -> frozenset[int]:
        """The states after `character`; at the end of the name, the accepting state if it is reached."""
        following = set()
        pending = list(states)
        seen = set(pending)
        while pending:
            number = pending.pop()
            self._steps_left -= 1
            if self._steps_left < 0:
                raise refusal(self._pattern, "it takes too long to find what it matches")
            state = self._states[number]
            if isinstance(state, _Consume):
                if character in state.characters:
                    following.add(state.following)
            elif isinstance(state, _Accept):
                if character == _END:
                    following.add(number)
            else:
                new = [branch for branch in _branches(state, before, character) if branch not in seen]
                seen.update(new)
                pending += new
        return frozenset(following)

    # From the tree to the program, from its end to its beginning: what follows is there before what leads to it

    def _add(self, state: _State) -> int:
        self._states.append(state)
        return len(self._states) - 1

    def _compile(self, node: Node, following: int) -> int:
        self._compiled += 1
        if self._compiled > MAX_STATES:
            raise refusal(self._pattern, "it is too large when its repetitions are written out")
        match node:
            case frozenset():
                return self._add(_Consume(node, following))
            case Assertion():
                return self._add(_Assert(node, following))
            case Sequence(parts):
                for part in reversed(parts):
                    following = self._compile(part, following)
                return following
            case Choice(branches):
                return self._add(_Split(tuple([self._compile(branch, following) for branch in branches])))
            case Repeat():
                return self._compile_repeat(node, following)

    def _compile_repeat(self, node: Repeat, following: int) -> int:
        if node.highest is None:
            loop = self._add(_Split(()))
            self._states[loop] = _Split((self._compile(node.part, loop), following))
            following = loop
        else:
            end = following
            for _ in range(node.highest - node.lowest):
                following = self._add(_Split((self._compile(node.part, following), end)))
        for _ in range(node.lowest):
            following = self._compile(node.part, following)
        return following


def matching_topics(pattern: str, names: Iterable[str]) -> frozenset[str]:
    """The names that match as a whole.

    Raises:
        ApiError: INVALID_REGULAR_EXPRESSION, if the expression is not valid, too large or takes too long.
    """
    regex = TopicRegex(pattern)
    return frozenset(name for name in names if regex.matches(name))


def _branches(state: _Split | _Assert, before: int, character: str) -> tuple[int, ...]:
    """The states that one is in at the same time."""
    if isinstance(state, _Split):
        return state.branches
    return (state.following,) if _holds(state.assertion, before, character) else ()


def _holds(assertion: Assertion, before: int, character: str) -> bool:
    match assertion:
        case Assertion.BEGIN:
            return before == _BEGIN
        case Assertion.END:
            return character == _END
        case Assertion.WORD_BOUNDARY:
            return (before == _IN_WORD) != (character in WORD)
        case Assertion.NO_WORD_BOUNDARY:
            return (before == _IN_WORD) == (character in WORD)
