"""CreateDelegationToken (key 38): create a token that others can authenticate with (KIP-48).

- 3: the owner may be another than the one who asks (KIP-373).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Bytes, Int16, Int32, Int64, String, field, struct


@struct
class CreateDelegationTokenRequest:
    """Whose token, who may renew it, and for how long; -1 is the broker's limit."""

    owner_principal_type: String | None = field("3+", nullable="3+")
    owner_principal_name: String | None = field("3+", nullable="3+")
    renewers: Array[CreatableRenewers] = field()
    max_lifetime_ms: Int64 = field()


@struct
class CreatableRenewers:
    """One principal that may renew the token."""

    principal_type: String = field()
    principal_name: String = field()


@struct
class CreateDelegationTokenResponse:
    """The token: its id is public, its HMAC is the secret."""

    error_code: Int16 = field()
    principal_type: String = field()
    principal_name: String = field()
    token_requester_principal_type: String = field("3+")
    token_requester_principal_name: String = field("3+")
    issue_timestamp_ms: Int64 = field()
    expiry_timestamp_ms: Int64 = field()
    max_timestamp_ms: Int64 = field()
    token_id: String = field()
    hmac: Bytes = field()
    throttle_time_ms: Int32 = field()


CREATE_DELEGATION_TOKEN = Api(
    38, versions="0-3", flexible="2+", request=CreateDelegationTokenRequest, response=CreateDelegationTokenResponse
)
