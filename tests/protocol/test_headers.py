"""Promises of the headers: Kafka's versions and quirks, and `DecodeError` for anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.apis import FIRST_FLEXIBLE_VERSIONS, ApiKey
from dotkafka.protocol.headers import (
    RequestHeader,
    decode_request_header,
    decode_response_header,
    encode_request_header,
    encode_response_header,
)


@pytest.mark.parametrize(
    ("header", "hexadecimal"),
    [
        (RequestHeader(ApiKey.FETCH, 11, 5, "c"), "0001 000b 00000005 0001 63"),
        (RequestHeader(ApiKey.FETCH, 11, 5, None), "0001 000b 00000005 ffff"),
        (RequestHeader(ApiKey.FETCH, 12, 5, "c"), "0001 000c 00000005 0001 63 00"),
        (RequestHeader(ApiKey.SASL_HANDSHAKE, 1, 5, ""), "0011 0001 00000005 0000"),
        (RequestHeader(ApiKey.API_VERSIONS, 99, 5, "c"), "0012 0063 00000005 0001 63 00"),
        (RequestHeader(1234, 0, 5, "c"), "04d2 0000 00000005 0001 63"),
        (RequestHeader(ApiKey.CONTROLLED_SHUTDOWN, 0, 5), "0007 0000 00000005"),
        (RequestHeader(ApiKey.CONTROLLED_SHUTDOWN, 1, 5, "c"), "0007 0001 00000005 0001 63"),
    ],
)
def test_request_headers(header: RequestHeader, hexadecimal: str) -> None:
    """A flexible request has a tag section after its client id, whose length is an int16 all the same.

    Version 0 of ControlledShutdown has no client id at all.
    """
    data = bytes.fromhex(hexadecimal)
    assert encode_request_header(header) == data
    for buffer in (data, bytearray(data), memoryview(data)):
        assert decode_request_header(buffer) == (header, len(data))
    assert decode_request_header(b"xx" + data + b"body", 2) == (header, len(data) + 2)


@pytest.mark.parametrize(
    ("api_key", "version", "hexadecimal"),
    [
        (ApiKey.FETCH, 11, "00000007"),
        (ApiKey.FETCH, 12, "00000007 00"),
        (ApiKey.API_VERSIONS, 0, "00000007"),
        (ApiKey.API_VERSIONS, 4, "00000007"),
    ],
)
def test_response_headers(api_key: int, version: int, hexadecimal: str) -> None:
    """A flexible response has a tag section, but never that of ApiVersions."""
    data = bytes.fromhex(hexadecimal)
    assert encode_response_header(api_key, version, 7) == data
    assert decode_response_header(api_key, version, data) == (7, len(data))


def test_tagged_fields_of_a_header_are_skipped() -> None:
    """Tags that a newer peer puts there do not hide the body."""
    data = bytes.fromhex("0001 000c 00000005 0001 63 02 00 01 ff 05 00")
    assert decode_request_header(data + b"body") == (RequestHeader(1, 12, 5, "c"), len(data))


@pytest.mark.parametrize("hexadecimal", ["00000005 ff", "00000005 01", "00000005 01 00 05 00", "00000005 ffffffff0f"])
def test_a_damaged_tag_section_is_an_error(hexadecimal: str) -> None:
    """Cut, or with more tags than a header can have."""
    with pytest.raises(DecodeError):
        decode_response_header(ApiKey.FETCH, 12, bytes.fromhex(hexadecimal))


@given(
    st.sampled_from(sorted(FIRST_FLEXIBLE_VERSIONS)),
    st.integers(0, 20),
    st.integers(-(2**31), 2**31 - 1),
    st.none() | st.text(st.characters(codec="utf-8"), max_size=20),
    st.data(),
)
def test_truncated_headers_are_decode_errors(
    api_key: int, version: int, correlation_id: int, client_id: str | None, data: st.DataObject
) -> None:
    """A header is read back whole, and refused wherever it is cut."""
    has_client_id = (api_key, version) != (ApiKey.CONTROLLED_SHUTDOWN, 0)
    header = RequestHeader(api_key, version, correlation_id, client_id if has_client_id else None)
    encoded = encode_request_header(header)
    assert decode_request_header(encoded) == (header, len(encoded))
    with pytest.raises(DecodeError):
        decode_request_header(encoded[: data.draw(st.integers(0, len(encoded) - 1))])


@given(st.binary(max_size=40))
def test_random_bytes_raise_decode_error_and_nothing_else(data: bytes) -> None:
    """Whatever comes, it is a header or a `DecodeError`."""
    try:
        header, position = decode_request_header(data)
    except DecodeError:
        return
    assert (10 if header[:2] != (ApiKey.CONTROLLED_SHUTDOWN, 0) else 8) <= position <= len(data)
    assert header.api_key == int.from_bytes(data[:2], "big", signed=True)


@pytest.mark.parametrize(
    "header", [RequestHeader(1, 1, 2**31, ""), RequestHeader(1, 1, 1, "x" * 32768), RequestHeader(7, 0, 2**31)]
)
def test_what_does_not_fit_is_an_encode_error(header: RequestHeader) -> None:
    """A number too large or a client id too long is refused."""
    with pytest.raises(EncodeError):
        encode_request_header(header)
