"""The reference for crash tests: what clients asked of a broker, what was acknowledged, and what a restart may show.

A shard writes everything in one order. So the state after a restart is the one after some operation, and after no
earlier one than the last that was acknowledged. That one sentence holds "every acknowledged record, once, at its
offset", "a batch whole or not at all", "none without all before it" and "an offset has one value".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection, Container, Mapping, Sequence

REMEMBERED_BATCHES = 5
"""How many batches back a retry of an idempotent producer is recognised."""


class BrokenPromise(AssertionError):  # noqa: N818 (it reads as what it is)
    """What a broker shows contradicts what was acknowledged."""


class ModelTopicPartition(NamedTuple):
    """A partition by its topic's name."""

    topic: str
    partition: int


class SentBatch(NamedTuple):
    """A batch of an idempotent producer, to be sent again."""

    records: bytes
    base_offset: int
    operation: int
    """Which operation appended it."""


TopicIdPartitions: TypeAlias = frozenset[tuple[bytes, int]]
"""Partitions by the ids of their topics."""


class MemberView(NamedTuple):
    """A member of the group, as anybody can see it."""

    epoch: int
    assigned: TopicIdPartitions
    target: TopicIdPartitions

    def without(self, gone: Container[bytes]) -> MemberView:
        """Return it without the topics that are gone: a description leaves them out."""
        assigned = frozenset(partition for partition in self.assigned if partition[0] not in gone)
        return MemberView(self.epoch, assigned, frozenset(part for part in self.target if part[0] not in gone))


class GroupView(NamedTuple):
    """The group that has members, as anybody can see it."""

    epoch: int
    assignment_epoch: int
    members: Mapping[str, MemberView]

    def without(self, gone: Container[bytes]) -> GroupView:
        """Return it without the topics that are gone."""
        return self._replace(members={name: member.without(gone) for name, member in self.members.items()})

    def topic_ids(self) -> set[bytes]:
        """Return the ids of all topics in it."""
        return {topic_id for member in self.members.values() for topic_id, _ in (*member.assigned, *member.target)}


NO_GROUP: Final = GroupView(0, 0, {})


@attrs.define(eq=False)
class KnownGroup:
    """What a client has been told of the group after some operation; None as long as it was not told."""

    view: GroupView | None = None


class Retention(NamedTuple):
    """How much a partition keeps."""

    size_bytes: int
    time_ms: int


class KeptBatch(NamedTuple):
    """A batch that retention may delete."""

    next_offset: int
    size_bytes: int
    timestamp_ms: int


@attrs.frozen
class ModelPartition:
    """What one partition holds."""

    incarnation: int
    """Which operation created the topic: tells it from an earlier one of the same name."""
    is_compacted: bool = False
    """If so, each value begins with a key and `=`; nothing after that is a tombstone."""
    values: tuple[bytes, ...] = ()
    """Of the records from offset 0 on, also those below the log start offset."""
    log_start_offset: int = 0
    next_sequence: int = 0
    """Of its idempotent producer."""
    sent: tuple[SentBatch, ...] = ()
    """The last batches of that producer, oldest first."""
    retention: Retention | None = None
    """What of it is deleted without anybody's asking."""
    batches: tuple[KeptBatch, ...] = ()
    """If there is retention: all that there were."""

    def with_batch(
        self, values: Sequence[bytes], sent: SentBatch | None, size_bytes: int = 0, timestamp_ms: int = 0
    ) -> ModelPartition:
        """Return the partition after one more batch; `sent` if it is one of the idempotent producer."""
        kept = KeptBatch(len(self.values) + len(values), size_bytes, timestamp_ms)
        return attrs.evolve(
            self,
            batches=(*self.batches, kept) if self.retention else (),
            values=(*self.values, *values),
            next_sequence=self.next_sequence + (len(values) if sent else 0),
            sent=(*self.sent, sent)[-REMEMBERED_BATCHES:] if sent else self.sent,
        )

    def start_after_retention(self, now_ms: int) -> int:
        """Return the offset up to which retention may have deleted by now."""
        if self.retention is None:
            return 0
        start = 0
        left = sum(batch.size_bytes for batch in self.batches)
        for batch in self.batches:
            left -= batch.size_bytes
            if left < self.retention.size_bytes and batch.timestamp_ms >= now_ms - self.retention.time_ms:
                break
            start = batch.next_offset
        return start


@attrs.frozen
class ModelState:
    """What a broker holds at one moment."""

    partitions: Mapping[ModelTopicPartition, ModelPartition] = attrs.field(factory=dict)
    committed: Mapping[ModelTopicPartition, int] = attrs.field(factory=dict)
    """The offsets that the group without members has committed."""
    committed_by_members: Mapping[ModelTopicPartition, int] = attrs.field(factory=dict)
    """The offsets that the group with members has committed."""
    group: KnownGroup = attrs.field(factory=lambda: KnownGroup(NO_GROUP), eq=False)
    """The group with members."""

    def topics(self) -> set[str]:
        """Return the names of all topics."""
        return {partition.topic for partition in self.partitions}


class ObservedPartition(NamedTuple):
    """What a consumer finds in a partition: the values from the log start offset up to the high watermark."""

    log_start_offset: int
    values: Sequence[bytes | None]
    """None for an offset without record."""


@attrs.frozen
class Observed:
    """What clients find after a start."""

    epoch: int
    """The leader epoch of every partition."""
    partitions: Mapping[ModelTopicPartition, ObservedPartition]
    committed: Mapping[ModelTopicPartition, int]
    committed_by_members: Mapping[ModelTopicPartition, int] = attrs.field(factory=dict)
    group: GroupView = NO_GROUP
    topic_ids: Collection[bytes] = ()
    """Of the topics that there are."""


class Shown(NamedTuple):
    """What readers were shown of a partition at most: no restart takes it back."""

    incarnation: int
    log_start_offset: int
    high_watermark: int


class CrashModel:
    """The states a broker has gone through, operation by operation, and the last one that was acknowledged."""

    def __init__(self) -> None:
        self.states = [ModelState()]
        """After each operation; operation 0 is the empty beginning."""
        self.acknowledged = 0
        """The last operation of which a client knows that it is durable."""
        self._idle: set[int] = set()
        """Operations that have changed nothing."""
        self.epoch = -1
        """The highest leader epoch that a client may have seen."""
        self.now_ms = 0
        """The wall clock."""
        self.producer_ids: set[int] = set()
        """All that were given out."""
        self._shown: dict[ModelTopicPartition, Shown] = {}

    @property
    def now(self) -> ModelState:
        """The state after everything that was asked for."""
        return self.states[-1]

    @property
    def last_operation(self) -> int:
        """The number of the last operation."""
        return len(self.states) - 1

    def did(self, state: ModelState) -> int:
        """Add an operation that leads to this state, and return its number."""
        self.states.append(state)
        return self.last_operation

    def acknowledge(self, operation: int) -> None:
        """A client was told that this operation is durable."""
        self.acknowledged = max(self.acknowledged, operation)
        while self.acknowledged + 1 in self._idle:
            self.acknowledged += 1

    def changed_nothing(self, operation: int) -> None:
        """An operation has led to the state that there was: it is as durable as the one before it."""
        self._idle.add(operation)
        self.acknowledge(self.acknowledged)

    def show(self, name: ModelTopicPartition, log_start_offset: int, high_watermark: int) -> None:
        """A reader may see this of a partition now."""
        self._shown[name] = Shown(self.now.partitions[name].incarnation, log_start_offset, high_watermark)

    def match(self, observed: Observed) -> tuple[int, ModelState]:
        """Return the operation after which a restarted broker goes on, and the state that it shows.

        Raises:
            BrokenPromise: it is not one that the promises allow.
        """
        if observed.epoch <= self.epoch:
            raise BrokenPromise(f"leader epoch {observed.epoch} after {self.epoch}")
        reasons = []
        for operation in range(self.acknowledged, len(self.states)):
            reason = self._difference(operation, observed) or self._taken_back(operation, observed)
            if reason is None:
                return operation, self._as_observed(self.states[operation], observed)
            reasons.append(f"not the state after operation {operation}: {reason}")
        raise BrokenPromise(f"operation {self.acknowledged} was acknowledged; " + "; ".join(reasons))

    def restarted(self, operation: int, state: ModelState, epoch: int) -> None:
        """Go on from what `match` has found: all of it is promised now, and nothing else has happened."""
        self._idle.clear()
        self.states = [*self.states[:operation], state]
        self.acknowledged = operation
        self.epoch = epoch
        self._shown.clear()

    def _taken_back(self, operation: int, observed: Observed) -> str | None:
        state = self.states[operation]
        for name, shown in self._shown.items():
            if name not in state.partitions or state.partitions[name].incarnation != shown.incarnation:
                continue
            start, values = observed.partitions[name]
            if start < shown.log_start_offset or start + len(values) < shown.high_watermark:
                return (
                    f"{name}: offsets {start} to {start + len(values)}, after"
                    f" {shown.log_start_offset} to {shown.high_watermark} were shown"
                )
        return None

    def _difference(self, operation: int, observed: Observed) -> str | None:
        state = self.states[operation]
        if state.partitions.keys() != observed.partitions.keys():
            return f"partitions {sorted(observed.partitions)}, expected {sorted(state.partitions)}"
        for name, partition in state.partitions.items():
            found = observed.partitions[name]
            # A deletion of records may be in the checkpoint before it is in the log: it was asked for.
            latest = max(
                max(later.partitions[name].log_start_offset, later.partitions[name].start_after_retention(self.now_ms))
                for later in self.states[operation:]
                if name in later.partitions and later.partitions[name].incarnation == partition.incarnation
            )
            if not partition.log_start_offset <= found.log_start_offset <= latest:
                return (
                    f"{name}: log start offset {found.log_start_offset}, expected {partition.log_start_offset}"
                    f" to {latest}"
                )
            expected = partition.values[found.log_start_offset :]
            if tuple(found.values) != expected and not (
                partition.is_compacted and _is_compacted(found.values, expected)
            ):
                return (
                    f"{name}: {len(found.values)} records from offset {found.log_start_offset} on,"
                    f" expected {len(expected)}: {_first_difference(found.values, expected)}"
                )
        if observed.committed != state.committed:
            return f"committed {observed.committed}, expected {state.committed}"
        if observed.committed_by_members != state.committed_by_members:
            return f"committed by members {observed.committed_by_members}, expected {state.committed_by_members}"
        view = state.group.view
        if view is not None:
            expected_group = view.without(view.topic_ids().difference(observed.topic_ids))
            if observed.group != expected_group:
                return f"the group is {observed.group}, expected {expected_group}"
        return None

    @staticmethod
    def _as_observed(state: ModelState, observed: Observed) -> ModelState:
        partitions = {
            name: attrs.evolve(partition, log_start_offset=observed.partitions[name].log_start_offset)
            for name, partition in state.partitions.items()
        }
        return attrs.evolve(state, partitions=partitions, group=KnownGroup(observed.group))


def _is_compacted(found: Sequence[bytes | None], expected: Sequence[bytes]) -> bool:
    """Whether records are missing only as compaction may remove them: every key still has its last value, or none."""
    if len(found) != len(expected):
        return False
    present = [value for value in found if value is not None]
    unchanged = all(one in {None, other} for one, other in zip(found, expected, strict=True))
    return unchanged and _table(present) == _table(expected)


def _table(values: Sequence[bytes]) -> dict[bytes, bytes]:
    newest = dict(value.split(b"=", 1) for value in values)
    return {key: value for key, value in newest.items() if value}


def _first_difference(found: Sequence[bytes | None], expected: Sequence[bytes]) -> str:
    for number, (one, other) in enumerate(zip(found, expected, strict=False)):
        if one != other:
            return f"record {number} is {one and one[:40]!r}, expected {other[:40]!r}"
    return "one goes on where the other ends"
