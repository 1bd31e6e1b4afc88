"""Whole entries are told from everything else, byte for byte."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotkafka.errors import StorageFailed
from dotkafka.storage.wal_segment import (
    ENTRIES_START,
    ENTRY_HEADER_SIZE,
    SegmentHeader,
    SegmentScanner,
    encode_entry_header,
)
from dotkafka.testing.faulty_file_system import FaultyFile, FaultyFileSystem

SALT = b"saltsalt"


def segment_file(content: bytes) -> FaultyFile:
    """A file with `content` where entries begin."""
    file = FaultyFileSystem().open("segment", create=True)
    file.write_at(ENTRIES_START, [content])
    return file


def entry(sequence: int, payload: bytes, salt: bytes = SALT) -> bytes:
    """One entry as it stands in a file."""
    return encode_entry_header(salt, sequence, 1, [payload]) + payload


def test_the_layout_of_a_segment_header() -> None:
    """The bytes on disk are a promise: a later release reads them."""
    header = SegmentHeader(1, 2, 3, 4, b"saltsalt", starts_over=True)
    assert header.encode().hex() == (
        "646f746b77616c0a" "0001" "0001" "00000001" "0000000000000002" "00000003" "0000000000000004"
        "73616c7473616c74" "aede0d36"
    )  # fmt: skip
    assert SegmentHeader.decode(header.encode() + b"rest", "name") == header


def test_the_layout_of_an_entry() -> None:
    """The bytes on disk are a promise: a later release reads them."""
    assert entry(5, b"payload").hex() == (
        "73616c7473616c74" "0000000000000005" "0000000000000007" "00000001" "3f8b3e4e" "7061796c6f6164"
    )  # fmt: skip


@given(
    shard=st.integers(0, 2**32 - 1),
    number=st.integers(0, 2**64 - 1),
    epoch=st.integers(0, 2**31 - 1),
    sequence=st.integers(0, 2**64 - 1),
    salt=st.binary(min_size=8, max_size=8),
    starts_over=st.booleans(),
    flipped=st.integers(0, 47),
)
def test_segment_headers(
    shard: int, number: int, epoch: int, sequence: int, salt: bytes, *, starts_over: bool, flipped: int
) -> None:
    """A header is decoded as it was encoded, and damage of any byte is noticed."""
    header = SegmentHeader(shard, number, epoch, sequence, salt, starts_over)
    encoded = bytearray(header.encode())
    assert SegmentHeader.decode(bytes(encoded), "name") == header
    encoded[flipped] ^= 0x40
    with pytest.raises(StorageFailed, match="name: the segment header at byte 0 is damaged"):
        SegmentHeader.decode(bytes(encoded), "name")


def test_a_segment_of_another_version_is_refused() -> None:
    """It is not taken for damage."""
    fields = bytearray(SegmentHeader(0, 0, 0, 0, SALT).encode()[:-4])
    fields[9] = 2
    from crc32c import crc32c  # noqa: PLC0415 (here only)

    with pytest.raises(StorageFailed, match=r"version 2.*reads version 1"):
        SegmentHeader.decode(bytes(fields) + crc32c(bytes(fields)).to_bytes(4, "big"), "name")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=3000), max_size=8), st.binary(max_size=200), st.data())
def test_entries_are_scanned(payloads: list[bytes], rest: bytes, data: st.DataObject) -> None:
    """Entries come back in order whatever stands behind them, and a flipped byte makes one no entry."""
    content = b"".join(entry(sequence, payload) for sequence, payload in enumerate(payloads))
    scanner = SegmentScanner(segment_file(content + rest), SALT)
    position = ENTRIES_START
    for sequence, payload in enumerate(payloads):
        found = scanner.entry_at(position)
        assert found is not None
        assert (found.sequence, found.epoch, bytes(found.payload)) == (sequence, 1, payload)
        position = found.end_position
    assert scanner.entry_at(position) is None
    assert scanner.find_entry_after(position, len(payloads)) is None
    if payloads:
        first = bytearray(entry(0, payloads[0]))
        first[data.draw(st.integers(0, len(first) - 1))] ^= 1
        scanner = SegmentScanner(segment_file(bytes(first) + content[len(first) :]), SALT)
        assert scanner.entry_at(ENTRIES_START) is None
        later = scanner.find_entry_after(ENTRIES_START, 0)
        assert later == (ENTRIES_START + len(first) if len(payloads) > 1 else None)


def test_stale_entries_are_none() -> None:
    """An entry with another salt is not there, wherever it stands."""
    scanner = SegmentScanner(segment_file(entry(9, b"stale", b"saltSALT") * 5), SALT)
    assert scanner.entry_at(ENTRIES_START) is None
    assert scanner.find_entry_after(ENTRIES_START, 0) is None
    assert scanner.torn_bytes_at(ENTRIES_START) == 0


@pytest.mark.parametrize("distance", [*range(1024 * 1024 - 48, 1024 * 1024 + 8), 3_000_000])
def test_a_later_entry_is_found_across_windows(distance: int) -> None:
    """Also where its first bytes lie in one window and the rest in the next."""
    file = segment_file(b"")
    file.write_at(ENTRIES_START + distance, [entry(2, b"later")])
    assert SegmentScanner(file, SALT).find_entry_after(ENTRIES_START, 1) == ENTRIES_START + distance


@pytest.mark.parametrize("length", [2**64 - 1, 2**40, 1000])
def test_an_absurd_length_costs_nothing(length: int) -> None:
    """A length that leaves the file is no entry, and no memory is asked for it."""
    content = bytearray(entry(0, b"payload"))
    content[16:24] = length.to_bytes(8, "big")
    scanner = SegmentScanner(segment_file(bytes(content)), SALT)
    assert scanner.entry_at(ENTRIES_START) is None
    assert scanner.torn_bytes_at(ENTRIES_START) == ENTRY_HEADER_SIZE + 7
