"""Single values: varints and the text form of ids.

Fixed-width numbers need no function of their own: Kafka writes them big-endian, as `struct` does with `>`.

Varints hold seven bits a byte, lowest first, the top bit saying that more follow. An unsigned varint is at most 5
bytes; `varint` (32 bits) and `varlong` (64 bits, at most 10 bytes) are zigzag-coded, so that small negative numbers
stay short.
"""

from __future__ import annotations

import base64
import binascii

from dotkafka.errors import DecodeError, EncodeError

Buffer = bytes | bytearray | memoryview
"""Anything bytes are read from."""

NULL_UUID = bytes(16)
"""The id that means "no id"."""


def encode_unsigned_varint(value: int) -> bytes:
    """Return the 1 to 5 bytes of a number of 0 to 2**32 - 1."""
    if not 0 <= value <= 0xFFFF_FFFF:
        raise EncodeError(f"{value} is no unsigned 32-bit number")
    return _encode_groups(value)


def decode_unsigned_varint(data: Buffer, position: int) -> tuple[int, int]:
    """Return the number that starts at `position`, and the position after it.

    Raises:
        DecodeError: the data ends inside the number, or it is longer than 5 bytes or 32 bits.
    """
    value, end = _decode_groups(data, position, max_bytes=5)
    if value > 0xFFFF_FFFF:
        raise DecodeError(f"the unsigned varint at byte {position} does not fit 32 bits")
    return value, end


def encode_varint(value: int) -> bytes:
    """Return the 1 to 5 bytes of a signed 32-bit number."""
    if not -(2**31) <= value < 2**31:
        raise EncodeError(f"{value} is no signed 32-bit number")
    return _encode_groups((value << 1) ^ (value >> 31))


def decode_varint(data: Buffer, position: int) -> tuple[int, int]:
    """Return the signed 32-bit number that starts at `position`, and the position after it.

    Raises:
        DecodeError: the data ends inside the number, or it is longer than 5 bytes or 32 bits.
    """
    value, end = decode_unsigned_varint(data, position)
    return (value >> 1) ^ -(value & 1), end


def encode_varlong(value: int) -> bytes:
    """Return the 1 to 10 bytes of a signed 64-bit number."""
    if not -(2**63) <= value < 2**63:
        raise EncodeError(f"{value} is no signed 64-bit number")
    return _encode_groups((value << 1) ^ (value >> 63))


def decode_varlong(data: Buffer, position: int) -> tuple[int, int]:
    """Return the signed 64-bit number that starts at `position`, and the position after it.

    Raises:
        DecodeError: the data ends inside the number, or it is longer than 10 bytes or 64 bits.
    """
    value, end = _decode_groups(data, position, max_bytes=10)
    if value > 0xFFFF_FFFF_FFFF_FFFF:
        raise DecodeError(f"the varlong at byte {position} does not fit 64 bits")
    return (value >> 1) ^ -(value & 1), end


def _encode_groups(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _decode_groups(data: Buffer, position: int, max_bytes: int) -> tuple[int, int]:
    value = 0
    for index, byte in enumerate(data[position : position + max_bytes]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    if len(data) - position >= max_bytes:
        raise DecodeError(f"the varint at byte {position} is longer than {max_bytes} bytes")
    raise DecodeError(f"the data ends at byte {len(data)}, inside the varint that starts at byte {position}")


def uuid_to_text(uuid: bytes) -> str:
    """Return Kafka's text form of an id: URL-safe base64 without padding, 22 characters."""
    if len(uuid) != 16:
        raise EncodeError(f"an id has 16 bytes, not {len(uuid)}")
    return base64.urlsafe_b64encode(uuid)[:22].decode()


def uuid_from_text(text: str) -> bytes:
    """Return the 16 bytes of an id in Kafka's text form.

    Raises:
        DecodeError: the text is no URL-safe base64 of 16 bytes.
    """
    try:
        uuid = base64.b64decode(text.encode("ascii") + b"==", altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise DecodeError(f"{text[:40]!r} is no id in base64") from error
    if len(uuid) != 16:
        raise DecodeError(f"{text[:40]!r} is an id of {len(uuid)} bytes; 16 are needed")
    return uuid
