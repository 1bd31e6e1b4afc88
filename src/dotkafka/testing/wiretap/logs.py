"""What is written to logs, read from them and told of them, as it passes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dotkafka.errors import ApiError, DecodeError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import batch_headers, increment_sequence, iterate_records
from dotkafka.records.json_records import MAGIC_POSITION
from dotkafka.records.legacy import MAGIC_1, iterate_message_set
from dotkafka.testing.history import (
    DeleteRecords,
    DeleteTopic,
    Mark,
    Operation,
    Outcome,
    Partition,
    Poll,
    Polled,
    Seek,
    Send,
    Watermarks,
)
from dotkafka.testing.wiretap.scene import Call, Scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.messages.delete_records import DeleteRecordsRequest, DeleteRecordsResponse
    from dotkafka.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
    from dotkafka.protocol.messages.fetch import FetchRequest, FetchResponse, PartitionData
    from dotkafka.protocol.messages.list_offsets import ListOffsetsRequest, ListOffsetsResponse
    from dotkafka.protocol.messages.produce import ProduceRequest, ProduceResponse
    from dotkafka.protocol.primitives import Buffer

EARLIEST: Final = -2
LATEST: Final = -1
"""Timestamps of ListOffsets that ask for an end of the log."""
ANY_OFFSET: Final = 2**63 - 1
READ_COMMITTED: Final = 1


class Seen(NamedTuple):
    """A record as it passes."""

    offset: int
    """In a request, counted from the first record."""
    value: str
    """What tells it from all others of its partition."""
    key: str | None
    is_tombstone: bool
    producer: str | None
    """Whose record it is, if that is idempotent."""


class LogCalls:
    """Translates the requests that are about logs, with their responses, into operations of the history."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._sends: dict[tuple[str, int, str], Send] = {}
        self._sessions: dict[int, dict[Partition, int]] = {}
        """Of fetch sessions (KIP-227), by id: where each partition is read."""

    def produce(self, client: str, request: ProduceRequest) -> Call:
        """Produce: a `Send` for each record. A record that is sent again is the one that was sent before."""
        sends = {
            Partition(name, partition.index): [
                self._send(client, Partition(name, partition.index), record)
                for record in self._read(client, partition.records)
            ]
            for topic in request.topic_data
            if (name := self._scene.name_of(topic.name, topic.topic_id))
            for partition in topic.partition_data
        }
        everything = [send for those in sends.values() for send in those]
        if request.acks == 0:
            self._scene.lose(*everything)
            return Call()

        def answered(response: ProduceResponse) -> None:
            for topic in response.responses:
                name = self._scene.name_of(topic.name, topic.topic_id)
                for partition in topic.partition_responses:
                    for number, send in enumerate(sends.pop(Partition(name, partition.index), ())):
                        offset = partition.base_offset + number if partition.base_offset >= 0 else None
                        self._sent(send, partition.error_code, offset)
            for those in sends.values():  # what the answer does not speak of
                self._scene.lose(*those)

        return Call(answered, everything)

    def _send(self, client: str, partition: Partition, record: Seen) -> Send:
        known = self._sends.get((*partition, record.value))
        if known is None:
            known = self._sends[(*partition, record.value)] = self._scene.history.begin(
                Send(
                    record.producer or client,
                    *partition,
                    record.value,
                    idempotent=record.producer is not None,
                    key=record.key,
                    is_tombstone=record.is_tombstone,
                )
            )
        elif known.outcome is Outcome.FAIL:
            known.outcome = Outcome.PENDING
        return known

    def _sent(self, send: Send, error_code: int, offset: int | None) -> None:
        """Take note of an answer. Of two answers to one record the later one's offset counts: they must be the same."""
        if send.is_ok and error_code == ErrorCode.NONE:
            send.offset = send.offset if offset is None else offset
        else:
            self._scene.end(send, error_code, offset=offset)

    def fetch(self, client: str, request: FetchRequest) -> Call:
        """Fetch: a `Seek` to where each partition is read, and a `Poll` of what is found there; and `Watermarks`."""
        began = self._scene.history.now()
        places = self._places(request)
        reads_committed = request.isolation_level == READ_COMMITTED

        def answered(response: FetchResponse) -> None:
            if response.error_code != ErrorCode.NONE:
                return
            if response.session_id:
                self._sessions[response.session_id] = places
            for topic in response.responses:
                name = self._scene.name_of(topic.topic, topic.topic_id)
                for data in topic.partitions if name else ():
                    place = Partition(name, data.partition_index)
                    if data.error_code == ErrorCode.NONE and place in places:
                        self._fetched(Poll(client, began=began, read_committed=reads_committed), place, data, places)

        return Call(answered)

    def _places(self, request: FetchRequest) -> dict[Partition, int]:
        """Return where the request reads: what it says, and what it does not repeat."""
        places: dict[Partition, int] = {}
        if request.session_epoch > 0:
            places.update(self._sessions.get(request.session_id, {}))
        for forgotten in request.forgotten_topics_data:
            name = self._scene.name_of(forgotten.topic, forgotten.topic_id)
            for index in forgotten.partitions if name else ():
                places.pop(Partition(name, index), None)
        for topic in request.topics:
            name = self._scene.name_of(topic.topic, topic.topic_id)
            for partition in topic.partitions if name else ():
                places[Partition(name, partition.partition)] = partition.fetch_offset
        return places

    def _fetched(self, poll: Poll, partition: Partition, data: PartitionData, places: dict[Partition, int]) -> None:
        start = places[partition]
        # The first batch is whole, and begins before what was asked for; the last one may be cut short.
        poll.records = [
            Polled(*partition, record.offset, record.value)
            for record in self._read(poll.client, data.records)
            if record.offset >= start
        ]
        if poll.records:
            self._scene.history.add(Seek(poll.client, *partition, start), began=poll.began)
            self._scene.history.add(poll, began=poll.began)
        marks = Watermarks(poll.client, *partition, _bound(data.log_start_offset), _bound(data.high_watermark))
        self._scene.history.add(marks, began=poll.began)

    def _read(self, client: str, records: Buffer | None) -> Iterator[Seen]:
        try:
            yield from read_records(records or b"")
        except (DecodeError, ApiError) as error:
            self._scene.history.add(Mark(client, f"records that cannot be read: {error}"))

    def list_offsets(self, client: str, request: ListOffsetsRequest) -> Call:
        """ListOffsets: `Watermarks`, where an end of the log is asked for."""
        began = self._scene.history.now()
        reads_committed = request.isolation_level == READ_COMMITTED
        asked = {
            (topic.name, partition.partition_index): partition.timestamp
            for topic in request.topics
            for partition in topic.partitions
        }

        def answered(response: ListOffsetsResponse) -> None:
            for topic in response.topics:
                for found in topic.partitions:
                    timestamp = asked.get((topic.name, found.partition_index))
                    if found.error_code != ErrorCode.NONE or found.offset < 0 or topic.name in self._scene.internal:
                        continue
                    marks = Watermarks(client, topic.name, found.partition_index)
                    if timestamp == EARLIEST:
                        marks.low = found.offset
                    elif timestamp == LATEST:
                        marks.high, marks.read_committed = found.offset, reads_committed
                    else:
                        continue
                    self._scene.history.add(marks, began=began)

        return Call(answered)

    def delete_records(self, client: str, request: DeleteRecordsRequest) -> Call:
        """DeleteRecords: the same, for each partition."""
        deletions = {
            (topic.name, partition.partition_index): self._scene.history.begin(
                DeleteRecords(
                    client,
                    topic.name,
                    partition.partition_index,
                    partition.offset if partition.offset >= 0 else ANY_OFFSET,
                )
            )
            for topic in request.topics
            for partition in topic.partitions
        }

        def answered(response: DeleteRecordsResponse) -> None:
            for topic in response.topics:
                for partition in topic.partitions:
                    deletion = deletions.get((topic.name, partition.partition_index))
                    if deletion is not None and partition.error_code == ErrorCode.NONE:
                        self._scene.history.ok(deletion, before_offset=partition.low_watermark)
                    elif deletion is not None:
                        self._scene.end(deletion, partition.error_code)

        return Call(answered, deletions.values())

    def delete_topics(self, client: str, request: DeleteTopicsRequest) -> Call:
        """DeleteTopics: a `DeleteTopic` for each."""
        named = [(name, b"") for name in request.topic_names]
        named += [(topic.name or "", bytes(topic.topic_id)) for topic in request.topics]
        deletions: dict[str, Operation] = {}
        for given, topic_id in named:
            name = self._scene.name_of(given, topic_id)
            if name and name not in deletions:
                deletions[name] = self._scene.history.begin(DeleteTopic(client, name))

        def answered(response: DeleteTopicsResponse) -> None:
            for result in response.responses:
                name = self._scene.name_of(result.name, result.topic_id)
                if name in deletions:
                    self._scene.end(deletions[name], result.error_code)

        return Call(answered, deletions.values())


def read_records(data: Buffer) -> Iterator[Seen]:
    """Yield the records of batches or of a message set, without control records.

    A record of an idempotent producer is told from others by its sequence number, whatever its value; any other by its
    value. Values that are no text are shown with escapes.

    Raises:
        DecodeError: they are damaged.
        ApiError: UNSUPPORTED_COMPRESSION_TYPE, if the extra for a codec is not installed.
        ValueError: they are part of a transaction; those are not judged yet.
    """
    if len(data) > MAGIC_POSITION and data[MAGIC_POSITION] <= MAGIC_1:
        for record in iterate_message_set(data, allow_partial=True):
            yield Seen(record.offset, _text(record.value) or "", _text(record.key), record.value is None, None)
        return
    view = memoryview(data)
    for position, header in batch_headers(view, allow_partial=True):
        if header.is_control:
            continue
        if header.is_transactional:
            raise ValueError("transactions are not judged yet: tap clients that use none")
        producer = (
            f"producer {header.producer_id} of epoch {header.producer_epoch}" if header.producer_id >= 0 else None
        )
        for record in iterate_records(view[position : position + header.size_bytes]):
            value = _text(record.value) or ""
            if producer is not None:
                sequence = increment_sequence(header.base_sequence, record.offset - header.base_offset)
                value = f"{value} ({header.producer_id}:{header.producer_epoch}:{sequence})"
            yield Seen(record.offset, value, _text(record.key), record.value is None, producer)


def _text(data: bytes | None) -> str | None:
    return None if data is None else data.decode(errors="backslashreplace")


def _bound(offset: int) -> int | None:
    """Return an end of a log, where the answer tells it."""
    return offset if offset >= 0 else None
