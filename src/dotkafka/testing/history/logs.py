"""What a history says about each log: a log is one life of a partition, which ends when its topic is deleted."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import attrs

from dotkafka.testing.history.operations import (
    Compaction,
    DeleteRecords,
    DeleteTopic,
    EndTransaction,
    Operation,
    Partition,
    Poll,
    Polled,
    Send,
    Watermarks,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class Sighting(NamedTuple):
    """A value at an offset, and the operation that showed it."""

    offset: int
    value: str
    operation: Send | Poll
    sent: Send | None
    """Where the value comes from."""


@attrs.define(eq=False)
class Log:
    """All that is known of one life of a partition."""

    partition: Partition
    sends: list[Send] = attrs.field(factory=list)
    """Those that have not certainly failed, in the order in which they began."""
    sightings: list[Sighting] = attrs.field(factory=list)
    watermarks: list[Watermarks] = attrs.field(factory=list)
    deletions: list[DeleteRecords] = attrs.field(factory=list)
    log_start: int = 0
    """Before this offset, records may have been removed."""
    is_compacted: bool = False
    lasting: set[int] = attrs.field(factory=set)
    """If it is compacted: the offsets of records that are the newest of their keys, which must stay."""
    is_deleted: bool = False
    has_transactions: bool = False
    polled_values: set[str] = attrs.field(factory=set)
    present: dict[int, Sighting] = attrs.field(factory=dict)
    """By offset: what every consumer must find there, unless it was removed."""
    stable: dict[int, Sighting] = attrs.field(factory=dict)
    """The same for consumers that read what is committed."""

    def may_be_gone(self, offset: int) -> bool:
        """Whether deletion, retention or compaction may have removed what was at an offset."""
        return offset < self.log_start or (self.is_compacted and offset not in self.lasting)

    def find_lasting(self, *, with_tombstones: bool) -> None:
        """Find the newest record of each key, unless a record whose offset nobody knows may be newer."""
        self.is_compacted = True
        newest: dict[str, Sighting] = {}
        for sighting in self.sightings:
            if sighting.sent is not None and (key := sighting.sent.key) is not None:
                newest[key] = max(newest.get(key, sighting), sighting, key=lambda seen: seen.offset)
        seen = {sighting.value for sighting in self.sightings}
        open_keys = {sent.key for sent in self.sends if sent.value not in seen}
        self.lasting = {
            sighting.offset
            for key, sighting in newest.items()
            if key not in open_keys
            and sighting.sent is not None
            and (with_tombstones or not sighting.sent.is_tombstone)
        }


class Logs:
    """The logs of a history, indexed in one pass over it. Raises ValueError where one value was sent twice."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._lives = _Lives(operations)
        self._logs: dict[tuple[str, int, int], Log] = {}
        self._commits: dict[str, list[EndTransaction]] = defaultdict(list)
        self.sends: dict[tuple[str, int, str], Send] = {}
        """By topic, partition and value."""
        for operation in operations:
            if isinstance(operation, Send):
                self._add_send(operation)
            elif isinstance(operation, EndTransaction) and operation.commit and operation.may_have_happened:
                self._commits[operation.transaction].append(operation)
        for operation in operations:
            if isinstance(operation, Poll) and operation.is_ok:
                for record in operation.records:
                    self._add_polled(operation, record)
        self._add_bounds(operations)
        compactions = {operation.topic: operation for operation in operations if isinstance(operation, Compaction)}
        for log in self:
            if (compaction := compactions.get(log.partition.topic)) is not None:
                log.find_lasting(with_tombstones=compaction.keeps_tombstones)

    def __iter__(self) -> Iterator[Log]:
        return iter(self._logs.values())

    def log_of(self, record: Polled, poll: Poll) -> Log | None:
        """Return the log that a record was read from; None if the topic was deleted about then, so it cannot be told.

        Its value tells. A consumer may have fetched it long before it returned it.
        """
        sent = self.sends.get((record.topic, record.partition, record.value))
        return self.log(record.topic, record.partition, poll if sent is None else sent)

    def log(self, topic: str, partition: int, operation: Operation) -> Log | None:
        """Return the log that an operation found; None if the topic was deleted about then, so it cannot be told."""
        life = self._lives.of(topic, operation)
        if life is None:
            return None
        key = topic, partition, life
        if key not in self._logs:
            self._logs[key] = Log(Partition(topic, partition), is_deleted=life < self._lives.count(topic))
        return self._logs[key]

    def is_committed(self, sent: Send) -> bool:
        """Whether consumers that read what is committed must be shown it, if it was acknowledged."""
        return sent.transaction is None or any(end.is_ok for end in self._commits.get(sent.transaction, ()))

    def may_be_committed(self, sent: Send, moment: float) -> bool:
        """Whether such consumers may have been shown it at that moment."""
        return sent.transaction is None or any(end.began <= moment for end in self._commits.get(sent.transaction, ()))

    def _add_send(self, sent: Send) -> None:
        if self.sends.setdefault((sent.topic, sent.partition, sent.value), sent) is not sent:
            raise ValueError(f"{sent.value!r} was sent twice to {sent.topic}-{sent.partition}: values must be unique")
        if not sent.may_have_happened or (log := self.log(sent.topic, sent.partition, sent)) is None:
            return
        log.sends.append(sent)
        log.has_transactions |= sent.transaction is not None
        if sent.is_ok and sent.offset is not None:
            log.sightings.append(Sighting(sent.offset, sent.value, sent, sent))

    def _add_polled(self, poll: Poll, record: Polled) -> None:
        log = self.log_of(record, poll)
        if log is None:
            return
        sent = self.sends.get((record.topic, record.partition, record.value))
        sighting = Sighting(record.offset, record.value, poll, sent)
        log.sightings.append(sighting)
        log.polled_values.add(record.value)
        log.present.setdefault(record.offset, sighting)
        if poll.read_committed:
            log.stable.setdefault(record.offset, sighting)

    def _add_bounds(self, operations: Sequence[Operation]) -> None:
        """Add what removes records, then what must be there because it was acknowledged."""
        starts_of_any_life: dict[Partition, int] = defaultdict(int)
        for operation in operations:
            if isinstance(operation, DeleteRecords) and operation.may_have_happened:
                start = operation.before_offset
            elif isinstance(operation, Watermarks) and operation.is_ok:
                start = operation.low or 0
            else:
                continue
            log = self.log(operation.topic, operation.partition, operation)
            if log is None:
                partition = Partition(operation.topic, operation.partition)
                starts_of_any_life[partition] = max(starts_of_any_life[partition], start)
                continue
            log.log_start = max(log.log_start, start)
            if isinstance(operation, Watermarks):
                log.watermarks.append(operation)
            elif operation.is_ok:
                log.deletions.append(operation)
        for log in self:
            log.log_start = max(log.log_start, starts_of_any_life.get(log.partition, 0))
            for sighting in log.sightings:
                if sighting.sent is not None and self.is_committed(sighting.sent):
                    log.present.setdefault(sighting.offset, sighting)
                    log.stable.setdefault(sighting.offset, sighting)


class _Lives:
    """Which life of a topic an operation belongs to."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._began: dict[str, list[float]] = defaultdict(list)
        self._ended: dict[str, list[float]] = defaultdict(list)
        for operation in operations:
            if isinstance(operation, DeleteTopic) and operation.may_have_happened:
                self._began[operation.topic].append(operation.began)
                self._ended[operation.topic].append(operation.latest)
        for moments in (*self._began.values(), *self._ended.values()):
            moments.sort()

    def count(self, topic: str) -> int:
        """How many times it was deleted, or may have been."""
        return len(self._began.get(topic, ()))

    def of(self, topic: str, operation: Operation) -> int | None:
        """Return the number of the life; None if a deletion was under way."""
        if topic not in self._began:
            return 0
        before = bisect_left(self._ended[topic], operation.began)
        return before if before == bisect_right(self._began[topic], operation.latest) else None
