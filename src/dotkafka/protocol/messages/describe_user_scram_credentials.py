"""DescribeUserScramCredentials (key 50): which users have SCRAM credentials; never the credentials (KIP-554)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Int8, Int16, Int32, String, field, struct


@struct
class DescribeUserScramCredentialsRequest:
    """The users; null or none asks for all."""

    users: Array[UserName] | None = field(nullable="0+")


@struct
class UserName:
    """One user."""

    name: String = field()


@struct
class DescribeUserScramCredentialsResponse:
    """What each user has."""

    throttle_time_ms: Int32 = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    results: Array[DescribeUserScramCredentialsResult] = field()


@struct
class DescribeUserScramCredentialsResult:
    """What one user has."""

    user: String = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")
    credential_infos: Array[CredentialInfo] = field()


@struct
class CredentialInfo:
    """One credential; mechanism 1 is SCRAM-SHA-256, 2 SCRAM-SHA-512."""

    mechanism: Int8 = field()
    iterations: Int32 = field()


DESCRIBE_USER_SCRAM_CREDENTIALS = Api(
    50,
    versions="0",
    flexible="0+",
    request=DescribeUserScramCredentialsRequest,
    response=DescribeUserScramCredentialsResponse,
)
