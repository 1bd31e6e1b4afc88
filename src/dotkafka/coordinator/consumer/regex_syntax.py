r"""The syntax of regular expressions that topics are subscribed by: RE2's, read into a tree.

Topic names are made of 65 ASCII characters, so everything that stands for one character is the set of those that it
matches. Captures and laziness mean nothing where only "does the whole name match" is asked. RE2 has no backreferences
and no lookaround, and neither has this. Source: https://github.com/google/re2/wiki/Syntax.
"""

import enum
import string
import unicodedata
from collections.abc import Mapping
from typing import Final

import attrs

from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode

MAX_LENGTH: Final = 10_000
"""Characters of one expression."""
MAX_DEPTH: Final = 100
"""Groups within groups."""
MAX_REPEAT: Final = 1_000
"""The highest number in `{n,m}`, as in RE2."""

WORD: Final = frozenset(string.ascii_letters + string.digits + "_")
ALPHABET: Final = WORD | frozenset(".-")
"""Everything that a topic name can hold."""
_UNBOUNDED: Final = None


class Assertion(enum.Enum):
    """Something that holds between two characters."""

    BEGIN = enum.auto()
    END = enum.auto()
    WORD_BOUNDARY = enum.auto()
    NO_WORD_BOUNDARY = enum.auto()


@attrs.frozen
class Sequence:
    """One after the other; of nothing, it matches the empty text."""

    parts: "tuple[Node, ...]"


@attrs.frozen
class Choice:
    """Any of these."""

    branches: "tuple[Node, ...]"


@attrs.frozen
class Repeat:
    """The same again and again; `highest` None has no end."""

    part: "Node"
    lowest: int
    highest: int | None


Characters = frozenset[str]
"""Any one of these."""
Node = Characters | Assertion | Sequence | Choice | Repeat

_PERL_CLASSES: Final[Mapping[str, Characters]] = {
    "d": frozenset(string.digits),
    "s": frozenset(),
    "w": WORD,
    "D": ALPHABET - frozenset(string.digits),
    "S": ALPHABET,
    "W": ALPHABET - WORD,
}
_POSIX_CLASSES: Final[Mapping[str, Characters]] = {
    "alnum": frozenset(string.ascii_letters + string.digits),
    "alpha": frozenset(string.ascii_letters),
    "ascii": ALPHABET,
    "blank": frozenset(),
    "cntrl": frozenset(),
    "digit": frozenset(string.digits),
    "graph": ALPHABET,
    "lower": frozenset(string.ascii_lowercase),
    "print": ALPHABET,
    "punct": frozenset("._-"),
    "space": frozenset(),
    "upper": frozenset(string.ascii_uppercase),
    "word": WORD,
    "xdigit": frozenset(string.hexdigits),
}
_GENERAL_CATEGORIES: Final = frozenset("LMNPSZC")
"""The first letters of Unicode's general categories."""
_ASSERTIONS: Final[Mapping[str, Assertion]] = {
    "A": Assertion.BEGIN,
    "z": Assertion.END,
    "b": Assertion.WORD_BOUNDARY,
    "B": Assertion.NO_WORD_BOUNDARY,
}
_CONTROLS: Final[Mapping[str, str]] = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def parse_regex(pattern: str) -> Node:
    """Read an expression.

    Raises:
        ApiError: INVALID_REGULAR_EXPRESSION, saying what is wrong.
    """
    if len(pattern) > MAX_LENGTH:
        raise refusal(pattern, f"it is longer than {MAX_LENGTH} characters")
    return _Parser(pattern).parse()


def refusal(pattern: str, problem: str) -> ApiError:
    """The error for an expression that is not valid."""
    shown = pattern if len(pattern) <= 100 else pattern[:100] + "..."
    return ApiError(
        ErrorCode.INVALID_REGULAR_EXPRESSION,
        f"SubscribedTopicRegex `{shown}` is not a valid regular expression: {problem}.",
    )


class _Parser:
    """Reads one expression from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0
        self._depth = 0
        self._folds_case = False
        self._names: set[str] = set()

    def parse(self) -> Node:
        node = self._alternatives()
        if self._position < len(self._pattern):
            raise self._error("there is a ) without its (")
        return node

    def _error(self, problem: str) -> ApiError:
        return refusal(self._pattern, problem)

    def _peek(self, text: str) -> bool:
        return self._pattern.startswith(text, self._position)

    def _take(self, text: str) -> bool:
        if self._peek(text):
            self._position += len(text)
            return True
        return False

    def _next(self, missing: str) -> str:
        if self._position >= len(self._pattern):
            raise self._error(missing)
        character = self._pattern[self._position]
        self._position += 1
        return character

    def _until(self, end: str, missing: str) -> str:
        stop = self._pattern.find(end, self._position)
        if stop < 0:
            raise self._error(missing)
        text = self._pattern[self._position : stop]
        self._position = stop + len(end)
        return text

    # Structure

    def _alternatives(self) -> Node:
        branches = [self._sequence()]
        while self._take("|"):
            branches.append(self._sequence())
        return branches[0] if len(branches) == 1 else Choice(tuple(branches))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._position < len(self._pattern) and not self._peek("|") and not self._peek(")"):
            if self._take("\\Q"):
                stop = self._pattern.find("\\E", self._position)
                quoted = self._pattern[self._position : stop if stop >= 0 else None]
                self._position = len(self._pattern) if stop < 0 else stop + 2
                parts += map(self._literal, quoted)
            elif self._take("\\E"):
                continue
            else:
                if self._repetition() is not None:
                    raise self._error("a repetition has nothing before it that could repeat")
                part = self._part()
                if part is None:
                    continue
                parts.append(part)
            self._repeat_last(parts)
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def _repeat_last(self, parts: list[Node]) -> None:
        bounds = self._repetition() if parts else None
        if bounds is None:
            return
        self._take("?")
        if self._repetition() is not None:
            raise self._error("repetitions follow each other; put the first into a group")
        parts[-1] = Repeat(parts[-1], *bounds)

    def _repetition(self) -> tuple[int, int | None] | None:
        """The bounds of a repetition that comes next, if one does. Braces that are none stand for themselves."""
        for text, bounds in (("*", (0, _UNBOUNDED)), ("+", (1, _UNBOUNDED)), ("?", (0, 1))):
            if self._take(text):
                return bounds
        stop = self._pattern.find("}", self._position) if self._peek("{") else -1
        if stop < 0:
            return None
        low, comma, high = self._pattern[self._position + 1 : stop].partition(",")
        if not _is_number(low) or not (high == "" or _is_number(high)):
            return None
        lowest = int(low)
        highest = (int(high) if high else _UNBOUNDED) if comma else lowest
        if lowest > MAX_REPEAT or (highest is not None and not lowest <= highest <= MAX_REPEAT):
            raise self._error(f"a repetition must be of 0 to {MAX_REPEAT}, the lower number first")
        self._position = stop + 1
        return lowest, highest

    def _part(self) -> Node | None:
        """One thing that could be repeated; None for flags alone."""
        match self._next(""):
            case "(":
                return self._group()
            case "[":
                return self._character_class()
            case ".":
                return ALPHABET
            case "^":
                return Assertion.BEGIN
            case "$":
                return Assertion.END
            case "\\":
                return self._escape()
            case character:
                return self._literal(character)

    def _group(self) -> Node | None:
        outer = self._folds_case
        if self._take("?"):
            if self._take("P<") or (
                self._peek("<") and not self._peek("<=") and not self._peek("<!") and self._take("<")
            ):
                name = self._until(">", "the name of a group does not end")
                if not name or not set(name) <= WORD or name in self._names:
                    raise self._error(f"{name[:50]!r} is no name for a group, or the name of two")
                self._names.add(name)
            elif not self._flags():
                return None
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} groups lie within each other")
        node = self._alternatives()
        if not self._take(")"):
            raise self._error("there is a ( without its )")
        self._depth -= 1
        self._folds_case = outer
        return node

    def _flags(self) -> bool:
        """Read flags; return whether a group follows, for which alone they hold."""
        is_set = True
        while True:
            match self._next("flags do not end"):
                case ":":
                    return True
                case ")":
                    return False
                case "-" if is_set:
                    is_set = False
                case "i":
                    self._folds_case = is_set
                case "m" | "s" | "U":
                    # Names have one line, and laziness changes nothing.
                    pass
                case _:
                    raise self._error("lookaround and unknown flags are not supported")

    # Characters

    def _literal(self, character: str) -> Characters:
        return self._folded(frozenset(character) & ALPHABET)

    def _folded(self, characters: Characters) -> Characters:
        if not self._folds_case:
            return characters
        return characters | {character.swapcase() for character in characters}

    def _escape(self) -> Node:
        if self._position < len(self._pattern) and self._pattern[self._position] in _ASSERTIONS:
            return _ASSERTIONS[self._next("")]
        if self._take("C"):
            return ALPHABET
        found = self._class_escape()
        return self._literal(self._escaped_character()) if found is None else found

    def _class_escape(self) -> Characters | None:
        r"""A class such as \d or \pL, if one follows the backslash."""
        following = self._pattern[self._position : self._position + 1]
        if following in _PERL_CLASSES:
            return _PERL_CLASSES[self._next("")]
        if following not in {"p", "P"} or not following:
            return None
        self._position += 1
        is_negated = following == "P"
        name = self._next("the name of a class is missing")
        if name == "{":
            name = self._until("}", "the name of a class does not end")
        if name.startswith("^"):
            name, is_negated = name[1:], not is_negated
        if name == "Any":
            characters = ALPHABET
        elif name == "Latin":
            characters = frozenset(string.ascii_letters)
        elif name[:1] in _GENERAL_CATEGORIES and (len(name) == 1 or (len(name) == 2 and name[1].islower())):
            characters = frozenset(c for c in ALPHABET if unicodedata.category(c).startswith(name))
        else:
            raise self._error(f"{name[:50]!r} is no class of characters that is known here")
        characters = self._folded(characters)
        return ALPHABET - characters if is_negated else characters

    def _escaped_character(self) -> str:
        character = self._next("it ends with a backslash")
        if character in _CONTROLS:
            return _CONTROLS[character]
        if character == "x":
            if self._take("{"):
                digits = self._until("}", "the number of a character does not end")
            else:
                digits = self._next("a number is missing") + self._next("a number is missing")
            if not digits or not set(digits) <= set(string.hexdigits) or len(digits) > 6 or int(digits, 16) > 0x10FFFF:
                raise self._error(f"\\x{digits[:20]} is no character")
            return chr(int(digits, 16))
        if character == "0" or (
            character in "1234567" and self._pattern[self._position : self._position + 1] in tuple("01234567")
        ):
            digits = character
            while len(digits) < 3 and self._pattern[self._position : self._position + 1] in tuple("01234567"):
                digits += self._next("")
            return chr(int(digits, 8))
        if character.isascii() and not character.isalnum():
            return character
        raise self._error(f"\\{character} means nothing here")

    def _character_class(self) -> Characters:
        is_negated = self._take("^")
        characters: Characters = frozenset()
        is_first = True
        while is_first or not self._peek("]"):
            is_first = False
            characters |= self._class_item()
        self._position += 1
        characters = self._folded(characters)
        return ALPHABET - characters if is_negated else characters

    def _class_item(self) -> Characters:
        missing = "there is a [ without its ]"
        if self._take("[:"):
            name = self._until(":]", missing)
            is_negated = name.startswith("^")
            found = _POSIX_CLASSES.get(name.removeprefix("^"))
            if found is None:
                raise self._error(f"[:{name[:50]}:] is no class of characters")
            return ALPHABET - found if is_negated else found
        if self._take("\\"):
            found = self._class_escape()
            if found is not None:
                return found
            low = self._escaped_character()
        else:
            low = self._next(missing)
        high = low
        if self._peek("-") and not self._peek("-]"):
            self._position += 1
            high = self._escaped_character() if self._take("\\") else self._next(missing)
            if high < low:
                raise self._error(f"the range {low}-{high} is empty")
        if self._position >= len(self._pattern):
            raise self._error(missing)
        return frozenset(character for character in ALPHABET if low <= character <= high)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 10
