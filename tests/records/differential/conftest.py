"""What the tests against other implementations share: random batches and message sets, the same in every run."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, NamedTuple

import pytest

from dotkafka.records.batch import encode_batch, patch_log_append_time
from dotkafka.records.legacy import encode_message_set
from dotkafka.records.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dotkafka.records.compression import Compression

BATCHES_PER_CODEC = 40
INT32_MAX = 2**31 - 1
LENGTHS = (0, 1, 2, 9, 62, 63, 64, 65, 300)
LONG_LENGTHS = (8_191, 8_192, 33_000, 70_000)
NAMES = ("", "a", "name", "x" * 64, "ü€\U0001f600\x00")
TIMESTAMPS_MS = {
    "none": (-1,),
    "same": (1_700_000_000_000,),
    "near": range(1_700_000_000_000, 1_700_000_020_000),
    "some": (-1, 1_700_000_000_000, 2**62),
    "any": (0, 1, 1_700_000_000_000, 2**62, 2**63 - 1),
}


class RandomBatch(NamedTuple):
    """One record batch, or one message set, of any magic; only magic 2 has a producer."""

    magic: int
    compression: Compression
    records: list[Record]
    log_append_time_ms: int | None = None
    partition_leader_epoch: int = -1
    producer_id: int = -1
    producer_epoch: int = -1
    base_sequence: int = -1
    is_transactional: bool = False

    @property
    def records_to_read(self) -> list[Record]:
        """The records as they come out again: with the broker's timestamp, if it gave one."""
        if self.log_append_time_ms is None:
            return self.records
        return [record._replace(timestamp_ms=self.log_append_time_ms) for record in self.records]

    def encode(self) -> bytes:
        """Return it as dotkafka writes it; a batch has the offset of its first record."""
        if self.magic < 2:
            return bytes(
                encode_message_set(
                    self.records,
                    magic=self.magic,
                    compression=self.compression,
                    log_append_time_ms=self.log_append_time_ms,
                )
            )
        batch = encode_batch(
            self.records,
            base_offset=self.records[0].offset,
            keep_offsets=True,
            compression=self.compression,
            partition_leader_epoch=self.partition_leader_epoch,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            base_sequence=self.base_sequence,
            is_transactional=self.is_transactional,
        )
        if self.log_append_time_ms is not None:
            patch_log_append_time(batch, 0, self.log_append_time_ms)
        return bytes(batch)


class RandomBatches:
    """Draws batches. From a client they begin at offset 0, and have nothing that only a broker gives."""

    def __init__(self, seed: str, *, from_client: bool) -> None:
        self.random = random.Random(seed)
        self.from_client = from_client

    def batch(self, magic: int, compression: Compression) -> RandomBatch:
        """Any batch."""
        batch = RandomBatch(magic, compression, self.records(magic))
        if not self.from_client:
            if magic > 0 and self.random.random() < 0.25:
                batch = batch._replace(log_append_time_ms=self.timestamp_ms("any"))
            if magic == 2:
                batch = batch._replace(partition_leader_epoch=self.random.choice((-1, 0, 5, INT32_MAX)))
        if magic == 2 and self.random.random() < 0.5:
            batch = batch._replace(
                producer_id=self.random.choice((0, 1, 2**63 - 1)),
                producer_epoch=self.random.choice((0, 1, 2**15 - 1)),
                base_sequence=self.random.choice((0, 1, INT32_MAX)),
                is_transactional=self.random.random() < 0.5,
            )
        return batch

    def records(self, magic: int) -> list[Record]:
        """Records whose offsets rise, with gaps."""
        offset = 0 if self.from_client else self.random.choice((0, 1, 1_000, 2**62))
        steps = self.random.choice(((1,), (1, 1, 1, 2, 63, 64, 70_000, 2**24)))
        timestamps = self.random.choice(("none", "same", "near", "some", "any")) if magic > 0 else "none"
        records = []
        for _ in range(self.random.choice((1, 1, 2, 3, 10, 70))):
            headers = self.headers() if magic == 2 else ()
            records.append(Record(offset, self.timestamp_ms(timestamps), self.data(), self.data(), headers))
            offset += self.random.choice(steps)
        return records

    def timestamp_ms(self, kind: str) -> int:
        """A timestamp or -1, which is none; of those of one kind, some are before and some behind the first."""
        return self.random.choice(TIMESTAMPS_MS[kind])

    def headers(self) -> tuple[tuple[str, bytes | None], ...]:
        """Some headers, whose names may be empty and repeat."""
        count = self.random.choice((0, 0, 1, 2, 4))
        return tuple((self.random.choice(NAMES), self.data()) for _ in range(count))

    def data(self) -> bytes | None:
        """A key or a value: nothing, noise, or what compresses well."""
        if self.random.random() < 0.2:
            return None
        length = self.random.choice(LENGTHS if self.random.random() < 0.98 else LONG_LENGTHS)
        return self.random.randbytes(length) if self.random.random() < 0.5 else (b"value " * length)[:length]


@pytest.fixture(scope="session")
def random_batches() -> Callable[..., Iterator[RandomBatch]]:
    """Return a function that gives some random batches of a magic and a codec."""

    def batches(magic: int, compression: Compression, *, from_client: bool = False) -> Iterator[RandomBatch]:
        for number in range(BATCHES_PER_CODEC):
            yield RandomBatches(f"{magic} {compression} {number}", from_client=from_client).batch(magic, compression)

    return batches
