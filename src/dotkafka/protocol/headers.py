"""Request and response headers.

The version of a header follows from that of the body: flexible bodies have the header that ends in a tag section
(request header 2, response header 1), all others the one without (1 and 0). Three exceptions: the client id keeps its
int16 length even in request header 2; version 0 of ControlledShutdown, which Kafka 4.0 removed, has request header 0,
without a client id; and an ApiVersions response has header 0 always, so that a client can read the answer to a version
that the broker does not know.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.apis import FIRST_FLEXIBLE_VERSIONS, ApiKey
from dotkafka.protocol.primitives import Buffer, decode_unsigned_varint

_FIXED = struct.Struct(">hhih")
_FIXED_WITHOUT_CLIENT_ID = struct.Struct(">hhi")
_CONTROLLED_SHUTDOWN_0 = b"\x00\x07\x00\x00"
_RESPONSE = struct.Struct(">i")
_MAX_TAGGED_FIELDS = 64


class RequestHeader(NamedTuple):
    """What stands in front of every request. A null client id and an empty one mean the same.

    ControlledShutdown version 0 has no place for a client id: it is not written, and read as null.
    """

    api_key: int
    api_version: int
    correlation_id: int
    client_id: str | None = None


def decode_request_header(frame: Buffer, position: int = 0) -> tuple[RequestHeader, int]:
    """Return the header at the start of a request, and the position of the body.

    An unknown API key or version is no error here: the header is then read without a tag section, and the first eight
    bytes mean the same in every version, so that the caller can say which key and version it does not know.

    Raises:
        DecodeError: the frame ends inside the header, or the header is damaged.
    """
    try:
        if frame[position : position + 4] == _CONTROLLED_SHUTDOWN_0:
            header = RequestHeader(*_FIXED_WITHOUT_CLIENT_ID.unpack_from(frame, position))
            return header, position + _FIXED_WITHOUT_CLIENT_ID.size
        api_key, api_version, correlation_id, length = _FIXED.unpack_from(frame, position)
    except struct.error as error:
        raise DecodeError(f"a request of {len(frame) - position} bytes is shorter than its header") from error
    position += _FIXED.size
    client_id = None
    if length >= 0:
        end = position + length
        if end > len(frame):
            raise DecodeError(f"the client id takes {length} bytes, {len(frame) - position} are left")
        try:
            client_id = str(frame[position:end], "utf-8")
        except UnicodeDecodeError as error:
            raise DecodeError(f"the client id is not UTF-8: {error.reason}") from error
        position = end
    elif length != -1:
        raise DecodeError(f"the client id has a length of {length}")
    if _is_flexible(api_key, api_version):
        position = _skip_tagged_fields(frame, position)
    return RequestHeader(api_key, api_version, correlation_id, client_id), position


def encode_request_header(header: RequestHeader) -> bytes:
    """Return the bytes of the header that belongs to the request's API key and version.

    Raises:
        EncodeError: a number or the client id does not fit its field.
    """
    client_id = None if header.client_id is None else header.client_id.encode()
    length = -1 if client_id is None else len(client_id)
    try:
        if header.api_key == ApiKey.CONTROLLED_SHUTDOWN and header.api_version == 0:
            return _FIXED_WITHOUT_CLIENT_ID.pack(*header[:3])
        fixed = _FIXED.pack(header.api_key, header.api_version, header.correlation_id, length)
    except struct.error as error:
        raise EncodeError(f"{header} does not fit a request header: {error}") from error
    tags = b"\x00" if _is_flexible(header.api_key, header.api_version) else b""
    return fixed + (client_id or b"") + tags


def encode_response_header(api_key: int, api_version: int, correlation_id: int) -> bytes:
    """Return the bytes of the header that belongs to a response."""
    header = _RESPONSE.pack(correlation_id)
    return header + b"\x00" if _response_has_tags(api_key, api_version) else header


def decode_response_header(api_key: int, api_version: int, data: Buffer, position: int = 0) -> tuple[int, int]:
    """Return the correlation id of a response, and the position of its body.

    Raises:
        DecodeError: the data ends inside the header, or the header is damaged.
    """
    try:
        (correlation_id,) = _RESPONSE.unpack_from(data, position)
    except struct.error as error:
        raise DecodeError(f"a response of {len(data) - position} bytes is shorter than its header") from error
    position += _RESPONSE.size
    if _response_has_tags(api_key, api_version):
        position = _skip_tagged_fields(data, position)
    return correlation_id, position


def _is_flexible(api_key: int, api_version: int) -> bool:
    first = FIRST_FLEXIBLE_VERSIONS.get(api_key)
    return first is not None and api_version >= first


def _response_has_tags(api_key: int, api_version: int) -> bool:
    return api_key != ApiKey.API_VERSIONS and _is_flexible(api_key, api_version)


def _skip_tagged_fields(data: Buffer, position: int) -> int:
    """Return the position after a tag section. No tag of a header is known to Kafka, so what they say is dropped."""
    if position < len(data) and data[position] == 0:
        return position + 1
    count, position = decode_unsigned_varint(data, position)
    if count > _MAX_TAGGED_FIELDS:
        raise DecodeError(f"{count} tagged fields in a header")
    for _ in range(count):
        _, position = decode_unsigned_varint(data, position)
        size_bytes, position = decode_unsigned_varint(data, position)
        position += size_bytes
    if position > len(data):
        raise DecodeError("the data ends inside the tagged fields of the header")
    return position
