"""Message sets: bytes written by hand, round trips, hostile bytes."""

import gc
import tracemalloc
import zlib
from contextlib import suppress
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.records.batch import encode_batch
from dotkafka.records.compression import Compression, compress
from dotkafka.records.legacy import (
    MIN_MESSAGE_SIZE,
    decode_message_set,
    encode_message_set,
    iterate_message_set,
    message_headers,
    read_message_header,
    verify_message_crc,
)
from dotkafka.records.record import Record

INT64_MAX = 2**63 - 1
MIB = 1024 * 1024
LEGACY_CODECS = [codec for codec in Compression if codec is not Compression.ZSTD]

GOLDEN_0 = bytes.fromhex(
    "0000000000000007"  # offset
    "00000010"  # message size: 16
    "{crc}"  # CRC-32
    "00"  # magic
    "00"  # attributes
    "00000001" "6b"  # key
    "00000001" "76"  # value
    .replace("{crc}", f"{zlib.crc32(bytes.fromhex('0000000000016b0000000176')):08x}")
)  # fmt: skip
GOLDEN_1 = bytes.fromhex(
    "0000000000000008"  # offset
    "00000016"  # message size: 22
    "{crc}"  # CRC-32
    "01"  # magic
    "08"  # attributes: LogAppendTime
    "0000018bcfe56800"  # timestamp: 1700000000000
    "ffffffff"  # null key
    "ffffffff"  # null value
    .replace("{crc}", f"{zlib.crc32(bytes.fromhex('01080000018bcfe56800ffffffffffffffff')):08x}")
)  # fmt: skip
GOLDEN_0_RECORD = Record(7, -1, b"k", b"v")
GOLDEN_1_RECORD = Record(8, 1_700_000_000_000, None, None)

KAFKA_PYTHON_LZ4_0 = bytes.fromhex(
    "0000000000000000" "0000004f" "036df3cd" "00" "03" "ffffffff" "00000041"  # a wrapper at offset 0
    "04224d1860401a32000000120001009107000000101fecd70a0f0071016b00000001760c00f0070000080000000fa50b8f630000ffffffff"
    "000000017700000000"
)  # fmt: skip

small_data = st.binary(max_size=20)
timestamps = st.integers(-1, INT64_MAX) | st.integers(1_700_000_000_000, 1_700_000_100_000)
records_lists = st.lists(
    st.builds(
        Record,
        st.integers(1, 5),
        timestamps,
        st.none() | small_data,
        st.none() | small_data | st.just(b"v" * 9_000),
        st.just(()),
    ),
    max_size=8,
)
magics = st.sampled_from([0, 1])
codecs = st.sampled_from(LEGACY_CODECS)


def with_offsets(records: list[Record], base_offset: int, magic: int) -> list[Record]:
    """Return the records with rising offsets, their own taken for the steps; without timestamps for magic 0."""
    placed = []
    for record in records:
        placed.append(record._replace(offset=base_offset, timestamp_ms=record.timestamp_ms if magic else -1))
        base_offset += record.offset
    return placed


def message(body: bytes, offset: int = 0, **fields: int) -> bytes:
    """Return a message of any bytes from its magic on; `fields` may give it a wrong `size` or `crc`."""
    return pack(">qiI", offset, fields.get("size", 4 + len(body)), fields.get("crc", zlib.crc32(body))) + body


def wrapper(inner: bytes, magic: int = 1, codec: int = Compression.GZIP, offset: int = 0) -> bytes:
    """Return a wrapper whose value may hold anything."""
    value = compress(codec, inner)
    body = pack(">bb", magic, codec) + bytes(8 * magic) + pack(">ii", -1, len(value)) + value
    return message(body, offset)


# --- golden bytes


def test_golden_bytes() -> None:
    """Messages written by hand are read as they were meant, and written again byte for byte."""
    assert decode_message_set(GOLDEN_0 + GOLDEN_1) == [GOLDEN_0_RECORD, GOLDEN_1_RECORD]
    assert encode_message_set([GOLDEN_0_RECORD], magic=0) == GOLDEN_0
    assert encode_message_set([GOLDEN_1_RECORD], log_append_time_ms=1_700_000_000_000) == GOLDEN_1


def test_header_properties() -> None:
    """A header's fields and what follows from them are read from the right bytes."""
    header = read_message_header(b"xx" + GOLDEN_1, 2)
    assert header == (8, 22, zlib.crc32(GOLDEN_1[16:]), 1, 0x08, 1_700_000_000_000)
    assert (header.size_bytes, header.compression) == (len(GOLDEN_1), 0)
    assert header.timestamp_type_is_log_append
    assert not header._replace(magic=0).timestamp_type_is_log_append
    assert header._replace(attributes=0x0B).compression == Compression.LZ4
    assert read_message_header(GOLDEN_0).timestamp_ms == -1


def test_kafkas_lz4_of_magic_0_is_read_and_written() -> None:
    """Bytes that kafka-python wrote for Kafka 0.8 are read; ours have the same checksum in the LZ4 header."""
    records = [GOLDEN_0_RECORD, Record(8, -1, None, b"w")]
    assert decode_message_set(KAFKA_PYTHON_LZ4_0) == records
    ours = encode_message_set(records, magic=0, compression=Compression.LZ4)
    assert ours[26:33] == KAFKA_PYTHON_LZ4_0[26:33]
    assert decode_message_set(ours) == records
    assert decode_message_set(wrapper(GOLDEN_0, magic=0, codec=Compression.LZ4)) == [GOLDEN_0_RECORD]


def test_lz4_of_magic_1_is_checked() -> None:
    """From magic 1 on the LZ4 header is as LZ4 wants it, both ways."""
    ours = encode_message_set([GOLDEN_1_RECORD], compression=Compression.LZ4)
    assert ours[34:41].hex() == "04224d18604082"
    value = ours[34:40] + b"\x1a" + ours[41:]
    with pytest.raises(DecodeError, match="lz4 data is damaged"):
        decode_message_set(message(bytes(ours[16:34] + value)))


# --- round trips


@given(records_lists, magics, codecs, st.integers(0, 2**60), st.sampled_from([bytes, bytearray, memoryview]))
def test_round_trip(
    records: list[Record], magic: int, compression: Compression, base_offset: int, buffer: type
) -> None:
    """What is encoded is decoded, offsets with gaps included, from any kind of buffer, into bytes."""
    records = with_offsets(records, base_offset, magic)
    message_set = encode_message_set(records, magic=magic, compression=compression)
    decoded = decode_message_set(buffer(message_set))
    assert decoded == records
    assert {type(field) for record in decoded for field in (record.key, record.value)} <= {bytes, type(None)}
    headers = [header for _, header in message_headers(message_set)]
    assert [header.offset for header in headers] == [record.offset for record in records][bool(compression) * -1 :]
    if compression and records:
        assert headers[0].timestamp_ms == max(record.timestamp_ms for record in records)


@pytest.mark.parametrize("compression", LEGACY_CODECS)
def test_log_append_time_holds_for_all(compression: Compression) -> None:
    """The wrapper's LogAppendTime overrides the timestamps inside; without a wrapper each message has it."""
    records = [Record(3, 10, b"a", b"b"), Record(4, 99, None, None)]
    message_set = encode_message_set(records, compression=compression, log_append_time_ms=50)
    assert decode_message_set(message_set) == [record._replace(timestamp_ms=50) for record in records]
    for position, header in message_headers(message_set):
        assert header.timestamp_type_is_log_append
        assert header.timestamp_ms == 50
        assert verify_message_crc(message_set, position, header)


def test_wrapper_holds_relative_offsets_in_magic_1_and_absolute_ones_in_magic_0() -> None:
    """A broker moves a wrapper of magic 1 by changing its offset only; in magic 0 the inner offsets say where it is."""
    records = [Record(100, -1, None, b"a"), Record(103, -1, None, b"b")]
    for magic, expected in ((0, [100, 103]), (1, [1_000, 1_003])):
        message_set = encode_message_set(records, magic=magic, compression=Compression.GZIP)
        assert read_message_header(message_set).offset == 103
        message_set[:8] = pack(">q", 1_003)
        assert [record.offset for record in decode_message_set(message_set)] == expected


def test_wrapper_at_offset_0_leaves_inner_offsets() -> None:
    """Some clients leave a wrapper's offset at 0; Kafka then takes the inner offsets as they are."""
    inner = encode_message_set([Record(0, 5, None, b"a"), Record(1, 6, None, b"b")])
    assert [record.offset for record in decode_message_set(wrapper(bytes(inner)))] == [0, 1]


def test_messages_of_both_magics_may_be_in_one_wrapper() -> None:
    """Kafka reads a wrapper whose inner messages have another magic, so does this."""
    assert decode_message_set(wrapper(GOLDEN_1, magic=0)) == [GOLDEN_1_RECORD]
    assert decode_message_set(wrapper(GOLDEN_0, magic=1)) == [GOLDEN_0_RECORD]
    log_append = bytearray(wrapper(GOLDEN_0, magic=1))
    log_append[17] |= 0x08
    assert decode_message_set(message(bytes(log_append[16:]))) == [GOLDEN_0_RECORD]


def test_iteration_is_lazy() -> None:
    """Messages are checked as they are asked for."""
    records = iterate_message_set(GOLDEN_0 + GOLDEN_1[:-1] + b"?")
    assert next(records) == GOLDEN_0_RECORD
    with pytest.raises(DecodeError, match="byte 28"):
        next(records)


# --- a message that is cut short


@pytest.mark.parametrize("size", range(len(GOLDEN_1)))
def test_partial_message_ends_a_fetch_response(size: int) -> None:
    """Wherever the last message is cut, it is no error if the caller expects it, and else it is."""
    data = GOLDEN_0 + GOLDEN_1[:size]
    assert decode_message_set(data, allow_partial=True) == [GOLDEN_0_RECORD]
    if size:
        with pytest.raises(DecodeError, match="byte 28 is cut short"):
            decode_message_set(data)


def test_partial_message_in_a_wrapper_is_refused() -> None:
    """What a CRC covers is whole or damaged."""
    for offset in (0, 8):
        with pytest.raises(DecodeError, match="cut short"):
            decode_message_set(wrapper(GOLDEN_0 + GOLDEN_1[:-1], offset=offset), allow_partial=True)


def test_partial_message_of_impossible_size_is_refused() -> None:
    """A partial message is tolerated, a wrong one is not."""
    with pytest.raises(DecodeError, match="size of 13 bytes"):
        decode_message_set(GOLDEN_0 + pack(">qi", 0, 13), allow_partial=True)


# --- values that cannot be written


@pytest.mark.parametrize(
    ("record", "options", "reason"),
    [
        (Record(0, -1, None, None, (("h", b""),)), {}, "headers"),
        (Record(0, 0, None, None), {"magic": 0}, "timestamp 0"),
        (Record(0, -2, None, None), {}, "timestamp -2"),
        (Record(0, 2**63, None, None), {}, "message at offset 0"),
        (Record(2**63, -1, None, None), {}, f"message at offset {2**63}"),
        (Record(0, -1, None, None), {"magic": 2}, "not 2"),
        (Record(0, -1, None, None), {"magic": -1}, "not -1"),
        (Record(0, -1, None, None), {"compression": Compression.ZSTD}, "zstd"),
        (Record(0, -1, None, None), {"compression": 5}, "number 5"),
        (Record(0, -1, None, None), {"magic": 0, "log_append_time_ms": 1}, "no place for a timestamp"),
    ],
)
def test_what_has_no_place_is_refused(record: Record, options: dict[str, int], reason: str) -> None:
    """A value that the magic has no field for, or the field cannot hold, is an EncodeError."""
    with pytest.raises(EncodeError, match=reason):
        encode_message_set([record], **options)


# --- hostile bytes


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOLDEN_0[:16] + b"\x02" + GOLDEN_0[17:], "magic 2"),
        (GOLDEN_0[:16] + b"\xff" + GOLDEN_0[17:], "magic -1"),
        (bytes(encode_batch([Record(0, 0, None, None)])), "magic 2"),
        (message(b"\0\0" + bytes(8), size=13), "size of 13"),
        (message(b"\0\0" + bytes(8), size=-1), "size of -1"),
        (message(b"\x01\0" + bytes(15)), "size of 21"),
        (message(b"\0\0" + bytes(8), size=2**31 - 1), "cut short"),
        (message(b"\0\0" + bytes(8), crc=1), "CRC"),
        (message(b"\0\0" + pack(">ii", 1, 0)), "key of 1 bytes"),
        (message(b"\0\0" + pack(">ii", 2**31 - 1, 0)), "key of 2147483647 bytes"),
        (message(b"\0\0" + pack(">ii", 0, 1)), "value of 1 bytes up to byte 27, and ends at byte 26"),
        (message(b"\0\0" + pack(">ii", 0, 0) + b"x"), "value of 0 bytes up to byte 26, and ends at byte 27"),
        (message(b"\0\0" + pack(">ii", 0, -1) + b"x"), "value of -1 bytes up to byte 26, and ends at byte 27"),
        (message(b"\0\x01" + pack(">ii", -1, -1)), "no value"),
        (message(b"\0\x04" + pack(">ii", -1, 0)), "zstd"),
        (message(b"\0\x05" + pack(">ii", -1, 0)), "number 5"),
        (wrapper(b""), "no messages"),
        (wrapper(b"", offset=3), "no messages"),
        (wrapper(wrapper(GOLDEN_1)), "compressed once more"),
        (wrapper(wrapper(GOLDEN_0, magic=0), magic=0), "compressed once more"),
        (wrapper(GOLDEN_1, offset=7), "offset 7, which is less"),
        (wrapper(GOLDEN_0 + message(GOLDEN_1[16:], INT64_MAX) + GOLDEN_0, offset=20), "no int64"),
        (wrapper(GOLDEN_1[:-1] + b"?"), "CRC"),
    ],
)
def test_damage_is_refused(data: bytes, reason: str) -> None:
    """What no message set can hold is a DecodeError that says what and where."""
    with pytest.raises(DecodeError, match=reason):
        decode_message_set(data)


@pytest.mark.parametrize("size", [0, 1, 17, 18, 25])
def test_short_header_is_refused(size: int) -> None:
    """A header that is not there in full is not read."""
    with pytest.raises(DecodeError, match="cut short"):
        read_message_header(GOLDEN_1[:size])
    with pytest.raises(DecodeError, match="cut short"):
        read_message_header(GOLDEN_0 + GOLDEN_1[:size], len(GOLDEN_0))
    with pytest.raises(DecodeError, match="cut short"):
        read_message_header(GOLDEN_1, -1)


@given(st.data(), records_lists.filter(bool), magics, codecs)
def test_mutations_are_read_or_refused(
    data: st.DataObject, records: list[Record], magic: int, compression: Compression
) -> None:
    """Changed bytes, with and without a CRC that fits them, are decoded to something or are a DecodeError."""
    mutated = encode_message_set(with_offsets(records, 0, magic), magic=magic, compression=compression)
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(mutated)))
        mutated[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    for candidate in (bytes(mutated), message(bytes(mutated[16:])), wrapper(bytes(mutated), magic, offset=9)):
        for allow_partial in (False, True):
            with suppress(DecodeError):
                decode_message_set(candidate, allow_partial=allow_partial, max_decompressed_bytes=100_000)


@given(st.binary(max_size=80))
def test_noise_is_refused(noise: bytes) -> None:
    """Any bytes end in records or a DecodeError."""
    for data in (noise, message(noise), wrapper(noise, offset=1)):
        with suppress(DecodeError):
            decode_message_set(data, allow_partial=True)


@pytest.mark.parametrize("magic", [0, 1])
@pytest.mark.parametrize("compression", LEGACY_CODECS[1:])
def test_bomb_takes_no_more_memory_than_the_limit(magic: int, compression: Compression) -> None:
    """A small wrapper that would become a large set stops at the limit, and has allocated little more."""
    bomb = bytes(encode_message_set([Record(0, -1, None, bytes(32 * MIB))], magic=magic, compression=compression))
    gc.collect()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=r"1048576|claims|allowed"):
            decode_message_set(bomb, max_decompressed_bytes=MIB)
        assert tracemalloc.get_traced_memory()[1] < 3 * MIB + 2 * len(bomb)
    finally:
        tracemalloc.stop()


def test_limit_holds_for_all_wrappers_together() -> None:
    """Many small wrappers are as bad as a large one."""
    one = encode_message_set([Record(1, -1, None, bytes(MIB))], compression=Compression.GZIP)
    assert len(decode_message_set(one * 2, max_decompressed_bytes=2 * MIB + 100)) == 2
    with pytest.raises(DecodeError, match="longer than"):
        decode_message_set(one * 3, max_decompressed_bytes=2 * MIB + 100)


@pytest.mark.parametrize("magic", [0, 1])
def test_many_small_messages_take_bounded_memory(magic: int) -> None:
    """The smallest messages become records of at most 16 times their bytes."""
    smallest = encode_message_set([Record(0, -1, None, None)], magic=magic)
    assert len(smallest) == 12 + MIN_MESSAGE_SIZE[magic]
    data = bytes(smallest * (MIB // len(smallest)))
    gc.collect()
    tracemalloc.start()
    try:
        decode_message_set(data)
        assert tracemalloc.get_traced_memory()[1] < 16 * len(data) + MIB
    finally:
        tracemalloc.stop()
