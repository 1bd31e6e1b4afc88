"""What the tests of records share: batches made by hand, ordinary records."""

from typing import Protocol

import pytest
from crc32c import crc32c

from dotkafka.records.batch import BATCH_HEADER, HEADER_SIZE, BatchHeader
from dotkafka.records.record import Record


class BatchWithSection(Protocol):
    """Puts a header with a valid CRC before any bytes."""

    def __call__(self, section: bytes, **fields: int) -> bytearray:
        """Return the batch; `fields` are those of the header that differ from an ordinary one's."""
        ...


@pytest.fixture(scope="session")
def batch_with_section() -> BatchWithSection:
    """Batches whose header and records need not fit together."""

    def build(section: bytes, **fields: int) -> bytearray:
        batch = bytearray(HEADER_SIZE) + section
        header = BatchHeader(0, HEADER_SIZE - 12 + len(section), -1, 2, 0, 0, 0, 0, 0, -1, -1, -1, 1)
        BATCH_HEADER.pack_into(batch, 0, *header._replace(**fields))
        batch[17:21] = crc32c(batch[21:]).to_bytes(4, "big")
        return batch

    return build


@pytest.fixture(scope="session")
def ordinary_records() -> list[Record]:
    """150 records with falling timestamps, some without key, all with headers."""
    return [
        Record(
            i,
            1_700_000_000_000 - 7 * i,
            b"key %d" % i if i % 3 else None,
            b"value" * i,
            (("name", b"x" * i), ("ü", None)),
        )
        for i in range(150)
    ]
