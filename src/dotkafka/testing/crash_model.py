"""The reference for crash tests: what clients asked of a broker, what was acknowledged, and what a restart may show.

A shard writes everything in one order. So the state after a restart is the one after some operation, and after no
earlier one than the last that was acknowledged. That one sentence holds "every acknowledged record, once, at its
offset", "a batch whole or not at all", "none without all before it" and "an offset has one value".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    def with_batch(self, values: Sequence[bytes], sent: SentBatch | None) -> ModelPartition:
        """Return the partition after one more batch; `sent` if it is one of the idempotent producer."""
        return attrs.evolve(
            self,
            values=(*self.values, *values),
            next_sequence=self.next_sequence + (len(values) if sent else 0),
            sent=(*self.sent, sent)[-REMEMBERED_BATCHES:] if sent else self.sent,
        )


@attrs.frozen
class ModelState:
    """What a broker holds at one moment."""

    partitions: Mapping[ModelTopicPartition, ModelPartition] = attrs.field(factory=dict)
    committed: Mapping[ModelTopicPartition, int] = attrs.field(factory=dict)
    """The offsets that the one group has committed."""

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


class CrashModel:
    """The states a broker has gone through, operation by operation, and the last one that was acknowledged."""

    def __init__(self) -> None:
        self.states = [ModelState()]
        """After each operation; operation 0 is the empty beginning."""
        self.acknowledged = 0
        """The last operation of which a client knows that it is durable."""
        self.epoch = -1
        """The highest leader epoch that a client may have seen."""
        self.producer_ids: set[int] = set()
        """All that were given out."""

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

    def match(self, observed: Observed) -> tuple[int, ModelState]:
        """Return the operation after which a restarted broker goes on, and the state that it shows.

        Raises:
            BrokenPromise: it is not one that the promises allow.
        """
        if observed.epoch <= self.epoch:
            raise BrokenPromise(f"leader epoch {observed.epoch} after {self.epoch}")
        reasons = []
        for operation in range(self.acknowledged, len(self.states)):
            reason = self._difference(operation, observed)
            if reason is None:
                return operation, self._as_observed(self.states[operation], observed)
            reasons.append(f"not the state after operation {operation}: {reason}")
        raise BrokenPromise(f"operation {self.acknowledged} was acknowledged; " + "; ".join(reasons))

    def restarted(self, operation: int, state: ModelState, epoch: int) -> None:
        """Go on from what `match` has found: all of it is promised now, and nothing else has happened."""
        self.states = [*self.states[:operation], state]
        self.acknowledged = operation
        self.epoch = epoch

    def _difference(self, operation: int, observed: Observed) -> str | None:
        state = self.states[operation]
        if state.partitions.keys() != observed.partitions.keys():
            return f"partitions {sorted(observed.partitions)}, expected {sorted(state.partitions)}"
        for name, partition in state.partitions.items():
            found = observed.partitions[name]
            # A deletion of records may be in the checkpoint before it is in the log: it was asked for.
            latest = max(
                later.partitions[name].log_start_offset
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
        return None

    @staticmethod
    def _as_observed(state: ModelState, observed: Observed) -> ModelState:
        partitions = {
            name: attrs.evolve(partition, log_start_offset=observed.partitions[name].log_start_offset)
            for name, partition in state.partitions.items()
        }
        return attrs.evolve(state, partitions=partitions)


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
