"""Which record of a batch a timestamp leads to. Decodes the batch; only ListOffsets by timestamp comes here."""

from typing import NamedTuple

from dotkafka.errors import ApiError, DecodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import iterate_records, read_header
from dotkafka.storage.spi import Buffer


class TimestampOffset(NamedTuple):
    """A record found by its timestamp."""

    timestamp_ms: int
    offset: int
    leader_epoch: int


def find_timestamp(batch: Buffer, timestamp_ms: int, start_offset: int = 0) -> TimestampOffset | None:
    """Return the first record of a batch at or after `start_offset` with a timestamp of `timestamp_ms` or later.

    Raises:
        ApiError: CORRUPT_MESSAGE, if the producer's records do not decode; UNSUPPORTED_COMPRESSION_TYPE, if the extra
            for the codec is not installed.
    """
    try:
        header = read_header(batch)
        if header.max_timestamp_ms < timestamp_ms or header.next_offset <= start_offset:
            return None
        if header.timestamp_type_is_log_append:
            offset = max(header.base_offset, start_offset)
            return TimestampOffset(header.max_timestamp_ms, offset, header.partition_leader_epoch)
        for record in iterate_records(batch):
            if record.timestamp_ms >= timestamp_ms and record.offset >= start_offset:
                return TimestampOffset(record.timestamp_ms, record.offset, header.partition_leader_epoch)
    except DecodeError as error:
        raise ApiError(ErrorCode.CORRUPT_MESSAGE, f"the records of a batch cannot be read: {error}") from error
    return None


def find_max_timestamp(batch: Buffer) -> TimestampOffset | None:
    """Return the first record of a batch with the batch's largest timestamp.

    Raises:
        ApiError: as `find_timestamp`.
    """
    try:
        header = read_header(batch)
    except DecodeError as error:
        raise ApiError(ErrorCode.CORRUPT_MESSAGE, f"a batch cannot be read: {error}") from error
    return find_timestamp(batch, header.max_timestamp_ms)
