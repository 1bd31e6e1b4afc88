"""What the log refuses, and with which of Kafka's error codes."""

from collections.abc import Callable
from struct import pack_into

import pytest
from crc32c import crc32c
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.clock import Instant
from dotkafka.errors import ApiError
from dotkafka.log.config import LogConfig
from dotkafka.log.validation import validate_batch
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record

CONFIG = LogConfig()
MakeBatch = Callable[..., memoryview]


def refusal(records: memoryview, now: Instant, config: LogConfig = CONFIG, *, from_client: bool = True) -> ErrorCode:
    """Return why a batch is refused, having made sure that it says so in words too."""
    with pytest.raises(ApiError) as caught:
        validate_batch(records, config, now, from_client=from_client)
    assert caught.value.message
    return ErrorCode(caught.value.error_code)


def test_good_batch_gives_its_header(make_batch: MakeBatch, now: Instant) -> None:
    """A batch in order is let in, and not changed."""
    batch = make_batch(3, producer_id=5, producer_epoch=1, base_sequence=9)
    before = bytes(batch)
    header = validate_batch(batch, CONFIG, now, from_client=True)
    assert (header.record_count, header.producer_id, header.base_sequence) == (3, 5, 9)
    assert bytes(batch) == before


def test_exactly_one_batch(make_batch: MakeBatch, now: Instant) -> None:
    """None, half of one, two, and one with something after it are INVALID_RECORD."""
    batch = bytes(make_batch())
    for records in (b"", batch[:11], batch[:16], batch[:60], batch[:-1], batch + batch, batch + b"\0"):
        assert refusal(memoryview(records), now) is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("length", [-(2**31), -1, 0, 13])
def test_impossible_length(make_batch: MakeBatch, now: Instant, length: int) -> None:
    """A length that no batch can have is CORRUPT_MESSAGE."""
    assert refusal(make_batch(raw_batch_length=length), now) is ErrorCode.CORRUPT_MESSAGE


def test_length_smaller_than_the_header(make_batch: MakeBatch, now: Instant) -> None:
    """A batch that ends within its own header is CORRUPT_MESSAGE."""
    assert refusal(make_batch(raw_batch_length=40)[:52], now) is ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize(
    ("magic", "code"),
    [
        (0, ErrorCode.INVALID_RECORD),
        (1, ErrorCode.INVALID_RECORD),
        (3, ErrorCode.CORRUPT_MESSAGE),
        (-1, ErrorCode.CORRUPT_MESSAGE),
    ],
)
def test_magic(make_batch: MakeBatch, now: Instant, magic: int, code: ErrorCode) -> None:
    """Old magics are refused as such, unknown ones are damage."""
    assert refusal(make_batch(raw_magic=magic), now) is code


def test_base_offset_of_a_client(make_batch: MakeBatch, now: Instant) -> None:
    """A producer does not give offsets; the broker itself may leave what it likes there."""
    assert refusal(make_batch(raw_base_offset=1), now) is ErrorCode.INVALID_RECORD
    assert validate_batch(make_batch(raw_base_offset=1), CONFIG, now, from_client=False)


def test_largest_batch(make_batch: MakeBatch, now: Instant) -> None:
    """A batch of exactly max.message.bytes is let in; one byte more is MESSAGE_TOO_LARGE, looked at before the CRC."""
    batch = make_batch()
    assert validate_batch(batch, LogConfig(max_message_bytes=len(batch)), now, from_client=True)
    batch[-1] ^= 1
    assert refusal(batch, now, LogConfig(max_message_bytes=len(batch) - 1)) is ErrorCode.MESSAGE_TOO_LARGE


def test_crc(make_batch: MakeBatch, now: Instant) -> None:
    """One flipped bit anywhere under the CRC is CORRUPT_MESSAGE."""
    batch = make_batch()
    for position in (17, 21, 40, len(batch) - 1):
        batch[position] ^= 4
        assert refusal(batch, now) is ErrorCode.CORRUPT_MESSAGE
        batch[position] ^= 4
    assert validate_batch(batch, CONFIG, now, from_client=True)


@pytest.mark.parametrize("compression", range(8))
def test_compression_types(make_batch: MakeBatch, now: Instant, compression: int) -> None:
    """The five types that exist are let in without a look at the records; others are refused."""
    batch = make_batch(raw_attributes=compression)
    if compression <= 4:
        assert validate_batch(batch, CONFIG, now, from_client=True).compression == compression
    else:
        assert refusal(batch, now) is ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@pytest.mark.parametrize(("count", "delta"), [(0, -1), (0, 0), (-1, 0), (1, 1), (2, 0), (1, -1), (-(2**31), 2**31 - 1)])
def test_counts(make_batch: MakeBatch, now: Instant, count: int, delta: int) -> None:
    """The number of records and the last offset delta must tell the same, and at least one."""
    batch = make_batch(raw_record_count=count, raw_last_offset_delta=delta)
    assert refusal(batch, now) is ErrorCode.INVALID_RECORD


def test_more_records_than_bytes(make_batch: MakeBatch, now: Instant) -> None:
    """An uncompressed batch cannot claim records that it has no room for, and so no offsets either."""
    batch = make_batch(raw_record_count=2**31 - 1, raw_last_offset_delta=2**31 - 2)
    assert refusal(batch, now) is ErrorCode.INVALID_RECORD


def test_control_batch(make_marker: MakeBatch, now: Instant) -> None:
    """Only the broker writes control batches."""
    assert refusal(make_marker(), now) is ErrorCode.INVALID_RECORD
    assert validate_batch(make_marker(), CONFIG, now, from_client=False).is_control


def test_producer_id_without_sequence(make_batch: MakeBatch, now: Instant) -> None:
    """A producer id needs a sequence, unless the batch is the broker's own."""
    batch = make_batch(producer_id=1, producer_epoch=0)
    assert refusal(batch, now) is ErrorCode.INVALID_RECORD
    assert validate_batch(batch, CONFIG, now, from_client=False)


def test_timestamp_bounds(make_batch: MakeBatch, now: Instant) -> None:
    """Timestamps are let in up to the bounds, and not a millisecond beyond; not at all looked at with LogAppendTime."""
    config = LogConfig(message_timestamp_before_max_ms=10, message_timestamp_after_max_ms=20)
    broker_time = LogConfig(
        message_timestamp_before_max_ms=10, message_timestamp_after_max_ms=20, message_timestamp_type="LogAppendTime"
    )
    for difference in (-10, 20):
        assert validate_batch(make_batch(timestamp_ms=now.wall_ms + difference), config, now, from_client=True)
    for difference in (-11, 21):
        batch = make_batch(timestamp_ms=now.wall_ms + difference)
        assert refusal(batch, now, config) is ErrorCode.INVALID_TIMESTAMP
        assert validate_batch(batch, broker_time, now, from_client=True)


def test_first_timestamp_counts_for_the_past(make_batch: MakeBatch, now: Instant) -> None:
    """A batch that begins too long ago is refused though its largest timestamp is not."""
    config = LogConfig(message_timestamp_before_max_ms=10)
    batch = make_batch(raw_base_timestamp_ms=now.wall_ms - 11)
    assert refusal(batch, now, config) is ErrorCode.INVALID_TIMESTAMP


def test_no_timestamp(make_batch: MakeBatch, now: Instant) -> None:
    """Records without timestamps lie in no past."""
    config = LogConfig(message_timestamp_before_max_ms=10)
    assert validate_batch(make_batch(timestamp_ms=-1), config, now, from_client=True)


def test_log_append_time_from_a_client(make_batch: MakeBatch, now: Instant) -> None:
    """A producer does not say that the broker gave the timestamps."""
    assert refusal(make_batch(raw_attributes=8), now) is ErrorCode.INVALID_TIMESTAMP


@pytest.mark.parametrize("policy", ["compact", "compact,delete"])
def test_compacted_topic_demands_keys(make_batch: MakeBatch, now: Instant, policy: str) -> None:
    """On a compacted topic a record without key is INVALID_RECORD; elsewhere it is welcome."""
    config = LogConfig(cleanup_policy=policy)
    assert validate_batch(make_batch(2), config, now, from_client=True)
    assert refusal(make_batch(2, key=None), now, config) is ErrorCode.INVALID_RECORD
    assert validate_batch(make_batch(2, key=None), CONFIG, now, from_client=True)


def test_compacted_topic_and_records_that_do_not_decode(now: Instant) -> None:
    """Records that do not decode have no keys."""
    batch = encode_batch([Record(0, now.wall_ms, b"key", b"value")])
    batch[-12:] = b"\xff" * 12

    pack_into(">I", batch, 17, crc32c(batch[21:]))
    config = LogConfig(cleanup_policy="compact")
    assert refusal(memoryview(batch), now, config) is ErrorCode.INVALID_RECORD


@given(data=st.binary(max_size=120), compacted=st.booleans())
def test_any_bytes(data: bytes, *, compacted: bool) -> None:
    """Whatever a peer sends is refused with an error code, or is a batch."""
    config = LogConfig(cleanup_policy="compact" if compacted else "delete")
    with pytest.raises(ApiError):
        validate_batch(memoryview(data), config, Instant(0, 0), from_client=True)


@given(position=st.integers(0, 80), value=st.integers(0, 255), compression=st.integers(0, 1))
def test_any_header(position: int, value: int, compression: int) -> None:
    """A batch with one byte changed and the CRC made right again is let in or refused; nothing else happens."""
    batch = encode_batch([Record(0, 0, b"key", b"value" * 5)], compression=compression)
    batch[position % len(batch)] = value

    pack_into(">I", batch, 17, crc32c(batch[21:]))
    config = LogConfig(cleanup_policy="compact")
    try:
        validate_batch(memoryview(batch), config, Instant(0, 0), from_client=True)
    except ApiError as error:
        assert error.message  # noqa: PT017 (either outcome is fine)
