"""OffsetFetch: what groups have read.

Versions 1-10 are served: from version 2 null topics mean all, from version 8 a request asks for several groups, from
version 10 topics are named by id (KIP-848). A topic id that is not known is answered here, the rest is the
coordinator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

FIRST_VERSION_WITH_TOPIC_IDS: Final = 10


@handles(OFFSET_FETCH, versions="1-10")
def offset_fetch(broker: Broker, request: OffsetFetchRequest, exchange: Exchange[OffsetFetchResponse]) -> None:
    """Let the coordinator answer, in names, whatever the version."""
    if exchange.version < FIRST_VERSION_WITH_TOPIC_IDS:
        broker.groups.handle(request, exchange)
    else:
        broker.groups.handle(request, exchange, _FetchAnswerById(broker, request, exchange))


class _FetchAnswerById:
    """Turns topic ids into names in the request, and names into ids in the answer."""

    def __init__(self, broker: Broker, request: OffsetFetchRequest, exchange: Exchange[OffsetFetchResponse]) -> None:
        self._broker = broker
        self._exchange = exchange
        self._unknown: dict[str, list[OffsetFetchResponseTopics]] = {}
        for group in request.groups:
            if group.topics is None:
                continue
            known: list[OffsetFetchRequestTopics] = []
            for topic in group.topics:
                image = broker.metadata.topics_by_id.get(topic.topic_id)
                if image is None:
                    self._unknown.setdefault(group.group_id, []).append(_unknown_topic(topic))
                else:
                    topic.name = image.name
                    known.append(topic)
            group.topics = known

    def respond(self, response: OffsetFetchResponse) -> None:
        for group in response.groups:
            answered: list[OffsetFetchResponseTopics] = []
            for topic in group.topics:
                image = self._broker.metadata.topics_by_name.get(topic.name)
                # A topic deleted meanwhile has no id any more, and nothing to be said of.
                if image is not None:
                    topic.topic_id = image.topic_id
                    answered.append(topic)
            group.topics = [*answered, *self._unknown.get(group.group_id, ())] if not group.error_code else answered
        self._exchange.respond(response)


def _unknown_topic(topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics:
    return OffsetFetchResponseTopics(
        topic_id=topic.topic_id,
        partitions=[
            OffsetFetchResponsePartitions(
                partition_index=partition,
                committed_offset=-1,
                metadata="",
                error_code=ErrorCode.UNKNOWN_TOPIC_ID,
            )
            for partition in topic.partition_indexes
        ],
    )
