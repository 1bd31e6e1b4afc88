"""Fetch: read record batches from partitions, at once or as soon as there are some.

Versions 4-18 are served. Until version 12 topics are named by name, from 13 by id (KIP-516); from 7 there are fetch
sessions (KIP-227). Batches go out as they were stored: whole, never decoded. A consumer sees what is durable (up to
the high watermark), or with read_committed what is also decided (up to the last stable offset).

Left out: reading as a follower (a replica id is ignored), rack-aware reading from followers (KIP-392), since one
broker has it all.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from dotkafka.broker.answer_memory import LITTLE_BYTES
from dotkafka.broker.dispatch import handles
from dotkafka.errors import ApiError, DecodeError, StorageError
from dotkafka.log.partition_log import COLD, Cold
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import (
    FETCH,
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from dotkafka.records.batch import batch_headers
from dotkafka.records.compression import Compression

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.broker.fetch_sessions import FetchContext, FetchedPartition, PartitionKey
    from dotkafka.broker.storage_work import ReadWork
    from dotkafka.clock import Instant
    from dotkafka.log.partition_log import PartitionLog
    from dotkafka.metadata.image import TopicImage
    from dotkafka.storage.spi import Buffer

READ_COMMITTED: Final = 1
FIRST_VERSION_WITH_ZSTD: Final = 10
FIRST_VERSION_WITH_TOPIC_IDS: Final = 13
MAX_COLD_READS: Final = 16
"""Partitions read from L2 for one request; the others are served by the next one."""


@handles(FETCH, versions="4-18", answers_little=True)
def fetch(broker: Broker, request: FetchRequest, exchange: Exchange[FetchResponse]) -> FetchResponse | None:
    """Answer with records at once if there are enough, else when there are, or when the client's patience ends."""
    uses_topic_ids = exchange.version >= FIRST_VERSION_WITH_TOPIC_IDS
    try:
        context = broker.fetch_sessions.begin(request, uses_topic_ids=uses_topic_ids, now_ms=broker.now.monotonic_ms)
    except ApiError as error:
        return FetchResponse(error_code=error.error_code)
    WaitingFetch(broker, request, exchange, context).begin()
    return None


class WaitingFetch:
    """One Fetch request, from its arrival to its answer."""

    __slots__ = ("_broker", "_cold", "_context", "_exchange", "_held_bytes", "_request")

    def __init__(
        self, broker: Broker, request: FetchRequest, exchange: Exchange[FetchResponse], context: FetchContext
    ) -> None:
        self._broker = broker
        self._request = request
        self._exchange = exchange
        self._context = context
        self._cold: dict[PartitionKey, Sequence[Buffer] | StorageError] = {}
        """What has been read from L2 for this request, or why it could not be."""
        self._held_bytes = 0

    def begin(self) -> None:
        """Answer at once, or ask L2, or wait."""
        reading = self._look()
        if reading.cold:
            self._read_cold(reading.cold)
        else:
            self._answer_or_wait(reading)

    def _look(self) -> Reading:
        return Reading(self._broker, self._request, self._context, self._exchange.version, self._cold)

    def _answer_or_wait(self, reading: Reading) -> None:
        if reading.is_enough or self._request.max_wait_ms <= 0 or self._broker.is_closing:
            self._answer(reading)
        else:
            deadline_ms = self._broker.now.monotonic_ms + self._request.max_wait_ms
            self._broker.purgatory.add(self, reading.logs, deadline_ms)

    def wake(self, _now: Instant) -> bool:
        """Look again: a partition has advanced, or is gone."""
        reading = self._look()
        if not reading.is_enough:
            return False
        self._answer(reading)
        return True

    def expire(self, _now: Instant) -> None:
        """Answer with what there is."""
        self._answer(self._look())

    def _read_cold(self, cold: Sequence[tuple[FetchedPartition, PartitionLog]]) -> None:
        """Read what memory has forgotten from L2, all partitions at once and no more than fits, and then look again."""
        cold = cold[:MAX_COLD_READS]
        share_bytes = _most_bytes(self._broker, self._request) // len(cold)
        outstanding = set()
        for partition, log in cold:
            max_bytes = min(partition.max_bytes, share_bytes)
            work = self._broker.shard.read_cold(log.partition, partition.fetch_offset, max_bytes)
            self._hold(max_bytes)
            outstanding.add(work)
            self._broker.when_read(work, partial(self._cold_read, work, partition.key, outstanding))

    def _hold(self, size_bytes: int) -> None:
        """Count what is being read from L2 until it becomes the answer."""
        self._held_bytes += size_bytes
        self._exchange.connection.hold_reading(size_bytes)

    def _cold_read(self, work: ReadWork, key: PartitionKey, outstanding: set[ReadWork]) -> None:
        """Keep what L2 has given; after the last read, answer: what is cold is worth no further wait.

        Unless it is too much now: then it is forgotten, and the client learns at the end of its wait to ask again.
        """
        outstanding.discard(work)
        self._cold[key] = work.error or work.batches
        if not outstanding:
            self._hold(-self._held_bytes)
            reading = self._look()
            if self._broker.answer_memory.is_scarce:
                self._cold = {}
                self._answer_or_wait(reading)
            else:
                self._answer(reading)

    def _answer(self, reading: Reading) -> None:
        self._exchange.respond(reading.response())
        self._cold = {}


def _most_bytes(broker: Broker, request: FetchRequest) -> int:
    """Return how many bytes of records the answer may have now; a single batch may be more, unless they are scarce."""
    left_bytes = max(broker.answer_memory.left_bytes, LITTLE_BYTES)
    return max(min(request.max_bytes, broker.config.fetch_max_bytes, left_bytes), 0)


class Reading:
    """One look at all partitions of a request: what each has to give now."""

    def __init__(
        self,
        broker: Broker,
        request: FetchRequest,
        context: FetchContext,
        version: int,
        cold_batches: dict[PartitionKey, Sequence[Buffer] | StorageError],
    ) -> None:
        self.logs: list[PartitionLog] = []
        self.cold: list[tuple[FetchedPartition, PartitionLog]] = []
        """Partitions that must be read from L2 first."""
        self._broker = broker
        self._context = context
        self._version = version
        self._read_committed = request.isolation_level == READ_COMMITTED
        self._cold_batches = cold_batches
        self._bytes_left = _most_bytes(broker, request)
        self._may_exceed = not broker.answer_memory.is_scarce
        """Whether the first batch is given whatever its size; otherwise a reader of large batches has to wait."""
        self._size_bytes = 0
        self._must_answer = False
        self._results = [(partition, self._read(partition)) for partition in context.partitions]
        self.is_enough = self._must_answer or self._size_bytes >= request.min_bytes or not self._results

    def response(self) -> FetchResponse:
        """Return the answer, and let the session remember what was told."""
        session = self._context.session
        response = FetchResponse(session_id=self._context.session_id)
        topics: dict[tuple[str, bytes], list[PartitionData]] = {}
        for partition, data in self._results:
            if self._context.is_incremental and not _is_news(partition, data):
                continue
            key = partition.key
            topics.setdefault((key.topic, key.topic_id), []).append(data)
            if session is not None:
                _remember(partition, data)
                if data.records:
                    session.serve_last(partition)
        response.responses = [
            FetchableTopicResponse(topic=topic, topic_id=topic_id, partitions=partitions)
            for (topic, topic_id), partitions in topics.items()
        ]
        return response

    def _read(self, partition: FetchedPartition) -> PartitionData:
        key = partition.key
        try:
            topic, log = self._broker.partition(
                key.topic_id if self._version >= FIRST_VERSION_WITH_TOPIC_IDS else key.topic, key.partition
            )
            self._broker.check_leader_epoch(partition.current_leader_epoch)
            return self._read_log(partition, topic, log)
        except ApiError as error:
            self._must_answer = True
            return PartitionData(
                partition_index=key.partition,
                error_code=error.error_code,
                high_watermark=-1,
                last_stable_offset=-1,
                log_start_offset=-1,
                records=b"",
            )

    def _read_log(self, partition: FetchedPartition, topic: TopicImage, log: PartitionLog) -> PartitionData:
        self.logs.append(log)
        data = PartitionData(
            partition_index=partition.key.partition,
            high_watermark=log.high_watermark,
            last_stable_offset=log.last_stable_offset,
            log_start_offset=log.log_start_offset,
            aborted_transactions=[] if self._read_committed else None,
            # Empty, never null: librdkafka refuses null.
            records=b"",
        )
        if partition.last_fetched_epoch >= 0 and self._diverges(partition, log, data):
            return data
        up_to = log.last_stable_offset if self._read_committed else log.high_watermark
        batches: Sequence[Buffer] | Literal[Cold.COLD] = log.read(
            partition.fetch_offset,
            min(partition.max_bytes, self._bytes_left),
            up_to=up_to,
            at_least_one=self._may_exceed and self._size_bytes == 0,
        )
        if batches is COLD:
            given = self._cold_batches.get(partition.key)
            if given is None:
                self.cold.append((partition, log))
                return data
            try:
                batches = self._fit(given, up_to)
            except (StorageError, DecodeError) as error:
                damage = self._broker.damage
                raise damage.refusal(topic.name, log.partition, partition.fetch_offset, error) from error
        if batches and self._version < FIRST_VERSION_WITH_ZSTD and _has_zstd(batches):
            raise ApiError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd takes Fetch version 10 or newer (KIP-110)")
        if batches:
            data.records = batches[0] if len(batches) == 1 else b"".join(batches)
            self._size_bytes += len(data.records)
            self._bytes_left -= len(data.records)
            if self._read_committed:
                data.aborted_transactions = [
                    AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
                    for aborted in log.aborted_transactions(partition.fetch_offset, up_to)
                ]
        return data

    def _fit(self, given: Sequence[Buffer] | StorageError, up_to: int) -> Sequence[Buffer]:
        """Return the batches from L2 that the request has room for; the first one of the answer needs none mostly.

        Their CRCs are for the consumer to check, as in Kafka.

        Raises:
            StorageError: they could not be read.
            DecodeError: the first one is none; what follows others is left to the next request.
        """
        if isinstance(given, StorageError):
            raise given
        fitting: list[Buffer] = []
        room = self._bytes_left
        try:
            for data in given:
                view = memoryview(data)
                for position, header in batch_headers(view):
                    must_fit = fitting or self._size_bytes or not self._may_exceed
                    if (must_fit and header.size_bytes > room) or header.next_offset > up_to:
                        return fitting
                    fitting.append(view[position : position + header.size_bytes])
                    room -= header.size_bytes
        except DecodeError:
            if not fitting:
                raise
        return fitting

    def _diverges(self, partition: FetchedPartition, log: PartitionLog, data: PartitionData) -> bool:
        """Tell a reader whose last record is of an epoch that ended before its offset where the logs part (KIP-595)."""
        epoch, end_offset = log.end_offset_for_epoch(partition.last_fetched_epoch)
        if epoch == partition.last_fetched_epoch and end_offset >= partition.fetch_offset:
            return False
        data.diverging_epoch = EpochEndOffset(epoch=epoch, end_offset=end_offset)
        self._must_answer = True
        return True


def _is_news(partition: FetchedPartition, data: PartitionData) -> bool:
    """Whether an incremental answer must name the partition: it has records, an error, or moved offsets."""
    return bool(
        data.records
        or data.error_code
        or partition.must_answer
        or data.diverging_epoch.epoch >= 0
        or partition.high_watermark != data.high_watermark
        or partition.last_stable_offset != data.last_stable_offset
        or partition.log_start_offset != data.log_start_offset
    )


def _has_zstd(batches: Sequence[Buffer]) -> bool:
    return any(header.compression == Compression.ZSTD for data in batches for _, header in batch_headers(data))


def _remember(partition: FetchedPartition, data: PartitionData) -> None:
    partition.high_watermark = data.high_watermark
    partition.last_stable_offset = data.last_stable_offset
    partition.log_start_offset = data.log_start_offset
    partition.must_answer = data.error_code != ErrorCode.NONE
