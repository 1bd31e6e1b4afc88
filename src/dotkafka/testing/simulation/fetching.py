"""How consumers read: Fetch with or without sessions, positions, and where a log begins; what they see is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import (
    FETCH,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
)
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from dotkafka.records.batch import batch_headers, iterate_records
from dotkafka.testing.history import Partition, Poll, Polled, Seek, Watermarks
from dotkafka.testing.simulation.channel import Channel
from dotkafka.testing.simulation.client import Client
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotkafka.storage.spi import Buffer
    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

VERSIONS: Final = (11, 13, 16)
BY_ID: Final = 13
EARLIEST: Final = -2
NO_SESSION: Final = -1
VALUE_HEADER: Final = "value"
"""The header of a tombstone that tells it from others."""
MAX_BYTES: Final = (500, 4_000, 100_000)
STALE: Final = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)
"""Errors after which a consumer asks for metadata, and goes on."""
SESSION_ERRORS: Final = frozenset(
    {
        ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode.INVALID_FETCH_SESSION_EPOCH,
        ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
        ErrorCode.INCONSISTENT_TOPIC_ID,
    }
)


@attrs.define(eq=False)
class _Place:
    """Where a consumer is in a partition, in one life of its topic."""

    topic_id: bytes
    offset: int
    high_watermark: int = -1
    """As last told; -1 not yet."""
    log_start_offset: int = 0


class Fetching(Client):
    """A client that reads partitions from where it was told to.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
    """

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self.reads_committed = self.dice.random() < 0.5
        self.places: dict[Partition, _Place] = {}
        self.needs_topics = True
        """Whether what it knows of topics is out of date."""
        self._fetch_channel = Channel(self, "fetch")
        self._version = self.dice.choice(VERSIONS)
        self._uses_session = self.dice.random() < 0.6
        self._session_id = 0
        self._session_epoch = 0 if self._uses_session else NO_SESSION
        self._tells_epoch = self.dice.random() < 0.5
        self._in_session: dict[Partition, tuple[bytes, int, int]] = {}
        """What the session has been told: topic id, offset and leader epoch."""
        self._told: dict[tuple[bytes, int], int] = {}
        """The high watermarks that the session has told of; it does not repeat what has not changed."""
        self.asked_us = 0
        """When the last Fetch was sent that was answered; or as of when that was, if that is longer ago."""

    def go_to(self, partition: Partition, offset: int) -> None:
        """Read a partition from an offset on."""
        topic_id = self.topics[partition.topic].topic_id
        self.places[partition] = _Place(topic_id, offset, self._told.get((topic_id, partition.partition), -1))

    def go_to_beginning(self, partition: Partition) -> Flow[bool]:
        """Find where a partition begins, and go there; return whether there was an answer.

        Raises:
            Violation: it was out of range where it is, but that is not before the beginning.
        """
        topics = [
            ListOffsetsTopic(
                name=partition.topic,
                partitions=[ListOffsetsPartition(partition_index=partition.partition, timestamp=EARLIEST)],
            )
        ]
        answer = yield from self.call(LIST_OFFSETS, 7, ListOffsetsRequest(replica_id=-1, topics=topics))
        if answer is None or partition.topic not in self.topics:
            return False
        (found,) = answer.topics[0].partitions
        if found.error_code in STALE:
            self.needs_topics = True
            return False
        if found.error_code != ErrorCode.NONE:
            raise Violation(f"{self.name} gets error {found.error_code} for the beginning of {partition}")
        place = self.places.get(partition)
        # One that is superseded does not know how far the log has come.
        is_certain = self.channel.is_up_to_date and self._fetch_channel.is_up_to_date
        if place is not None and found.offset <= place.offset and partition.topic in self.world.created and is_certain:
            raise Violation(f"{partition} begins at {found.offset}, and offset {place.offset} is out of range")
        self.world.history.add(Seek(self.name, *partition, to_beginning=True))
        self.go_to(partition, found.offset)
        return True

    def forget_past_lives(self) -> None:
        """Go nowhere any more in topics that are gone, or are other ones by now."""
        for partition, place in list(self.places.items()):
            state = self.topics.get(partition.topic)
            if state is None or state.topic_id != place.topic_id:
                del self.places[partition]

    def poll(self, max_wait_ms: int) -> Flow[bool]:
        """Read once, from all places; return whether there was an answer."""
        asked_us = self.world.scheduler.now_us
        request = self._request(max_wait_ms)
        at = {partition: place.offset for partition, place in self.places.items()}
        answer = yield from self.call(FETCH, self._version, request, channel=self._fetch_channel)
        if answer is None or answer.error_code in SESSION_ERRORS:
            self._end_session()
            yield from self.pause(self.dice.randrange(10, 100))
            return answer is not None
        if answer.error_code != ErrorCode.NONE:
            raise Violation(f"{self.name} gets error {answer.error_code} for a Fetch")
        self.asked_us = self._fetch_channel.as_of(asked_us)
        if self._uses_session:
            self._session_id = answer.session_id
            self._session_epoch = self._session_epoch + 1 if answer.session_id else 0
        polled: list[Polled] = []
        for partition, data in self._partitions(answer):
            place = self.places.get(partition)
            if place is None or place.offset != at.get(partition):
                continue  # assigned anew meanwhile
            if data.error_code == ErrorCode.NONE:
                polled += self._read(partition, place, data, asked_us)
            elif data.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
                yield from self.go_to_beginning(partition)
            elif data.error_code in STALE or self._is_ahead(data.error_code):
                self.needs_topics = True
            else:
                raise Violation(f"{self.name} gets error {data.error_code} for {partition} at {place}")
        if polled:
            poll = Poll(self.name, polled, read_committed=self.reads_committed)
            self.world.history.add(poll, began=asked_us)
            self.world.counts["records read"] += len(polled)
        return True

    def _is_ahead(self, code: int) -> bool:
        """Whether an error says that this consumer has heard of a newer owner than the broker that it reads from."""
        return code == ErrorCode.UNKNOWN_LEADER_EPOCH and not self._fetch_channel.is_up_to_date

    @property
    def is_at_end(self) -> bool:
        """Whether everything has been read that it has heard of."""
        return all(place.offset == place.high_watermark for place in self.places.values())

    def behind(self) -> str:
        """Return where it is not at the end."""
        return ", ".join(
            f"{partition} at {place.offset} of {place.high_watermark}"
            for partition, place in self.places.items()
            if place.offset != place.high_watermark
        )

    # -- the request ---------------------------------------------------------------------------------------------------

    def _request(self, max_wait_ms: int) -> FetchRequest:
        wanted = {
            partition: (place.topic_id, place.offset, self._epoch_of(partition))
            for partition, place in self.places.items()
        }
        forgotten: list[ForgottenTopic] = []
        asked: Iterable[Partition] = wanted
        if self._uses_session and self._session_epoch > 0:
            asked = [partition for partition, told in wanted.items() if self._in_session.get(partition) != told]
            for partition, (topic_id, _, _) in self._in_session.items():
                if partition not in wanted or wanted[partition][0] != topic_id:
                    forgotten.append(ForgottenTopic(partition.topic, topic_id, [partition.partition]))
            if self._version < BY_ID:
                forgotten = [each for each in forgotten if Partition(each.topic, each.partitions[0]) not in wanted]
        self._in_session = wanted
        partitions: dict[tuple[str, bytes], list[FetchPartition]] = {}
        for partition in asked:
            topic_id, offset, epoch = wanted[partition]
            partitions.setdefault((partition.topic, topic_id), []).append(
                FetchPartition(
                    partition=partition.partition,
                    current_leader_epoch=epoch,
                    fetch_offset=offset,
                    partition_max_bytes=self.dice.choice(MAX_BYTES),
                )
            )
        topics = [
            FetchTopic(topic=topic, topic_id=topic_id, partitions=those)
            for (topic, topic_id), those in partitions.items()
        ]
        return FetchRequest(
            max_wait_ms=max_wait_ms,
            min_bytes=1,
            max_bytes=self.dice.choice(MAX_BYTES),
            isolation_level=int(self.reads_committed),
            session_id=self._session_id,
            session_epoch=self._session_epoch,
            topics=topics,
            forgotten_topics_data=forgotten,
        )

    def _epoch_of(self, partition: Partition) -> int:
        """Return the leader epoch that it knows of a partition, -1 if it does not say."""
        epochs = self.topics[partition.topic].epochs if partition.topic in self.topics else ()
        return epochs[partition.partition] if self._tells_epoch and partition.partition < len(epochs) else -1

    def _end_session(self) -> None:
        self._session_id = 0
        self._session_epoch = 0 if self._uses_session else NO_SESSION
        self._in_session = {}
        self._told = {}

    # -- the answer ----------------------------------------------------------------------------------------------------

    def _partitions(self, answer: FetchResponse) -> list[tuple[Partition, PartitionData]]:
        names = {place.topic_id: partition.topic for partition, place in self.places.items()}
        return [
            (Partition(name, data.partition_index), data)
            for topic in answer.responses
            if (name := topic.topic if self._version < BY_ID else names.get(bytes(topic.topic_id)))
            for data in topic.partitions
        ]

    def _read(self, partition: Partition, place: _Place, data: PartitionData, asked_us: int) -> list[Polled]:
        """Take note of one partition's answer; return its records from where the consumer is."""
        if not self._fetch_channel.may_serve(asked_us):
            raise Violation(f"{self.name} reads {partition} from a broker that knows that another one has its storage")
        asked_us = self._fetch_channel.as_of(asked_us)
        if self._version >= BY_ID or partition.topic in self.world.created:
            promises, life = self.world.promises, (place.topic_id, partition.partition)
            promises.never_goes_back(("high watermark", *life), data.high_watermark, asked_us)
            promises.never_goes_back(("last stable offset", *life), data.last_stable_offset, asked_us)
            promises.never_goes_back(("log start offset", *life), data.log_start_offset, asked_us)
        place.high_watermark = self._told[place.topic_id, partition.partition] = data.high_watermark
        if data.log_start_offset > place.log_start_offset:
            place.log_start_offset = data.log_start_offset
            marks = Watermarks(self.name, *partition, data.log_start_offset, data.high_watermark)
            self.world.history.add(marks, began=asked_us)
        polled: list[Polled] = []
        next_offset = place.offset
        for offset, value in _records(data.records or b""):
            if value is None:
                next_offset = max(next_offset, offset)
                continue
            if offset < place.offset:
                continue  # the first batch is whole
            if offset >= data.high_watermark:
                raise Violation(f"{partition} gives offset {offset} above its high watermark {data.high_watermark}")
            polled.append(Polled(*partition, offset, value))
        place.offset = next_offset
        return polled


def _records(records: Buffer) -> Iterable[tuple[int, str | None]]:
    """Yield offset and value of each record, and after each batch the offset after it, with None."""
    view = memoryview(records)
    for position, header in batch_headers(view):
        for record in iterate_records(view[position : position + header.size_bytes]):
            value = dict(record.headers)[VALUE_HEADER] if record.value is None else record.value
            yield record.offset, bytes(value or b"").decode()
        yield header.next_offset, None
