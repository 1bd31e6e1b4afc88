"""A batch with some of its records left out, as compaction writes it.

Base offset, last offset and the producer's epoch and sequence stay, so that readers and retries find what they would
have found. Where nothing is left, a batch without records can stand for the offsets.

Source: Kafka's MemoryRecords.filterTo; KIP-534 (delete horizon).
"""

from collections.abc import Sequence

from dotkafka.records.batch import (
    BATCH_HEADER,
    COMPRESSION_MASK,
    DELETE_HORIZON_FLAG,
    HEADER_SIZE,
    BatchHeader,
    write_crc,
)
from dotkafka.records.compression import compress
from dotkafka.records.record import Record, encode_section

_LENGTH_END = 12


def encode_remaining(header: BatchHeader, records: Sequence[Record], delete_horizon_ms: int | None = None) -> bytearray:
    """Return the batch of `header` with these of its records, at least one; offsets and compression are kept.

    Args:
        header: of the batch as it was.
        records: as they were decoded from it.
        delete_horizon_ms: if set, when its tombstones or its marker may go; stands in place of the base timestamp.

    Raises:
        EncodeError: a record is one that no producer should have sent.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    attributes = header.attributes & ~DELETE_HORIZON_FLAG
    base_timestamp_ms = records[0].timestamp_ms
    if delete_horizon_ms is not None:
        attributes |= DELETE_HORIZON_FLAG
        base_timestamp_ms = delete_horizon_ms
    parts, max_timestamp_ms = encode_section(
        records, base_timestamp_ms, [record.offset - header.base_offset for record in records]
    )
    if header.compression:
        parts = [compress(header.compression, b"".join(parts))]
    return _encode(
        header._replace(
            attributes=attributes,
            base_timestamp_ms=base_timestamp_ms,
            max_timestamp_ms=max_timestamp_ms,
            record_count=len(records),
        ),
        parts,
    )


def encode_empty(header: BatchHeader) -> bytearray:
    """Return a batch without records at the offsets of the batch of `header`, so that readers get past them."""
    return _encode(
        header._replace(
            attributes=header.attributes & ~(COMPRESSION_MASK | DELETE_HORIZON_FLAG),
            base_timestamp_ms=header.max_timestamp_ms,
            record_count=0,
        ),
        [],
    )


def _encode(header: BatchHeader, parts: Sequence[bytes]) -> bytearray:
    batch = bytearray().join((bytes(HEADER_SIZE), *parts))
    BATCH_HEADER.pack_into(batch, 0, *header._replace(batch_length=len(batch) - _LENGTH_END))
    write_crc(batch, 0, len(batch))
    return batch
