"""DescribeDelegationToken (key 41): list tokens (KIP-48).

- 3: who asked for a token, if not its owner (KIP-373).
"""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Bytes, Int16, Int32, Int64, String, field, struct


@struct
class DescribeDelegationTokenRequest:
    """Whose tokens; null asks for all that one may see."""

    owners: Array[DescribeDelegationTokenOwner] | None = field(nullable="0+")


@struct
class DescribeDelegationTokenOwner:
    """One principal."""

    principal_type: String = field()
    principal_name: String = field()


@struct
class DescribeDelegationTokenResponse:
    """The tokens."""

    error_code: Int16 = field()
    tokens: Array[DescribedDelegationToken] = field()
    throttle_time_ms: Int32 = field()


@struct
class DescribedDelegationToken:
    """One token, secret included."""

    principal_type: String = field()
    principal_name: String = field()
    token_requester_principal_type: String = field("3+")
    token_requester_principal_name: String = field("3+")
    issue_timestamp: Int64 = field()
    expiry_timestamp: Int64 = field()
    max_timestamp: Int64 = field()
    token_id: String = field()
    hmac: Bytes = field()
    renewers: Array[DescribedDelegationTokenRenewer] = field()


@struct
class DescribedDelegationTokenRenewer:
    """One principal that may renew the token."""

    principal_type: String = field()
    principal_name: String = field()


DESCRIBE_DELEGATION_TOKEN = Api(
    41, versions="0-3", flexible="2+", request=DescribeDelegationTokenRequest, response=DescribeDelegationTokenResponse
)
