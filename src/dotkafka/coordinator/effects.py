"""What one step of a coordinator asks its caller to do."""

from typing import Any, NamedTuple, Protocol

import attrs


class ReplyTo(Protocol):
    """Where an answer goes, when it is ready. A coordinator keeps it and hands it back; its caller gives it meaning."""


class Reply(NamedTuple):
    """An answer that is ready: `response` is a message of the API that `reply_to` asked with."""

    reply_to: ReplyTo
    response: Any


class CoordinatorRecord(NamedTuple):
    """One record of a coordinator's internal topic, still as messages.

    `value` None is a tombstone: the key is forgotten. `value_version` is the version to write the value at.
    """

    key: Any
    value: Any | None
    value_version: int = 0


@attrs.frozen
class Effects:
    """What one step asks for: make all records durable, in order and as one batch, and only then send the replies."""

    records: tuple[CoordinatorRecord, ...] = ()
    replies: tuple[Reply, ...] = ()

    def __add__(self, other: "Effects") -> "Effects":
        """Both, in order."""
        return Effects(self.records + other.records, self.replies + other.replies)
