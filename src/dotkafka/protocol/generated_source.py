"""What the two compilers share: gathering lines of source, naming what they refer to, and making a function of them."""

from __future__ import annotations

import linecache
import struct
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from dotkafka.errors import DecodeError, EncodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAILURES = (struct.error, ValueError, TypeError, AttributeError, LookupError, OverflowError, DecodeError, EncodeError)
"""What generated code raises when bytes or values are not what it expects. It does not say what is wrong: it hands
over to the interpreter, which either does (or copes: some rarities are left to it)."""


Place = tuple[tuple[str, bool], ...]
"""The way to a field: names of fields, and for elements the array variable whose length is their index."""


class GeneratedSource:
    """The source of one function under construction, and the names that it uses."""

    def __init__(self, **names: object) -> None:
        self.names: dict[str, Any] = names
        self._lines: list[str] = []
        self._places: list[Place] = []
        self._place: Place = ()
        self._indentation = 0
        self._counters: dict[str, int] = {}

    def add(self, *lines: str) -> None:
        """Add lines at the present indentation."""
        self._lines += ["    " * self._indentation + line for line in lines]
        self._places += [self._place] * len(lines)

    @contextmanager
    def at(self, name: str, *, is_array: bool = False) -> Iterator[None]:
        """Note what is added inside the `with` as the code of a field, or of an element of an array variable."""
        outer = self._place
        self._place = (*outer, (name, is_array))
        yield
        self._place = outer

    def place(self, line_number: int) -> Place:
        """Return what a line of the source, counted from 1, is the code of."""
        return self._places[line_number - 1]

    @contextmanager
    def block(self, opening: str) -> Iterator[None]:
        """Add a line that opens a block, and indent what is added inside the `with`."""
        self.add(opening)
        self._indentation += 1
        yield
        self._indentation -= 1

    def variable(self, stem: str) -> str:
        """Return a name that the function has not used yet."""
        number = self._counters[stem] = self._counters.get(stem, -1) + 1
        return f"{stem}{number}"

    def name(self, stem: str, value: object) -> str:
        """Return a global name of the function for a value; the same value keeps its name."""
        for known, held in self.names.items():
            if held is value and known.startswith(stem):
                return known
        name = self.variable(stem)
        self.names[name] = value
        return name

    def packed(self, codes: str, method: str) -> str:
        """Return the name of `struct.Struct(codes).<method>`, big-endian."""
        name = f"{method}_{codes.replace('?', 'bool')}"
        if name not in self.names:
            self.names[name] = getattr(struct.Struct(">" + codes), method)
        return name

    def compile(self, title: str, function: str) -> Callable[..., Any]:
        """Make the function; its source stays in `linecache`, so that tracebacks and debuggers show it."""
        file_name = f"<dotkafka {title}>"
        text = "\n".join(self._lines) + "\n"
        linecache.cache[file_name] = (len(text), None, text.splitlines(keepends=True), file_name)
        exec(compile(text, file_name, "exec"), self.names)  # noqa: S102 (made of layouts, never of bytes from a peer)
        compiled: Callable[..., Any] = self.names[function]
        return compiled
