"""UnregisterBroker (key 64): remove a broker that will not come back (KIP-631)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Int16, Int32, String, field, struct


@struct
class UnregisterBrokerRequest:
    """The broker."""

    broker_id: Int32 = field()


@struct
class UnregisterBrokerResponse:
    """Whether it is removed."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


UNREGISTER_BROKER = Api(
    64, versions="0", flexible="0+", request=UnregisterBrokerRequest, response=UnregisterBrokerResponse
)
