"""SaslHandshake (key 17): choose a SASL mechanism.

- 0: raw SASL tokens follow, framed but without Kafka headers. 1: SaslAuthenticate requests follow.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int16, String, field, struct


@struct
class SaslHandshakeRequest:
    """The mechanism that the client wants."""

    mechanism: String = field()


@struct
class SaslHandshakeResponse:
    """Whether it may have it, and what the broker offers."""

    error_code: Int16 = field()
    mechanisms: Array[String] = field()


SASL_HANDSHAKE = Api(17, versions="0-1", flexible="none", request=SaslHandshakeRequest, response=SaslHandshakeResponse)
