"""From message sets to record batches and back.

Kafka converts up what old producers send, and down what old consumers fetch. What has no place in the older format is
lost: headers, producer ids, in magic 0 timestamps. Control batches are left out whole, for old consumers would take
them for records.

A batch or a wrapper that is written here has at most 65,536 records; more go into the next one. So a few hostile bytes
that become millions of records take the memory of so many at a time.

Source: KIP-98, KIP-283 (down-conversion).
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, NamedTuple

from dotkafka.errors import ApiError, DecodeError, EncodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.primitives import Buffer
from dotkafka.records.batch import (
    MAGIC,
    NO_TIMESTAMP,
    encode_batch,
    iterate_records,
    patch_log_append_time,
    read_header,
)
from dotkafka.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, Compression
from dotkafka.records.legacy import (
    MAGIC_0,
    MAGIC_1,
    MessageHeader,
    decompress_wrapper,
    encode_message_set,
    entries,
    inner_records,
    key_and_value,
    message_headers,
    read_message_header,
)
from dotkafka.records.record import Record

MAX_RECORDS_AT_ONCE: Final = 2**16
"""The most records of a batch or wrapper that a conversion writes."""

_NOT_WRAPPED: Final = -1


class _Origin(NamedTuple):
    """What records have in common that can go into one batch."""

    wrapper_position: int
    compression: int
    log_append_time_ms: int | None


def up_convert(
    message_set: Buffer,
    *,
    base_offset: int | None = None,
    allow_partial: bool = False,
    max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES,
) -> bytearray:
    """Return the records of a message set as record batches: one for each wrapper, one for each run of other messages.

    Args:
        message_set: in magic 0, 1 or both.
        base_offset: the offset of the first record, from which the others count on. That is for what a producer sent,
            where offsets mean nothing. Without it records keep their offsets, which must rise.
        allow_partial: as for `message_headers`.
        max_decompressed_bytes: what all wrappers together may become.

    Raises:
        DecodeError: as `iterate_message_set`; or offsets do not rise, or a timestamp or offset has no place in a batch.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for a codec is not installed.
    """
    batches = bytearray()
    pending: list[Record] = []
    pending_origin: _Origin | None = None
    last_offset = None
    for origin, record in _records_with_origin(bytes(message_set), max_decompressed_bytes, allow_partial=allow_partial):
        if base_offset is not None:
            offset = base_offset if last_offset is None else last_offset + 1
            record = record._replace(offset=offset)  # noqa: PLW2901 (its own offset means nothing)
        elif last_offset is not None and record.offset <= last_offset:
            raise DecodeError(f"offset {record.offset} follows offset {last_offset} in a message set")
        last_offset = record.offset
        if pending_origin is not None and (origin != pending_origin or len(pending) == MAX_RECORDS_AT_ONCE):
            batches += _batch(pending_origin, pending)
            pending.clear()
        pending_origin = origin
        pending.append(record)
    if pending_origin is not None:
        batches += _batch(pending_origin, pending)
    return batches


def down_convert(
    log: Buffer,
    magic: int,
    *,
    first_offset: int | None = None,
    allow_partial: bool = False,
    max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES,
) -> bytearray:
    """Return what a log holds as a message set: one wrapper for each compressed batch, without the control batches.

    Args:
        log: record batches and messages of any magic. Messages that are not newer than `magic` stay as they are.
        magic: 0 or 1.
        first_offset: leave out converted records before this offset unless they are compressed, as Kafka does: a fetch
            finds whole batches, and consumers of uncompressed message sets never saw earlier messages than asked for.
        allow_partial: as for `message_headers`.
        max_decompressed_bytes: what each batch or wrapper may become.

    Raises:
        EncodeError: `magic` is neither 0 nor 1.
        DecodeError: a batch or message is damaged, cut short, or holds what has no place in a message set.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, for a batch compressed with zstd, or if the extra for a codec is not
            installed.
    """
    if not MAGIC_0 <= magic <= MAGIC_1:
        raise EncodeError(f"a message set has magic 0 or 1, not {magic}")
    data = bytes(log)
    view = memoryview(data)
    message_set = bytearray()
    for position, end, entry_magic in entries(data, allow_partial=allow_partial):
        if entry_magic <= magic:
            message_set += view[position:end]
        elif entry_magic != MAGIC:
            header = read_message_header(data, position)
            records = _records_of_message(data, position, header, max_decompressed_bytes)
            message_set += _message_set(records, magic, header.compression, None, first_offset)
        else:
            batch_header = read_header(data, position)
            if batch_header.is_control:
                continue
            if batch_header.compression == Compression.ZSTD:
                raise ApiError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "a message set cannot be compressed with zstd")
            log_append_time_ms = batch_header.max_timestamp_ms if batch_header.timestamp_type_is_log_append else None
            records = iterate_records(view[position:end], max_decompressed_bytes=max_decompressed_bytes)
            message_set += _message_set(records, magic, batch_header.compression, log_append_time_ms, first_offset)
    return message_set


def _records_with_origin(
    data: bytes, max_decompressed_bytes: int, *, allow_partial: bool
) -> Iterator[tuple[_Origin, Record]]:
    left_bytes = max_decompressed_bytes
    for position, header in message_headers(data, allow_partial=allow_partial):
        key, value = key_and_value(data, position, header)
        log_append_time_ms = header.timestamp_ms if header.timestamp_type_is_log_append else None
        if header.compression:
            inner_set = decompress_wrapper(header, value, left_bytes)
            left_bytes -= len(inner_set)
            origin = _Origin(position, header.compression, log_append_time_ms)
            for record in inner_records(header, inner_set):
                yield origin, record
        else:
            origin = _Origin(_NOT_WRAPPED, Compression.NONE, log_append_time_ms)
            yield origin, Record(header.offset, header.timestamp_ms, key, value)


def _records_of_message(
    data: bytes, position: int, header: MessageHeader, max_decompressed_bytes: int
) -> Iterator[Record]:
    key, value = key_and_value(data, position, header)
    if header.compression:
        return inner_records(header, decompress_wrapper(header, value, max_decompressed_bytes))
    return iter((Record(header.offset, header.timestamp_ms, key, value),))


def _batch(origin: _Origin, records: list[Record]) -> bytearray:
    try:
        batch = encode_batch(records, base_offset=records[0].offset, compression=origin.compression, keep_offsets=True)
    except EncodeError as error:
        raise DecodeError(f"what is in a message set does not fit a record batch: {error}") from None
    if origin.log_append_time_ms is not None:
        patch_log_append_time(batch, 0, origin.log_append_time_ms)
    return batch


def _message_set(
    records: Iterator[Record], magic: int, compression: int, log_append_time_ms: int | None, first_offset: int | None
) -> bytearray:
    """Return the records of one batch or wrapper in an older magic."""
    if first_offset is not None and not compression:
        records = (record for record in records if record.offset >= first_offset)
    if magic == MAGIC_0:
        log_append_time_ms = None
        records = (record._replace(timestamp_ms=NO_TIMESTAMP, headers=()) for record in records)
    else:
        records = (record._replace(headers=()) for record in records)
    message_set = bytearray()
    while some_records := list(islice(records, MAX_RECORDS_AT_ONCE)):
        try:
            message_set += encode_message_set(
                some_records, magic=magic, compression=compression, log_append_time_ms=log_append_time_ms
            )
        except EncodeError as error:
            raise DecodeError(f"what is in a record batch does not fit a message set: {error}") from None
    return message_set
