"""OffsetForLeaderEpoch: where the batches of a leader epoch end (KIP-101, KIP-279, KIP-320).

Versions 2-4 are served. A consumer asks after a restart of the broker whether what it has read is still in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.broker.dispatch import handles
from dotkafka.errors import ApiError
from dotkafka.protocol.messages.offset_for_leader_epoch import (
    OFFSET_FOR_LEADER_EPOCH,
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)

if TYPE_CHECKING:
    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange


@handles(OFFSET_FOR_LEADER_EPOCH, versions="2-4")
def offset_for_leader_epoch(
    broker: Broker, request: OffsetForLeaderEpochRequest, exchange: Exchange[OffsetForLeaderEpochResponse]
) -> OffsetForLeaderEpochResponse:
    """Answer from the leader epochs of each partition."""
    return OffsetForLeaderEpochResponse(
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=[_end_offset(broker, topic.topic, asked) for asked in topic.partitions]
            )
            for topic in request.topics
        ]
    )


def _end_offset(broker: Broker, topic: str, asked: OffsetForLeaderPartition) -> EpochEndOffset:
    try:
        _, log = broker.partition(topic, asked.partition)
        broker.check_leader_epoch(asked.current_leader_epoch)
    except ApiError as error:
        return EpochEndOffset(partition=asked.partition, error_code=error.error_code, leader_epoch=-1, end_offset=-1)
    epoch, end_offset = log.end_offset_for_epoch(asked.leader_epoch)
    return EpochEndOffset(partition=asked.partition, leader_epoch=epoch, end_offset=end_offset)
