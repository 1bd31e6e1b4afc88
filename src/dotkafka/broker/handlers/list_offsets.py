"""ListOffsets: which offset a partition has at a time, or at its ends.

Versions 0-11 are served; 0 is one that Kafka 4 no longer has, but librdkafka up to 1.7 sends whatever is advertised.
Version 0 asks for several offsets per partition and gets one. Times that mean something else: -1 the end, -2 the
start, from version 7 -3 the record with the largest timestamp, from version 8 -4 the start of what is not in tiered
storage, from version 9 -5 the end of what is, from version 11 -6 the start of what is not uploaded yet. There is no
tiered storage here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.broker.dispatch import handles
from dotkafka.errors import ApiError, DecodeError, StorageError
from dotkafka.log.partition_log import COLD
from dotkafka.log.timestamps import TimestampOffset, find_max_timestamp, find_timestamp
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.broker.storage_work import TimestampSearchWork
    from dotkafka.log.partition_log import PartitionLog

READ_COMMITTED: Final = 1

LATEST: Final = -1
EARLIEST: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL: Final = -4
LATEST_TIERED: Final = -5
EARLIEST_PENDING_UPLOAD: Final = -6
FIRST_VERSION_WITH: Final = {MAX_TIMESTAMP: 7, EARLIEST_LOCAL: 8, LATEST_TIERED: 9, EARLIEST_PENDING_UPLOAD: 11}
FIRST_VERSION_WITH_LEADER_EPOCHS: Final = 4

NOTHING_FOUND: Final = TimestampOffset(timestamp_ms=-1, offset=-1, leader_epoch=-1)


@handles(LIST_OFFSETS, versions="0-11", advertised="1-11", answers_little=True)
def list_offsets(broker: Broker, request: ListOffsetsRequest, exchange: Exchange[ListOffsetsResponse]) -> None:
    """Answer each partition from memory, or after a search in L2."""
    Lookup(broker, request, exchange).begin()


class Lookup:
    """One ListOffsets request: answers when all its partitions have their offsets."""

    def __init__(self, broker: Broker, request: ListOffsetsRequest, exchange: Exchange[ListOffsetsResponse]) -> None:
        self._broker = broker
        self._request = request
        self._exchange = exchange
        self._response = ListOffsetsResponse()
        self._outstanding = 0

    def begin(self) -> None:
        """Look at all partitions, and answer unless L2 must be asked."""
        self._response.topics = [
            ListOffsetsTopicResponse(
                name=topic.name, partitions=[self._look_up(topic.name, asked) for asked in topic.partitions]
            )
            for topic in self._request.topics
        ]
        if self._outstanding == 0:
            self._exchange.respond(self._response)

    def _look_up(self, topic: str, asked: ListOffsetsPartition) -> ListOffsetsPartitionResponse:
        answer = ListOffsetsPartitionResponse(partition_index=asked.partition_index)
        try:
            if (
                self._exchange.version < FIRST_VERSION_WITH.get(asked.timestamp, 0)
                or asked.timestamp < EARLIEST_PENDING_UPLOAD
            ):
                raise ApiError(ErrorCode.UNSUPPORTED_VERSION)
            _, log = self._broker.partition(topic, asked.partition_index)
            self._broker.check_leader_epoch(asked.current_leader_epoch)
            found = self._find(log, asked.timestamp, answer)
        except ApiError as error:
            answer.error_code = error.error_code
        else:
            if found is not None:
                self._fill(answer, found)
        return answer

    def _find(self, log: PartitionLog, timestamp: int, answer: ListOffsetsPartitionResponse) -> TimestampOffset | None:
        """Return what is asked for, or None if L2 will tell."""
        up_to = log.last_stable_offset if self._request.isolation_level == READ_COMMITTED else log.high_watermark
        epoch = self._broker.shard.leader_epoch
        if timestamp == LATEST:
            return TimestampOffset(-1, up_to, epoch)
        if timestamp in {EARLIEST, EARLIEST_LOCAL, EARLIEST_PENDING_UPLOAD}:
            return TimestampOffset(-1, log.log_start_offset, log.leader_epochs.epoch_for_offset(log.log_start_offset))
        if timestamp == LATEST_TIERED:
            return NOTHING_FOUND
        if timestamp == MAX_TIMESTAMP:
            return self._find_max_timestamp(log, up_to, answer)
        found = log.offset_for_timestamp(timestamp, up_to=up_to)
        if found is not COLD:
            return found or NOTHING_FOUND
        search = self._broker.shard.search_timestamp(log, timestamp, log.log_start_offset)
        self._wait(search, log, answer, lambda: _found_in_l2(log, search, timestamp, up_to))
        return None

    def _find_max_timestamp(
        self, log: PartitionLog, up_to: int, answer: ListOffsetsPartitionResponse
    ) -> TimestampOffset | None:
        found = log.max_timestamp(up_to=up_to)
        if found is not COLD:
            return found or NOTHING_FOUND
        largest = log.max_timestamp_batch(up_to=up_to)
        if largest is None:
            return NOTHING_FOUND
        search = self._broker.shard.search_timestamp(log, largest.max_timestamp_ms, largest.base_offset)
        self._wait(search, log, answer, lambda: find_max_timestamp(search.batch) if search.batch is not None else None)
        return None

    def _wait(
        self,
        work: TimestampSearchWork,
        log: PartitionLog,
        answer: ListOffsetsPartitionResponse,
        find: Callable[[], TimestampOffset | None],
    ) -> None:
        """Fill `answer` when `work` has run; the last one to do so sends the response."""

        def then() -> None:
            try:
                self._fill(answer, self._found(work, log, find) or NOTHING_FOUND)
            except ApiError as error:
                answer.error_code = error.error_code
            self._outstanding -= 1
            if self._outstanding == 0:
                self._exchange.respond(self._response)

        self._outstanding += 1
        self._broker.when_read(work, then)

    def _found(
        self, work: TimestampSearchWork, log: PartitionLog, find: Callable[[], TimestampOffset | None]
    ) -> TimestampOffset | None:
        try:
            if work.error is not None:
                raise work.error
            return find()
        except (StorageError, DecodeError) as error:
            topic = self._broker.metadata.topics_by_id.get(log.partition.topic_id)
            name = topic.name if topic is not None else "a deleted topic"
            raise self._broker.damage.refusal(name, log.partition, work.start_offset, error) from error

    def _fill(self, answer: ListOffsetsPartitionResponse, found: TimestampOffset) -> None:
        if self._exchange.version == 0:
            answer.old_style_offsets = [] if found.offset < 0 else [found.offset]
            return
        answer.timestamp, answer.offset = found.timestamp_ms, found.offset
        if self._exchange.version >= FIRST_VERSION_WITH_LEADER_EPOCHS:
            answer.leader_epoch = found.leader_epoch


def _found_in_l2(log: PartitionLog, search: TimestampSearchWork, timestamp: int, up_to: int) -> TimestampOffset | None:
    if search.batch is not None:
        found = find_timestamp(search.batch, timestamp, log.log_start_offset)
        if found is not None:
            return found if found.offset < up_to else None
    hot = log.offset_for_timestamp(timestamp, up_to=up_to, skip_cold=True)
    return None if hot is COLD else hot
