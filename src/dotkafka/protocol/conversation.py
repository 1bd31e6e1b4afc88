"""Both directions of one connection, decoded: each request by its own header, each response by the request it answers.

A response does not say what it is: its API and version are those of the request with the same correlation id. So a
`Conversation` is fed what the client sent and what the broker sent, each in any pieces, and a request before its
response. It does no I/O and answers nothing: it is for proxies, for captured streams, for tests.

What cannot be understood is handed out as it came, with the reason. Four things break the rule of one request, one
response of its version:

- Produce with acks 0 has no response.
- A broker that does not know a version of ApiVersions answers in version 0, with UNSUPPORTED_VERSION.
- After SaslHandshake version 0 come the tokens of the SASL mechanism in frames without a header, until the client sends
  a request of a known API and version.
- A size that is negative or beyond the limit ends a direction: nothing after it can be understood.
"""

from __future__ import annotations

import struct
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dotkafka.errors import DecodeError
from dotkafka.protocol.apis import ApiKey, api_for
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.framing import FrameReader
from dotkafka.protocol.headers import RequestHeader, decode_request_header, decode_response_header
from dotkafka.protocol.json_codec import JsonObject, base64_text, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.protocol.primitives import Buffer

MAX_FRAME_BYTES: Final = 100 * 1024 * 1024
"""Kafka's own limit for requests. Its responses are no larger in practice."""

MAX_UNANSWERED: Final = 1000
"""How many requests wait for their response, far more than clients have in flight; then the oldest is forgotten."""

_CORRELATION_ID: Final = struct.Struct(">i")
_ERROR_CODE: Final = struct.Struct(">h")
_API_KEYS: Final = frozenset(ApiKey)


class RequestFrame(NamedTuple):
    """One frame of a client: a request, or what came in the place of one.

    `body` is the decoded struct; where it is None, `error` says why, unless the frame is a SASL token.
    """

    frame: Buffer
    """As it came, without its size."""
    header: RequestHeader | None = None
    body: Any = None
    error: DecodeError | None = None
    is_sasl_token: bool = False

    @property
    def expects_response(self) -> bool:
        """Whether the broker will answer: it does, except Produce with acks 0."""
        if self.header is None:
            return self.is_sasl_token
        return self.header.api_key != ApiKey.PRODUCE or self.body is None or self.body.acks != 0

    def to_json(self, *, records: Callable[[Buffer], object] | None = base64_text) -> JsonObject:
        """Return `{"requestHeader": ..., "request": ...}`, as in Kafka's request log; `records` as in `json_codec`.

        In the place of a body that is not there stands `error` or `saslToken`, and the frame in base64.
        """
        node = _header_to_json(self.header)
        if self.header is None or self.body is None:
            return node | _undecoded_to_json(self)
        message = api_for(self.header.api_key).request
        return node | {"request": to_json(message, self.header.api_version, self.body, records=records)}


class ResponseFrame(NamedTuple):
    """One frame of a broker: a response, or what came in the place of one.

    `body` is the decoded struct; where it is None, `error` says why, unless the frame is a SASL token.
    """

    frame: Buffer
    """As it came, without its size."""
    header: RequestHeader | None = None
    """That of the request which this answers, or None if none is known."""
    version: int | None = None
    """The version that it was written in: the request's, except for an ApiVersions that the broker does not know."""
    body: Any = None
    error: DecodeError | None = None
    is_sasl_token: bool = False

    def to_json(self, *, records: Callable[[Buffer], object] | None = base64_text) -> JsonObject:
        """Return `{"requestHeader": ..., "response": ...}`, the header being that of the request.

        `responseVersion` is there too where it is not the request's. See `RequestFrame.to_json` for the rest.
        """
        node = _header_to_json(self.header)
        if self.header is None or self.version is None or self.body is None:
            return node | _undecoded_to_json(self)
        if self.version != self.header.api_version:
            node["responseVersion"] = self.version
        message = api_for(self.header.api_key).response
        return node | {"response": to_json(message, self.version, self.body, records=records)}


def decode_request_frame(frame: Buffer) -> RequestFrame:
    """Decode one request, header and body; what cannot be decoded is an `error` and is not raised."""
    header = None
    try:
        header, position = decode_request_header(frame)
        return RequestFrame(frame, header, api_for(header.api_key).decode_request(header.api_version, frame, position))
    except DecodeError as error:
        return RequestFrame(frame, header, error=error)


def decode_response_frame(frame: Buffer, header: RequestHeader) -> ResponseFrame:
    """Decode the response to the request with that header; what cannot be decoded is an `error` and is not raised."""
    version = header.api_version
    try:
        _, position = decode_response_header(header.api_key, version, frame)
        if header.api_key == ApiKey.API_VERSIONS and _refuses_version(frame, position):
            version = 0
        return ResponseFrame(frame, header, version, api_for(header.api_key).decode_response(version, frame, position))
    except DecodeError as error:
        return ResponseFrame(frame, header, version, error=error)


class Conversation:
    """Decodes what passes on one connection.

    Args:
        max_frame_bytes: the largest size of a frame that is accepted, in either direction.
        max_unanswered: how many requests may wait for their response. When there are more, the oldest is forgotten, and
            its response, should it still come, is handed out undecoded.
    """

    def __init__(self, *, max_frame_bytes: int = MAX_FRAME_BYTES, max_unanswered: int = MAX_UNANSWERED) -> None:
        self.max_unanswered = max_unanswered
        self._requests = FrameReader(max_frame_bytes, memoryview(b""))
        self._responses = FrameReader(max_frame_bytes, memoryview(b""))
        self._unanswered: OrderedDict[int, deque[RequestHeader]] = OrderedDict()
        self._unanswered_count = 0
        self._expects_sasl_tokens = False
        self._unanswered_tokens = 0

    @property
    def request_error(self) -> DecodeError | None:
        """Why no more requests come, if the client's frames have ended in nonsense."""
        return self._requests.error

    @property
    def response_error(self) -> DecodeError | None:
        """Why no more responses come, if the broker's frames have ended in nonsense."""
        return self._responses.error

    @property
    def is_between_frames(self) -> bool:
        """Whether neither direction has stopped inside a frame."""
        return self._requests.is_between_frames and self._responses.is_between_frames

    @property
    def unanswered_count(self) -> int:
        """How many requests wait for their response."""
        return self._unanswered_count

    def feed_requests(self, data: Buffer) -> list[RequestFrame]:
        """Take bytes that the client sent, and return the requests that they complete."""
        return [self._request(frame) for frame in self._requests.feed(data)]

    def feed_responses(self, data: Buffer) -> list[ResponseFrame]:
        """Take bytes that the broker sent, and return the responses that they complete."""
        return [self._response(frame) for frame in self._responses.feed(data)]

    def _request(self, frame: bytearray) -> RequestFrame:
        if self._expects_sasl_tokens and not _begins_like_a_request(frame):
            self._unanswered_tokens += 1
            return RequestFrame(frame, is_sasl_token=True)
        request = decode_request_frame(frame)
        header = request.header
        if header is not None:
            self._expects_sasl_tokens = header.api_key == ApiKey.SASL_HANDSHAKE and header.api_version == 0
            if request.expects_response:
                self._remember(header)
        return request

    def _response(self, frame: bytearray) -> ResponseFrame:
        correlation_id = _CORRELATION_ID.unpack_from(frame)[0] if len(frame) >= _CORRELATION_ID.size else None
        header = None if correlation_id is None else self._answered(correlation_id)
        if header is not None:
            return decode_response_frame(frame, header)
        if self._unanswered_tokens:
            self._unanswered_tokens -= 1
            return ResponseFrame(frame, is_sasl_token=True)
        if correlation_id is None:
            reason = f"a response of {len(frame)} bytes is shorter than its header"
        else:
            reason = f"no request with the correlation id {correlation_id} waits for a response"
        return ResponseFrame(frame, error=DecodeError(reason))

    def _remember(self, header: RequestHeader) -> None:
        """Keep a request until its response comes. Of two with one correlation id, the first is answered first."""
        self._unanswered.setdefault(header.correlation_id, deque()).append(header)
        self._unanswered_count += 1
        if self._unanswered_count > self.max_unanswered:
            self._answered(next(iter(self._unanswered)))

    def _answered(self, correlation_id: int) -> RequestHeader | None:
        waiting = self._unanswered.get(correlation_id)
        if waiting is None:
            return None
        header = waiting.popleft()
        self._unanswered_count -= 1
        if not waiting:
            del self._unanswered[correlation_id]
        return header


def _begins_like_a_request(frame: Buffer) -> bool:
    """Tell a request from a SASL token: no mechanism's tokens begin with a known API key and version."""
    try:
        header, _ = decode_request_header(frame)
        return header.api_version in api_for(header.api_key).versions
    except DecodeError:
        return False


def _refuses_version(frame: Buffer, position: int) -> bool:
    """Tell whether the body of an ApiVersions response starts with UNSUPPORTED_VERSION."""
    if len(frame) < position + _ERROR_CODE.size:
        return False
    return bool(_ERROR_CODE.unpack_from(frame, position)[0] == ErrorCode.UNSUPPORTED_VERSION)


def _header_to_json(header: RequestHeader | None) -> JsonObject:
    if header is None:
        return {}
    node: JsonObject = {
        "requestApiKey": header.api_key,
        "requestApiVersion": header.api_version,
        "correlationId": header.correlation_id,
        "clientId": header.client_id,
    }
    if header.api_key in _API_KEYS:
        node["requestApiKeyName"] = ApiKey(header.api_key).name
    return {"requestHeader": node}


def _undecoded_to_json(frame: RequestFrame | ResponseFrame) -> JsonObject:
    if frame.is_sasl_token:
        return {"saslToken": base64_text(frame.frame)}
    return {"error": str(frame.error), "frame": base64_text(frame.frame)}
