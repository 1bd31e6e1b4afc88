"""The header checksum of LZ4 frames, as LZ4 has it and as Kafka had it first.

A frame begins with 4 bytes of magic, a descriptor (flags, block size, and if the flags say so 8 bytes of content size
and 4 of dictionary id), and one byte of checksum: the second byte of the descriptor's xxHash. Until 0.10 Kafka hashed
the magic with it. Message sets of magic 0 are still written that way, for old clients check it; and are read with any
checksum, for others write the right one. The CRC of the message covers these bytes in any case.

Source: KAFKA-3160, KIP-57, the LZ4 frame format.
"""

from struct import Struct
from typing import Final

from dotkafka.protocol.primitives import Buffer

_DESCRIPTOR_POSITION: Final = 4
_SHORTEST_DESCRIPTOR_END: Final = 6
_CONTENT_SIZE_FLAG: Final = 0x08
_DICTIONARY_ID_FLAG: Final = 0x01

_XXH32_STRIPE_BYTES: Final = 16
_UINT32: Final = Struct("<I")
_UINT32_MASK: Final = 0xFFFF_FFFF
_PRIME_1: Final = 0x9E3779B1
_PRIME_2: Final = 0x85EBCA77
_PRIME_3: Final = 0xC2B2AE3D
_PRIME_4: Final = 0x27D4EB2F
_PRIME_5: Final = 0x165667B1


def with_kafka_checksum(frame: bytes) -> bytes:
    """Return a frame without content size and dictionary with the checksum that Kafka's first clients expect."""
    end = _SHORTEST_DESCRIPTOR_END
    return b"".join((frame[:end], _header_checksum(frame[:end]), frame[end + 1 :]))


def with_lz4_checksum(frame: Buffer) -> bytes:
    """Return the frame with the checksum that LZ4 expects. One that is cut short before it stays as it is."""
    patched = bytearray(frame)
    if len(patched) > _SHORTEST_DESCRIPTOR_END:
        flags = patched[_DESCRIPTOR_POSITION]
        end = _SHORTEST_DESCRIPTOR_END + 8 * (flags & _CONTENT_SIZE_FLAG != 0) + 4 * (flags & _DICTIONARY_ID_FLAG != 0)
        if end < len(patched):
            patched[end : end + 1] = _header_checksum(patched[_DESCRIPTOR_POSITION:end])
    return bytes(patched)


def _header_checksum(header: Buffer) -> bytes:
    return bytes((xxh32(header) >> 8 & 0xFF,))


def xxh32(data: Buffer) -> int:
    """Return the 32 bits of xxHash, seed 0, of less than 16 bytes: headers are no longer."""
    if len(data) >= _XXH32_STRIPE_BYTES:
        raise ValueError(f"{len(data)} bytes; only less than {_XXH32_STRIPE_BYTES} are hashed here")
    words_end = len(data) & ~3
    hashed = _PRIME_5 + len(data)
    for (word,) in _UINT32.iter_unpack(data[:words_end]):
        hashed = _rotate_left(hashed + word * _PRIME_3, 17) * _PRIME_4
    for byte in data[words_end:]:
        hashed = _rotate_left(hashed + byte * _PRIME_5, 11) * _PRIME_1
    hashed &= _UINT32_MASK
    hashed = (hashed ^ hashed >> 15) * _PRIME_2 & _UINT32_MASK
    hashed = (hashed ^ hashed >> 13) * _PRIME_3 & _UINT32_MASK
    return hashed ^ hashed >> 16


def _rotate_left(value: int, bits: int) -> int:
    value &= _UINT32_MASK
    return (value << bits | value >> 32 - bits) & _UINT32_MASK
