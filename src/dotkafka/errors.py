"""Every exception that dotkafka raises on purpose.

Three families, by who is at fault and what the catcher can do:

- `ProtocolError`: bytes or values that are not what Kafka's protocol allows. `DecodeError` is the peer's fault (answer
  if the protocol has an answer, else close the connection), `EncodeError` is ours or the caller's.
- `StorageError`: a storage engine speaks through the seams of `dotkafka.storage.spi`. Its three kinds are three
  different duties for the broker.
- `ApiError`: an expected refusal that Kafka's protocol has an error code for. The dispatcher makes it a response.

Any other exception that leaves dotkafka is a bug in dotkafka.
"""

from typing import Final

MAX_MESSAGE_CHARACTERS: Final = 1000
"""Messages of refusals quote what a client sent, such as names of 32 KiB; they must fit a string of the protocol, and a
log should stay readable."""


class DotkafkaError(Exception):
    """Base of every exception raised on purpose."""


class ProtocolError(DotkafkaError):
    """Bytes or values that Kafka's protocol does not allow."""


class DecodeError(ProtocolError):
    """The peer's bytes are not a valid message: truncated, out of bounds, or over a limit."""


class EncodeError(ProtocolError):
    """A value cannot be written: out of range, null where none may be, or set at a version that has no place for it."""


class ApiError(DotkafkaError):
    """An expected refusal, answered with an error code of Kafka's protocol.

    Args:
        error_code: the number on the wire; see `dotkafka.protocol.error_codes.ErrorCode`.
        message: for the responses that carry one, and for the log; says what to do where there is something to do. What
            is too long of it is left out.
    """

    def __init__(self, error_code: int, message: str = "") -> None:
        message = shortened(message)
        super().__init__(error_code, message)
        self.error_code = error_code
        self.message = message

    def __str__(self) -> str:
        name = getattr(self.error_code, "name", "error code")  # one of `ErrorCode` has a name
        code = f"{name} ({int(self.error_code)})"
        return f"{code}: {self.message}" if self.message else code


def shortened(message: str) -> str:
    """Return a message with no more than `MAX_MESSAGE_CHARACTERS`."""
    return message if len(message) <= MAX_MESSAGE_CHARACTERS else message[: MAX_MESSAGE_CHARACTERS - 3] + "..."


class StorageError(DotkafkaError):
    """A storage engine could not do what it was asked."""


class Fenced(StorageError):  # noqa: N818 (the state has a name of its own in Kafka)
    """A newer owner has opened this shard: drop all state, write no more, answer NOT_LEADER_OR_FOLLOWER."""


class StorageUnavailable(StorageError):  # noqa: N818 (a condition, not a mistake)
    """The outcome of the call is unknown or it could not be done now (a full disk, a lost connection).

    Calling again with the same bytes is safe, and is the only thing to do.
    """


class StorageFailed(StorageError):  # noqa: N818 (a condition, not a mistake)
    """The engine's promise is broken for good: a failed fsync, damage in the middle of a log. Stop writing."""
