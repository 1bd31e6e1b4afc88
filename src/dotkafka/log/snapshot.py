"""What a partition log remembers beside its batches, as bytes for the checkpoint store.

The form is JSON, an object with its `version` (4), in ASCII:

    end_offset     the state is what replaying all batches below it gives
    max_timestamp  [largest timestamp, base offset of the first batch that has it], or null
    leader_epochs  [[epoch, start offset], ...]
    producers      {producer id: [producer epoch, coordinator epoch, last timestamp, [[base sequence, last sequence,
                   base offset, last offset, timestamp], ...]], ...}
    heard          {producer id: wall clock moment in ms, ...}: see `ProducerStates`
    open           [[producer id, first offset], ...]: transactions
    aborted        [[producer id, first offset, marker offset, last stable offset], ...]
    extents        [[next offset, size in bytes, largest timestamp], ...]: batches, or some consecutive ones together
    first_dirty    up to where the log is compacted

Versions before 4 did not say when producers were heard, those before 3 had no first dirty offset. Version 1 had no
extents: its batches are then one extent, of a single byte; by size they go once what has come after them suffices.
"""

import json
from typing import Any, Final

import attrs

from dotkafka.errors import StorageFailed
from dotkafka.log.extents import Extent, Extents
from dotkafka.log.producer_state import BatchMetadata, ProducerEntry
from dotkafka.log.tail import TimestampedBatch
from dotkafka.log.transactions import AbortedTransaction, OpenTransaction, TransactionsImage

VERSION: Final = 4
_ENCODER: Final = json.JSONEncoder(check_circular=False, separators=(",", ":"))


@attrs.frozen
class LogSnapshot:
    """The state of a partition log at one of its offsets. It never changes, so any thread may encode it."""

    end_offset: int
    max_timestamp: TimestampedBatch | None
    leader_epochs: list[tuple[int, int]]
    producers: dict[int, ProducerEntry]
    transactions: TransactionsImage
    extents: Extents
    """Its own, which do not change."""
    first_dirty_offset: int = 0
    heard_ms: dict[int, int] = attrs.field(factory=dict)


def encode_snapshot(snapshot: LogSnapshot) -> bytes:
    """Return the bytes of a snapshot; equal states give equal bytes."""
    content = {
        "version": VERSION,
        "end_offset": snapshot.end_offset,
        "max_timestamp": snapshot.max_timestamp,
        "leader_epochs": snapshot.leader_epochs,
        "producers": {str(producer_id): entry for producer_id, entry in sorted(snapshot.producers.items())},
        "heard": {str(producer_id): at_ms for producer_id, at_ms in sorted(snapshot.heard_ms.items())},
        "open": snapshot.transactions.open,
        "aborted": snapshot.transactions.aborted,
        "extents": list(zip(*snapshot.extents.columns(), strict=True)),
        "first_dirty": snapshot.first_dirty_offset,
    }
    return _ENCODER.encode(content).encode("ascii")


def decode_snapshot(data: bytes) -> LogSnapshot:
    """Return the snapshot that `encode_snapshot` made.

    Raises:
        StorageFailed: the bytes are no snapshot, or one of a version that is not known here.
    """
    try:
        content = json.loads(data)
        version = content["version"]
        if version not in range(1, VERSION + 1):
            raise StorageFailed(f"a partition snapshot has version {version}; this dotkafka knows version {VERSION}")
        timestamp = content["max_timestamp"]
        if version == 1:
            content["extents"] = [[content["end_offset"], 1, timestamp[0]]] if timestamp else []
        return LogSnapshot(
            end_offset=int(content["end_offset"]),
            max_timestamp=None if timestamp is None else TimestampedBatch(*_integers(timestamp)),
            leader_epochs=[(int(epoch), int(start_offset)) for epoch, start_offset in content["leader_epochs"]],
            producers={int(producer_id): _entry(*entry) for producer_id, entry in content["producers"].items()},
            transactions=TransactionsImage(
                tuple(OpenTransaction(*_integers(fields)) for fields in content["open"]),
                tuple(AbortedTransaction(*_integers(fields)) for fields in content["aborted"]),
            ),
            extents=Extents(Extent(*_integers(fields)) for fields in content["extents"]),
            first_dirty_offset=int(content["first_dirty"] if version > 2 else 0),
            heard_ms={int(producer_id): int(at_ms) for producer_id, at_ms in content["heard"].items()}
            if version == VERSION
            else {},
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise StorageFailed(f"a partition snapshot is damaged: {error!r}") from error


def _integers(fields: list[Any]) -> list[int]:
    return [int(field) for field in fields]


def _entry(producer_epoch: int, coordinator_epoch: int, last_timestamp_ms: int, batches: list[Any]) -> ProducerEntry:
    return ProducerEntry(
        int(producer_epoch),
        int(coordinator_epoch),
        int(last_timestamp_ms),
        tuple(BatchMetadata(*_integers(fields)) for fields in batches),
    )
