"""Whether groups remember what they committed, and each partition has one owner."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import attrs

from dotkafka.testing.history.findings import Anomaly, Finding
from dotkafka.testing.history.operations import (
    Assigned,
    Commit,
    Committed,
    DeleteTopic,
    Heartbeat,
    Operation,
    Partition,
    Revoked,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Key: TypeAlias = tuple[str, Partition]
"""A group and a partition."""


def check_groups(operations: Sequence[Operation]) -> Iterator[Finding]:
    """Yield what is wrong with committed offsets and with assignments."""
    yield from _check_committed(operations)
    owners: dict[Key, _Owners] = defaultdict(_Owners)
    owned: dict[tuple[str, str], set[Partition]] = defaultdict(set)
    for operation in operations:
        if isinstance(operation, Assigned):
            yield from _assign(operation, owners, owned[operation.group, operation.client])
        elif isinstance(operation, Heartbeat) and operation.is_ok and operation.generation is not None:
            for partition in owned[operation.group, operation.client]:
                yield from _check_owner(operation, owners[operation.group, partition], partition)
        elif isinstance(operation, Revoked):
            mine = owned[operation.group, operation.client]
            for partition in list(mine) if operation.partitions is None else operation.partitions:
                mine.discard(partition)
                owners[operation.group, partition].holding.pop(operation.client, None)
        elif isinstance(operation, Commit) and operation.is_ok and operation.generation is not None:
            for topic, number, _ in operation.offsets:
                yield from _check_generation(operation, operation.generation, owners, Partition(topic, number))


# Committed offsets ---------------------------------------------------------------------------------------------------


def _later(one: Commit, other: Commit) -> Commit:
    return one if one.began > other.began else other


class _Register:
    """The committed offset of one group for one partition: which values a fetch may find.

    A commit may be found until another is acknowledged that began after it had returned; one whose outcome is unknown
    may take effect at any time, also late.
    """

    def __init__(self, commits: Sequence[Commit], values: Sequence[int | None]) -> None:
        acknowledged = sorted((commit for commit in commits if commit.is_ok), key=lambda commit: commit.latest)
        self._ends = [commit.latest for commit in acknowledged]
        self._latest = list(accumulate(acknowledged, _later))
        by_value: dict[int | None, list[Commit]] = defaultdict(list)
        for commit, value in zip(commits, values, strict=True):
            by_value[value].append(commit)
        self._begins = {value: [commit.began for commit in those] for value, those in by_value.items()}
        self._latest_ends = {
            value: list(accumulate((commit.latest for commit in those), max)) for value, those in by_value.items()
        }

    def overwritten_by(self, fetched: Committed) -> Commit | None:
        """Return the last commit that was acknowledged before the fetch; all that ended before it began are over."""
        index = bisect_left(self._ends, fetched.began)
        return self._latest[index - 1] if index else None

    def was_committed(self, value: int | None, fetched: Committed) -> bool:
        """Whether anyone had tried to commit this."""
        return bool(bisect_right(self._begins.get(value, ()), fetched.latest))

    def may_be_found(self, value: int | None, fetched: Committed) -> bool:
        """Whether a fetch may find this; None where nothing was committed."""
        last = self.overwritten_by(fetched)
        if last is None and value is None:
            return True
        index = bisect_right(self._begins.get(value, ()), fetched.latest)
        if not index:
            return False
        return last is None or self._latest_ends[value][index - 1] >= last.began


def _check_committed(operations: Sequence[Operation]) -> Iterator[Finding]:
    # Brokers forget the offsets of deleted topics, at their leisure: what comes after a deletion is not judged.
    deleted_at: dict[str, float] = {}
    for operation in operations:
        if isinstance(operation, DeleteTopic) and operation.may_have_happened:
            deleted_at.setdefault(operation.topic, operation.began)
    commits: dict[Key, tuple[list[Commit], list[int | None]]] = defaultdict(lambda: ([], []))
    fetches: list[tuple[Key, int | None, Committed]] = []
    for operation in operations:
        if not isinstance(operation, Commit | Committed) or not operation.may_have_happened:
            continue
        for topic, number, offset in operation.offsets:
            key = operation.group, Partition(topic, number)
            if isinstance(operation, Commit):
                commits[key][0].append(operation)
                commits[key][1].append(offset)
            elif operation.is_ok and operation.latest < deleted_at.get(topic, math.inf):
                fetches.append((key, offset, operation))
    registers = {key: _Register(*those) for key, those in commits.items()}
    nothing = _Register([], [])
    for key, offset, fetched in fetches:
        yield from _check_fetched(key, offset, fetched, registers.get(key, nothing))


def _check_fetched(key: Key, offset: int | None, fetched: Committed, register: _Register) -> Iterator[Finding]:
    if register.may_be_found(offset, fetched):
        return
    where = f"{fetched.client} finds {offset} committed by group {key[0]!r} for {key[1]}"
    last = register.overwritten_by(fetched)
    if last is not None and (offset is None or register.was_committed(offset, fetched)):
        committed = next(position.offset for position in last.offsets if position[:2] == key[1])
        yield Finding(
            Anomaly.LOST_COMMIT,
            f"{where}; {last.client} had committed {committed} after that",
            (last, fetched),
        )
    else:
        yield Finding(Anomaly.PHANTOM_COMMIT, f"{where}, which nobody had committed", (fetched,))


# Assignments ---------------------------------------------------------------------------------------------------------


class _Holding(NamedTuple):
    """Since when a member owns a partition."""

    generation: int
    assigned: Assigned


@attrs.define
class _Owners:
    """Who owns a partition in one group."""

    holding: dict[str, _Holding] = attrs.field(factory=dict)
    newest: _Holding | None = None
    """Of the highest generation so far, owned still or not."""


def _assign(assigned: Assigned, owners: dict[Key, _Owners], mine: set[Partition]) -> Iterator[Finding]:
    """Take note of an assignment; those without a generation say nothing about other members."""
    generation = -1 if assigned.generation is None else assigned.generation
    for partition in dict.fromkeys((*assigned.partitions, *mine)):
        of_partition = owners[assigned.group, partition]
        held_before = of_partition.holding.get(assigned.client)
        for other in list(of_partition.holding.values()) if generation >= 0 else ():
            # A member that has not heard of a generation may still believe in an older one: it is fenced. But one that
            # takes part in a generation has given up before it what others get by it.
            if other.generation == generation and other.assigned.client != assigned.client:
                yield Finding(
                    Anomaly.DOUBLE_ASSIGNMENT,
                    f"in generation {generation} of group {assigned.group!r}, {partition} belongs to"
                    f" {other.assigned.client} and {assigned.client}",
                    tuple(dict.fromkeys((other.assigned, *((held_before.assigned,) if held_before else ()), assigned))),
                )
    _forget_former_life(assigned, generation, owners)
    for partition in mine.difference(assigned.partitions):
        owners[assigned.group, partition].holding.pop(assigned.client, None)
    mine.clear()
    mine.update(assigned.partitions)
    for partition in mine:
        of_partition = owners[assigned.group, partition]
        of_partition.holding[assigned.client] = _Holding(generation, assigned)
        if of_partition.newest is None or of_partition.newest.generation < generation:
            of_partition.newest = of_partition.holding[assigned.client]


def _forget_former_life(assigned: Assigned, generation: int, owners: dict[Key, _Owners]) -> None:
    """A group that was empty may be deleted, or take the other protocol; either way its generations begin anew.

    An answer that was asked for after a higher generation was known, and has a lower one, is from a later life.
    """
    for partition in assigned.partitions:
        of_partition = owners[assigned.group, partition]
        newest = of_partition.newest
        if newest is not None and newest.generation > generation and newest.assigned.latest < assigned.began:
            of_partition.newest = None


def _check_owner(heartbeat: Heartbeat, of_partition: _Owners, partition: Partition) -> Iterator[Finding]:
    """A member that is told that it still owns a partition, when another one has it, was never told to give it up."""
    mine = of_partition.holding[heartbeat.client]
    for other in of_partition.holding.values():
        if (
            other.assigned.client != heartbeat.client
            and min(mine.generation, other.generation) >= 0
            and mine.assigned.latest < other.assigned.began <= other.assigned.latest < heartbeat.began
        ):
            yield Finding(
                Anomaly.DOUBLE_ASSIGNMENT,
                f"{other.assigned.client} of group {heartbeat.group!r} owns {partition} since generation"
                f" {other.generation}, and {heartbeat.client} is told later that it owns it in generation"
                f" {heartbeat.generation}",
                (mine.assigned, other.assigned, heartbeat),
            )


def _check_generation(
    commit: Commit, generation: int, owners: dict[Key, _Owners], partition: Partition
) -> Iterator[Finding]:
    newest = owners[commit.group, partition].newest
    if newest is not None and newest.generation > generation and newest.assigned.latest < commit.began:
        yield Finding(
            Anomaly.STALE_COMMIT,
            f"group {commit.group!r} accepts an offset for {partition} from {commit.client} of generation {generation},"
            f" which belongs to {newest.assigned.client} since generation {newest.generation}",
            (newest.assigned, commit),
        )
