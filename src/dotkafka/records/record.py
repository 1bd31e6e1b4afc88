"""The records inside a batch: offsets and timestamps as deltas, lengths as zigzag varints, headers.

    varint   length of what follows
    int8     attributes, unused
    varlong  timestamp delta from the batch's base timestamp
    varint   offset delta from the batch's base offset
    varint   key length (negative: null), key
    varint   value length (negative: null), value
    varint   number of headers, and for each: name length, name, value length (negative: null), value

This is the hottest code of dotkafka, so both directions handle varints inline: one byte by a table, two by a table
of rows. The row for a second byte that announces a third one is None, which makes a longer varint a TypeError; a `try`
costs nothing until then. Lengths beyond 8,191 pay for the call that decodes them, and so do timestamps that far apart;
offsets pay less, since batches of more records are common.

Source: KIP-98 (layout), KIP-82 (headers).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple, NoReturn

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.primitives import decode_varint, decode_varlong, encode_varlong

MIN_RECORD_BYTES: Final = 7
"""A record with null key, null value and no headers: the least that a record can take."""

MAX_HEADERS_PER_RECORD: Final = 2**16
"""Kafka bounds a record's headers by their bytes only. A header of 2 bytes becomes an object of 64, and a few
compressed bytes become millions of headers; so there is a limit here, far above what any client sends."""

_MIN_HEADER_BYTES: Final = 2
_INT64_END: Final = 2**63
_NO_TIMESTAMP: Final = -1
_NULL: Final = b"\x01"  # the varint -1, as a length
_MEMO_END: Final = 2**13

_new_tuple: Final = tuple.__new__


class Record(NamedTuple):
    """One record. When a batch is encoded, offsets follow from the order and `offset` is not looked at."""

    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()
    """Names may repeat, and keep their order. A name that is not UTF-8 has its bytes as surrogates (PEP 383)."""


class RecordSection(NamedTuple):
    """The decompressed records of one batch, and what its header says of them."""

    data: bytes
    """The records are what is in there from `position` to the end."""
    position: int
    record_count: int
    base_offset: int
    last_offset_delta: int
    base_timestamp_ms: int
    log_append_time_ms: int | None
    """If set, the timestamp of every record."""


def decode_section(section: RecordSection) -> Iterator[Record]:  # noqa: C901, PLR0912, PLR0915 (a call costs what a varint costs)
    """Yield the records, in order.

    Raises:
        DecodeError: a record is not what the layout allows, the offsets do not rise within the batch, or bytes are left
            over; the records before it have been yielded.
    """
    data, position, count, base_offset, last_delta, base_timestamp_ms, log_append_time_ms = section
    limit = len(data)
    may_overflow = not -_INT64_END <= base_timestamp_ms - _MEMO_END < base_timestamp_ms + _MEMO_END < _INT64_END
    one_byte, two_bytes = _varint_tables()
    next_delta = 0
    try:
        for _ in range(count):
            try:
                byte = data[position]
                if byte < 128:
                    length = one_byte[byte]
                    position += 1
                else:
                    length = two_bytes[data[position + 1]][byte]
                    position += 2
            except TypeError:
                length, position = decode_varint(data, position)
            end = position + length
            if not position < end <= limit:
                _refuse(f"record of {length} bytes where {limit - position} bytes are left")
            position += 1

            try:
                byte = data[position]
                if byte < 128:
                    timestamp_ms = base_timestamp_ms + one_byte[byte]
                    position += 1
                else:
                    timestamp_ms = base_timestamp_ms + two_bytes[data[position + 1]][byte]
                    position += 2
            except TypeError:
                delta, position = decode_varlong(data, position)
                timestamp_ms = base_timestamp_ms + delta
                may_overflow = True
            if may_overflow and not -_INT64_END <= timestamp_ms < _INT64_END:
                _refuse(f"timestamp {timestamp_ms} is no int64")

            try:
                byte = data[position]
                if byte < 128:
                    delta = one_byte[byte]
                    position += 1
                else:
                    delta = two_bytes[data[position + 1]][byte]
                    position += 2
            except TypeError:
                if data[position + 2] < 128:
                    number = data[position + 2] << 14 | (data[position + 1] & 127) << 7 | byte & 127
                    delta = number >> 1 ^ -(number & 1)
                    position += 3
                else:
                    delta, position = decode_varint(data, position)
            if not next_delta <= delta <= last_delta:
                _refuse(f"offset delta {delta} is not between {next_delta} and {last_delta}")
            next_delta = delta + 1

            try:
                byte = data[position]
                if byte < 128:
                    start = position + 1
                    position = start + one_byte[byte]
                else:
                    start = position + 2
                    position = start + two_bytes[data[position + 1]][byte]
            except TypeError:
                length, start = decode_varint(data, position)
                position = start + length
            if position < start:
                key, position = None, start
            else:
                key = data[start:position]

            try:
                byte = data[position]
                if byte < 128:
                    start = position + 1
                    position = start + one_byte[byte]
                else:
                    start = position + 2
                    position = start + two_bytes[data[position + 1]][byte]
            except TypeError:
                length, start = decode_varint(data, position)
                position = start + length
            if position < start:
                value, position = None, start
            else:
                value = data[start:position]

            if data[position]:
                headers, position = _decode_headers(data, position, end, one_byte, two_bytes)
            else:
                headers = ()
                position += 1
            # A slice past the end comes out short without an error; here it shows.
            if position != end:
                _refuse(f"record ends at byte {end} of its section, and its fields at byte {position}")
            if log_append_time_ms is not None:
                timestamp_ms = log_append_time_ms
            yield _new_tuple(Record, (base_offset + delta, timestamp_ms, key, value, headers))
        if position != limit:
            _refuse(f"{limit - position} bytes are left over after {count} records")
    except IndexError:
        raise DecodeError("the records are cut short") from None


def encode_section(
    records: Iterable[Record], base_timestamp_ms: int, offset_deltas: Iterable[int]
) -> tuple[list[bytes], int]:
    """Return the records as parts to be joined, and the largest timestamp. Each record has its offset delta.

    Raises:
        EncodeError: a timestamp is negative and not -1 (no timestamp), a header name has no bytes, or there are more
            than `MAX_HEADERS_PER_RECORD` headers.
    """
    parts: list[bytes] = []
    names: dict[str, bytes] = {}
    varints = _VARINTS
    join = b"".join
    append = parts.append
    max_timestamp_ms = _NO_TIMESTAMP
    for delta, (_, timestamp_ms, key, value, headers) in zip(offset_deltas, records, strict=True):
        if timestamp_ms > max_timestamp_ms:
            max_timestamp_ms = timestamp_ms
        elif timestamp_ms < _NO_TIMESTAMP:
            raise EncodeError(f"timestamp {timestamp_ms} is negative, and not -1 for none")
        tail = _encode_headers(headers, names) if headers else b"\0"
        try:
            if value is None:
                value_length, value_data = _NULL, b""
            else:
                value_length, value_data = varints[len(value)], value
            timestamp_delta = varints[timestamp_ms - base_timestamp_ms]
            if key is None:
                body = join((b"\0", timestamp_delta, varints[delta], _NULL, value_length, value_data, tail))
            else:
                body = join(
                    (b"\0", timestamp_delta, varints[delta], varints[len(key)], key, value_length, value_data, tail)
                )
            append(varints[len(body)])
            append(body)
        except KeyError:
            parts += _encode_record(timestamp_ms - base_timestamp_ms, delta, key, value, tail)
    return parts, max_timestamp_ms


_VARINTS: Final[dict[int, bytes]] = {}
"""Zigzag varints by value: those of up to two bytes that have been needed. A plain dict is the fastest way to one."""


def _varint(value: int) -> bytes:
    varint = _VARINTS.get(value)
    if varint is None:
        varint = encode_varlong(value)
        if -_MEMO_END <= value < _MEMO_END:
            _VARINTS[value] = varint
    return varint


def _encode_record(
    timestamp_delta: int, delta: int, key: bytes | None, value: bytes | None, tail: bytes
) -> tuple[bytes, ...]:
    """Return a record in parts. One that is large is copied once only, by the join of the whole batch."""
    front = [b"\0", _varint(timestamp_delta), _varint(delta)]
    front += (_NULL,) if key is None else (_varint(len(key)), key)
    front.append(_NULL if value is None else _varint(len(value)))
    value = value or b""
    return _varint(sum(map(len, front)) + len(value) + len(tail)), *front, value, tail


@cache
def _varint_tables() -> tuple[tuple[int, ...], tuple[Any, ...]]:
    """Return the values of one-byte varints by their byte, and of two-byte varints by second, then first byte."""
    values = [number >> 1 ^ -(number & 1) for number in range(1 << 14)]
    unused = (None,) * 128
    rows = [(*unused, *values[second << 7 : (second + 1) << 7]) for second in range(128)]
    return tuple(values[:128]), (*rows, *unused)


def _decode_headers(  # noqa: C901, PLR0912 (see decode_section)
    data: bytes, position: int, end: int, one_byte: tuple[int, ...], two_bytes: tuple[Any, ...]
) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    """Return the headers of the record that is over at `end`, from their number on, and where they end."""
    byte = data[position]
    if byte < 128:
        count = one_byte[byte]
        position += 1
    else:
        count, position = decode_varint(data, position)
    if not 0 <= count <= MAX_HEADERS_PER_RECORD or count * _MIN_HEADER_BYTES > end - position:
        _refuse(f"{count} headers where {end - position} bytes are left in the record")
    headers: list[tuple[str, bytes | None]] = []
    append = headers.append
    for _ in range(count):
        try:
            byte = data[position]
            if byte < 128:
                start = position + 1
                position = start + one_byte[byte]
            else:
                start = position + 2
                position = start + two_bytes[data[position + 1]][byte]
        except TypeError:
            length, start = decode_varint(data, position)
            position = start + length
        if position < start:
            _refuse("a header's name is null")
        try:
            name = data[start:position].decode()
        except UnicodeDecodeError:
            name = data[start:position].decode(errors="surrogateescape")

        try:
            byte = data[position]
            if byte < 128:
                start = position + 1
                position = start + one_byte[byte]
            else:
                start = position + 2
                position = start + two_bytes[data[position + 1]][byte]
        except TypeError:
            length, start = decode_varint(data, position)
            position = start + length
        if position < start:
            append((name, None))
            position = start
        else:
            append((name, data[start:position]))
    return tuple(headers), position


def _encode_headers(headers: Sequence[tuple[str, bytes | None]], names: dict[str, bytes]) -> bytes:
    """Return the number of headers and the headers. `names` remembers each name with its length in front."""
    if len(headers) > MAX_HEADERS_PER_RECORD:
        raise EncodeError(f"{len(headers)} headers; a record can have {MAX_HEADERS_PER_RECORD}")
    varints = _VARINTS
    parts = [_varint(len(headers))]
    for name, value in headers:
        encoded_name = names[name] if name in names else _encode_name(name, names)
        if value is None:
            parts += (encoded_name, _NULL)
        else:
            size_bytes = len(value)
            parts += (encoded_name, varints[size_bytes] if size_bytes in varints else _varint(size_bytes), value)
    return b"".join(parts)


def _encode_name(name: str, names: dict[str, bytes]) -> bytes:
    try:
        encoded = name.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise EncodeError(f"header name {name!r} is no UTF-8: {error}") from None
    names[name] = _varint(len(encoded)) + encoded
    return names[name]


def _refuse(reason: str) -> NoReturn:
    raise DecodeError(f"damaged record batch: {reason}")
