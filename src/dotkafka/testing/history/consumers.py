"""Whether consumers read on where they were, over nothing, and in the end everything that was acknowledged."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from dotkafka.testing.history.findings import Anomaly, Finding, listed
from dotkafka.testing.history.operations import Assigned, Healed, Operation, Poll, Polled, Revoked, Seek

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dotkafka.testing.history.logs import Log, Logs, Sighting
    from dotkafka.testing.history.operations import Send


class _Place(NamedTuple):
    """Where a consumer goes on in one log, and what brought it there."""

    log: Log
    next_offset: int
    operation: Operation


def check_consumers(logs: Logs, operations: Sequence[Operation]) -> Iterator[Finding]:
    """Yield what is wrong with the ways of consumers, then what was lost on them."""
    walk = _Walk(logs)
    for operation in operations:
        yield from walk.follow(operation)
    is_healed = any(isinstance(operation, Healed) for operation in operations)
    for log in logs:
        yield from _check_losses(log, logs, walk.passed.get(log, {}), is_healed=is_healed)


class _Walk:
    """Follows all consumers through a history."""

    def __init__(self, logs: Logs) -> None:
        self.passed: dict[Log, dict[str, Operation]] = defaultdict(dict)
        """Values that were never read, and the polls that went over them."""
        self._logs = logs
        self._places: dict[str, dict[tuple[str, int], _Place]] = defaultdict(dict)
        self._offsets: dict[tuple[Log, bool], list[int]] = {}
        self._gone: dict[tuple[Log, str], list[tuple[float, int]]] = defaultdict(list)
        """When records of a key were found to be compacted away, and the offset of the newest of them by then."""
        self._in_poll: dict[tuple[Log, str], Polled] = {}
        """The last record of each key in the present poll."""

    def follow(self, operation: Operation) -> Iterator[Finding]:
        """Take one step, of whichever consumer."""
        places = self._places[operation.client]
        if isinstance(operation, Poll) and operation.is_ok:
            self._in_poll.clear()
            for record in operation.records:
                yield from self._read(places, operation, record)
        elif isinstance(operation, Seek):
            places.pop((operation.topic, operation.partition), None)
            log = self._logs.log(operation.topic, operation.partition, operation)
            if log is not None and operation.is_ok and (operation.to_beginning or operation.offset is not None):
                offset = log.log_start if operation.to_beginning else operation.offset or 0
                places[log.partition] = _Place(log, offset, operation)
        elif isinstance(operation, Assigned | Revoked):
            places.clear()  # where it goes on is what the group committed, or a policy

    def _read(self, places: dict[tuple[str, int], _Place], poll: Poll, record: Polled) -> Iterator[Finding]:
        place = places.pop((record.topic, record.partition), None)
        log = self._logs.log_of(record, poll)
        if log is None:
            return
        places[log.partition] = _Place(log, record.offset + 1, poll)
        if place is not None and place.log is log and record.offset > place.next_offset:
            yield from self._skip(place, poll, record.offset)
        sent = self._logs.sends.get((record.topic, record.partition, record.value))
        if log.is_compacted and sent is not None and sent.key is not None:
            self._in_poll[log, sent.key] = record
        if place is None or place.log is not log or place.next_offset <= record.offset:
            return
        if isinstance(place.operation, Poll):
            yield Finding(
                Anomaly.NONMONOTONIC_POLL,
                f"{poll.client} gets offset {record.offset} of {log.partition} after {place.next_offset - 1}",
                (place.operation, poll),
            )

    def _skip(self, place: _Place, poll: Poll, offset: int) -> Iterator[Finding]:
        """Look for what stands between where the consumer was and what it got."""
        log = place.log
        if place.next_offset < log.log_start:
            return  # out of range, it may have been reset to anywhere
        present = log.stable if poll.read_committed else log.present
        key = log, poll.read_committed
        if key not in self._offsets:
            self._offsets[key] = sorted(present)
        offsets = self._offsets[key]
        skipped: list[Sighting] = []
        for index in range(bisect_left(offsets, place.next_offset), bisect_left(offsets, offset)):
            sighting = present[offsets[index]]
            if log.may_be_gone(sighting.offset):
                yield from self._pass_over(log, sighting, poll)
            elif sighting.value in log.polled_values:
                skipped.append(sighting)
            else:
                self.passed[log].setdefault(sighting.value, poll)
        if skipped:
            yield Finding(
                Anomaly.SKIPPED_POLL,
                f"{poll.client} jumps in {log.partition} from {place.next_offset} to {offset}, over offsets"
                f" {listed(sighting.offset for sighting in skipped)}",
                (place.operation, poll, *(sighting.operation for sighting in skipped)),
            )

    def _pass_over(self, log: Log, sighting: Sighting, poll: Poll) -> Iterator[Finding]:
        """A record is gone that may be: then no older one of its key is left, as they go in their order.

        A broker that still has both of them elsewhere may show both for a while.
        """
        sent = sighting.sent
        if sent is None or sent.key is None:
            return
        gone = self._gone[log, sent.key]
        read = self._in_poll.get((log, sent.key))
        if read is not None and any(
            moment < poll.began and read.offset < offset <= sighting.offset for moment, offset in gone
        ):
            yield Finding(
                Anomaly.RESURRECTED,
                f"{poll.client} reads {read.value!r} of key {sent.key!r} at offset {read.offset} of {log.partition},"
                f" and not {sighting.value!r} at offset {sighting.offset}; newer ones had been compacted away before",
                (sent, poll),
            )
        if not gone or gone[-1][1] < sighting.offset:
            gone.append((poll.latest, sighting.offset))


def _check_losses(log: Log, logs: Logs, passed: dict[str, Operation], *, is_healed: bool) -> Iterator[Finding]:
    """Tell what was acknowledged and never read: lost if that is certain, else unseen."""
    unread = [
        sent
        for sent in log.sends
        if sent.is_ok
        and sent.value not in log.polled_values
        and logs.is_committed(sent)
        and not log.may_be_gone(sent.offset or 0)
    ]
    lowest_end_after = _LowestEndAfter(log)
    lost: list[Send] = []
    proofs: dict[int, Operation] = {}
    unseen: list[Send] = []
    for sent in unread:
        proof = passed.get(sent.value) or lowest_end_after.proof_of_loss(sent)
        if proof is not None:
            lost.append(sent)
            proofs[id(proof)] = proof
        elif is_healed and not log.is_deleted:
            unseen.append(sent)
    if lost:
        yield Finding(
            Anomaly.LOST_WRITE,
            f"{log.partition} acknowledged {_values(lost)}; nobody ever reads it, and"
            f" {listed(sorted({proof.client for proof in proofs.values()}))} finds the log to go on without it",
            (*lost, *proofs.values()),
        )
    if unseen:
        yield Finding(
            Anomaly.UNSEEN,
            f"{log.partition} acknowledged {_values(unseen)}; nobody has read it when everything has healed",
            tuple(unseen),
        )


def _values(sends: Iterable[Send]) -> str:
    return listed(f"{sent.value!r} at offset {sent.offset}" for sent in sends)


class _LowestEndAfter:
    """The lowest end of a log that anybody is told from a moment on."""

    def __init__(self, log: Log) -> None:
        asked = [
            marks
            for marks in log.watermarks
            if marks.high is not None and not (marks.read_committed and log.has_transactions)
        ]
        asked.sort(key=lambda marks: marks.began)
        self._moments = [marks.began for marks in asked]
        self._lowest = asked
        for index in range(len(asked) - 2, -1, -1):
            asked[index] = min(asked[index], asked[index + 1], key=lambda marks: marks.high or 0)

    def proof_of_loss(self, sent: Send) -> Operation | None:
        """Return who was told, after it was acknowledged, that the log ends before it."""
        index = bisect_left(self._moments, (sent.ended or 0) + 1)
        if index == len(self._moments) or sent.offset is None:
            return None
        marks = self._lowest[index]
        return marks if (marks.high or 0) <= sent.offset else None
