"""Message sets: what clients sent and logs kept before record batches, in magic 0 (Kafka 0.8) and 1 (0.10).

A message set is messages one after another, without a count:

    position  type    field
    0         int64   offset
    8         int32   message size: bytes that follow this field
    12        uint32  CRC-32 of everything from the magic to the end
    16        int8    magic, 0 or 1
    17        int8    attributes: bits 0-2 compression, 3 timestamp type (magic 1)
    18        int64   timestamp in ms (magic 1 only)
    18 or 26  int32   key length (negative: null), key
              int32   value length (negative: null), value

Compression makes of a message set the value of one message, the wrapper. It has the offset of its last inner message.
Inner offsets are absolute in magic 0; in magic 1 they count from the first, so that a broker need not compress again.
A wrapper of magic 1 at offset 0 comes from a client that left it so, and inner offsets are then taken as they are. If
the wrapper's timestamp type is LogAppendTime, its timestamp is that of all inner messages.

Offsets in what a producer sends mean nothing; some clients send 0 or -1. The magic stands where that of a record batch
does, so a log may mix both; see `dotkafka.records.legacy_conversion` for that, and for the way from one to the other.

Source: KIP-31 (relative offsets), KIP-32 (timestamps), KAFKA-3160 (LZ4 in magic 0).
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from struct import error as struct_error
from typing import Final, NamedTuple
from zlib import crc32

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.primitives import Buffer
from dotkafka.records.batch import COMPRESSION_MASK, LOG_APPEND_TIME_FLAG, NO_TIMESTAMP
from dotkafka.records.compression import DEFAULT_MAX_DECOMPRESSED_BYTES, Compression, compress, decompress
from dotkafka.records.lz4_checksum import with_kafka_checksum, with_lz4_checksum
from dotkafka.records.record import Record

MAGIC_0: Final = 0
MAGIC_1: Final = 1

MIN_MESSAGE_SIZE: Final = (14, 22)
"""The least `message_size` by magic: a message with null key and null value."""

_LOG_OVERHEAD_BYTES: Final = 12
_CRC_START: Final = 16
_SIZE_POSITION: Final = 8
_MAGIC_POSITION: Final = 16
_FRONT: Final = Struct(">qiIbb")
_FRONT_WITH_TIMESTAMP: Final = Struct(">qiIbbq")
_OFFSET_SIZE_AND_CRC: Final = Struct(">qiI")
_MAGIC_AND_ATTRIBUTES: Final = Struct(">bb")
_MAGIC_ATTRIBUTES_AND_TIMESTAMP: Final = Struct(">bbq")
_INT32: Final = Struct(">i")
_INT64: Final = Struct(">q")
_KEY_POSITION: Final = (_FRONT.size, _FRONT_WITH_TIMESTAMP.size)
_INT64_END: Final = 2**63
_NULL: Final = _INT32.pack(-1)

_new_tuple: Final = tuple.__new__


class MessageHeader(NamedTuple):
    """What stands before the key of a message, and what follows from it."""

    offset: int
    message_size: int
    crc: int
    magic: int
    attributes: int
    timestamp_ms: int
    """-1 in magic 0, which has none."""

    @property
    def size_bytes(self) -> int:
        """The whole message, offset and size included."""
        return _LOG_OVERHEAD_BYTES + self.message_size

    @property
    def compression(self) -> int:
        """The codec's number, 0-7; not 0 makes the message a wrapper."""
        return self.attributes & COMPRESSION_MASK

    @property
    def timestamp_type_is_log_append(self) -> bool:
        """Whether the broker gave the timestamp, which then holds for all inner messages."""
        return self.magic != MAGIC_0 and self.attributes & LOG_APPEND_TIME_FLAG != 0


def read_message_header(data: Buffer, position: int = 0) -> MessageHeader:
    """Return the header of the message that starts at `position`. The message itself may be cut short.

    Raises:
        DecodeError: the header is cut short, the magic is neither 0 nor 1, or the size is less than that magic needs.
    """
    left_bytes = len(data) - position
    if position < 0 or left_bytes < _FRONT.size:
        raise DecodeError(f"message at byte {position} is cut short: {left_bytes} bytes of its header are there")
    offset, message_size, crc, magic, attributes = _FRONT.unpack_from(data, position)
    if not MAGIC_0 <= magic <= MAGIC_1:
        raise DecodeError(f"message at byte {position} has magic {magic}; only 0 and 1 are read here")
    if message_size < MIN_MESSAGE_SIZE[magic]:
        raise DecodeError(f"message at byte {position} claims a size of {message_size} bytes, less than its header")
    if magic == MAGIC_0:
        return _new_tuple(MessageHeader, (offset, message_size, crc, magic, attributes, NO_TIMESTAMP))
    if left_bytes < _KEY_POSITION[magic]:
        raise DecodeError(f"message at byte {position} is cut short: {left_bytes} bytes of its header are there")
    return _new_tuple(MessageHeader, _FRONT_WITH_TIMESTAMP.unpack_from(data, position))


def message_headers(data: Buffer, *, allow_partial: bool = False) -> Iterator[tuple[int, MessageHeader]]:
    """Yield the position and the header of each message, wrappers unopened, to the end of `data`.

    Args:
        data: the message set.
        allow_partial: end without an error where the last message is cut short, as the answers to old fetch requests
            end. A first message that is larger than the request allowed then leaves nothing to yield.

    Raises:
        DecodeError: a header is wrong, or the last message is cut short; the messages before it have been yielded.
    """
    for position, _, _ in entries(data, allow_partial=allow_partial):
        yield position, read_message_header(data, position)


def entries(data: Buffer, *, allow_partial: bool = False) -> Iterator[tuple[int, int, int]]:
    """Yield start, end and magic of each message or record batch: both have their length and magic in the same place.

    Raises:
        DecodeError: a size is less than that of the shortest message, or the last one is cut short; those before
            it have been yielded.
    """
    position = 0
    size = len(data)
    while position < size:
        end = size + 1
        if size - position >= _LOG_OVERHEAD_BYTES:
            (message_size,) = _INT32.unpack_from(data, position + _SIZE_POSITION)
            if message_size < MIN_MESSAGE_SIZE[MAGIC_0]:
                raise DecodeError(
                    f"message at byte {position} claims a size of {message_size} bytes, less than its header"
                )
            end = position + _LOG_OVERHEAD_BYTES + message_size
        if end > size:
            if allow_partial:
                return
            raise DecodeError(f"message at byte {position} is cut short: {size - position} bytes of it are there")
        yield position, end, data[position + _MAGIC_POSITION]
        position = end


def verify_message_crc(data: Buffer, position: int, header: MessageHeader) -> bool:
    """Tell whether the message at `position` is whole and matches the CRC of its header. Copies nothing."""
    end = position + header.size_bytes
    return end <= len(data) and crc32(memoryview(data)[position + _CRC_START : end]) == header.crc


def decode_message_set(
    data: Buffer, *, allow_partial: bool = False, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES
) -> list[Record]:
    """Return the records of a message set, those in wrappers included.

    A few compressed bytes can be millions of records; those of a set that is not trusted are better iterated over.

    Raises:
        DecodeError: as `iterate_message_set`.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for a codec is not installed.
    """
    return list(iterate_message_set(data, allow_partial=allow_partial, max_decompressed_bytes=max_decompressed_bytes))


def iterate_message_set(
    data: Buffer, *, allow_partial: bool = False, max_decompressed_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES
) -> Iterator[Record]:
    """Yield the records of a message set as they are asked for, those in wrappers included.

    Each message is checked when its turn comes, a wrapper before its first record. Keys and values are copies;
    timestamps of magic 0 are -1. Inner messages may have another magic than their wrapper, as Kafka reads them.

    Args:
        data: the message set.
        allow_partial: as for `message_headers`. Inside a wrapper, nothing may be cut short.
        max_decompressed_bytes: what all wrappers together may become.

    Raises:
        DecodeError: a message is not what the layout allows or does not match its CRC, a wrapper is empty, inside
            another one or of a codec that came later, or the wrappers become more than `max_decompressed_bytes`; the
            records before it have been yielded.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for a codec is not installed.
    """
    data = bytes(data)
    left_bytes = max_decompressed_bytes
    for position, _, _ in entries(data, allow_partial=allow_partial):
        header = read_message_header(data, position)
        key, value = key_and_value(data, position, header)
        if header.attributes & COMPRESSION_MASK:
            message_set = decompress_wrapper(header, value, left_bytes)
            left_bytes -= len(message_set)
            yield from inner_records(header, message_set)
        else:
            yield _new_tuple(Record, (header.offset, header.timestamp_ms, key, value, ()))


def key_and_value(data: bytes, position: int, header: MessageHeader) -> tuple[bytes | None, bytes | None]:
    """Return what follows the header of the message at `position`, which is whole.

    Raises:
        DecodeError: the message does not match its CRC, or key and value do not fill it exactly.
    """
    _, message_size, crc, magic, _, _ = header
    end = position + _LOG_OVERHEAD_BYTES + message_size
    if crc32(data[position + _CRC_START : end]) != crc:
        raise DecodeError(f"message at byte {position} does not match its CRC")
    key = value = None
    start = position + _KEY_POSITION[magic] + _INT32.size
    (length,) = _INT32.unpack_from(data, start - _INT32.size)
    if length >= 0:
        key = data[start : start + length]
        start += length
    start += _INT32.size
    if start > end:
        raise DecodeError(f"message at byte {position} has a key of {length} bytes, and ends before that")
    (length,) = _INT32.unpack_from(data, start - _INT32.size)
    if length >= 0:
        value = data[start : start + length]
        start += length
    if start != end:
        raise DecodeError(
            f"message at byte {position} has a value of {length} bytes up to byte {start}, and ends at byte {end}"
        )
    return key, value


def decompress_wrapper(wrapper: MessageHeader, value: bytes | None, max_bytes: int) -> bytes:
    """Return the message set that is compressed in the value of a wrapper.

    Raises:
        DecodeError: the value is null, the codec came later than message sets, or the value is damaged or becomes more
            than `max_bytes`.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    if value is None:
        raise DecodeError("a message that wraps others has no value")
    if wrapper.compression == Compression.ZSTD:
        raise DecodeError("a message set is compressed with zstd, which is for record batches only")
    if wrapper.compression == Compression.LZ4 and wrapper.magic == MAGIC_0:
        value = with_lz4_checksum(value)
    return decompress(wrapper.compression, value, max_bytes)


def inner_records(wrapper: MessageHeader, message_set: bytes) -> Iterator[Record]:
    """Yield the records of the message set that a wrapper held, with the wrapper's offset and timestamp seen to.

    Raises:
        DecodeError: there is no message, one is damaged, cut short or a wrapper itself, or an offset is impossible.
    """
    base_offset = wrapper.offset - _last_offset(message_set) if wrapper.magic != MAGIC_0 and wrapper.offset else 0
    if base_offset < 0:
        raise DecodeError(f"a wrapper has offset {wrapper.offset}, which is less than that of its last message")
    log_append_time_ms = wrapper.timestamp_ms if wrapper.timestamp_type_is_log_append else None
    is_empty = True
    for position, _, _ in entries(message_set):
        is_empty = False
        header = read_message_header(message_set, position)
        key, value = key_and_value(message_set, position, header)
        if header.attributes & COMPRESSION_MASK:
            raise DecodeError(f"message at byte {position} of a wrapper is compressed once more")
        offset = base_offset + header.offset
        if offset >= _INT64_END:
            raise DecodeError(f"message at byte {position} of a wrapper has offset {offset}, which is no int64")
        timestamp_ms = header.timestamp_ms
        if log_append_time_ms is not None and header.magic != MAGIC_0:
            timestamp_ms = log_append_time_ms
        yield _new_tuple(Record, (offset, timestamp_ms, key, value, ()))
    if is_empty:
        raise DecodeError("a wrapper has no messages in it")


def encode_message_set(
    records: Iterable[Record],
    *,
    magic: int = MAGIC_1,
    compression: int = Compression.NONE,
    log_append_time_ms: int | None = None,
) -> bytearray:
    """Return the message set of the records, in one wrapper if they are compressed. No records are no bytes.

    Records keep their offsets, unlike in a record batch.

    Args:
        records: what to write. Headers have no place in a message set, timestamps other than -1 none in magic 0.
        magic: 0 or 1.
        compression: any `Compression` but ZSTD.
        log_append_time_ms: for magic 1, the timestamp of all messages, of type LogAppendTime; inner messages keep their
            own beside it.

    Raises:
        EncodeError: a value is out of the range of its field, or has no place in that magic.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    if not MAGIC_0 <= magic <= MAGIC_1:
        raise EncodeError(f"a message set has magic 0 or 1, not {magic}")
    if compression == Compression.ZSTD:
        raise EncodeError("a message set cannot be compressed with zstd")
    if magic == MAGIC_0 and log_append_time_ms is not None:
        raise EncodeError("magic 0 has no place for a timestamp")
    attributes = LOG_APPEND_TIME_FLAG * (log_append_time_ms is not None)
    message_set = bytearray()
    base_offset = None if compression and magic != MAGIC_0 else 0
    last_offset = 0
    max_timestamp_ms = NO_TIMESTAMP
    for record in records:
        last_offset, timestamp_ms, key, value, _ = record
        _check_place(record, magic)
        if base_offset is None:
            base_offset = last_offset
        max_timestamp_ms = max(max_timestamp_ms, timestamp_ms)
        if log_append_time_ms is not None and not compression:
            timestamp_ms = log_append_time_ms
        header = MessageHeader(last_offset - base_offset, 0, 0, magic, attributes, timestamp_ms)
        _append_message(message_set, header, key, value)
    if not compression or not message_set:
        return message_set
    timestamp_ms = max_timestamp_ms if log_append_time_ms is None else log_append_time_ms
    return _wrap(message_set, MessageHeader(last_offset, 0, 0, magic, attributes | compression, timestamp_ms))


def _check_place(record: Record, magic: int) -> None:
    if record.headers:
        raise EncodeError("a message set has no place for headers")
    if record.timestamp_ms != NO_TIMESTAMP and (record.timestamp_ms < 0 or magic == MAGIC_0):
        raise EncodeError(f"magic {magic} has no place for the timestamp {record.timestamp_ms}")


def _wrap(message_set: bytearray, header: MessageHeader) -> bytearray:
    value = compress(header.compression, message_set)
    if header.compression == Compression.LZ4 and header.magic == MAGIC_0:
        value = with_kafka_checksum(value)
    wrapper = bytearray()
    _append_message(wrapper, header, None, value)
    return wrapper


def _append_message(message_set: bytearray, header: MessageHeader, key: bytes | None, value: bytes | None) -> None:
    """Append one message; size and CRC of the header are not looked at."""
    try:
        if header.magic == MAGIC_0:
            front = _MAGIC_AND_ATTRIBUTES.pack(MAGIC_0, header.attributes)
        else:
            front = _MAGIC_ATTRIBUTES_AND_TIMESTAMP.pack(MAGIC_1, header.attributes, header.timestamp_ms)
        front += _NULL if key is None else _INT32.pack(len(key)) + key
        front += _NULL if value is None else _INT32.pack(len(value))
        value = value or b""
        message_size = _INT32.size + len(front) + len(value)
        message_set += _OFFSET_SIZE_AND_CRC.pack(header.offset, message_size, crc32(value, crc32(front)))
    except struct_error as error:
        raise EncodeError(f"message at offset {header.offset}: {error}") from None
    message_set += front
    message_set += value


def _last_offset(message_set: bytes) -> int:
    """Return the offset of the last message, as it is written there, or 0 if there is none."""
    last_position = None
    for position, _, _ in entries(message_set):
        last_position = position
    return 0 if last_position is None else int(_INT64.unpack_from(message_set, last_position)[0])
