"""What all tapped connections know together, and what a call is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.testing.history import History, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dotkafka.protocol.messages.create_topics import CreateTopicsResponse
    from dotkafka.protocol.messages.metadata import MetadataResponse

NO_TOPIC_ID: Final = bytes(16)
UNCERTAIN: Final = frozenset(
    {
        ErrorCode.UNKNOWN_SERVER_ERROR,
        ErrorCode.LEADER_NOT_AVAILABLE,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.REQUEST_TIMED_OUT,
        ErrorCode.BROKER_NOT_AVAILABLE,
        ErrorCode.NETWORK_EXCEPTION,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        ErrorCode.NOT_CONTROLLER,
        ErrorCode.DUPLICATE_SEQUENCE_NUMBER,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)
"""With these, what was asked for may have happened all the same. All other errors are refusals."""


class Call(NamedTuple):
    """A request that waits for its response."""

    answered: Callable[[Any], None] | None = None
    """Takes the body of the response; None if it says nothing of interest."""
    operations: Iterable[Operation] = ()
    """What has begun with it: where no response comes, nobody knows what became of them."""


@attrs.define
class Scene:
    """The history that is written, and what names mean."""

    history: History
    names: dict[bytes, str] = attrs.field(factory=dict)
    """Of topics, by their ids."""
    internal: set[str] = attrs.field(factory=set)
    """Topics that the broker writes itself."""

    def name_of(self, name: str | None, topic_id: bytes) -> str:
        """Return the name of a topic that goes by either; empty if the id was never explained, or it is internal."""
        found = name or self.names.get(bytes(topic_id), "")
        return "" if found in self.internal else found

    def metadata(self, _client: str, _request: object) -> Call:
        """Metadata: what topics there are."""

        def answered(response: MetadataResponse) -> None:
            for topic in response.topics:
                self._learn(topic.name, topic.topic_id)
                if topic.name is not None and topic.is_internal:
                    self.internal.add(topic.name)

        return Call(answered)

    def create_topics(self, _client: str, _request: object) -> Call:
        """CreateTopics: what ids they have from now on."""

        def answered(response: CreateTopicsResponse) -> None:
            for topic in response.topics:
                self._learn(topic.name, topic.topic_id)

        return Call(answered)

    def _learn(self, name: str | None, topic_id: bytes) -> None:
        if name is not None and topic_id != NO_TOPIC_ID:
            self.names[bytes(topic_id)] = name

    def end(self, operation: Operation, error_code: int, **answer: Any) -> None:
        """Note how a call has ended. One that may have happened earlier is not undone by a refusal later."""
        if error_code == ErrorCode.NONE:
            self.history.ok(operation, **answer)
        elif error_code in UNCERTAIN:
            self.lose(operation)
        elif operation.outcome is Outcome.PENDING:
            self.history.fail(operation)

    def lose(self, *operations: Operation) -> None:
        """Note that nobody can tell any more how calls have ended, of which no answer has told it before."""
        for operation in operations:
            if not operation.is_ok:
                self.history.unknown(operation)
