"""Promises of single values: round trips, bounds, and errors for what no encoder writes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol import primitives


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_unsigned_varints_round_trip(value: int, around: bytes) -> None:
    """Any unsigned 32-bit number is read back, wherever it stands."""
    encoded = primitives.encode_unsigned_varint(value)
    assert len(encoded) == max(1, -(-value.bit_length() // 7))
    end = len(around) + len(encoded)
    assert primitives.decode_unsigned_varint(around + encoded + around, len(around)) == (value, end)


@given(st.integers(-(2**31), 2**31 - 1))
def test_varints_round_trip(value: int) -> None:
    """Any signed 32-bit number is read back."""
    encoded = primitives.encode_varint(value)
    assert primitives.decode_varint(encoded, 0) == (value, len(encoded))


@given(st.integers(-(2**63), 2**63 - 1))
def test_varlongs_round_trip(value: int) -> None:
    """Any signed 64-bit number is read back."""
    encoded = primitives.encode_varlong(value)
    assert primitives.decode_varlong(encoded, 0) == (value, len(encoded))


@pytest.mark.parametrize(("value", "encoded"), [(0, "00"), (-1, "01"), (1, "02"), (-65, "8101"), (300, "d804")])
def test_zigzag(value: int, encoded: str) -> None:
    """Small numbers are short, whatever their sign."""
    assert primitives.encode_varint(value).hex() == primitives.encode_varlong(value).hex() == encoded


@pytest.mark.parametrize("value", [-1, 2**32])
def test_unsigned_varint_bounds(value: int) -> None:
    """What is no unsigned 32-bit number is refused."""
    with pytest.raises(EncodeError):
        primitives.encode_unsigned_varint(value)


def test_signed_bounds() -> None:
    """What does not fit 32 or 64 bits is refused."""
    with pytest.raises(EncodeError):
        primitives.encode_varint(2**31)
    with pytest.raises(EncodeError):
        primitives.encode_varlong(-(2**63) - 1)


@pytest.mark.parametrize("data", ["", "80", "80808080", "808080808000", "8080808010"])
def test_a_damaged_unsigned_varint_is_an_error(data: str) -> None:
    """Cut, too long, or more than 32 bits."""
    with pytest.raises(DecodeError):
        primitives.decode_unsigned_varint(bytes.fromhex(data), 0)


@pytest.mark.parametrize("data", ["", "80" * 9, "80" * 10 + "00", "80" * 9 + "02"])
def test_a_damaged_varlong_is_an_error(data: str) -> None:
    """Cut, too long, or more than 64 bits."""
    with pytest.raises(DecodeError):
        primitives.decode_varlong(bytes.fromhex(data), 0)


@given(st.binary(min_size=16, max_size=16))
def test_ids_round_trip_as_text(uuid: bytes) -> None:
    """An id is 22 characters of URL-safe base64, as Kafka prints it."""
    text = primitives.uuid_to_text(uuid)
    assert len(text) == 22
    assert base64.urlsafe_b64decode(text + "==") == uuid
    assert primitives.uuid_from_text(text) == uuid


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 21, "A" * 24, "!" * 22, "é" * 22, "A" * 21 + "="])
def test_what_is_no_id_is_refused(text: str) -> None:
    """Text that is no base64 of 16 bytes is a `DecodeError`."""
    with pytest.raises(DecodeError):
        primitives.uuid_from_text(text)


def test_an_id_has_16_bytes() -> None:
    """Anything else has no text form."""
    with pytest.raises(EncodeError):
        primitives.uuid_to_text(b"short")
