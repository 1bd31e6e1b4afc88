"""The records of a batch: round trips, hostile bytes."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.records.batch import (
    HEADER_SIZE,
    decode_records,
    encode_batch,
    iterate_records,
    read_header,
)
from dotkafka.records.compression import Compression
from dotkafka.records.record import MAX_HEADERS_PER_RECORD, Record

INT64_MAX = 2**63 - 1

data = st.binary(max_size=20) | st.binary(min_size=60, max_size=70) | st.just(b"v" * 9_000) | st.just(b"w" * 1_100_000)
small_data = st.binary(max_size=20)
header_names = st.text(st.characters(codec="utf-8"), max_size=8)
headers = st.lists(st.tuples(header_names, st.none() | small_data), max_size=4).map(tuple)
timestamps = st.integers(-1, INT64_MAX) | st.integers(1_700_000_000_000, 1_700_000_100_000)
records_lists = st.lists(
    st.builds(Record, st.just(0), timestamps, st.none() | small_data, st.none() | data, headers), min_size=1, max_size=8
).map(lambda records: [record._replace(offset=offset) for offset, record in enumerate(records)])


# --- round trips


@given(
    records_lists, st.sampled_from(Compression), st.integers(0, 2**60), st.sampled_from([bytes, bytearray, memoryview])
)
def test_round_trip(records: list[Record], compression: Compression, base_offset: int, buffer: type) -> None:
    """What is encoded is decoded, at any base offset, with any codec, from any kind of buffer, into bytes."""
    batch = encode_batch(records, base_offset=base_offset, compression=compression)
    header = read_header(batch)
    assert header.size_bytes == len(batch)
    assert header.compression == compression
    assert header.max_timestamp_ms == max(record.timestamp_ms for record in records)
    assert header.record_count == header.last_offset_delta + 1 == len(records)
    decoded = decode_records(buffer(batch))
    assert decoded == [record._replace(offset=base_offset + record.offset) for record in records]
    assert {type(field) for record in decoded for field in (record.key, record.value)} <= {bytes, type(None)}


@pytest.mark.parametrize(
    ("record", "fields"),
    [
        (Record(0, -2, None, None), {}),
        (Record(0, 2**63, None, None), {}),
        (Record(0, 0, None, None, (("\ud800", None),)), {}),
        (Record(0, 0, None, None), {"producer_epoch": 2**15}),
        (Record(0, 0, None, None), {"base_offset": 2**63}),
        (Record(0, 0, None, None), {"base_timestamp_ms": -(2**63)}),
        (Record(0, 0, None, None), {"compression": 5}),
    ],
)
def test_values_out_of_range_are_refused(record: Record, fields: dict[str, Any]) -> None:
    """A value that its field cannot hold is an EncodeError."""
    with pytest.raises(EncodeError):
        encode_batch([record], **fields)


@pytest.mark.parametrize("compression", [Compression.NONE, Compression.GZIP])
@pytest.mark.parametrize(
    "record",
    [
        Record(0, 0, "alice", b"3 apples"),  # type: ignore[arg-type]
        Record(0, 0, b"alice", "3 apples"),  # type: ignore[arg-type]
        Record(0, 0, b"alice", {"apples": 3}),  # type: ignore[arg-type]
        Record(0, 0, None, None, {"name": b"value"}),  # type: ignore[arg-type]
        Record(0, 0, None, None, [(b"name", b"value")]),  # type: ignore[list-item]
        Record(0, 0, None, None, [("name", "value")]),  # type: ignore[list-item]
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_what_is_no_bytes_is_refused_with_what_is_needed(
    record: Record, compression: Compression, monkeypatch: pytest.MonkeyPatch, *, is_first: bool
) -> None:
    """Text as key or value is the first mistake that anybody makes, before any varint is remembered or after that."""
    if is_first:
        monkeypatch.setattr("dotkafka.records.record._VARINTS", {})
    with pytest.raises(EncodeError, match=r"must be bytes or None, its headers pairs of str and bytes or None"):
        encode_batch([record], compression=compression)


def test_empty_batch_is_read(batch_with_section: Callable[..., bytearray]) -> None:
    """Compaction leaves batches without records; they are read as such."""
    assert decode_records(batch_with_section(b"", record_count=0, last_offset_delta=4)) == []


def test_compacted_batch_is_read(batch_with_section: Callable[..., bytearray]) -> None:
    """Records that compaction removed leave gaps in the offsets."""
    section = bytes.fromhex("0c000002010100" "0c000006010100")  # fmt: skip
    batch = batch_with_section(section, record_count=2, last_offset_delta=9, base_offset=100)
    assert [record.offset for record in decode_records(batch)] == [101, 103]


def test_iteration_is_lazy(batch_with_section: Callable[..., bytearray], ordinary_records: list[Record]) -> None:
    """Records are decoded as they are asked for: damage far in is noticed only there."""
    section = bytearray(encode_batch(ordinary_records)[HEADER_SIZE:])
    section[-1] = 0x7E  # a header value of 63 bytes that are not there
    records = iterate_records(batch_with_section(bytes(section), record_count=150, last_offset_delta=149))
    assert next(records).value == b""
    with pytest.raises(DecodeError):
        list(records)


# --- hostile bytes


@pytest.mark.parametrize("compression", Compression)
def test_every_truncation_is_refused(
    compression: Compression, batch_with_section: Callable[..., bytearray], ordinary_records: list[Record]
) -> None:
    """A batch cut anywhere is a DecodeError, also when its header was made to fit."""
    whole = bytes(encode_batch(ordinary_records[:4], compression=compression))
    for size in range(len(whole)):
        with pytest.raises(DecodeError):
            decode_records(whole[:size])
    attributes = int(compression)
    for size in range(len(whole) - HEADER_SIZE):
        section = whole[HEADER_SIZE : HEADER_SIZE + size]
        batch = batch_with_section(section, attributes=attributes, record_count=4, last_offset_delta=3)
        with pytest.raises(DecodeError):
            decode_records(batch)


@given(data=st.data(), compression=st.sampled_from(Compression))
def test_mutations_raise_nothing_but_decode_error(
    data: st.DataObject,
    compression: Compression,
    batch_with_section: Callable[..., bytearray],
    ordinary_records: list[Record],
) -> None:
    """Damage under a valid CRC is a DecodeError or goes unnoticed in a value; no other exception leaves."""
    section = bytearray(encode_batch(ordinary_records[:12], compression=compression)[HEADER_SIZE:])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(section) - 1))
        section[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    batch = batch_with_section(bytes(section), attributes=int(compression), record_count=12, last_offset_delta=11)
    try:
        records = decode_records(batch, max_decompressed_bytes=100_000)
    except DecodeError:
        return
    assert len(records) == 12


@given(
    section=st.binary(max_size=200),
    codec=st.integers(0, 7),
    count=st.integers(0, 2**31 - 1) | st.integers(0, 30),
    last_offset_delta=st.integers(0, 30),
)
def test_noise_raises_nothing_but_decode_error(
    section: bytes, codec: int, count: int, last_offset_delta: int, batch_with_section: Callable[..., bytearray]
) -> None:
    """Any bytes under a valid header and CRC are decoded or refused."""
    batch = batch_with_section(section, attributes=codec, record_count=count, last_offset_delta=last_offset_delta)
    with suppress(DecodeError):
        assert len(decode_records(batch, max_decompressed_bytes=100_000)) == count


def test_record_count_beyond_the_bytes_is_refused_at_once(batch_with_section: Callable[..., bytearray]) -> None:
    """A count that the bytes cannot hold is refused before any record is looked at."""
    with pytest.raises(DecodeError, match="claims 2 records in 13 bytes"):
        iterate_records(batch_with_section(bytes(13), record_count=2, last_offset_delta=1))


@pytest.mark.parametrize(
    ("section", "reason"),
    [
        ("12 00 00 00 01 01 00", "record of 9 bytes where 6"),
        ("0a 00 00 00 01 01 00", "record ends"),
        ("0e 00 00 00 01 01 00 00", "record ends"),
        ("0c 00 00 02 01 01 00", "offset delta 1 "),
        ("0c 00 00 01 01 01 00", "offset delta -1 "),
        ("0c 00 00 00 01 01 00 00", "left over"),
        ("01 00 00 00 01 01 00", "record of -1 bytes"),
        ("00 00 00 00 01 01 00", "record of 0 bytes"),
        ("ff ff ff ff 1f 00 00", "no|fit"),
        ("80 80 80 80 80 80 00", "longer than 5"),
        ("1e 00 80 80 80 80 80 80 80 80 80 80 00 00 01 01", "longer than 10"),
        ("1c 00 fe ff ff ff ff ff ff ff ff 01 00 01 01 00", "no int64"),
        ("0c 00 00 00 7e 01 00", "cut short|inside"),
        ("0c 00 00 00 01 7e 00", "cut short"),
        ("0c 00 00 00 01 01 01", "-1 headers"),
        ("0c 00 00 00 01 01 02", "1 headers where 0 bytes"),
        ("10 00 00 00 01 01 04 00 00", "2 headers where 2 bytes"),
        ("10 00 00 00 01 01 02 01 00", "name is null"),
        ("10 00 00 00 01 01 02 00 7e", "record ends"),
    ],
)
def test_damaged_record_is_refused(section: str, reason: str, batch_with_section: Callable[..., bytearray]) -> None:
    """Each rule of the layout is checked, and the message says which was broken."""
    batch = batch_with_section(bytes.fromhex(section), base_timestamp_ms=1_700_000_000_000)
    with pytest.raises(DecodeError, match=reason):
        decode_records(batch)


def test_many_headers_cost_no_more_than_their_bytes(batch_with_section: Callable[..., bytearray]) -> None:
    """A number of headers beyond the record's bytes is refused before the first is read."""
    section = bytes.fromhex("0e 00 00 00 01 01 fe7f") + bytes(1_000_000)
    with pytest.raises(DecodeError, match="8191 headers where 0 bytes"):
        decode_records(batch_with_section(section))


@pytest.mark.parametrize("varint", ["02", "8200", "828000", "8280808000"])
def test_varints_may_be_longer_than_needed(varint: str, batch_with_section: Callable[..., bytearray]) -> None:
    """Kafka reads padded varints, and so do we, at every width."""
    offset_delta = bytes.fromhex(varint)
    body = b"\x00\x00" + offset_delta + b"\x01\x01\x00"
    section = bytes([2 * len(body)]) + body
    (record,) = decode_records(batch_with_section(section, last_offset_delta=1))
    assert record == Record(1, 0, None, None, ())


def test_header_names_that_are_no_utf8_survive() -> None:
    """Clients that take header names for bytes get them back as they were."""
    raw_name = b"caf\xe9"
    batch = encode_batch([Record(0, 0, None, None, ((raw_name.decode(errors="surrogateescape"), b""),))])
    assert b"\x08" + raw_name in batch
    ((name, _),) = decode_records(batch)[0].headers
    assert name.encode(errors="surrogateescape") == raw_name


def test_headers_per_record_are_limited(batch_with_section: Callable[..., bytearray]) -> None:
    """Compressed, millions of headers take a few bytes; so their number has a limit of its own, both ways."""
    most = Record(0, 0, None, None, (("", None),) * MAX_HEADERS_PER_RECORD)
    too_many = most._replace(headers=(("", None),) * (MAX_HEADERS_PER_RECORD + 1))
    assert decode_records(encode_batch([most], compression=Compression.GZIP)) == [most]
    with pytest.raises(EncodeError, match="65537 headers"):
        encode_batch([too_many])
    section = bytes.fromhex("94 80 10 00 00 00 01 01 82 80 08") + b"\x00\x01" * (MAX_HEADERS_PER_RECORD + 1)
    with pytest.raises(DecodeError, match="65537 headers"):
        decode_records(batch_with_section(section))
