"""From message sets to record batches and back: nothing lost that has a place, Kafka's rules for what has none."""

import gc
import tracemalloc
from contextlib import suppress
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import ApiError, DecodeError, EncodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import batch_headers, decode_records, encode_batch, patch_log_append_time
from dotkafka.records.compression import Compression
from dotkafka.records.control import ControlRecord, ControlRecordType, encode_end_txn_marker
from dotkafka.records.legacy import decode_message_set, encode_message_set, message_headers
from dotkafka.records.legacy_conversion import down_convert, up_convert
from dotkafka.records.record import Record

INT64_MAX = 2**63 - 1
MIB = 1024 * 1024
LEGACY_CODECS = [codec for codec in Compression if codec is not Compression.ZSTD]

PLAIN = [Record(10, 5, b"k", b"v"), Record(11, 3, None, b"w"), Record(15, 9, b"", None)]

records_lists = st.lists(
    st.builds(
        Record,
        st.integers(1, 5),
        st.integers(-1, 2**62),
        st.none() | st.binary(max_size=20),
        st.none() | st.binary(max_size=20),
        st.just(()),
    ),
    min_size=1,
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


def without_timestamps(records: list[Record]) -> list[Record]:
    """Return the records without timestamps."""
    return [record._replace(timestamp_ms=-1) for record in records]


def decode_batches(batches: bytearray) -> list[Record]:
    """Return the records of all batches."""
    return [
        record
        for position, header in batch_headers(batches)
        for record in decode_records(batches[position : position + header.size_bytes])
    ]


# --- round trips


@given(records_lists, magics, codecs, st.integers(0, 2**60))
def test_up_and_down_again(records: list[Record], magic: int, compression: Compression, base_offset: int) -> None:
    """A message set that becomes a batch and a message set again is the same, byte for byte."""
    records = with_offsets(records, base_offset, magic)
    message_set = encode_message_set(records, magic=magic, compression=compression)
    batches = up_convert(message_set)
    ((_, header),) = batch_headers(batches)
    assert header.compression == compression
    assert header.max_timestamp_ms == max(record.timestamp_ms for record in records)
    assert decode_batches(batches) == records
    assert down_convert(batches, magic) == message_set


@given(records_lists, codecs)
def test_down_from_magic_1_to_0(records: list[Record], compression: Compression) -> None:
    """From magic 1 to 0 only the timestamps go; what is old enough stays as it is."""
    records = with_offsets(records, 3, 1)
    message_set = encode_message_set(records, compression=compression)
    converted = down_convert(message_set, 0)
    assert converted == encode_message_set(without_timestamps(records), magic=0, compression=compression)
    assert down_convert(converted, 1) == converted
    assert down_convert(message_set, 1) == message_set


# --- up


def test_each_wrapper_and_each_run_becomes_a_batch() -> None:
    """Wrappers keep their codec; messages between them go together."""
    data = (
        encode_message_set([Record(0, -1, None, b"a"), Record(1, -1, None, b"b")], magic=0)
        + encode_message_set([Record(2, 7, None, b"c")])
        + encode_message_set([Record(3, 8, None, b"d"), Record(4, 9, None, b"e")], compression=Compression.GZIP)
        + encode_message_set([Record(5, 8, None, b"f")], compression=Compression.GZIP)
        + encode_message_set([Record(6, 8, None, b"g")])
    )
    batches = up_convert(data)
    assert [(header.base_offset, header.record_count, header.compression) for _, header in batch_headers(batches)] == [
        (0, 3, Compression.NONE),
        (3, 2, Compression.GZIP),
        (5, 1, Compression.GZIP),
        (6, 1, Compression.NONE),
    ]
    assert decode_batches(batches) == decode_message_set(data)


@pytest.mark.parametrize("compression", LEGACY_CODECS)
def test_log_append_time_goes_up_and_down(compression: Compression) -> None:
    """The timestamp type survives both ways; messages of different LogAppendTime cannot be in one batch."""
    data = encode_message_set(PLAIN[:2], compression=compression, log_append_time_ms=50)
    data += encode_message_set(PLAIN[2:], compression=compression, log_append_time_ms=60)
    batches = up_convert(data)
    headers = [header for _, header in batch_headers(batches)]
    assert [(header.timestamp_type_is_log_append, header.max_timestamp_ms) for header in headers] == [
        (True, 50),
        (True, 60),
    ]
    assert decode_batches(batches) == decode_message_set(data)
    down = down_convert(batches, 1)
    assert all(header.timestamp_type_is_log_append for _, header in message_headers(down))
    assert decode_message_set(down) == decode_message_set(data)
    assert decode_message_set(down_convert(batches, 0)) == without_timestamps(PLAIN)


@pytest.mark.parametrize(("offset", "compression"), [(-1, Compression.NONE), *((0, codec) for codec in LEGACY_CODECS)])
def test_offsets_of_a_producer_mean_nothing(offset: int, compression: Compression) -> None:
    """With a base offset the records are counted from it on, over all wrappers; without, they must rise."""
    records = [Record(offset, 1, None, b"a"), Record(offset, 1, None, b"b")]
    data = encode_message_set(records, compression=compression) * 2
    assert [record.offset for record in decode_batches(up_convert(data, base_offset=70))] == [70, 71, 72, 73]
    with pytest.raises(DecodeError, match=f"offset {offset} follows"):
        up_convert(data)


def test_partial_message_is_left_out() -> None:
    """The end of a fetch response is tolerated, if the caller says so, both ways."""
    data = encode_message_set(PLAIN)
    assert decode_batches(up_convert(data[:-1], allow_partial=True)) == PLAIN[:-1]
    assert decode_message_set(down_convert(data[:-1], 0, allow_partial=True)) == without_timestamps(PLAIN[:-1])
    for convert in (up_convert, lambda cut: down_convert(cut, 0)):
        with pytest.raises(DecodeError, match="cut short"):
            convert(data[:-1])
    assert up_convert(b"") == down_convert(b"", 0) == b""


def test_record_batches_are_not_converted_up() -> None:
    """What is a batch already is not taken for a message."""
    with pytest.raises(DecodeError, match="magic 2"):
        up_convert(encode_batch(PLAIN))


# --- down


@pytest.mark.parametrize("magic", [0, 1])
def test_what_has_no_place_is_left_out(magic: int) -> None:
    """Headers, producer state and control batches go, the order of what stays is kept."""
    marker = encode_end_txn_marker(
        ControlRecord(ControlRecordType.COMMIT, 1), producer_id=5, producer_epoch=0, timestamp_ms=7, base_offset=2
    )
    log = (
        encode_message_set([Record(0, -1, None, b"a")], magic=0)
        + encode_batch(
            [Record(1, 6, None, b"b", (("h", b"x"),))],
            base_offset=1,
            producer_id=5,
            producer_epoch=0,
            base_sequence=0,
            is_transactional=True,
        )
        + marker
        + encode_message_set([Record(3, 8, None, b"c")])
    )
    timestamps = [-1, 6, 8] if magic else [-1, -1, -1]
    assert decode_message_set(down_convert(log, magic)) == [
        Record(0, timestamps[0], None, b"a"),
        Record(1, timestamps[1], None, b"b"),
        Record(3, timestamps[2], None, b"c"),
    ]


@pytest.mark.parametrize("compression", LEGACY_CODECS)
def test_first_offset_drops_what_is_before_it(compression: Compression) -> None:
    """Uncompressed records before the offset that was asked for are left out, compressed ones stay, as in Kafka."""
    batch = encode_batch(PLAIN, base_offset=10, compression=compression, keep_offsets=True)
    converted = decode_message_set(down_convert(batch, 1, first_offset=11))
    assert converted == (PLAIN if compression else PLAIN[1:])
    assert down_convert(batch, 1, first_offset=16) == (down_convert(batch, 1) if compression else b"")


def test_zstd_is_refused() -> None:
    """Old consumers know no zstd; Kafka has an error code for that."""
    with pytest.raises(ApiError) as caught:
        down_convert(encode_batch(PLAIN, compression=Compression.ZSTD), 1)
    assert caught.value.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE


@pytest.mark.parametrize("magic", [-1, 2])
def test_magic_is_checked(magic: int) -> None:
    """There are two magics to convert down to."""
    with pytest.raises(EncodeError, match=f"not {magic}"):
        down_convert(b"", magic)


# --- hostile bytes


@pytest.mark.parametrize(
    "records",
    [
        [Record(0, -1, None, None), Record(1, INT64_MAX, None, None)],  # further apart than a timestamp delta can say
        [Record(0, 0, None, None), Record(2**31, 0, None, None)],  # nor can an offset delta say this
    ],
)
def test_what_does_not_fit_a_batch_is_refused(records: list[Record]) -> None:
    """A message set can hold what a batch cannot; it is the peer's fault, for it sent that."""
    with pytest.raises(DecodeError, match="does not fit a record batch"):
        up_convert(encode_message_set(records))


def test_what_does_not_fit_a_message_set_is_refused(batch_with_section: Any) -> None:
    """A batch can hold what a message set cannot, too."""
    batch = batch_with_section(bytes.fromhex("0c000000010100"), base_timestamp_ms=-5)
    with pytest.raises(DecodeError, match="does not fit a message set"):
        down_convert(batch, 1)
    assert decode_message_set(down_convert(batch, 0)) == [Record(0, -1, None, None)]
    with pytest.raises(DecodeError, match="does not fit a message set"):
        down_convert(batch_with_section(bytes.fromhex("0c000002010100"), base_offset=INT64_MAX, last_offset_delta=1), 1)


@given(st.data(), records_lists, st.sampled_from([0, 1, 2]), codecs)
def test_mutations_are_converted_or_refused(
    data: st.DataObject, records: list[Record], magic: int, compression: Compression
) -> None:
    """Changed bytes become something or are a DecodeError."""
    records = with_offsets(records, 0, magic)
    if magic == 2:
        mutated = encode_batch(records, compression=compression, keep_offsets=True)
    else:
        mutated = encode_message_set(records, magic=magic, compression=compression)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(mutated)))
        mutated[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with suppress(DecodeError):
        up_convert(mutated, allow_partial=True, max_decompressed_bytes=100_000)
    for target in (0, 1):
        with suppress(DecodeError, ApiError):
            down_convert(mutated, target, allow_partial=True, max_decompressed_bytes=100_000)


def test_many_records_take_the_memory_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrapper of many small messages becomes several batches, and back, without all its records at once."""
    most = 2**11
    monkeypatch.setattr("dotkafka.records.legacy_conversion.MAX_RECORDS_AT_ONCE", most)
    count = 8 * most
    records = [Record(offset, -1, None, None) for offset in range(count)]
    wrapper = encode_message_set(records, magic=0, compression=Compression.GZIP)
    batch = encode_batch(records, compression=Compression.GZIP)
    del records
    for convert, data in ((up_convert, wrapper), (lambda batch: down_convert(batch, 1), batch)):
        gc.collect()
        tracemalloc.start()
        try:
            converted = convert(data)
            assert tracemalloc.get_traced_memory()[1] < MIB + 26 * count + 512 * most
        finally:
            tracemalloc.stop()
        assert len(converted) < 2 * len(data)
    assert [header.record_count for _, header in batch_headers(up_convert(wrapper))] == [most] * 8
    assert [header.offset + 1 for _, header in message_headers(converted)] == list(range(most, count + 1, most))


def test_limit_of_decompression_holds() -> None:
    """Bombs are refused both ways."""
    zeros = [Record(0, 0, None, bytes(4 * MIB))]
    with pytest.raises(DecodeError, match="longer than"):
        up_convert(encode_message_set(zeros, compression=Compression.GZIP), max_decompressed_bytes=MIB)
    for newer in (encode_batch(zeros, compression=Compression.GZIP), encode_message_set(zeros, compression=1)):
        with pytest.raises(DecodeError, match="longer than"):
            down_convert(newer, 0, max_decompressed_bytes=MIB)


def test_golden_batch() -> None:
    """A magic-1 message written by hand becomes the batch that the layout says."""
    body = bytes.fromhex("0100" "0000018bcfe56800" "00000001" "6b" "00000001" "76")  # fmt: skip
    message = bytes.fromhex("0000000000000007" "00000018" "39268c33") + body  # fmt: skip
    batch = up_convert(message)
    assert batch[:12] == pack(">qi", 7, 58)
    assert batch[61:].hex() == "10000000026b027600"
    with_time = bytearray(batch)
    patch_log_append_time(with_time, 0, 9)
    assert decode_message_set(down_convert(with_time, 1)) == [Record(7, 9, b"k", b"v")]
