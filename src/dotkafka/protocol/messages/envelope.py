"""Envelope (key 58): a broker hands a client's request on to the controller (KIP-590)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Bytes, Int16, field, struct


@struct
class EnvelopeRequest:
    """The client's request with its header, its principal, and where it came from."""

    request_data: Bytes = field()
    request_principal: Bytes | None = field(nullable="0+")
    client_host_address: Bytes = field()


@struct
class EnvelopeResponse:
    """The controller's answer with its header."""

    response_data: Bytes | None = field(nullable="0+", default=None)
    error_code: Int16 = field()


ENVELOPE = Api(58, versions="0", flexible="0+", request=EnvelopeRequest, response=EnvelopeResponse)
