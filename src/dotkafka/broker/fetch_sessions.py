"""Fetch sessions (KIP-227): a client names its partitions once, and then only what changes.

A session is a list of partitions with what was last told about each. A client opens one with epoch 0, goes on with
epochs 1, 2, 3 ..., and ends it with epoch -1. The broker answers only partitions that have something new to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dotkafka.protocol.messages.fetch import FetchRequest

NO_SESSION: Final = 0
FULL_WITHOUT_SESSION: Final = -1
FULL_NEW_SESSION: Final = 0
EVICTION_MS: Final = 120_000
"""A session unused for this long may make room for a new one (Kafka's min.incremental.fetch.session.eviction.ms)."""
MAX_EPOCH: Final = 2**31 - 1


class PartitionKey(NamedTuple):
    """How a request names a partition: by topic name up to version 12, by topic id from 13. The other one is empty."""

    topic: str
    topic_id: bytes
    partition: int


class FetchedPartition:
    """One partition that a client wants, and what it was last told about it."""

    __slots__ = (
        "current_leader_epoch",
        "fetch_offset",
        "high_watermark",
        "key",
        "last_fetched_epoch",
        "last_stable_offset",
        "log_start_offset",
        "max_bytes",
        "must_answer",
    )

    def __init__(self, key: PartitionKey) -> None:
        self.key = key
        self.fetch_offset = 0
        self.max_bytes = 0
        self.current_leader_epoch = -1
        self.last_fetched_epoch = -1
        self.high_watermark = -1
        self.last_stable_offset = -1
        self.log_start_offset = -1
        self.must_answer = True
        """Whether the next answer names the partition whatever it says: it is new to the session, or had an error."""


class FetchSession:
    """The partitions of one client, in the order in which they are to be served."""

    __slots__ = ("epoch", "id", "last_used_ms", "partitions", "uses_topic_ids")

    def __init__(self, session_id: int, *, uses_topic_ids: bool) -> None:
        self.id = session_id
        self.epoch = 1
        """That the next incremental request must carry."""
        self.uses_topic_ids = uses_topic_ids
        self.last_used_ms = 0
        self.partitions: dict[PartitionKey, FetchedPartition] = {}

    def update(self, request: FetchRequest) -> None:
        """Take what a request adds, changes and forgets."""
        for partition in requested_partitions(request):
            known = self.partitions.get(partition.key)
            if known is None:
                self.partitions[partition.key] = partition
            else:
                known.fetch_offset = partition.fetch_offset
                known.max_bytes = partition.max_bytes
                known.current_leader_epoch = partition.current_leader_epoch
                known.last_fetched_epoch = partition.last_fetched_epoch
        for forgotten in request.forgotten_topics_data:
            for index in forgotten.partitions:
                self.partitions.pop(PartitionKey(forgotten.topic, bytes(forgotten.topic_id), index), None)

    def serve_last(self, partition: FetchedPartition) -> None:
        """Move a partition that has given records behind the others, so that all get their turn."""
        self.partitions[partition.key] = self.partitions.pop(partition.key)


class FetchContext(NamedTuple):
    """How one request is to be answered: which partitions, and in which session, if any."""

    session: FetchSession | None
    is_incremental: bool
    partitions: Iterable[FetchedPartition]

    @property
    def session_id(self) -> int:
        """The id for the response."""
        return self.session.id if self.session else NO_SESSION


def requested_partitions(request: FetchRequest) -> Iterable[FetchedPartition]:
    """Yield the partitions that a request names, in its order."""
    for topic in request.topics:
        topic_id = bytes(topic.topic_id)
        for wanted in topic.partitions:
            partition = FetchedPartition(PartitionKey(topic.topic, topic_id, wanted.partition))
            partition.fetch_offset = wanted.fetch_offset
            partition.max_bytes = wanted.partition_max_bytes
            partition.current_leader_epoch = wanted.current_leader_epoch
            partition.last_fetched_epoch = wanted.last_fetched_epoch
            yield partition


class FetchSessions:
    """All sessions of the broker: at most `slots`, the longest unused ones making room."""

    def __init__(self, slots: int, random_bytes: Callable[[int], bytes]) -> None:
        self._slots = slots
        self._random_bytes = random_bytes
        self._sessions: dict[int, FetchSession] = {}
        """By id, longest unused first."""

    def __len__(self) -> int:
        """How many sessions there are."""
        return len(self._sessions)

    def begin(self, request: FetchRequest, *, uses_topic_ids: bool, now_ms: int) -> FetchContext:
        """Find or open the session that a request asks for.

        Raises:
            ApiError: FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR; the
            client
                then begins again with a full request.
        """
        if request.session_epoch in {FULL_WITHOUT_SESSION, FULL_NEW_SESSION}:
            self._sessions.pop(request.session_id, None)
            session = None
            if request.session_epoch == FULL_NEW_SESSION:
                session = self._open(uses_topic_ids=uses_topic_ids, now_ms=now_ms)
            if session is None:
                return FetchContext(None, is_incremental=False, partitions=list(requested_partitions(request)))
            session.update(request)
            return FetchContext(session, is_incremental=False, partitions=list(session.partitions.values()))
        session = self._sessions.get(request.session_id)
        if session is None:
            raise ApiError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != request.session_epoch:
            raise ApiError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            raise ApiError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        session.epoch = 1 if session.epoch == MAX_EPOCH else session.epoch + 1
        session.last_used_ms = now_ms
        self._sessions[session.id] = self._sessions.pop(session.id)
        session.update(request)
        return FetchContext(session, is_incremental=True, partitions=list(session.partitions.values()))

    def _open(self, *, uses_topic_ids: bool, now_ms: int) -> FetchSession | None:
        if len(self._sessions) >= self._slots:
            oldest = next(iter(self._sessions.values()), None)
            if oldest is None or now_ms - oldest.last_used_ms < EVICTION_MS:
                return None
            del self._sessions[oldest.id]
        session_id = NO_SESSION
        while session_id == NO_SESSION or session_id in self._sessions:
            session_id = int.from_bytes(self._random_bytes(4), "big") & MAX_EPOCH
        session = self._sessions[session_id] = FetchSession(session_id, uses_topic_ids=uses_topic_ids)
        session.last_used_ms = now_ms
        return session
