"""What clients did and what they were told: the lines of a history."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable


class Outcome(StrEnum):
    """How an operation ended for the one who asked."""

    PENDING = "pending"
    OK = "ok"
    FAIL = "fail"
    """It has certainly not happened and never will."""
    UNKNOWN = "unknown"
    """It may have happened, or may yet: a timeout, a lost connection."""


class Partition(NamedTuple):
    """A partition by name."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


class Polled(NamedTuple):
    """One record as a consumer got it."""

    topic: str
    partition: int
    offset: int
    value: str


class Position(NamedTuple):
    """What a group has committed for a partition; None is nothing."""

    topic: str
    partition: int
    offset: int | None


def _partitions(rows: Iterable[Iterable[Any]]) -> list[Partition]:
    return [Partition(*row) for row in rows]


def _polled(rows: Iterable[Iterable[Any]]) -> list[Polled]:
    return [Polled(*row) for row in rows]


def _positions(rows: Iterable[Iterable[Any]]) -> list[Position]:
    """Kafka's own word for nothing is a negative number."""
    positions = [Position(*row) for row in rows]
    return [at._replace(offset=None) if at.offset is not None and at.offset < 0 else at for at in positions]


@attrs.define(eq=False)
class Operation:
    """One call of one client. `History` fills in when it began and ended; fields of answers are filled in by `ok`."""

    client: str
    """Who: one producer, consumer or admin client, used by one thread."""
    began: int = attrs.field(default=0, kw_only=True)
    ended: int | None = attrs.field(default=None, kw_only=True)
    outcome: Outcome = attrs.field(default=Outcome.PENDING, converter=Outcome, kw_only=True)

    @property
    def may_have_happened(self) -> bool:
        """Whether it has not certainly failed."""
        return self.outcome is not Outcome.FAIL

    @property
    def is_ok(self) -> bool:
        """Whether it was acknowledged."""
        return self.outcome is Outcome.OK

    @property
    def latest(self) -> float:
        """The latest moment at which it can have taken effect."""
        return self.ended if self.is_ok and self.ended is not None else math.inf


@attrs.define(eq=False)
class Send(Operation):
    """A record sent. Its value is unique in its partition. With acks=0 nothing is promised: that is `unknown`."""

    topic: str
    partition: int
    value: str
    idempotent: bool = attrs.field(default=False, kw_only=True)
    transaction: str | None = attrs.field(default=None, kw_only=True)
    """The name of the transaction that it is part of, for `EndTransaction`."""
    key: str | None = attrs.field(default=None, kw_only=True)
    """In a compacted topic: the newest record of a key must stay."""
    is_tombstone: bool = attrs.field(default=False, kw_only=True)
    """Whether it deletes its key. What its value is here, the test puts elsewhere into the record."""
    offset: int | None = attrs.field(default=None, kw_only=True)
    """None if it was acknowledged without one, as some retries are."""


@attrs.define(eq=False)
class EndTransaction(Operation):
    """A transaction committed or aborted."""

    transaction: str
    commit: bool


@attrs.define(eq=False)
class Poll(Operation):
    """Records that a consumer got, in that order."""

    records: list[Polled] = attrs.field(factory=list, converter=_polled)
    read_committed: bool = attrs.field(default=False, kw_only=True)


@attrs.define(eq=False)
class Seek(Operation):
    """A consumer goes elsewhere: to an offset; with None to the beginning if `to_beginning`, else to where, is open."""

    topic: str
    partition: int
    offset: int | None = None
    to_beginning: bool = attrs.field(default=False, kw_only=True)


@attrs.define(eq=False)
class Watermarks(Operation):
    """Log start offset and high watermark (with read_committed, last stable offset), asked from the broker."""

    topic: str
    partition: int
    low: int | None = None
    high: int | None = None
    read_committed: bool = attrs.field(default=False, kw_only=True)


@attrs.define(eq=False)
class DeleteRecords(Operation):
    """What stands before an offset is deleted: by a client, or by retention as the test knows."""

    topic: str
    partition: int
    before_offset: int


@attrs.define(eq=False)
class DeleteTopic(Operation):
    """A topic and all that it holds is deleted; one of the same name begins anew."""

    topic: str


@attrs.define(eq=False)
class Compaction(Operation):
    """From the test's word: of this topic may vanish what has no key, or an older record of a key than the newest."""

    topic: str
    keeps_tombstones: bool = attrs.field(default=False, kw_only=True)
    """Whether `delete.retention.ms` is longer than the test: a tombstone may then not vanish either."""


@attrs.define(eq=False)
class Commit(Operation):
    """Offsets committed for a group. None deletes one; a transaction's are `unknown`, as they come with its end."""

    group: str
    offsets: list[Position] = attrs.field(converter=_positions)
    generation: int | None = attrs.field(default=None, kw_only=True)


@attrs.define(eq=False)
class Committed(Operation):
    """The committed offsets of a group, as fetched."""

    group: str
    offsets: list[Position] = attrs.field(factory=list, converter=_positions)


@attrs.define(eq=False)
class Assigned(Operation):
    """A member of a group learns all that it owns from now on; in the consumer protocol its epoch is the generation."""

    group: str
    partitions: list[Partition] = attrs.field(converter=_partitions)
    generation: int | None = attrs.field(default=None, kw_only=True)


@attrs.define(eq=False)
class Heartbeat(Operation):
    """A member of a group asks whether it still is one, with all that it owns; ok is yes, in this generation."""

    group: str
    generation: int | None = attrs.field(default=None, kw_only=True)


@attrs.define(eq=False)
class Revoked(Operation):
    """A member of a group gives up partitions; None is all of them, also where it was killed."""

    group: str
    partitions: list[Partition] | None = attrs.field(default=None, converter=attrs.converters.optional(_partitions))


@attrs.define(eq=False)
class Mark(Operation):
    """Something that happened to the brokers: for readers, not judged."""

    text: str


@attrs.define(eq=False)
class Healed(Operation):
    """From here on nothing is disturbed: by the end, all calls must have returned, all records have been read."""


KINDS: dict[str, type[Operation]] = {
    kind.__name__: kind
    for kind in (
        *(Send, EndTransaction, Poll, Seek, Watermarks, DeleteRecords, DeleteTopic, Compaction),
        *(Commit, Committed, Assigned, Heartbeat, Revoked, Mark, Healed),
    )
}
