"""SaslAuthenticate (key 36): exchange SASL tokens, after SaslHandshake 1.

- 1: the lifetime of the session (KIP-368).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Bytes, Int16, Int64, String, field, struct


@struct
class SaslAuthenticateRequest:
    """A token of the client."""

    auth_bytes: Bytes = field()


@struct
class SaslAuthenticateResponse:
    """A token of the broker, or why it refuses; the lifetime is 0 if the session has no end."""

    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    auth_bytes: Bytes = field()
    session_lifetime_ms: Int64 = field("1+", ignorable=True)


SASL_AUTHENTICATE = Api(
    36, versions="0-2", flexible="2+", request=SaslAuthenticateRequest, response=SaslAuthenticateResponse
)
