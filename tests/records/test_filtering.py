"""Batches of which compaction has left some records."""

import pytest

from dotkafka.records.batch import encode_batch, iterate_records, read_header, verify_crc
from dotkafka.records.compression import Compression
from dotkafka.records.filtering import encode_empty, encode_remaining
from dotkafka.records.record import Record

RECORDS = [Record(50 + n, 1000 - n, b"key-%d" % n, b"value" * n or None, (("h", b"1"),)) for n in range(5)]


@pytest.mark.parametrize("compression", list(Compression))
@pytest.mark.parametrize("delete_horizon_ms", [None, 77_777])
def test_some_records_stay(compression: Compression, delete_horizon_ms: int | None) -> None:
    """Records, offsets, the last offset, the producer and codec are as before; the horizon is in the header."""
    batch = encode_batch(
        RECORDS,
        base_offset=50,
        partition_leader_epoch=3,
        compression=compression,
        producer_id=9,
        producer_epoch=2,
        base_sequence=40,
        is_transactional=True,
    )
    before = read_header(batch)
    left = encode_remaining(before, RECORDS[1:4:2], delete_horizon_ms)
    header = read_header(left)
    assert list(iterate_records(left)) == RECORDS[1:4:2]
    assert header.delete_horizon_ms == delete_horizon_ms
    assert (header.max_timestamp_ms, header.record_count, header.size_bytes) == (999, 2, len(left))
    for name in ("base_offset", "last_offset", "partition_leader_epoch", "producer_id", "producer_epoch"):
        assert getattr(header, name) == getattr(before, name)
    assert (header.last_sequence, header.compression, header.is_transactional) == (44, compression, True)
    again = encode_remaining(header, RECORDS[1:2])
    assert read_header(again).delete_horizon_ms is None
    assert list(iterate_records(again)) == RECORDS[1:2]


def test_no_record_stays() -> None:
    """The offsets do, and whose batch it was."""
    batch = encode_batch(RECORDS, base_offset=50, compression=Compression.GZIP, producer_id=9, base_sequence=40)
    left = encode_empty(read_header(batch))
    header = read_header(left)
    assert verify_crc(left, 0, header)
    assert list(iterate_records(left)) == []
    assert (header.base_offset, header.last_offset, header.last_sequence, header.max_timestamp_ms) == (50, 54, 44, 1000)
