"""ExpireDelegationToken (key 40): let a token expire, at once or at another time (KIP-48)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Bytes, Int16, Int32, Int64, field, struct


@struct
class ExpireDelegationTokenRequest:
    """The token, by its HMAC; a negative period ends it at once."""

    hmac: Bytes = field()
    expiry_time_period_ms: Int64 = field()


@struct
class ExpireDelegationTokenResponse:
    """When it expires now."""

    error_code: Int16 = field()
    expiry_timestamp_ms: Int64 = field()
    throttle_time_ms: Int32 = field()


EXPIRE_DELEGATION_TOKEN = Api(
    40, versions="0-2", flexible="2+", request=ExpireDelegationTokenRequest, response=ExpireDelegationTokenResponse
)
