"""Histories of a correct little cluster raise no finding; each defect planted in one is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dotkafka.testing.history import (
    Anomaly,
    Assigned,
    Commit,
    Committed,
    Compaction,
    DeleteRecords,
    DeleteTopic,
    EndTransaction,
    Healed,
    Heartbeat,
    History,
    Operation,
    Outcome,
    Poll,
    Polled,
    Revoked,
    Seek,
    Send,
    Watermarks,
    check,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

PARTITIONS = 2
MEMBERS = ("x", "y", "z")
READERS = ("reader 1", "reader 2")


@attrs.define
class Log:
    """The records of one partition: values, None for the end of a transaction; and where it starts."""

    records: list[Send | None] = attrs.field(factory=list)
    start: int = 0


@attrs.define(eq=False)
class Call:
    """A call under way: what it does when it reaches the broker, and then what the broker answers."""

    operation: Operation
    effect: Callable[[], dict[str, Any] | None]
    """None is a refusal."""
    answer: dict[str, Any] | None = None
    has_arrived: bool = False


class Cluster:
    """Calls of many clients under way at the same time, each in three steps: begun, arrived, answered, or lost."""

    def __init__(self) -> None:
        self.history = History()
        self.logs = [Log() for _ in range(PARTITIONS)]
        self.calls: list[Call] = []
        self.places: dict[tuple[str, int], int] = {}
        self.committed: dict[int, int] = {}
        self.generation = 0
        self.owned: dict[str, tuple[int, list[int]]] = {}
        """By member: the generation that it believes in, and its partitions."""
        self.open_transaction: str | None = None
        self.decided: dict[str, bool] = {}
        """Transactions that have ended: whether they were committed."""
        self.count = 0

    def take(self, action: str, number: int) -> None:
        """Do something; what it is exactly is up to a number."""
        getattr(self, action)(number)

    def begin(self, operation: Operation, effect: Callable[[], dict[str, Any] | None]) -> None:
        """Send a call on its way; consumers have one at a time."""
        self.calls.append(Call(self.history.begin(operation), effect))

    def is_busy(self, client: str) -> bool:
        """Whether a client waits for something."""
        return any(call.operation.client == client for call in self.calls)

    # What clients do

    def send(self, number: int) -> None:
        """A plain, an idempotent or a transactional producer sends."""
        kind, partition = number % 3, number // 3 % PARTITIONS
        client = ("plain", "idempotent", "transactional")[kind]
        if kind == 2 and any(isinstance(call.operation, EndTransaction) for call in self.calls):
            return
        self.count += 1
        if kind == 2:
            self.open_transaction = self.open_transaction or f"transaction {self.count}"
        sent = Send(
            client,
            "t",
            partition,
            f"value {self.count}",
            idempotent=kind > 0,
            transaction=self.open_transaction if kind == 2 else None,
        )

        def append() -> dict[str, Any]:
            self.logs[partition].records.append(sent)
            return {"offset": len(self.logs[partition].records) - 1}

        self.begin(sent, append)

    def end_transaction(self, number: int) -> None:
        """The transaction is committed or aborted, when all that is in it has been answered."""
        name = self.open_transaction
        if name is None or self.is_busy("transactional"):
            return
        commit = bool(number % 2)

        def decide() -> dict[str, Any]:
            self.decided[name] = commit
            self.open_transaction = None
            for log in self.logs:
                log.records.append(None)
            return {}

        self.begin(EndTransaction("transactional", name, commit=commit), decide)

    def poll(self, number: int) -> None:
        """A consumer reads on."""
        client, partition, count = READERS[number % 2], number // 2 % PARTITIONS, 1 + number // 4 % 5
        if not self.is_busy(client):
            self.begin(
                Poll(client, read_committed=client == READERS[0]),
                lambda: {"records": self.read(client, partition, count)},
            )

    def read(self, client: str, partition: int, count: int) -> list[Polled]:
        """Return what a consumer finds where it is."""
        log = self.logs[partition]
        place = self.places.get((client, partition), 0)
        place = log.start if not log.start <= place <= len(log.records) else place
        found: list[Polled] = []
        while place < len(log.records) and len(found) < count:
            sent = log.records[place]
            is_committed = sent is None or sent.transaction is None or self.decided.get(sent.transaction)
            if client == READERS[0] and sent is not None and sent.transaction == self.open_transaction is not None:
                break  # the last stable offset
            if sent is not None and (client != READERS[0] or is_committed):
                found.append(Polled("t", partition, place, sent.value))
            place += 1
        self.places[client, partition] = place
        return found

    def seek(self, number: int) -> None:
        """A consumer goes back to the beginning, or to some offset."""
        client, partition, offset = READERS[number % 2], number // 2 % PARTITIONS, number // 4
        if not self.is_busy(client):
            start = self.logs[partition].start
            self.places[client, partition] = start if offset % 2 else offset
            self.history.add(
                Seek(client, "t", partition, None if offset % 2 else offset, to_beginning=bool(offset % 2))
            )

    def watermarks(self, number: int) -> None:
        """Somebody asks where a log starts and ends."""
        partition = number % PARTITIONS
        self.begin(
            Watermarks("asker", "t", partition),
            lambda: {"low": self.logs[partition].start, "high": len(self.logs[partition].records)},
        )

    def delete_records(self, number: int) -> None:
        """Records are deleted from the beginning of a log."""
        partition, offset = number % PARTITIONS, number // PARTITIONS % 8

        def delete() -> dict[str, Any] | None:
            log = self.logs[partition]
            if offset > len(log.records):
                return None
            log.start = max(log.start, offset)
            return {}

        self.begin(DeleteRecords("admin", "t", partition, offset), delete)

    def delete_topic(self, number: int) -> None:
        """The topic is deleted, and is there again; rarely, and with no transaction open."""
        if number % 4 == 0 and self.open_transaction is None:
            self.begin(DeleteTopic("admin", "t"), self.begin_anew)

    def begin_anew(self) -> dict[str, Any] | None:
        """Replace all logs, unless a transaction has begun."""
        if self.open_transaction is not None:
            return None
        self.logs = [Log() for _ in range(PARTITIONS)]
        self.places.clear()
        return {}

    def commit(self, number: int) -> None:
        """A member commits, as of the generation that it believes in."""
        client, offset = MEMBERS[number % 3], number // 3
        generation, partitions = self.owned.get(client, (0, []))
        if not partitions:
            return
        partition = partitions[0]

        def store() -> dict[str, Any] | None:
            if generation != self.generation:
                return None
            self.committed[partition] = offset
            return {}

        self.begin(Commit(client, "g", [("t", partition, offset)], generation=generation), store)

    def fetch_committed(self, number: int) -> None:
        """Somebody asks where the group is."""
        self.begin(
            Committed("asker", "g"),
            lambda: {"offsets": [("t", part, self.committed.get(part)) for part in range(PARTITIONS)]},
        )
        del number

    def rebalance(self, number: int) -> None:
        """Members give up what they have, and get something else; one that is fenced notices nothing."""
        fenced = MEMBERS[number % 3]
        for client in self.owned:
            if client != fenced:
                self.history.add(Revoked(client, "g"))
        self.generation += 1
        live = [client for client in MEMBERS if client != fenced]
        for index, client in enumerate(live):
            partitions = [part for part in range(PARTITIONS) if (part + number // 3) % len(live) == index]
            self.owned[client] = self.generation, partitions
            self.history.add(Assigned(client, "g", [("t", part) for part in partitions], generation=self.generation))

    # What becomes of calls

    def arrive(self, number: int) -> None:
        """A call has its effect; those of an idempotent producer in order."""
        waiting = [call for call in self.calls if not call.has_arrived]
        if waiting:
            first = waiting[number % len(waiting)]
            call = next(call for call in waiting if call.operation.client == first.operation.client)
            call.answer, call.has_arrived = call.effect(), True

    def answer(self, number: int) -> None:
        """A client learns what became of its call."""
        arrived = [call for call in self.calls if call.has_arrived]
        if arrived:
            self.end(arrived[number % len(arrived)])

    def end(self, call: Call) -> None:
        """Answer one call, unless its client has ceased to wait."""
        self.calls.remove(call)
        if call.operation.outcome is Outcome.PENDING:
            if call.answer is None:
                self.history.fail(call.operation)
            else:
                self.history.ok(call.operation, **call.answer)

    def lose(self, number: int) -> None:
        """A client ceases to wait; its call may have arrived, or may yet. Not consumers, and not in transactions."""
        lost = [call for call in self.calls if call.operation.client in {"plain", "admin", *MEMBERS}]
        lost = [call for call in lost if call.operation.outcome is Outcome.PENDING]
        if lost:
            self.history.unknown(lost[number % len(lost)].operation)

    def heal(self) -> None:
        """Everything is answered, and everything read by two consumers."""
        self.history.add(Healed("test"))
        while self.calls:
            self.arrive(0)
            self.answer(0)
        self.end_transaction(self.count)
        self.arrive(0)
        self.answer(0)
        self.watermarks(0)
        self.watermarks(1)
        self.fetch_committed(0)
        self.rebalance(0)
        while self.calls:
            self.arrive(0)
            self.answer(0)
        for client in READERS:
            for partition, log in enumerate(self.logs):
                self.history.add(Seek(client, "t", partition, to_beginning=True))
                self.places[client, partition] = log.start
                self.history.add(
                    Poll(client, self.read(client, partition, len(log.records)), read_committed=client == READERS[0])
                )


ACTIONS = {
    **dict.fromkeys(["arrive", "answer"], 4),
    **dict.fromkeys(["send", "poll"], 3),
    **dict.fromkeys(["commit", "fetch_committed", "watermarks", "end_transaction", "lose"], 2),
    **dict.fromkeys(["seek", "delete_records", "delete_topic", "rebalance"], 1),
}
DELETIONS = {"delete_records", "delete_topic"}


@st.composite
def clusters(draw: st.DrawFn, without: Collection[str] = ()) -> Cluster:
    """A cluster that has been used, and has healed."""
    weighted = [action for action, weight in ACTIONS.items() for _ in range(weight) if action not in without]
    cluster = Cluster()
    for action, number in draw(
        st.lists(st.tuples(st.sampled_from(weighted), st.integers(0, 60)), min_size=20, max_size=80)
    ):
        cluster.take(action, number)
    cluster.heal()
    return cluster


@given(clusters(), st.floats(0, 1))
@settings(max_examples=300, deadline=None)
def test_correct_histories_raise_no_finding(cluster: Cluster, share: float) -> None:
    """Whatever is under way at the same time, lost, aborted, deleted or fenced; also if the history breaks off."""
    assert check(cluster.history) == []
    healed = next(operation for operation in cluster.history.operations if isinstance(operation, Healed))
    assert check(broken_off(cluster.history, int(share * healed.began))) == []


def broken_off(history: History, moment: int) -> History:
    """Return a history as it was before a moment."""
    operations = [
        operation for operation in History.from_json(history.to_json()).operations if operation.began < moment
    ]
    for operation in operations:
        if (operation.ended or 0) >= moment:
            operation.outcome, operation.ended = Outcome.PENDING, None
    return History(operations)


# Defects -------------------------------------------------------------------------------------------------------------


@attrs.define
class Healthy:
    """A history without defects, and what can be spoilt in it."""

    history: History
    polls: list[Poll]
    """The last ones, by consumer and partition."""
    sends: dict[str, Send]

    def poll_of(self, least: int) -> Poll:
        """The last consumer's last poll of a partition with so many records."""
        polls = [poll for poll in self.polls if len(poll.records) >= least and poll.client == READERS[1]]
        assume(polls)
        return polls[0]

    def last(self, kind: type[Any]) -> Any:
        """The last operation of a kind."""
        return next(operation for operation in reversed(self.history.operations) if isinstance(operation, kind))


def lose_write(healthy: Healthy) -> None:
    """Nobody reads a record that was acknowledged."""
    values = [record.value for poll in healthy.polls if poll.read_committed for record in poll.records]
    values = [value for value in values if healthy.sends[value].is_ok]
    values = [value for value in values if healthy.sends[value].transaction is None]
    assume(values)
    for poll in healthy.history.operations:
        if isinstance(poll, Poll):
            poll.records = [record for record in poll.records if record.value != values[0]]


def read_phantom(healthy: Healthy) -> None:
    """A record that nobody sent."""
    poll = healthy.poll_of(1)
    poll.records[-1] = poll.records[-1]._replace(value="nobody's")


def read_uncommitted(healthy: Healthy) -> None:
    """A record of a transaction that was aborted."""
    committed = {at.transaction for at in healthy.history.operations if isinstance(at, EndTransaction) and at.commit}
    sends = [sent for sent in healthy.sends.values() if sent.is_ok and sent.transaction not in {None, *committed}]
    assume(sends)
    sent = sends[0]
    assert sent.offset is not None
    healthy.history.add(Poll("late", [("t", sent.partition, sent.offset, sent.value)], read_committed=True))


def duplicate(healthy: Healthy) -> None:
    """A record of an idempotent producer stands at the end of the log once more."""
    records = [record for record in healthy.poll_of(1).records if healthy.sends[record.value].idempotent]
    assume(records)
    healthy.history.add(Poll("late", [records[0]._replace(offset=1000)]))


def change_offset(healthy: Healthy) -> None:
    """A second value at one offset."""
    first, second = healthy.poll_of(2).records[:2]
    healthy.history.add(Poll("late", [second._replace(offset=first.offset)]))


def send_backwards(healthy: Healthy) -> None:
    """A record that comes last and stands first."""
    record = healthy.poll_of(2).records[0]
    healthy.history.add(Send("late", "t", record.partition, "last", offset=record.offset))


def poll_backwards(healthy: Healthy) -> None:
    """Two records in the wrong order."""
    healthy.poll_of(2).records.reverse()


def skip(healthy: Healthy) -> None:
    """A record is missing in the middle."""
    poll = healthy.poll_of(3)
    seen = {record.value for poll in healthy.polls if poll.client == READERS[0] for record in poll.records}
    assume(poll.records[1].value in seen)
    del poll.records[1]


def lower_watermark(healthy: Healthy) -> None:
    """The log is said to end before a record that was read."""
    record = healthy.poll_of(1).records[-1]
    healthy.history.add(Watermarks("late", "t", record.partition, None, record.offset))


def lose_commit(healthy: Healthy) -> None:
    """The group is said to have committed nothing."""
    committed = [at for at in healthy.history.operations if isinstance(at, Commit) and at.is_ok]
    assume(committed)
    healthy.last(Committed).offsets = [(*committed[0].offsets[0][:2], None)]


def invent_commit(healthy: Healthy) -> None:
    """The group is said to have committed what it has not."""
    healthy.last(Committed).offsets = [("t", 0, 1_000)]


def commit_stale(healthy: Healthy) -> None:
    """An old generation commits."""
    assigned = healthy.last(Assigned)
    healthy.history.add(Commit("late", "g", [(*assigned.partitions[0], 3)], generation=assigned.generation - 1))


def assign_twice(healthy: Healthy) -> None:
    """A second owner."""
    assigned = healthy.last(Assigned)
    healthy.history.add(Assigned("late", "g", assigned.partitions, generation=assigned.generation))


def keep_what_another_has(healthy: Healthy) -> None:
    """A member is told that it still owns what another was given."""
    assigned = healthy.last(Assigned)
    assume(assigned.partitions)
    healthy.history.add(Assigned("late", "g", assigned.partitions, generation=assigned.generation + 1))
    healthy.history.add(Heartbeat(assigned.client, "g", generation=assigned.generation))


def resurrect(healthy: Healthy) -> None:
    """A key comes back after its tombstone has gone."""
    healthy.history.add(Compaction("late", "compacted"))
    for offset, key in enumerate("kkx"):
        sent = Send("late", "compacted", 0, f"{offset}", key=key, is_tombstone=offset == 1)
        healthy.history.ok(healthy.history.begin(sent), offset=offset)
    for client in ("late", "later"):
        healthy.history.add(Poll(client, [("compacted", 0, 0, "0"), ("compacted", 0, 2, "2")]))


def hang(healthy: Healthy) -> None:
    """A call that never returns."""
    healthy.history.begin(Send("late", "t", 0, "last"))


DEFECTS: dict[Callable[[Healthy], None], set[Anomaly]] = {
    lose_write: {Anomaly.LOST_WRITE, Anomaly.UNSEEN},
    read_phantom: {Anomaly.PHANTOM},
    read_uncommitted: {Anomaly.UNCOMMITTED_READ},
    duplicate: {Anomaly.DUPLICATE},
    change_offset: {Anomaly.INCONSISTENT_OFFSET},
    send_backwards: {Anomaly.NONMONOTONIC_SEND},
    poll_backwards: {Anomaly.NONMONOTONIC_POLL},
    skip: {Anomaly.SKIPPED_POLL},
    lower_watermark: {Anomaly.WATERMARK_REGRESS},
    lose_commit: {Anomaly.LOST_COMMIT},
    invent_commit: {Anomaly.PHANTOM_COMMIT},
    commit_stale: {Anomaly.STALE_COMMIT},
    assign_twice: {Anomaly.DOUBLE_ASSIGNMENT},
    keep_what_another_has: {Anomaly.DOUBLE_ASSIGNMENT},
    resurrect: {Anomaly.RESURRECTED},
    hang: {Anomaly.STUCK},
}


def test_each_class_is_planted() -> None:
    """None is forgotten."""
    assert set().union(*DEFECTS.values()) == set(Anomaly)


@pytest.mark.parametrize("plant", DEFECTS, ids=lambda plant: plant.__name__)
@given(cluster=clusters(without=DELETIONS))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
def test_planted_defects_are_found(plant: Callable[[Healthy], None], cluster: Cluster) -> None:
    """In any history that has a place for it, and no deletion to excuse it."""
    history = cluster.history
    sends = {operation.value: operation for operation in history.operations if isinstance(operation, Send)}
    polls = [operation for operation in history.operations if isinstance(operation, Poll)]
    plant(Healthy(history, polls[-PARTITIONS * len(READERS) :], sends))
    assert DEFECTS[plant] & {finding.anomaly for finding in check(history)}
