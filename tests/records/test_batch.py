"""Record batches: header, CRC, patches in place, and whole batches against two other implementations."""

import gc
import tracemalloc
from collections.abc import Callable

import pytest

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.records.batch import (
    HEADER_SIZE,
    LOG_APPEND_TIME_FLAG,
    batch_headers,
    decode_records,
    encode_batch,
    encode_empty_batch,
    increment_sequence,
    patch_log_append_time,
    patch_offset_and_epoch,
    read_header,
    renumber_batches,
    split_batches,
    verify_crc,
)
from dotkafka.records.compression import Compression
from dotkafka.records.record import Record

INT64_MAX = 2**63 - 1

GOLDEN = bytes.fromhex(
    "0000000000000007"  # base offset
    "00000048"  # batch length: 72
    "00000003"  # partition leader epoch
    "02"  # magic
    "58eafcbd"  # CRC-32C
    "0010"  # attributes: transactional
    "00000001"  # last offset delta
    "0000018bcfe56800"  # base timestamp: 1700000000000
    "0000018bcfe56805"  # max timestamp
    "0000000000000009"  # producer id
    "0004"  # producer epoch
    "0000000b"  # base sequence
    "00000002"  # number of records
    "18" "00" "00" "00" "02" "6b" "02" "76" "02" "02" "68" "02" "78"  # k=v with header h=x
    "12" "00" "0a" "02" "01" "01" "02" "02" "68" "01"  # null=null, 5 ms later, with header h=null
)  # fmt: skip
GOLDEN_RECORDS = [
    Record(7, 1_700_000_000_000, b"k", b"v", (("h", b"x"),)),
    Record(8, 1_700_000_000_005, None, None, (("h", None),)),
]


# --- header


def test_header_properties() -> None:
    """A header's fields and what follows from them are read from the right bytes."""
    header = read_header(b"xx" + GOLDEN, 2)
    assert header == (7, 72, 3, 2, 0x58EAFCBD, 0x10, 1, 1_700_000_000_000, 1_700_000_000_005, 9, 4, 11, 2)
    assert (header.size_bytes, header.last_offset, header.next_offset) == (84, 8, 9)
    assert (header.compression, header.last_sequence) == (0, 12)
    assert header.is_transactional
    assert not header.is_control
    assert not header.timestamp_type_is_log_append
    assert header.delete_horizon_ms is None


@pytest.mark.parametrize(
    ("attributes", "name", "value"),
    [
        (0x04, "compression", Compression.ZSTD),
        (0x08, "timestamp_type_is_log_append", True),
        (0x10, "is_transactional", True),
        (0x20, "is_control", True),
        (0x40, "delete_horizon_ms", 1_700_000_000_000),
    ],
)
def test_attribute_bits(attributes: int, name: str, value: object) -> None:
    """Each attribute has its bit, and no other one changes it."""
    header = read_header(GOLDEN)
    assert getattr(header._replace(attributes=attributes), name) == value
    assert getattr(header._replace(attributes=0x7F & ~attributes & ~0x07), name) in {0, None}


@pytest.mark.parametrize(
    ("sequence", "increment", "expected"),
    [
        (0, 0, 0),
        (5, 3, 8),
        (2**31 - 1, 0, 2**31 - 1),
        (2**31 - 1, 1, 0),
        (2**31 - 3, 5, 2),
        (2**31 - 1, 2**31 - 1, 2**31 - 2),
    ],
)
def test_sequence_wraps_to_zero(sequence: int, increment: int, expected: int) -> None:
    """After sequence 2**31 - 1 comes 0, as in Kafka."""
    assert increment_sequence(sequence, increment) == expected
    assert read_header(GOLDEN)._replace(base_sequence=sequence, last_offset_delta=increment).last_sequence == expected


def test_no_sequence_has_no_last_sequence() -> None:
    """A batch without sequences ends without one."""
    assert read_header(GOLDEN)._replace(base_sequence=-1).last_sequence == -1


@pytest.mark.parametrize("size", [0, 1, 12, HEADER_SIZE - 1])
def test_short_header_is_refused(size: int) -> None:
    """A header needs its 61 bytes, from `position` on."""
    with pytest.raises(DecodeError, match="cut short"):
        read_header(GOLDEN[:size])
    with pytest.raises(DecodeError, match="cut short"):
        read_header(GOLDEN, len(GOLDEN) - size)
    with pytest.raises(DecodeError, match="cut short"):
        read_header(GOLDEN, -1)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"magic": 1}, "magic 1"),
        ({"magic": 3}, "magic 3"),
        ({"batch_length": 48}, "length of 48"),
        ({"batch_length": -1}, "length of -1"),
        ({"last_offset_delta": -1}, "last offset delta -1"),
        ({"record_count": -1}, "-1 records"),
    ],
)
def test_impossible_header_is_refused(
    fields: dict[str, int], reason: str, batch_with_section: Callable[..., bytearray]
) -> None:
    """A header that no batch can have is refused, with the reason."""
    with pytest.raises(DecodeError, match=reason):
        read_header(batch_with_section(b"", **fields))


def test_batch_headers_walks_all_batches() -> None:
    """Batches one after another are found at their positions."""
    second = encode_batch([Record(0, 5, None, b"x")], base_offset=9)
    walked = list(batch_headers(memoryview(GOLDEN + second)))
    assert [(position, header.base_offset) for position, header in walked] == [(0, 7), (84, 9)]
    assert list(batch_headers(b"")) == []


@pytest.mark.parametrize("cut", [1, 30, len(GOLDEN) - 1])
def test_batch_headers_refuses_a_cut_batch(cut: int) -> None:
    """The whole batches before a cut one are yielded, then the cut is an error."""
    walk = batch_headers(GOLDEN + GOLDEN[:cut])
    assert next(walk)[0] == 0
    with pytest.raises(DecodeError, match="cut short"):
        next(walk)


@pytest.mark.parametrize("cut", range(len(GOLDEN)))
def test_partial_batch_ends_a_fetch_response(cut: int) -> None:
    """Wherever the last batch is cut, it is no error if the caller expects it."""
    data = GOLDEN + GOLDEN[:cut]
    assert [position for position, _ in batch_headers(data, allow_partial=True)] == [0]
    assert list(split_batches(data, allow_partial=True)) == [GOLDEN]


@pytest.mark.parametrize("damaged", [GOLDEN[:16] + b"\x01" + GOLDEN[17:], bytes(8) + b"\xff" * 4, bytes(40)])
def test_partial_is_not_an_excuse_for_damage(damaged: bytes) -> None:
    """What is whole by its length, or has an impossible one, is no partial batch."""
    with pytest.raises(DecodeError, match="byte 84"):
        list(batch_headers(GOLDEN + damaged, allow_partial=True))


def test_split_batches_copies_nothing() -> None:
    """Batches are split into views of the same bytes; a cut one is an error."""
    data = bytearray(GOLDEN * 2)
    first, second = split_batches(data)
    assert first == second == GOLDEN
    data[0] = 0x7F
    assert first[0] == 0x7F
    with pytest.raises(DecodeError, match="cut short"):
        list(split_batches(GOLDEN[:-1]))


def test_batches_are_appended_without_decoding() -> None:
    """Batches get the offsets behind one another, with valid CRCs; gaps that compaction left count."""
    gap = encode_batch([Record(3, 0, None, b"x")], base_offset=0, keep_offsets=True)
    log = bytearray(GOLDEN + gap + GOLDEN)
    assert renumber_batches(log, 100, 9) == 108
    headers = list(batch_headers(log))
    assert [(header.base_offset, header.partition_leader_epoch) for _, header in headers] == [
        (100, 9),
        (102, 9),
        (106, 9),
    ]
    assert all(verify_crc(log, position, header) for position, header in headers)
    assert [record.offset for batch in split_batches(log) for record in decode_records(batch)] == [
        100,
        101,
        105,
        106,
        107,
    ]


# --- CRC and patches


def test_crc_covers_everything_from_the_attributes_on() -> None:
    """Any changed byte after the CRC is noticed; those before it are not covered."""
    assert verify_crc(GOLDEN, 0, read_header(GOLDEN))
    for position in range(21, len(GOLDEN)):
        damaged = bytearray(GOLDEN)
        damaged[position] ^= 0x40
        assert not verify_crc(damaged, 0, read_header(GOLDEN))
    assert not verify_crc(GOLDEN[:-1], 0, read_header(GOLDEN))


def test_crc_copies_nothing() -> None:
    """The CRC of a large batch is taken on a view of it."""
    batch = encode_batch([Record(0, 0, None, bytes(4_000_000))])
    header = read_header(batch)
    gc.collect()
    tracemalloc.start()
    try:
        assert verify_crc(memoryview(batch), 0, header)
        assert tracemalloc.get_traced_memory()[1] < 10_000
    finally:
        tracemalloc.stop()


def test_patch_offset_and_epoch() -> None:
    """A broker gives offset and leader epoch in place; nothing else changes, the CRC stays valid."""
    frame = bytearray(b"??") + GOLDEN
    patch_offset_and_epoch(memoryview(frame), 2, 2**40, 77)
    assert read_header(frame, 2) == read_header(GOLDEN)._replace(base_offset=2**40, partition_leader_epoch=77)
    assert verify_crc(frame, 2, read_header(frame, 2))
    assert frame[:2] == b"??"
    assert frame[2 + HEADER_SIZE :] == GOLDEN[HEADER_SIZE:]


@pytest.mark.parametrize("compression", Compression)
def test_patch_log_append_time(compression: Compression, ordinary_records: list[Record]) -> None:
    """LogAppendTime replaces every record's timestamp, and leaves a valid CRC and all else as it was."""
    frame = bytearray(b"??") + encode_batch(ordinary_records, compression=compression) + b"??"
    before = read_header(frame, 2)
    patch_log_append_time(memoryview(frame), 2, 1_800_000_000_000)
    after = read_header(frame, 2)
    assert after == before._replace(
        attributes=before.attributes | LOG_APPEND_TIME_FLAG, max_timestamp_ms=1_800_000_000_000, crc=after.crc
    )
    assert verify_crc(frame, 2, after)
    assert decode_records(frame[2:-2]) == [
        record._replace(timestamp_ms=1_800_000_000_000) for record in ordinary_records
    ]


# --- whole batches


def test_golden_bytes() -> None:
    """A batch written by hand is read as it was meant, and written again byte for byte."""
    assert verify_crc(GOLDEN, 0, read_header(GOLDEN))
    assert decode_records(GOLDEN) == GOLDEN_RECORDS
    encoded = encode_batch(
        GOLDEN_RECORDS,
        base_offset=7,
        partition_leader_epoch=3,
        producer_id=9,
        producer_epoch=4,
        base_sequence=11,
        is_transactional=True,
    )
    assert encoded == GOLDEN


def test_base_timestamp_can_be_given() -> None:
    """Timestamps are counted from the base that is asked for."""
    batch = encode_batch([Record(0, 1_000, None, b"")], base_timestamp_ms=5_000)
    assert read_header(batch).base_timestamp_ms == 5_000
    assert decode_records(batch)[0].timestamp_ms == 1_000


def test_offsets_can_be_kept() -> None:
    """Records that compaction left, or that were in a message set, keep their offsets; those have to rise."""
    records = [Record(12, 0, None, b"a"), Record(15, 0, None, b"b")]
    batch = encode_batch(records, base_offset=10, keep_offsets=True)
    assert read_header(batch).last_offset == 15
    assert decode_records(batch) == records
    for wrong in ([*records, records[0]], [records[0]] * 2, [Record(9, 0, None, None)]):
        with pytest.raises(EncodeError, match="do not rise from 10 on"):
            encode_batch(wrong, base_offset=10, keep_offsets=True)
    with pytest.raises(EncodeError):
        encode_batch([Record(10 + 2**31, 0, None, None)], base_offset=10, keep_offsets=True)


def test_empty_batch_is_not_written() -> None:
    """A batch needs a record."""
    with pytest.raises(EncodeError, match="at least one"):
        encode_batch([])


def test_damaged_crc_is_refused() -> None:
    """Decoding checks the CRC."""
    with pytest.raises(DecodeError, match="CRC"):
        decode_records(GOLDEN[:-2] + b"?" + GOLDEN[-1:])


@pytest.mark.parametrize("extra", [b"x", GOLDEN])
def test_more_than_one_batch_is_refused(extra: bytes) -> None:
    """Records are decoded of exactly one batch."""
    with pytest.raises(DecodeError, match="84 bytes in"):
        decode_records(GOLDEN + extra)


def test_bomb_is_refused_at_the_limit() -> None:
    """A small batch that would become a large one stops at the limit."""
    batch = encode_batch([Record(0, 0, None, bytes(20_000_000))], compression=Compression.ZSTD)
    assert len(batch) < 2_000
    with pytest.raises(DecodeError, match="longer than 1000000 bytes"):
        decode_records(batch, max_decompressed_bytes=1_000_000)


def test_unknown_codec_is_refused(batch_with_section: Callable[..., bytearray]) -> None:
    """Codec numbers without a codec are a DecodeError."""
    with pytest.raises(DecodeError, match="number 6"):
        decode_records(batch_with_section(bytes(7), attributes=6))


def test_a_batch_without_records() -> None:
    """It takes offsets, up to 2**31 of them, and nothing else."""
    batch = encode_empty_batch(5, 5 + 2**31 - 1, 3)
    ((_, header),) = batch_headers(batch)
    assert (header.base_offset, header.next_offset, header.partition_leader_epoch) == (5, 5 + 2**31, 3)
    assert (header.record_count, header.producer_id, header.max_timestamp_ms) == (0, -1, -1)
    assert decode_records(batch) == []
    with pytest.raises(EncodeError):
        encode_empty_batch(0, 2**31, 0)
