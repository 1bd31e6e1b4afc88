"""Record batch v2: the unit that producers send, logs keep and consumers fetch.

A batch is a header of 61 bytes and a section of records, compressed as a whole or not at all:

    position  type    field
    0         int64   base offset
    8         int32   batch length: bytes that follow this field
    12        int32   partition leader epoch
    16        int8    magic, always 2 here
    17        uint32  CRC-32C of everything from the attributes to the end
    21        int16   attributes: bits 0-2 compression, 3 timestamp type, 4 transactional, 5 control, 6 delete horizon
    23        int32   last offset delta
    27        int64   base timestamp in ms
    35        int64   max timestamp in ms
    43        int64   producer id
    51        int16   producer epoch
    53        int32   base sequence
    57        int32   number of records
    61                records

Base offset and leader epoch lie outside the CRC, so a broker gives both in place without touching the rest. Nothing
here but `encode_batch` and `decode_records` looks at a record.

Source: KIP-98 (layout), KIP-534 (delete horizon).
"""

from collections.abc import Iterator, Sequence
from operator import lt
from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple

from crc32c import crc32c

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.primitives import Buffer
from dotkafka.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, Compression, compress, decompress
from dotkafka.records.record import MIN_RECORD_BYTES, Record, RecordSection, decode_section, encode_section

WritableBuffer = bytearray | memoryview

MAGIC: Final = 2
HEADER_SIZE: Final = 61
BATCH_HEADER: Final = Struct(">qiibIhiqqqhii")
NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_SEQUENCE: Final = -1
NO_TIMESTAMP: Final = -1
NO_PARTITION_LEADER_EPOCH: Final = -1

COMPRESSION_MASK: Final = 0x07
LOG_APPEND_TIME_FLAG: Final = 0x08
TRANSACTIONAL_FLAG: Final = 0x10
CONTROL_FLAG: Final = 0x20
DELETE_HORIZON_FLAG: Final = 0x40

_LENGTH_POSITION: Final = 8
_LENGTH_END: Final = 12
_LEADER_EPOCH_POSITION: Final = 12
_MAGIC_POSITION: Final = 16
_CRC_POSITION: Final = 17
_CRC_START: Final = 21
_MAX_TIMESTAMP_POSITION: Final = 35
_new_tuple: Final = tuple.__new__
_MAX_SEQUENCE: Final = 2**31 - 1

_INT16: Final = Struct(">h")
_INT32: Final = Struct(">i")
_UINT32: Final = Struct(">I")
_INT64: Final = Struct(">q")


class BatchHeader(NamedTuple):
    """The 13 fields of a batch header, as they are on the wire, and what follows from them."""

    base_offset: int
    batch_length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size_bytes(self) -> int:
        """The whole batch, header included."""
        return _LENGTH_END + self.batch_length

    @property
    def last_offset(self) -> int:
        """The offset of the last record, which compaction may have removed."""
        return self.base_offset + self.last_offset_delta

    @property
    def next_offset(self) -> int:
        """The offset after the batch."""
        return self.base_offset + self.last_offset_delta + 1

    @property
    def compression(self) -> int:
        """The codec's number, 0-7; `dotkafka.records.compression.Compression` names those that exist."""
        return self.attributes & COMPRESSION_MASK

    @property
    def timestamp_type_is_log_append(self) -> bool:
        """Whether all records have the max timestamp, given by the broker, in place of their own."""
        return self.attributes & LOG_APPEND_TIME_FLAG != 0

    @property
    def is_transactional(self) -> bool:
        """Whether the batch is part of a transaction."""
        return self.attributes & TRANSACTIONAL_FLAG != 0

    @property
    def is_control(self) -> bool:
        """Whether the record is the broker's own, never shown to applications; see `dotkafka.records.control`."""
        return self.attributes & CONTROL_FLAG != 0

    @property
    def delete_horizon_ms(self) -> int | None:
        """When compaction may drop the batch's tombstones or markers; it then stands in place of the base timestamp."""
        return self.base_timestamp_ms if self.attributes & DELETE_HORIZON_FLAG else None

    @property
    def last_sequence(self) -> int:
        """The sequence of the last record, or -1 if the batch has no sequences."""
        if self.base_sequence < 0:
            return NO_SEQUENCE
        return increment_sequence(self.base_sequence, self.last_offset_delta)


def increment_sequence(sequence: int, increment: int) -> int:
    """Return the sequence `increment` records later: after 2**31 - 1 comes 0."""
    return (sequence + increment) & _MAX_SEQUENCE


def read_header(data: Buffer, position: int = 0) -> BatchHeader:
    """Return the header of the batch that starts at `position`. The batch itself may be cut short.

    Raises:
        DecodeError: fewer than 61 bytes are left, the magic is not 2, or the length or a count is impossible.
    """
    if position < 0 or len(data) - position < HEADER_SIZE:
        raise DecodeError(
            f"record batch at byte {position} is cut short: {len(data) - position} bytes of its header are there"
        )
    header: BatchHeader = _new_tuple(BatchHeader, BATCH_HEADER.unpack_from(data, position))
    if header.magic != MAGIC:
        raise DecodeError(f"record batch at byte {position} has magic {header.magic}; only {MAGIC} is read here")
    if header.batch_length < HEADER_SIZE - _LENGTH_END:
        raise DecodeError(
            f"record batch at byte {position} claims a length of {header.batch_length} bytes, less than its header"
        )
    if header.last_offset_delta < 0 or header.record_count < 0:
        raise DecodeError(
            f"record batch at byte {position} has last offset delta {header.last_offset_delta} "
            f"and {header.record_count} records; neither can be negative"
        )
    return header


def batch_headers(data: Buffer, *, allow_partial: bool = False) -> Iterator[tuple[int, BatchHeader]]:
    """Yield the position and the header of each batch, one after another, to the end of `data`.

    Args:
        data: batches.
        allow_partial: end without an error where the last batch is cut short, as answers to fetch requests may end.

    Raises:
        DecodeError: a header is wrong, or the last batch is cut short; the batches before it have been yielded.
    """
    position = 0
    size = len(data)
    while position < size:
        if allow_partial and _is_partial(data, position):
            return
        header = read_header(data, position)
        end = position + header.size_bytes
        if end > size:
            raise DecodeError(
                f"record batch at byte {position} is cut short: {size - position} of {header.size_bytes} bytes"
            )
        yield position, header
        position = end


def split_batches(data: Buffer, *, allow_partial: bool = False) -> Iterator[memoryview]:
    """Yield a view of each batch, one after another; see `batch_headers`. Copies and decodes nothing.

    Raises:
        DecodeError: a header is wrong, or the last batch is cut short; the batches before it have been yielded.
    """
    view = memoryview(data)
    for position, header in batch_headers(view, allow_partial=allow_partial):
        yield view[position : position + header.size_bytes]


def renumber_batches(data: WritableBuffer, base_offset: int, leader_epoch: int) -> int:
    """Give the batches, in place, offsets from `base_offset` on and the leader epoch; return the offset after them.

    So batches are appended to others without a look at their records: the CRCs stay valid.

    Raises:
        DecodeError: a header is wrong, or the last batch is cut short; the batches before it have been changed.
    """
    for position, header in batch_headers(data):
        patch_offset_and_epoch(data, position, base_offset, leader_epoch)
        base_offset += header.last_offset_delta + 1
    return base_offset


def _is_partial(data: Buffer, position: int) -> bool:
    left_bytes = len(data) - position
    if left_bytes < _LENGTH_END:
        return True
    (batch_length,) = _INT32.unpack_from(data, position + _LENGTH_POSITION)
    return left_bytes < _LENGTH_END + int(batch_length)


def verify_crc(data: Buffer, position: int, header: BatchHeader) -> bool:
    """Tell whether the batch at `position` is whole and matches the CRC of its header. Copies nothing."""
    end = position + _LENGTH_END + header.batch_length
    return end <= len(data) and crc32c(memoryview(data)[position + _CRC_START : end]) == header.crc


def patch_offset_and_epoch(data: WritableBuffer, position: int, base_offset: int, leader_epoch: int) -> None:
    """Give the batch at `position` its base offset and partition leader epoch, in place. The CRC stays valid."""
    _INT64.pack_into(data, position, base_offset)
    _INT32.pack_into(data, position + _LEADER_EPOCH_POSITION, leader_epoch)


def patch_log_append_time(data: WritableBuffer, position: int, timestamp_ms: int) -> None:
    """Give all records of the whole batch at `position` the timestamp `timestamp_ms` of type LogAppendTime, in place.

    Only the header changes: attributes, max timestamp and CRC.
    """
    header = read_header(data, position)
    _INT16.pack_into(data, position + _CRC_START, header.attributes | LOG_APPEND_TIME_FLAG)
    _INT64.pack_into(data, position + _MAX_TIMESTAMP_POSITION, timestamp_ms)
    write_crc(data, position, position + header.size_bytes)


def encode_batch(  # noqa: PLR0913 (a batch header has that many fields to choose)
    records: Sequence[Record],
    *,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    compression: int = Compression.NONE,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    is_transactional: bool = False,
    is_control: bool = False,
    base_timestamp_ms: int | None = None,
    keep_offsets: bool = False,
) -> bytearray:
    """Return one batch of the records, at least one, which get the offsets from `base_offset` on in their order.

    Their own offsets are not looked at, or with `keep_offsets` kept, gaps and all. Timestamps are counted from
    `base_timestamp_ms`, or from the first record's.

    Raises:
        EncodeError: there is no record, a value is of another type or out of the range of its field, or offsets that
            are to be kept do not rise from `base_offset` on.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    if not records:
        raise EncodeError("a record batch needs at least one record")
    if base_timestamp_ms is None:
        base_timestamp_ms = records[0].timestamp_ms
    offset_deltas: Sequence[int] = range(len(records))
    if keep_offsets:
        offset_deltas = [record.offset - base_offset for record in records]
        if offset_deltas[0] < 0 or not all(map(lt, offset_deltas, offset_deltas[1:])):
            raise EncodeError(f"the records' offsets do not rise from {base_offset} on")
    try:
        parts, max_timestamp_ms = encode_section(records, base_timestamp_ms, offset_deltas)
        if compression:
            parts = [compress(compression, b"".join(parts))]
        batch = bytearray().join((bytes(HEADER_SIZE), *parts))
    except (AttributeError, TypeError, ValueError) as error:
        needed = "key and value of a record must be bytes or None, its headers pairs of str and bytes or None"
        raise EncodeError(f"{needed}: {error}") from error
    attributes = compression | TRANSACTIONAL_FLAG * is_transactional | CONTROL_FLAG * is_control
    try:
        BATCH_HEADER.pack_into(
            batch,
            0,
            base_offset,
            len(batch) - _LENGTH_END,
            partition_leader_epoch,
            MAGIC,
            0,
            attributes,
            offset_deltas[-1],
            base_timestamp_ms,
            max_timestamp_ms,
            producer_id,
            producer_epoch,
            base_sequence,
            len(records),
        )
    except struct_error as error:
        raise EncodeError(f"record batch: {error}") from None
    write_crc(batch, 0, len(batch))
    return batch


def encode_empty_batch(base_offset: int, last_offset: int, partition_leader_epoch: int) -> bytearray:
    """Return a batch without records that takes the offsets from one to another, as compaction may leave it in Kafka.

    Readers go on behind it.

    Raises:
        EncodeError: more than 2**31 offsets, or a value out of its range.
    """
    batch = bytearray(HEADER_SIZE)
    fields = (base_offset, HEADER_SIZE - _LENGTH_END, partition_leader_epoch, MAGIC, 0, 0, last_offset - base_offset)
    producer = (NO_PRODUCER_ID, NO_PRODUCER_EPOCH, NO_SEQUENCE)
    try:
        BATCH_HEADER.pack_into(batch, 0, *fields, NO_TIMESTAMP, NO_TIMESTAMP, *producer, 0)
    except struct_error as error:
        raise EncodeError(f"record batch: {error}") from None
    write_crc(batch, 0, HEADER_SIZE)
    return batch


def decode_records(batch: Buffer, *, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> list[Record]:
    """Return the records of one whole batch, control records included.

    A few compressed bytes can be millions of records; those of a batch that is not trusted are better iterated over.

    Raises:
        DecodeError: as `iterate_records`.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    return list(iterate_records(batch, max_decompressed_bytes=max_decompressed_bytes))


def iterate_records(batch: Buffer, *, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> Iterator[Record]:
    """Return an iterator that decodes the records of one whole batch as they are asked for.

    Header, CRC and compression are checked at once, each record when its turn comes. Keys and values are copies.

    Raises:
        DecodeError: the bytes are not exactly one batch, its CRC does not match, its records do not fit its header, or
            would take more than `max_decompressed_bytes`.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    header = read_header(batch)
    if header.size_bytes != len(batch):
        raise DecodeError(
            f"record batch of {header.size_bytes} bytes in {len(batch)} bytes; split_batches takes several apart"
        )
    if not verify_crc(batch, 0, header):
        raise DecodeError("record batch does not match its CRC")
    if header.compression:
        data, position = decompress(header.compression, memoryview(batch)[HEADER_SIZE:], max_decompressed_bytes), 0
    elif isinstance(batch, bytes):
        data, position = batch, HEADER_SIZE
    else:
        data, position = bytes(memoryview(batch)[HEADER_SIZE:]), 0
    if header.record_count * MIN_RECORD_BYTES > len(data) - position:
        raise DecodeError(f"record batch claims {header.record_count} records in {len(data) - position} bytes")
    return decode_section(
        RecordSection(
            data,
            position,
            header.record_count,
            header.base_offset,
            header.last_offset_delta,
            header.base_timestamp_ms,
            header.max_timestamp_ms if header.timestamp_type_is_log_append else None,
        )
    )


def write_crc(data: WritableBuffer, position: int, end: int) -> None:
    """Give the batch from `position` to `end` the CRC of what it holds, in place."""
    crc = crc32c(memoryview(data)[position + _CRC_START : end])
    _UINT32.pack_into(data, position + _CRC_POSITION, crc)
