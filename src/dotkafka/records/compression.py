"""Compression of record batches: gzip, snappy, LZ4 and Zstandard, each under a hard limit of output.

gzip is in the standard library. The others come with an extra of dotkafka and are imported when first used; without it
the error says which to install. Compressed bytes are hostile: the limit holds while they are decompressed, so a bomb
takes no more memory than the limit and a constant (one output step, and the codec's own window).

What is written is what Kafka's own clients write: LZ4 frames of independent blocks of 64 KiB, and snappy in the framing
of snappy-java ("xerial"). Snappy is read with and without it, for librdkafka writes it without.

Source: KIP-110 (Zstandard), KIP-57 (LZ4 framing), snappy-java's SnappyOutputStream.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from importlib import import_module
from struct import Struct
from typing import Any, Final

from dotkafka.errors import ApiError, DecodeError, EncodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.primitives import Buffer

DEFAULT_MAX_DECOMPRESSED_BYTES: Final = 64 * 1024 * 1024

_INPUT_STEP_BYTES: Final = 64 * 1024
_OUTPUT_STEP_BYTES: Final = 256 * 1024

_GZIP_WINDOW_BITS: Final = 31  # zlib's way to say: the largest window, in a gzip wrapper

_XERIAL_HEADER: Final = b"\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01"  # magic, version 1, readable since version 1
_XERIAL_MAGIC: Final = _XERIAL_HEADER[:8]
_XERIAL_BLOCK_BYTES: Final = 32 * 1024
_XERIAL_LENGTH: Final = Struct(">i")

_ZSTD_BLOCK_HEADER_BYTES: Final = 3
_ZSTD_CHECKSUM_BYTES: Final = 4
_ZSTD_MAX_BLOCK_BYTES: Final = 128 * 1024
_ZSTD_RLE_BLOCK: Final = 1
_ZSTD_COMPRESSED_BLOCK: Final = 2


class Compression(IntEnum):
    """The codecs by their number in a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


def compress(codec: int, data: Buffer) -> bytes:
    """Return `data` compressed.

    Raises:
        EncodeError: no codec has that number.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    try:
        known_codec = Compression(codec)
    except ValueError:
        raise EncodeError(f"no compression codec has the number {codec}") from None
    return _COMPRESSORS[known_codec](data)


def decompress(codec: int, data: Buffer, max_bytes: int = DEFAULT_MAX_DECOMPRESSED_BYTES) -> bytes:
    """Return what `data` was compressed from, which may be `max_bytes` long and no longer.

    Raises:
        DecodeError: the data is damaged, cut short or would become too long, or no codec has that number.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for the codec is not installed.
    """
    try:
        known_codec = Compression(codec)
    except ValueError:
        raise DecodeError(f"no compression codec has the number {codec}") from None
    parts = []
    size = 0
    for part in _DECOMPRESSORS[known_codec](memoryview(data), max_bytes):
        size += len(part)
        if size > max_bytes:
            raise DecodeError(f"{known_codec.name.lower()} data is longer than {max_bytes} bytes when decompressed")
        parts.append(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _library(name: str, codec: Compression) -> Any:
    try:
        return import_module(name)
    except ImportError:
        extra = codec.name.lower()
        raise ApiError(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, f"{extra} needs an extra package: pip install 'dotkafka[{extra}]'"
        ) from None


def _store(data: Buffer) -> bytes:
    return bytes(data)


def _stored_parts(data: memoryview, max_bytes: int) -> Iterator[bytes]:
    yield bytes(data[: max_bytes + 1])


def _gzip_compress(data: Buffer) -> bytes:
    compressor = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)
    return compressor.compress(data) + compressor.flush()


def _gzip_parts(data: memoryview, _max_bytes: int) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        # The decompressor copies the input that it has not come to; small steps keep the whole linear.
        for start in range(0, len(data), _INPUT_STEP_BYTES):
            pending: Buffer = data[start : start + _INPUT_STEP_BYTES]
            while pending:
                if decompressor.eof:
                    decompressor = zlib.decompressobj(_GZIP_WINDOW_BITS)
                yield decompressor.decompress(pending, _OUTPUT_STEP_BYTES)
                pending = decompressor.unconsumed_tail or decompressor.unused_data
        while not decompressor.eof:
            part = decompressor.decompress(b"", _OUTPUT_STEP_BYTES)
            if not part:
                raise DecodeError("gzip data is cut short")
            yield part
    except zlib.error as error:
        raise DecodeError(f"gzip data is damaged: {error}") from None


def _snappy_compress(data: Buffer) -> bytes:
    snappy = _library("cramjam", Compression.SNAPPY).snappy
    parts = [_XERIAL_HEADER]
    view = memoryview(data)
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        block = bytes(snappy.compress_raw(view[start : start + _XERIAL_BLOCK_BYTES]))
        parts += (_XERIAL_LENGTH.pack(len(block)), block)
    return b"".join(parts)


def _snappy_parts(data: memoryview, max_bytes: int) -> Iterator[bytes]:
    if data[: len(_XERIAL_MAGIC)] != _XERIAL_MAGIC:
        yield _snappy_block(data, max_bytes)
        return
    left_bytes = max_bytes
    position = len(_XERIAL_HEADER)
    if len(data) < position:
        raise DecodeError("snappy data is cut short")
    while position < len(data):
        start = position + _XERIAL_LENGTH.size
        if start > len(data):
            raise DecodeError("snappy data is cut short")
        (length,) = _XERIAL_LENGTH.unpack_from(data, position)
        position = start + length
        if not start <= position <= len(data):
            raise DecodeError(f"snappy block of {length} bytes does not fit into the {len(data) - start} bytes left")
        part = _snappy_block(data[start:position], left_bytes)
        left_bytes -= len(part)
        yield part


def _snappy_block(data: memoryview, max_bytes: int) -> bytes:
    cramjam = _library("cramjam", Compression.SNAPPY)
    try:
        # A block begins with the length it will have, and the decompressor allocates just that.
        size = cramjam.snappy.decompress_raw_len(data)
        if size > max_bytes:
            raise DecodeError(f"snappy block claims {size} bytes; {max_bytes} are allowed")
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise DecodeError(f"snappy data is damaged: {error}") from None


def _lz4_compress(data: Buffer) -> bytes:
    frame = _library("lz4.frame", Compression.LZ4)
    compressed: bytes = frame.compress(data, block_size=frame.BLOCKSIZE_MAX64KB, block_linked=False, store_size=False)
    return compressed


def _lz4_parts(data: memoryview, _max_bytes: int) -> Iterator[bytes]:
    frame = _library("lz4.frame", Compression.LZ4)
    context = frame.create_decompression_context()
    is_ended = False
    while data or not is_ended:
        try:
            part, consumed, is_ended = frame.decompress_chunk(context, data, max_length=_OUTPUT_STEP_BYTES)
        except RuntimeError as error:
            raise DecodeError(f"lz4 data is damaged: {error}") from None
        if not part and not consumed:
            raise DecodeError("lz4 data is cut short")
        data = data[consumed:]
        yield part


def _zstd_compress(data: Buffer) -> bytes:
    compressed: bytes = _library("zstandard", Compression.ZSTD).ZstdCompressor().compress(data)
    return compressed


def _zstd_parts(data: memoryview, max_bytes: int) -> Iterator[bytes]:
    zstandard = _library("zstandard", Compression.ZSTD)
    decompressor = zstandard.ZstdDecompressor()
    left_bytes = max_bytes
    position = 0
    try:
        while True:
            end, bound_bytes = _zstd_frame(zstandard, data, position)
            # With a size in its header, the library allocates that size; without, what it is told.
            if zstandard.frame_content_size(data[position:end]) > left_bytes:
                raise DecodeError(f"zstd data is longer than {max_bytes} bytes when decompressed")
            part = decompressor.decompress(data[position:end], max_output_size=max(1, min(bound_bytes, left_bytes)))
            left_bytes -= len(part)
            yield part
            if end == len(data):
                return
            position = end
    except zstandard.ZstdError as error:
        raise DecodeError(f"zstd data is damaged, or longer than {max_bytes} bytes: {error}") from None


def _zstd_frame(zstandard: Any, data: memoryview, start: int) -> tuple[int, int]:
    """Return where the frame that begins at `start` ends, and how many bytes it can become at most.

    The library's stream reader takes a frame cut short for a whole one, and its one-shot call wants to know how much to
    allocate; the headers of the blocks tell both.
    """
    position = start + zstandard.frame_header_size(data[start:])
    bound_bytes = 0
    is_last = False
    while not is_last:
        block_header = int.from_bytes(data[position : position + _ZSTD_BLOCK_HEADER_BYTES], "little")
        is_last = bool(block_header & 1)
        block_type = block_header >> 1 & 3
        size = block_header >> 3
        bound_bytes += _ZSTD_MAX_BLOCK_BYTES if block_type == _ZSTD_COMPRESSED_BLOCK else size
        position += _ZSTD_BLOCK_HEADER_BYTES + (1 if block_type == _ZSTD_RLE_BLOCK else size)
        if position > len(data):
            raise DecodeError("zstd data is cut short")
    if zstandard.get_frame_parameters(data[start:]).has_checksum:
        position += _ZSTD_CHECKSUM_BYTES
    return position, bound_bytes


_COMPRESSORS: Final[Mapping[Compression, Callable[[Buffer], bytes]]] = {
    Compression.NONE: _store,
    Compression.GZIP: _gzip_compress,
    Compression.SNAPPY: _snappy_compress,
    Compression.LZ4: _lz4_compress,
    Compression.ZSTD: _zstd_compress,
}
_DECOMPRESSORS: Final[Mapping[Compression, Callable[[memoryview, int], Iterator[bytes]]]] = {
    Compression.NONE: _stored_parts,
    Compression.GZIP: _gzip_parts,
    Compression.SNAPPY: _snappy_parts,
    Compression.LZ4: _lz4_parts,
    Compression.ZSTD: _zstd_parts,
}
