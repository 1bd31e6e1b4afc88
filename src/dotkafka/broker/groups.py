"""Groups: the group coordinator in its surroundings.

The coordinator itself is a pure state machine (`dotkafka.coordinator`). Here its records become batches of
`__consumer_offsets`, its replies wait until those are durable, and at start it is rebuilt from that topic.

A reply waits for all records that the coordinator has asked for until then, also those of other requests: an answer
may rest on them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from dotkafka.clock import Instant
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.group_records import decode_record, encode_key, encode_value, group_of
from dotkafka.coordinator.refusals import GroupRequest, refuse
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.errors import ApiError, DecodeError, StorageFailed
from dotkafka.log.config import LogConfig
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from dotkafka.protocol.messages.describe_groups import DescribeGroupsRequest
from dotkafka.protocol.messages.list_groups import ListGroupsRequest
from dotkafka.protocol.messages.offset_fetch import OffsetFetchRequest
from dotkafka.protocol.primitives import uuid_to_text
from dotkafka.records.batch import encode_batch, iterate_records
from dotkafka.records.record import Record
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Exchange
    from dotkafka.coordinator.effects import CoordinatorRecord, Effects
    from dotkafka.errors import StorageError
    from dotkafka.metadata.image import TopicImage
    from dotkafka.storage.spi import Buffer

logger = logging.getLogger(__name__)

OFFSETS_TOPIC: Final = "__consumer_offsets"
OFFSETS_TOPIC_CONFIGS: Final = {
    "cleanup.policy": "compact",
    "compression.type": "producer",
    "segment.bytes": "104857600",
}
READS: Final = (DescribeGroupsRequest, ListGroupsRequest, OffsetFetchRequest, ConsumerGroupDescribeRequest)
OFFSETS_LOG_CONFIG: Final = LogConfig(max_message_bytes=2**31 - 1)
"""What the coordinator asks for is never refused for its size: it was bounded where it came in."""

Response = TypeVar("Response")
ResponseT_contra = TypeVar("ResponseT_contra", contravariant=True)


class Answerable(Protocol[ResponseT_contra]):
    """Where the answer of the coordinator goes: an `Exchange`, or something in front of one."""

    def respond(self, response: ResponseT_contra) -> None:
        """Give the answer."""
        ...


class Groups:
    """The one group coordinator of the broker."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._coordinator = GroupCoordinator(
            broker.config.group, lambda: uuid_to_text(broker.random_bytes(16)), lambda: broker.metadata
        )
        self._waiting: dict[Answerable[Any], Exchange[Any]] = {}
        """The requests that the coordinator has not answered yet: a JoinGroup waits for the other members, say."""
        self._unsettled = 0
        """Batches of records that are on their way to L1."""

    def ensure_topic(self) -> TopicImage:
        """Return `__consumer_offsets`, creating it on its first use.

        Raises:
            ApiError: COORDINATOR_NOT_AVAILABLE if it cannot be created now, or nothing will ever be written again.
        """
        if OFFSETS_TOPIC not in self._broker.metadata.topics_by_name or self._broker.shard.failure is not None:
            self._check_writable()
        return self._topic()

    def _topic(self) -> TopicImage:
        topic = self._broker.metadata.topics_by_name.get(OFFSETS_TOPIC)
        if topic is None:
            topic = self._broker.metadata_log.create_topic(
                OFFSETS_TOPIC, self._broker.config.offsets_topic_num_partitions, OFFSETS_TOPIC_CONFIGS
            )
        return topic

    def committed_counts(self) -> dict[str, int]:
        """Return how many offsets each group has committed, groups with none included."""
        return self._coordinator.committed_counts()

    # -- requests ------------------------------------------------------------------------------------------------------

    def handle(
        self,
        request: GroupRequest,
        exchange: Exchange[Response],
        reply_to: Answerable[Response] | None = None,
    ) -> None:
        """Let the coordinator serve a request.

        Args:
            request: with topic names, whatever the version.
            exchange: that it came with.
            reply_to: where the answer goes, if not straight to the exchange.
        """
        try:
            if not self._can_read(request):
                self._check_writable()
        except ApiError as error:
            (reply_to or exchange).respond(refuse(request, exchange.version, error.error_code, error.message))
            return
        self._waiting[reply_to or exchange] = exchange
        context = RequestContext(exchange.version, exchange.client_id, f"/{exchange.connection.peer_host}")
        self._apply(self._coordinator.handle(request, context, reply_to or exchange, self._now()))

    def on_topics_deleted(self, names: Collection[str]) -> None:
        """Forget what was committed for topics that are no more."""
        self._apply(self._coordinator.on_topics_deleted(names, self._now()))

    def handle_timeouts(self) -> None:
        """Do what is due: sessions, rebalances, expired offsets."""
        if self._broker.shard.failure is None:
            self._apply(self._coordinator.handle_timeouts(self._now()))

    def next_deadline_ms(self) -> int | None:
        """Return when `handle_timeouts` is due, on the monotonic clock."""
        deadline_ms = self._coordinator.next_deadline_ms()
        if deadline_ms is None or self._broker.shard.failure is not None:
            return None
        return self._broker.shard.stalls.moment_of(deadline_ms)

    def give_up(self) -> None:
        """Let nobody wait for a coordinator that can write no more: close the connections of those who do."""
        waiting, self._waiting = self._waiting, {}
        for exchange in waiting.values():
            exchange.close_connection()

    def _now(self) -> Instant:
        """Return the time that counts for groups: it stands still in stalls."""
        now = self._broker.now
        return Instant(now.monotonic_ms - self._broker.shard.stalls.total_ms(now.monotonic_ms), now.wall_ms)

    def _can_read(self, request: GroupRequest) -> bool:
        """Tell whether a request asks only for what is durable: that is served on a full disk too."""
        return isinstance(request, READS) and not self._unsettled and self._broker.shard.failure is None

    def _check_writable(self) -> None:
        try:
            self._broker.shard.check_writable()
        except ApiError as error:
            raise ApiError(ErrorCode.COORDINATOR_NOT_AVAILABLE, error.message) from error

    # -- effects -------------------------------------------------------------------------------------------------------

    def _apply(self, effects: Effects) -> None:
        if effects.records:
            self._write(effects.records)
            self._unsettled += 1
            self._broker.shard.when_durable(self._settled)
        for reply in effects.replies:
            target: Any = reply.reply_to
            exchange = self._waiting.pop(target, None)
            if exchange is None:
                # Nobody waits any more.
                continue
            if self._unsettled:
                # What became of the records is not known if they cannot be written: then no answer would be true.
                exchange.hold_back()
                target.respond(reply.response)
                self._broker.shard.when_durable(exchange.release)
            else:
                target.respond(reply.response)

    def _settled(self, _error: StorageError | None) -> None:
        self._unsettled -= 1

    def _write(self, records: tuple[CoordinatorRecord, ...]) -> None:
        """Append the records of one step, as one batch per partition that they belong to.

        Also while storage does not accept writes: a step that time has brought about cannot be refused. Its records
        wait with all others until it does.
        """
        topic = self._topic()
        by_partition: dict[int, list[Record]] = {}
        for record in records:
            entry = Record(0, self._broker.now.wall_ms, encode_key(record), encode_value(record))
            by_partition.setdefault(group_partition(group_of(record.key), topic.partition_count), []).append(entry)
        for partition, entries in by_partition.items():
            self._broker.shard.append_own(
                TopicIdPartition(topic.topic_id, partition), encode_batch(entries), OFFSETS_LOG_CONFIG, self._broker.now
            )

    # -- recovery ------------------------------------------------------------------------------------------------------

    def partitions(self) -> Iterator[TopicIdPartition]:
        """Yield the partitions to be replayed."""
        topic = self._broker.metadata.topics_by_name.get(OFFSETS_TOPIC)
        if topic is not None:
            for partition in range(topic.partition_count):
                yield TopicIdPartition(topic.topic_id, partition)

    def replay(self, batch: Buffer) -> None:
        """Take in one batch of `__consumer_offsets`.

        Raises:
            StorageFailed: the batch is damaged.
        """
        try:
            for record in iterate_records(batch):
                decoded = decode_record(record.key or b"", record.value)
                if decoded is not None:
                    self._coordinator.replay(decoded)
        except (DecodeError, ApiError) as error:
            raise StorageFailed(f"{OFFSETS_TOPIC} is damaged: {error}") from error

    def finish_replay(self) -> None:
        """All has been replayed: the sessions of loaded members begin now."""
        self._coordinator.finish_replay(self._now())


def group_partition(group_id: str, partition_count: int) -> int:
    """Return the partition of `__consumer_offsets` that a group's records go to: Java's string hash, as in Kafka.

    Tools find a group's records with it.
    """
    utf16 = group_id.encode("utf-16-be", "surrogatepass")
    value = 0
    for position in range(0, len(utf16), 2):
        value = (value * 31 + (utf16[position] << 8 | utf16[position + 1])) & 0xFFFFFFFF
    return (value & 0x7FFFFFFF) % partition_count
