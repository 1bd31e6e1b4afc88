"""Whether each log is one log: a value an offset, in the order of time, and nothing that nobody wrote."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dotkafka.testing.history.findings import Anomaly, Finding
from dotkafka.testing.history.operations import Operation, Poll, Polled, Send, Watermarks

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dotkafka.testing.history.logs import Log, Logs, Sighting

Asked = TypeVar("Asked", bound=Operation)


def check_records(logs: Logs, operations: Iterable[Operation]) -> Iterator[Finding]:
    """Yield what is wrong with offsets, watermarks, and values that should not have been read."""
    for log in logs:
        yield from _check_offsets(log)
        misplaced = list(_check_order_of_producers(log))
        yield from misplaced
        yield from _check_order_of_time(log, {finding.operations[-1] for finding in misplaced})
        yield from _check_watermarks(log)
    polls = [operation for operation in operations if isinstance(operation, Poll) and operation.is_ok]
    reported: set[tuple[str, int, str]] = set()
    for poll in polls:
        for record in poll.records:
            finding = _check_origin(logs, poll, record)
            key = (record.topic, record.partition, record.value)
            if finding is not None and key not in reported:
                reported.add(key)
                yield finding


def _check_offsets(log: Log) -> Iterator[Finding]:
    at: dict[int, Sighting] = {}
    of: dict[str, Sighting] = {}
    reported: set[int | str] = set()
    for sighting in log.sightings:
        first = at.setdefault(sighting.offset, sighting)
        if first.value != sighting.value and sighting.offset not in reported:
            reported.add(sighting.offset)
            yield Finding(
                Anomaly.INCONSISTENT_OFFSET,
                f"{log.partition} holds {first.value!r} at offset {sighting.offset}, and {sighting.value!r}",
                (first.operation, sighting.operation),
            )
        first = of.setdefault(sighting.value, sighting)
        sent = sighting.sent
        if first.offset != sighting.offset and sent and sent.idempotent and sighting.value not in reported:
            reported.add(sighting.value)
            yield Finding(
                Anomaly.DUPLICATE,
                f"{log.partition} holds {sighting.value!r} of the idempotent producer {sent.client} at offset"
                f" {first.offset}, and at {sighting.offset}",
                (sent, first.operation, sighting.operation),
            )


def _check_order_of_producers(log: Log) -> Iterator[Finding]:
    last: dict[str, tuple[int, Send]] = {}
    for sent in log.sends:
        if not (sent.idempotent and sent.is_ok and sent.offset is not None):
            continue
        offset, before = last.setdefault(sent.client, (sent.offset, sent))
        if sent.offset < offset:
            yield Finding(
                Anomaly.NONMONOTONIC_SEND,
                f"{sent.client} sent {before.value!r} to {log.partition} and then {sent.value!r}, which stand at"
                f" offsets {offset} and {sent.offset}",
                (before, sent),
            )
        else:
            last[sent.client] = sent.offset, sent


class _Fact(NamedTuple):
    """From a moment on, the log is known to reach to this offset."""

    moment: int
    offset: int
    shown_by: Operation


def _known_before(facts: Iterable[_Fact], asked: Iterable[Asked]) -> Iterator[tuple[_Fact, Asked]]:
    """Yield what was asked, with the highest of the facts that were known before it was asked, if any were."""
    later = deque(sorted(facts, key=lambda fact: fact.moment))
    highest: _Fact | None = None
    for operation in sorted(asked, key=lambda operation: operation.began):
        while later and later[0].moment < operation.began:
            fact = later.popleft()
            highest = fact if highest is None or fact.offset > highest.offset else highest
        if highest is not None:
            yield highest, operation


def _check_order_of_time(log: Log, misplaced: set[Operation]) -> Iterator[Finding]:
    """Hold the offset of each send, but those known to be misplaced, against what was in the log before it began."""
    facts = [_Fact(seen.operation.ended or 0, seen.offset, seen.operation) for seen in log.sightings]
    facts += [_Fact(marks.ended or 0, marks.high - 1, marks) for marks in log.watermarks if marks.high is not None]
    reported: set[Operation] = set()
    for known, sent in _known_before(facts, (sent for sent in log.sends if sent.is_ok and sent not in misplaced)):
        if sent.offset is not None and sent.offset < known.offset and known.shown_by not in reported:
            reported.add(known.shown_by)
            yield Finding(
                Anomaly.NONMONOTONIC_SEND,
                f"{sent.client} sent {sent.value!r} to {log.partition} when {known.shown_by.client} had shown that it"
                f" reaches to offset {known.offset}, and it stands at {sent.offset}",
                (known.shown_by, sent),
            )


def _check_watermarks(log: Log) -> Iterator[Finding]:
    """Hold each watermark against what was known before it was asked for.

    With transactions, the last stable offset may stand behind what is acknowledged: it is held against its like.
    """

    def is_stable(operation: Operation) -> bool:
        return log.has_transactions and isinstance(operation, Poll | Watermarks) and operation.read_committed

    starts = [_Fact(marks.ended or 0, marks.low or 0, marks) for marks in log.watermarks]
    starts += [_Fact(deletion.ended or 0, deletion.before_offset, deletion) for deletion in log.deletions]
    yield from _check_bound(log, starts, {marks: marks.low for marks in log.watermarks}, "starts")
    ends = [_Fact(seen.operation.ended or 0, seen.offset + 1, seen.operation) for seen in log.sightings]
    ends += [_Fact(marks.ended or 0, marks.high or 0, marks) for marks in log.watermarks]
    highs = {marks: marks.high for marks in log.watermarks if not is_stable(marks)}
    yield from _check_bound(log, ends, highs, "ends")
    stable_ends = [fact for fact in ends if is_stable(fact.shown_by)]
    stable_highs = {marks: marks.high for marks in log.watermarks if is_stable(marks)}
    yield from _check_bound(log, stable_ends, stable_highs, "ends, as far as it is decided,")


def _check_bound(log: Log, facts: list[_Fact], bounds: Mapping[Watermarks, int | None], verb: str) -> Iterator[Finding]:
    for known, marks in _known_before(facts, bounds):
        bound = bounds[marks]
        if bound is not None and bound < known.offset:
            yield Finding(
                Anomaly.WATERMARK_REGRESS,
                f"{marks.client} is told that {log.partition} {verb} at {bound}; {known.shown_by.client} knew before"
                f" that it {verb} at {known.offset}",
                (known.shown_by, marks),
            )


def _check_origin(logs: Logs, poll: Poll, record: Polled) -> Finding | None:
    """Return what is wrong with reading this record there and then."""
    sent = logs.sends.get((record.topic, record.partition, record.value))
    anomaly = Anomaly.PHANTOM
    if sent is None:
        why = "nobody sent it"
    elif not sent.may_have_happened:
        why = f"{sent.client} was refused it"
    elif poll.latest < sent.began:
        why = f"{sent.client} had yet to send it"
    elif poll.read_committed and not logs.may_be_committed(sent, poll.latest):
        anomaly = Anomaly.UNCOMMITTED_READ
        why = f"its transaction {sent.transaction!r} was not committed"
    else:
        return None
    where = f"{record.topic}-{record.partition} at offset {record.offset}"
    return Finding(
        anomaly,
        f"{poll.client} reads {record.value!r} from {where}: {why}",
        (poll,) if sent is None else (sent, poll),
    )
