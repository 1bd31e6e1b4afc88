"""Wiretap and TappedConnection: bytes in, a history out."""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.conversation import Conversation
from dotkafka.testing.history import Mark
from dotkafka.testing.wiretap.groups import GroupCalls
from dotkafka.testing.wiretap.logs import LogCalls
from dotkafka.testing.wiretap.scene import Call, Scene

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dotkafka.protocol.conversation import RequestFrame, ResponseFrame
    from dotkafka.protocol.primitives import Buffer
    from dotkafka.testing.history import History

Translator: TypeAlias = Callable[[str, Any], Call]
"""Takes the name of a client and the body of its request."""
_NOTHING: Final = Call()


class Wiretap:
    """Writes what passes between clients and a broker into a history.

    What it knows of one connection explains what passes on others (the names of topics, fetch sessions, what is sent
    again), so all that a test judges goes through one Wiretap. It is not thread-safe.

    Args:
        history: that it writes. Its moments must be different ones, as they are by default.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        scene = Scene(history)
        logs, groups = LogCalls(scene), GroupCalls(scene)
        self._scene = scene
        self._numbers = itertools.count(1)
        self._translators: Mapping[int, Translator] = {
            ApiKey.METADATA: scene.metadata,
            ApiKey.CREATE_TOPICS: scene.create_topics,
            ApiKey.PRODUCE: logs.produce,
            ApiKey.FETCH: logs.fetch,
            ApiKey.LIST_OFFSETS: logs.list_offsets,
            ApiKey.DELETE_RECORDS: logs.delete_records,
            ApiKey.DELETE_TOPICS: logs.delete_topics,
            ApiKey.JOIN_GROUP: groups.join_group,
            ApiKey.SYNC_GROUP: groups.sync_group,
            ApiKey.HEARTBEAT: groups.heartbeat,
            ApiKey.LEAVE_GROUP: groups.leave_group,
            ApiKey.CONSUMER_GROUP_HEARTBEAT: groups.consumer_group_heartbeat,
            ApiKey.OFFSET_COMMIT: groups.offset_commit,
            ApiKey.OFFSET_FETCH: groups.offset_fetch,
            ApiKey.OFFSET_DELETE: groups.offset_delete,
            ApiKey.DELETE_GROUPS: groups.delete_groups,
        }

    def connect(self) -> TappedConnection:
        """Return what notes the bytes of a new connection."""
        return TappedConnection(self._scene, self._translators, next(self._numbers))


class TappedConnection:
    """One connection: what passes on it, in both directions. A client is named by its client id and by the connection.

    What cannot be decoded is a `Mark` in the history, and no more.
    """

    def __init__(self, scene: Scene, translators: Mapping[int, Translator], number: int) -> None:
        self._scene = scene
        self._translators = translators
        self._number = number
        self._conversation = Conversation()
        self._calls: dict[int, deque[Call]] = defaultdict(deque)
        """By correlation id; of two with the same, the first is answered first."""

    def feed_requests(self, data: Buffer) -> None:
        """Note bytes that the client has sent, before the broker has them.

        Raises:
            ValueError: they are part of a transaction; those are not judged yet.
        """
        for request in self._conversation.feed_requests(data):
            self._request(request)

    def feed_responses(self, data: Buffer) -> None:
        """Note bytes that the broker has sent, before the client has them.

        Raises:
            ValueError: they hold records of a transaction; those are not judged yet.
        """
        for response in self._conversation.feed_responses(data):
            self._response(response)

    def close(self) -> None:
        """Note that nothing more will pass: of calls that are under way nobody knows what becomes of them."""
        for calls in self._calls.values():
            for call in calls:
                self._scene.lose(*call.operations)
        self._calls.clear()

    def _request(self, request: RequestFrame) -> None:
        if request.header is None or request.body is None:
            self._mark(request)
            return
        client = f"{request.header.client_id} #{self._number}"
        translate = self._translators.get(request.header.api_key)
        call = _NOTHING if translate is None else translate(client, request.body)
        if request.expects_response:
            self._calls[request.header.correlation_id].append(call)

    def _response(self, response: ResponseFrame) -> None:
        if response.header is None:
            self._mark(response)
            return
        calls = self._calls[response.header.correlation_id]
        call = calls.popleft() if calls else _NOTHING
        if not calls:
            del self._calls[response.header.correlation_id]
        if response.body is None:
            self._mark(response)
            self._scene.lose(*call.operations)
        elif call.answered is not None:
            call.answered(response.body)

    def _mark(self, frame: RequestFrame | ResponseFrame) -> None:
        if frame.error is not None:
            self._scene.history.add(Mark(f"connection {self._number}", f"bytes that cannot be decoded: {frame.error}"))
