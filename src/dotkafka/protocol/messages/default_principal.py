"""The principal in the bytes of an Envelope, as Kafka's default builder writes it (KIP-590).

It is an int16 version and the body.
"""

from __future__ import annotations

from dotkafka.protocol.schema import Boolean, Message, String, field, struct


@struct
class DefaultPrincipalData:
    """Who sent the request: type and name, such as `User` and `alice`."""

    type: String = field()
    name: String = field()
    token_authenticated: Boolean = field()


DEFAULT_PRINCIPAL_DATA = Message(DefaultPrincipalData, versions="0", flexible="0+")
