"""Which record a timestamp leads to."""

import pytest

from dotkafka.errors import ApiError
from dotkafka.log.timestamps import TimestampOffset, find_max_timestamp, find_timestamp
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import encode_batch, patch_log_append_time
from dotkafka.records.record import Record


@pytest.fixture(params=[0, 1], ids=["uncompressed", "gzip"])
def batch(request: pytest.FixtureRequest) -> bytearray:
    """Offsets 10 to 13 with timestamps 5, 9, 7, 9, of leader epoch 4."""
    records = [Record(index, timestamp, None, b"v") for index, timestamp in enumerate((5, 9, 7, 9))]
    return encode_batch(records, base_offset=10, partition_leader_epoch=4, compression=request.param)


@pytest.mark.parametrize(
    ("timestamp", "start", "expected"),
    [(0, 0, (5, 10)), (5, 11, (9, 11)), (6, 0, (9, 11)), (9, 12, (9, 13)), (10, 0, None), (5, 14, None)],
)
def test_find_timestamp(batch: bytearray, timestamp: int, start: int, expected: tuple[int, int] | None) -> None:
    """The first record that is late enough, and not below the start."""
    assert find_timestamp(batch, timestamp, start) == (expected and TimestampOffset(*expected, 4))


def test_find_max_timestamp(batch: bytearray) -> None:
    """The first of those with the largest."""
    assert find_max_timestamp(batch) == TimestampOffset(9, 11, 4)


def test_log_append_time(batch: bytearray) -> None:
    """All records have the same timestamp then, so the first is it."""
    patch_log_append_time(batch, 0, 50)
    assert find_max_timestamp(batch) == TimestampOffset(50, 10, 4)
    assert find_timestamp(batch, 8, 12) == TimestampOffset(50, 12, 4)
    assert find_timestamp(batch, 51) is None


def test_records_that_do_not_decode(batch: bytearray) -> None:
    """The log takes in what it does not decode; whoever then asks is told."""
    batch[-1] ^= 1
    for find in (lambda: find_timestamp(batch, 8), lambda: find_max_timestamp(batch), lambda: find_max_timestamp(b"")):
        with pytest.raises(ApiError) as caught:
            find()
        assert caught.value.error_code == ErrorCode.CORRUPT_MESSAGE
