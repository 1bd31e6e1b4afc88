"""What never goes back, as clients are told it: watermarks, epochs, partition counts; and what is given only once."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable
from typing import TYPE_CHECKING, TypeAlias

import attrs

from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from dotkafka.testing.simulation.scheduler import Scheduler

Name: TypeAlias = tuple[Hashable, ...]
"""What a value is of: the kind of value, then the topic's id, the partition ..."""


@attrs.define
class _Known:
    """The highest value known, by when it became known."""

    moments_us: list[int] = attrs.field(factory=list)
    values: list[int] = attrs.field(factory=list)


class Promises:
    """Holds each answer against what was known to anybody before it was asked for.

    Two answers under way at the same time have no order, so nothing is held against what became known meanwhile.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._known: dict[Name, _Known] = defaultdict(_Known)
        self._given: set[Name] = set()

    def never_goes_back(self, name: Name, value: int, asked_us: int) -> None:
        """Take note of an answer.

        Raises:
            Violation: more was known before it was asked for.
        """
        known = self._known[name]
        index = bisect_left(known.moments_us, asked_us)
        if index and known.values[index - 1] > value:
            raise Violation(f"{name} is {value}, and was {known.values[index - 1]} before that was asked")
        if not known.values or known.values[-1] < value:
            known.moments_us.append(self._scheduler.now_us)
            known.values.append(value)

    def given_once(self, *name: Hashable) -> None:
        """Take note of what nobody else may ever get.

        Raises:
            Violation: somebody else has it.
        """
        if name in self._given:
            raise Violation(f"{name} is given twice")
        self._given.add(name)
