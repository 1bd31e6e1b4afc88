"""Compression: round trips, the forms that other clients write, damage, bombs, missing extras."""

import gc
import gzip
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress

import cramjam
import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import ApiError, DecodeError, EncodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.compression import Compression, compress, decompress

CODECS = [codec for codec in Compression if codec is not Compression.NONE]
MIB = 1024 * 1024


def zstd_stream(data: bytes) -> bytes:
    """Return a frame that does not say how long it will be, as Java's clients write it."""
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    return bytes(compressor.compress(data) + compressor.flush())


FOREIGN_FORMS: list[tuple[Compression, Callable[[bytes], bytes]]] = [
    (Compression.GZIP, gzip.compress),
    (Compression.GZIP, lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])),
    (Compression.SNAPPY, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    (Compression.LZ4, lz4.frame.compress),
    (Compression.LZ4, lambda data: bytes(lz4.frame.compress(data, block_size=7, content_checksum=True))),
    (Compression.LZ4, lambda data: lz4.frame.compress(data[:10]) + lz4.frame.compress(data[10:])),
    (Compression.ZSTD, zstd_stream),
    (Compression.ZSTD, lambda data: zstd_stream(data[:10]) + zstd_stream(data[10:])),
    (Compression.ZSTD, zstandard.ZstdCompressor(level=19).compress),
]

payloads = st.binary(max_size=300) | st.builds(
    lambda word, count: word * count, st.binary(min_size=1, max_size=20), st.integers(0, 40_000)
)


@given(payloads, st.sampled_from(Compression), st.sampled_from([bytes, bytearray, memoryview]))
def test_round_trip(payload: bytes, codec: Compression, buffer: type) -> None:
    """What is compressed is decompressed, from any kind of buffer, up to exactly the limit."""
    compressed = compress(codec, buffer(payload))
    assert decompress(codec, buffer(compressed), len(payload)) == payload


@given(payloads, st.sampled_from(FOREIGN_FORMS))
def test_forms_that_others_write(payload: bytes, form: tuple[Compression, Callable[[bytes], bytes]]) -> None:
    """Each codec has several forms in use; all are read."""
    codec, write = form
    assert decompress(codec, write(payload), len(payload)) == payload


def test_snappy_is_written_as_java_writes_it() -> None:
    """Snappy goes out in the framing of snappy-java, in blocks of 32 KiB."""
    compressed = compress(Compression.SNAPPY, bytes(40_000))
    assert compressed[:16] == b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"
    first_length = int.from_bytes(compressed[16:20], "big")
    assert bytes(cramjam.snappy.decompress_raw(compressed[20 : 20 + first_length])) == bytes(32 * 1024)


def test_lz4_is_written_in_independent_blocks() -> None:
    """Java's clients refuse LZ4 blocks that depend on each other."""
    frame = lz4.frame.get_frame_info(compress(Compression.LZ4, bytes(200_000)))
    assert not frame["block_linked"]
    assert frame["block_size"] == 64 * 1024


# --- hostile bytes


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("payload", [b"", b"x", b"ab" * 500, bytes(range(256)) * 1_000])
def test_every_truncation_is_refused(codec: Compression, payload: bytes) -> None:
    """Data cut short is a DecodeError, wherever the cut is."""
    compressed = compress(codec, payload)
    cuts = range(len(compressed)) if len(compressed) < 200 else [0, 1, 5, 20, len(compressed) // 2, len(compressed) - 1]
    for size in cuts:
        if codec is Compression.SNAPPY and size == 16:
            continue  # a framing without blocks is the framing of nothing
        with pytest.raises(DecodeError):
            decompress(codec, compressed[:size], MIB)


@given(data=st.data(), codec=st.sampled_from(CODECS), payload=payloads)
def test_damage_is_refused_or_stays_below_the_limit(data: st.DataObject, codec: Compression, payload: bytes) -> None:
    """Changed bytes are decompressed to something, within the limit, or are a DecodeError."""
    compressed = bytearray(compress(codec, payload))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, max(0, len(compressed) - 1)))
        compressed[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    with suppress(DecodeError):
        assert len(decompress(codec, compressed, len(payload))) <= len(payload)


@given(st.integers(-1, 8), st.binary(max_size=100), st.sampled_from([b"", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18"]))
def test_noise_is_refused(codec: int, noise: bytes, magic: bytes) -> None:
    """Any bytes and any codec number end in bytes or a DecodeError."""
    with suppress(DecodeError):
        assert len(decompress(codec, magic + noise, 100)) <= 100


@pytest.mark.parametrize("write", [*(lambda data, codec=codec: compress(codec, data) for codec in CODECS), zstd_stream])
def test_bomb_takes_no_more_memory_than_the_limit(write: Callable[[bytes], bytes]) -> None:
    """Data that would become 64 times the limit stops at the limit, and has allocated little more."""
    bomb = write(bytes(64 * MIB))
    codec = next(codec for codec in [Compression.ZSTD, *CODECS] if bomb[:3] == compress(codec, b"")[:3])
    gc.collect()
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match=r"1048576|claims|allowed"):
            decompress(codec, bomb, MIB)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()


def test_claimed_sizes_are_checked_before_they_are_allocated() -> None:
    """A few bytes that claim to become gigabytes are refused at once."""
    with pytest.raises(DecodeError, match="claims 4294967295 bytes"):
        decompress(Compression.SNAPPY, b"\xff\xff\xff\xff\x0f" + bytes(20))
    frame = zstandard.ZstdCompressor().compress(bytes(300 * MIB))
    with pytest.raises(DecodeError, match="longer than"):
        decompress(Compression.ZSTD, frame)


def test_much_input_that_becomes_nothing_is_linear() -> None:
    """Empty gzip members one after another cost what they weigh."""
    member = zlib.compressobj(wbits=31).flush()
    assert decompress(Compression.GZIP, member * 2_000, 0) == b""


# --- which codecs there are


@pytest.mark.parametrize("codec", [-1, 5, 7])
def test_unknown_codecs(codec: int) -> None:
    """A number without a codec is the peer's fault when reading, the caller's when writing."""
    with pytest.raises(DecodeError, match=f"number {codec}"):
        decompress(codec, b"")
    with pytest.raises(EncodeError, match=f"number {codec}"):
        compress(codec, b"")


@pytest.mark.parametrize(
    ("codec", "package", "extra"),
    [
        (Compression.SNAPPY, "cramjam", "snappy"),
        (Compression.LZ4, "lz4.frame", "lz4"),
        (Compression.ZSTD, "zstandard", "zstd"),
    ],
)
def test_missing_extra_is_named(codec: Compression, package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package of a codec, the error says what to install."""
    compressed = compress(codec, b"x")
    monkeypatch.setitem(sys.modules, package, None)
    message = rf"pip install 'dotkafka\[{extra}\]'"
    with pytest.raises(ApiError, match=message) as caught:
        compress(codec, b"x")
    assert caught.value.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    with pytest.raises(ApiError, match=message) as caught:
        decompress(codec, compressed)
    assert caught.value.error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
