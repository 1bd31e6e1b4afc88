"""OffsetCommit: keep what a group has read.

Versions 1-10 are served; 1 is one that Kafka 4 no longer has, but librdkafka up to 1.2 and sarama up to 1.40 send.
From version 10 topics are named by id (KIP-848). Partitions that do not exist are refused here, the rest is the
coordinator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange

FIRST_VERSION_WITH_TOPIC_IDS: Final = 10


@handles(OFFSET_COMMIT, versions="1-10", advertised="2-10", answers_little=True)
def offset_commit(broker: Broker, request: OffsetCommitRequest, exchange: Exchange[OffsetCommitResponse]) -> None:
    """Hand the partitions that exist to the coordinator, and answer for all."""
    by_id = exchange.version >= FIRST_VERSION_WITH_TOPIC_IDS
    refused: list[OffsetCommitResponseTopic] = []
    accepted: list[OffsetCommitRequestTopic] = []
    for topic in request.topics:
        image = (
            broker.metadata.topics_by_id.get(topic.topic_id)
            if by_id
            else broker.metadata.topics_by_name.get(topic.name)
        )
        count = image.partition_count if image else 0
        unknown = [partition for partition in topic.partitions if not 0 <= partition.partition_index < count]
        if unknown:
            code = ErrorCode.UNKNOWN_TOPIC_ID if by_id and image is None else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
            refused.append(_refused_topic(topic, unknown, code))
        if image is not None and len(unknown) < len(topic.partitions):
            topic.name, topic.topic_id = image.name, image.topic_id
            topic.partitions = [partition for partition in topic.partitions if 0 <= partition.partition_index < count]
            accepted.append(topic)
    if not accepted and refused:
        exchange.respond(OffsetCommitResponse(topics=refused))
        return
    request.topics = accepted
    broker.groups.handle(
        request,
        exchange,
        _CommitAnswer(exchange, refused, {topic.name: topic.topic_id for topic in accepted}),
    )


class _CommitAnswer:
    """Adds to the coordinator's answer what it has not seen: the partitions refused, and the ids of the topics."""

    def __init__(
        self,
        exchange: Exchange[OffsetCommitResponse],
        refused: list[OffsetCommitResponseTopic],
        topic_ids: dict[str, bytes],
    ) -> None:
        self._exchange = exchange
        self._refused = refused
        self._topic_ids = topic_ids

    def respond(self, response: OffsetCommitResponse) -> None:
        for topic in response.topics:
            topic.topic_id = self._topic_ids[topic.name]
        response.topics = [*response.topics, *self._refused]
        self._exchange.respond(response)


def _refused_topic(
    topic: OffsetCommitRequestTopic, partitions: Sequence[OffsetCommitRequestPartition], code: ErrorCode
) -> OffsetCommitResponseTopic:
    return OffsetCommitResponseTopic(
        name=topic.name,
        topic_id=topic.topic_id,
        partitions=[
            OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=code)
            for partition in partitions
        ],
    )
