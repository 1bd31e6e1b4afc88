"""AlterUserScramCredentials (key 51): set and delete SCRAM credentials of users (KIP-554)."""

from __future__ import annotations

from dotkafka.protocol.schema import Api, Array, Bytes, Int8, Int16, Int32, String, field, struct


@struct
class AlterUserScramCredentialsRequest:
    """The credentials to delete and to set."""

    deletions: Array[ScramCredentialDeletion] = field()
    upsertions: Array[ScramCredentialUpsertion] = field()


@struct
class ScramCredentialDeletion:
    """One credential to delete; mechanism 1 is SCRAM-SHA-256, 2 SCRAM-SHA-512."""

    name: String = field()
    mechanism: Int8 = field()


@struct
class ScramCredentialUpsertion:
    """One credential to set: the password comes salted and hashed."""

    name: String = field()
    mechanism: Int8 = field()
    iterations: Int32 = field()
    salt: Bytes = field()
    salted_password: Bytes = field()


@struct
class AlterUserScramCredentialsResponse:
    """What became of each user."""

    throttle_time_ms: Int32 = field()
    results: Array[AlterUserScramCredentialsResult] = field()


@struct
class AlterUserScramCredentialsResult:
    """What became of one user."""

    user: String = field()
    error_code: Int16 = field()
    error_message: String | None = field(nullable="0+")


ALTER_USER_SCRAM_CREDENTIALS = Api(
    51,
    versions="0",
    flexible="0+",
    request=AlterUserScramCredentialsRequest,
    response=AlterUserScramCredentialsResponse,
)
