"""The header checksum of LZ4 frames: against xxHash's own figures and liblz4."""

import lz4.frame
import pytest

from dotkafka.records.compression import Compression, compress
from dotkafka.records.lz4_checksum import with_kafka_checksum, with_lz4_checksum, xxh32

DATA = b"data" * 50


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0x02CC5D05),
        (b"a", 0x550D7456),
        (b"abc", 0x32D153FF),
        (b"Kafka", 0x11FCDA38),
        (b"0123456789abcde", 0x1DBDFA0F),
    ],
)
def test_xxh32(data: bytes, expected: int) -> None:
    """The hash is xxHash's, as its library gives it."""
    assert xxh32(data) == xxh32(memoryview(data)) == expected


def test_long_data_are_not_hashed() -> None:
    """From 16 bytes on xxHash goes another way, which no header needs."""
    with pytest.raises(ValueError, match="16 bytes"):
        xxh32(bytes(16))


def test_kafka_checksum() -> None:
    """Kafka's first clients hashed the magic too: then the header of the usual frame ends in 0x1A instead of 0x82."""
    frame = compress(Compression.LZ4, DATA)
    assert frame[:7].hex() == "04224d18604082"
    patched = with_kafka_checksum(frame)
    assert patched[:7].hex() == "04224d1860401a"
    assert patched[7:] == frame[7:]
    with pytest.raises(RuntimeError):
        lz4.frame.decompress(patched)


@pytest.mark.parametrize("checksum", [0x00, 0x1A, 0x82, 0xFF])
@pytest.mark.parametrize("store_size", [False, True])
def test_any_checksum_becomes_that_of_lz4(checksum: int, store_size: bool) -> None:  # noqa: FBT001 (a parameter)
    """Whatever the checksum is, with or without a content size before it, the frame is read afterwards."""
    frame = lz4.frame.compress(DATA, store_size=store_size)
    damaged = bytearray(frame)
    damaged[14 if store_size else 6] = checksum
    assert with_lz4_checksum(damaged) == frame


@pytest.mark.parametrize("frame", [b"", b"\x04\x22\x4d\x18", bytes(6), b"\x04\x22\x4d\x18\x48\x40" + bytes(8)])
def test_what_is_too_short_stays(frame: bytes) -> None:
    """A frame that ends before its checksum has none to correct."""
    assert with_lz4_checksum(frame) == frame
