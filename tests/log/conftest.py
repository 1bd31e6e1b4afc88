"""Batches as producers send them, and logs that have some."""

from collections.abc import Callable
from struct import pack_into
from typing import Any

import pytest
from crc32c import crc32c

from dotkafka.clock import Instant
from dotkafka.log.config import LogConfig
from dotkafka.log.partition_log import AppendResult, PartitionLog
from dotkafka.records.batch import BatchHeader, encode_batch, read_header
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker
from dotkafka.records.record import Record
from dotkafka.storage.spi import TopicIdPartition

NOW = Instant(monotonic_ms=5, wall_ms=1_000_000)
_FORMATS = {
    "base_offset": (">q", 0),
    "batch_length": (">i", 8),
    "magic": (">b", 16),
    "attributes": (">h", 21),
    "last_offset_delta": (">i", 23),
    "base_timestamp_ms": (">q", 27),
    "max_timestamp_ms": (">q", 35),
    "producer_id": (">q", 43),
    "base_sequence": (">i", 53),
    "record_count": (">i", 57),
}


@pytest.fixture
def now() -> Instant:
    """The moment at which all happens."""
    return NOW


@pytest.fixture
def make_batch() -> Callable[..., memoryview]:
    """Return a function that makes a batch of `count` records, with header fields as asked; the CRC is right."""

    def make(count: int = 1, *, timestamp_ms: int = NOW.wall_ms, key: bytes | None = b"k", **fields: Any) -> memoryview:
        overwritten = {name: fields.pop(f"raw_{name}") for name in _FORMATS if f"raw_{name}" in fields}
        batch = encode_batch([Record(index, timestamp_ms, key, b"value") for index in range(count)], **fields)
        for name, value in overwritten.items():
            layout, position = _FORMATS[name]
            pack_into(layout, batch, position, value)
        pack_into(">I", batch, 17, crc32c(batch[21:]))
        return memoryview(batch)

    return make


@pytest.fixture
def make_header(make_batch: Callable[..., memoryview]) -> Callable[..., BatchHeader]:
    """Return a function that makes the header of a batch of a producer."""

    def make(sequence: int = 0, *, epoch: int = 0, count: int = 1, producer_id: int = 7) -> BatchHeader:
        return read_header(make_batch(count, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence))

    return make


@pytest.fixture
def make_marker() -> Callable[..., memoryview]:
    """Return a function that makes the control batch that ends a transaction."""

    def make(
        kind: str = "COMMIT", *, producer_id: int = 7, producer_epoch: int = 0, coordinator_epoch: int = 0
    ) -> memoryview:
        return memoryview(
            encode_end_txn_marker(
                ControlRecord(ControlRecordType[kind], coordinator_epoch),
                producer_id=producer_id,
                producer_epoch=producer_epoch,
                timestamp_ms=NOW.wall_ms,
            )
        )

    return make


@pytest.fixture
def log() -> PartitionLog:
    """An empty log."""
    return PartitionLog(TopicIdPartition(bytes(16), 0))


@pytest.fixture
def append(log: PartitionLog) -> Callable[..., AppendResult]:
    """Return a function that appends a batch to `log` as its leader."""

    def append_batch(
        batch: memoryview,
        *,
        config: LogConfig = LogConfig(),  # noqa: B008 (it is immutable)
        leader_epoch: int = 0,
        from_client: bool = True,
        now: Instant = NOW,
    ) -> AppendResult:
        return log.append_as_leader(batch, leader_epoch=leader_epoch, config=config, now=now, from_client=from_client)

    return append_batch
