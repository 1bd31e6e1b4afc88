"""Every check on an incoming record batch that needs nothing but the batch, its topic's settings and the time.

The checks come in Kafka's order, so that a batch with two faults gets Kafka's error code. No record is decoded, except
on compacted topics, where every record must have a key. What is left unchecked by that is for consumers to find:
whether the records inside decode, and whether a compressed batch holds as many as its header says.

Timestamps are checked by the batch header: the largest against the future, the first and the largest against the past.

Source: what Kafka's ProduceRequest, UnifiedLog and LogValidator refuse.
"""

from dotkafka.clock import Instant
from dotkafka.errors import ApiError, DecodeError
from dotkafka.log.config import LogConfig
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import (
    BATCH_HEADER,
    COMPRESSION_MASK,
    CONTROL_FLAG,
    HEADER_SIZE,
    LOG_APPEND_TIME_FLAG,
    MAGIC,
    NO_TIMESTAMP,
    BatchHeader,
    iterate_records,
    verify_crc,
)
from dotkafka.records.record import MIN_RECORD_BYTES

_LENGTH_END = 12
_MAGIC_POSITION = 16
_SMALLEST_LENGTH = 14
"""Of a record batch of any magic, without offset and length: what Kafka takes for a sign of corruption if less."""
_LARGEST_COMPRESSION = 4


def validate_batch(records: memoryview, config: LogConfig, now: Instant, *, from_client: bool) -> BatchHeader:
    """Return the header of the one batch that `records` holds, which is then fit to be given an offset.

    Args:
        records: what a producer sent for one partition.
        config: of the topic.
        now: its wall clock bounds the timestamps.
        from_client: whether the rules for producers hold: base offset 0, no control batch, no producer id without a
            sequence.

    Raises:
        ApiError: INVALID_RECORD, CORRUPT_MESSAGE, MESSAGE_TOO_LARGE, UNSUPPORTED_COMPRESSION_TYPE or INVALID_TIMESTAMP.
    """
    size = len(records)
    if size < HEADER_SIZE:
        raise _framing_error(records)
    header = BatchHeader._make(BATCH_HEADER.unpack_from(records))
    if header.magic != MAGIC or header.batch_length != size - _LENGTH_END:
        raise _framing_error(records)
    if from_client and header.base_offset != 0:
        raise ApiError(ErrorCode.INVALID_RECORD, f"the base offset must be 0, not {header.base_offset}")
    if size > config.max_message_bytes:
        raise ApiError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"the record batch has {size} bytes; max.message.bytes of the topic is {config.max_message_bytes}",
        )
    if not verify_crc(records, 0, header):
        raise ApiError(ErrorCode.CORRUPT_MESSAGE, f"the record batch does not match its CRC {header.crc:#010x}")
    _check_counts(header, size)
    if from_client:
        _check_client_fields(header)
    _check_timestamps(header, config, now)
    if from_client and config.is_compacted:
        _check_keys(records)
    return header


def _check_counts(header: BatchHeader, size: int) -> None:
    compression = header.attributes & COMPRESSION_MASK
    if compression > _LARGEST_COMPRESSION:
        raise ApiError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"there is no compression type {compression}")
    count = header.record_count
    if count <= 0 or header.last_offset_delta != count - 1:
        raise ApiError(
            ErrorCode.INVALID_RECORD,
            f"a batch of {count} records cannot have the last offset delta {header.last_offset_delta}",
        )
    if compression == 0 and count * MIN_RECORD_BYTES > size - HEADER_SIZE:
        raise ApiError(ErrorCode.INVALID_RECORD, f"{count} records do not fit into a batch of {size} bytes")


def _check_client_fields(header: BatchHeader) -> None:
    if header.attributes & CONTROL_FLAG:
        raise ApiError(ErrorCode.INVALID_RECORD, "only the broker writes control batches")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise ApiError(
            ErrorCode.INVALID_RECORD,
            f"a batch of producer id {header.producer_id} needs a sequence, not {header.base_sequence}",
        )


def _framing_error(records: memoryview) -> ApiError:
    """Say what is wrong with bytes that are not exactly one batch of magic 2, as Kafka would on its way through."""
    size = len(records)
    if size < _LENGTH_END:
        return ApiError(ErrorCode.INVALID_RECORD, f"there is no record batch in {size} bytes")
    length = int.from_bytes(records[8:_LENGTH_END], "big", signed=True)
    if length < _SMALLEST_LENGTH:
        return ApiError(ErrorCode.CORRUPT_MESSAGE, f"no record batch has a length of {length} bytes")
    if size <= _MAGIC_POSITION:
        return ApiError(ErrorCode.INVALID_RECORD, f"there is no record batch in {size} bytes")
    magic = records[_MAGIC_POSITION]
    if magic > MAGIC:
        return ApiError(ErrorCode.CORRUPT_MESSAGE, f"there is no record batch of magic {magic}")
    batch_size = _LENGTH_END + length
    if size < batch_size:
        return ApiError(ErrorCode.INVALID_RECORD, f"the record batch is cut short: {size} of {batch_size} bytes")
    if magic < MAGIC:
        return ApiError(ErrorCode.INVALID_RECORD, f"record batches must have magic {MAGIC}, not {magic}")
    if size > batch_size:
        return ApiError(
            ErrorCode.INVALID_RECORD,
            f"exactly one record batch is allowed per partition; after the first, of {batch_size} bytes, "
            f"{size - batch_size} follow",
        )
    return ApiError(ErrorCode.CORRUPT_MESSAGE, f"a record batch of {size} bytes is smaller than its header")


def _check_timestamps(header: BatchHeader, config: LogConfig, now: Instant) -> None:
    if header.attributes & LOG_APPEND_TIME_FLAG:
        raise ApiError(ErrorCode.INVALID_TIMESTAMP, "only the broker sets the timestamp type LogAppendTime")
    largest = header.max_timestamp_ms
    if largest == NO_TIMESTAMP or config.uses_log_append_time:
        return
    first = header.base_timestamp_ms
    oldest = largest if first == NO_TIMESTAMP or first > largest else first
    if (
        largest - now.wall_ms > config.message_timestamp_after_max_ms
        or now.wall_ms - oldest > config.message_timestamp_before_max_ms
    ):
        raise ApiError(
            ErrorCode.INVALID_TIMESTAMP,
            f"timestamps {oldest} to {largest} are not within {now.wall_ms - config.message_timestamp_before_max_ms} "
            f"and {now.wall_ms + config.message_timestamp_after_max_ms}",
        )


def _check_keys(records: memoryview) -> None:
    try:
        index = next((index for index, record in enumerate(iterate_records(records)) if record.key is None), None)
    except DecodeError as error:
        raise ApiError(ErrorCode.INVALID_RECORD, str(error)) from error
    if index is not None:
        raise ApiError(ErrorCode.INVALID_RECORD, f"record {index} has no key, which a compacted topic demands")
