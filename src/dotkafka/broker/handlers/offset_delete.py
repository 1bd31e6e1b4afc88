"""OffsetDelete: forget committed offsets of a group for topics that it does not read (KIP-496).

Version 0, the only one, is served. Partitions that do not exist are refused here, the rest is the coordinator's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(OFFSET_DELETE, versions="0")
def offset_delete(broker: Broker, request: OffsetDeleteRequest, exchange: Exchange[OffsetDeleteResponse]) -> None:
    """Hand the partitions that exist to the coordinator, which may refuse the whole, and answer for all."""
    refused: dict[str, list[OffsetDeleteResponsePartition]] = {}
    accepted: list[OffsetDeleteRequestTopic] = []
    for topic in request.topics:
        image = broker.metadata.topics_by_name.get(topic.name)
        count = image.partition_count if image else 0
        known = [partition for partition in topic.partitions if 0 <= partition.partition_index < count]
        if len(known) < len(topic.partitions):
            refused[topic.name] = [
                OffsetDeleteResponsePartition(
                    partition_index=partition.partition_index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                )
                for partition in topic.partitions
                if not 0 <= partition.partition_index < count
            ]
        if known:
            topic.partitions = known
            accepted.append(topic)
    request.topics = accepted
    broker.groups.handle(request, exchange, _DeleteAnswer(exchange, refused))


class _DeleteAnswer:
    """Adds to the coordinator's answer the partitions that it has not seen."""

    def __init__(
        self, exchange: Exchange[OffsetDeleteResponse], refused: dict[str, list[OffsetDeleteResponsePartition]]
    ) -> None:
        self._exchange = exchange
        self._refused = refused

    def respond(self, response: OffsetDeleteResponse) -> None:
        if not response.error_code:
            partitions = {topic.name: list(topic.partitions) for topic in response.topics}
            for name, refused in self._refused.items():
                partitions.setdefault(name, []).extend(refused)
            response.topics = [
                OffsetDeleteResponseTopic(name=name, partitions=answered) for name, answered in partitions.items()
            ]
        self._exchange.respond(response)
