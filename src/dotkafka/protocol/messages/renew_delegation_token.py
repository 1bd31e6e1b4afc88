"""RenewDelegationToken (key 39): let a token expire later (KIP-48)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Bytes, Int16, Int32, Int64, field, struct


@struct
class RenewDelegationTokenRequest:
    """The token, by its HMAC, and for how long."""

    hmac: Bytes = field()
    renew_period_ms: Int64 = field()


@struct
class RenewDelegationTokenResponse:
    """When it expires now."""

    error_code: Int16 = field()
    expiry_timestamp_ms: Int64 = field()
    throttle_time_ms: Int32 = field()


RENEW_DELEGATION_TOKEN = Api(
    39, versions="0-2", flexible="2+", request=RenewDelegationTokenRequest, response=RenewDelegationTokenResponse
)
