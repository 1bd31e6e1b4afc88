"""Producers: a plain one that sends everything once, and an idempotent one that repeats until it is told."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import attrs

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from dotkafka.records.batch import encode_batch
from dotkafka.records.compression import Compression
from dotkafka.records.record import Record
from dotkafka.testing.history import Send
from dotkafka.testing.simulation.client import Client
from dotkafka.testing.simulation.fetching import VALUE_HEADER
from dotkafka.testing.simulation.topics import COMPACTED, PASSING
from dotkafka.testing.simulation.trace import Violation
from dotkafka.testing.simulation.world import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

VERSIONS: Final = (9, 11, 13)
"""Up to 12 topics are named by name, from 13 by id."""
BY_ID: Final = 13
MOST_IN_FLIGHT: Final = 5
MOST_QUEUED: Final = 8
KEYS: Final = 12
"""Of a producer, in each compacted partition."""
FINISHING_SHARE: Final = 0.2
RETRIABLE: Final = frozenset(
    {
        ErrorCode.KAFKA_STORAGE_ERROR,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.UNKNOWN_TOPIC_ID,
    }
)
"""Errors that a producer meets with while the broker has trouble, or the topic is gone."""
NOT_APPENDED: Final = frozenset({ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID})
"""Of these, the ones that say for certain that nothing was written."""


class Producer(Client):
    """What both kinds do: make records for some topics, until all has healed.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        topics: that it writes to.
        interval_ms: between two batches, on average.
    """

    is_idempotent = False

    def __init__(self, world: World, name: str, topics: Sequence[str], interval_ms: int) -> None:
        super().__init__(world, name)
        self.version = VERSIONS[-1] if PASSING in topics else self.dice.choice(VERSIONS)
        self.is_finished = False
        """Whether it makes no more records."""
        self._topics = topics
        self._interval_ms = interval_ms
        self._made = 0
        self._has_recovered = False
        """Whether something that it has sent since all has healed was acknowledged."""

    def partitions(self) -> list[tuple[str, int]]:
        """Return the partitions there are of its topics, as far as it knows."""
        return [
            (topic, index)
            for topic in self._topics
            if topic in self.topics
            for index in range(len(self.topics[topic].epochs))
        ]

    def make(self, topic: str, partition: int) -> list[Send]:
        """Make some records, and note that they are sent."""
        sends = []
        for _ in range(self.dice.randrange(1, 5)):
            self._made += 1
            value = f"{self.name}:{self._made}"
            send = Send(self.name, topic, partition, value, idempotent=self.is_idempotent)
            if topic == COMPACTED:
                send.key = f"{self.name}:{self.dice.randrange(KEYS)}"
                send.is_tombstone = self.dice.random() < 0.2
            sends.append(self.world.history.begin(send))
        return sends

    def encode(
        self, sends: Sequence[Send], producer_id: int = -1, producer_epoch: int = -1, base_sequence: int = -1
    ) -> bytes:
        """Return the batch of some records, padded to different sizes."""
        now_ms = self.world.scheduler.now.wall_ms
        padding = bytes(self.dice.choice((0, 0, 100, 400)))
        records = [_record(send, now_ms, padding) for send in sends]
        compression = Compression.GZIP if self.dice.random() < 0.05 else Compression.NONE
        return bytes(
            encode_batch(
                records,
                compression=compression,
                producer_id=producer_id,
                producer_epoch=producer_epoch,
                base_sequence=base_sequence,
            )
        )

    def request(self, batches: Sequence[tuple[str, int, bytes]], acks: int) -> ProduceRequest:
        """Return a request for one batch to each of some partitions."""
        data: dict[str, list[PartitionProduceData]] = {}
        for topic, partition, records in batches:
            data.setdefault(topic, []).append(PartitionProduceData(index=partition, records=records))
        topics = [
            TopicProduceData(name=topic, topic_id=self.topics[topic].topic_id, partition_data=partitions)
            for topic, partitions in data.items()
        ]
        return ProduceRequest(acks=acks, timeout_ms=1_000, topic_data=topics)

    def answers(
        self, answer: ProduceResponse, request: ProduceRequest, batches: Sequence[tuple[str, int]]
    ) -> list[PartitionProduceResponse]:
        """Return what is answered for each batch, in their order."""
        names = {topic.topic_id: topic.name for topic in request.topic_data}
        found = {
            (topic.name if self.version < BY_ID else names.get(bytes(topic.topic_id), ""), partition.index): partition
            for topic in answer.responses
            for partition in topic.partition_responses
        }
        if len(found) != len(batches) or any(batch not in found for batch in batches):
            raise Violation(f"{self.name} sent to {batches} and is answered for {list(found)}")
        return [found[batch] for batch in batches]

    def acknowledge(self, sends: Sequence[Send], answer: PartitionProduceResponse) -> None:
        """Note where records stand."""
        if answer.base_offset < 0:
            raise Violation(f"{self.name} is acknowledged offset {answer.base_offset}")
        for index, send in enumerate(sends):
            self.world.history.ok(send, offset=answer.base_offset + index)
        self.world.counts["records acknowledged"] += len(sends)
        self._has_recovered |= sends[0].began > self.world.healed_us

    def wait_for_next(self) -> Flow[None]:
        """Pause before the next batch; find out when it is time to finish."""
        yield from self.pause(2 * self._interval_ms * self.dice.random())
        if self.world.phase >= Phase.HEALING and (self._has_recovered or not self.partitions()):
            self.is_finished = self.dice.random() < FINISHING_SHARE


def _record(send: Send, now_ms: int, padding: bytes) -> Record:
    """Return the record for a send. A tombstone has no value: what tells it from others is in a header."""
    if send.key is None:
        return Record(0, now_ms, padding, send.value.encode())
    headers = [(VALUE_HEADER, send.value.encode()), ("padding", padding)]
    return Record(0, now_ms, send.key.encode(), None if send.is_tombstone else send.value.encode(), headers)


class PlainProducer(Producer):
    """Sends each batch once, with any acks, and does not know what became of it if nobody says."""

    def live(self) -> Flow[None]:
        """Send until all has healed."""
        yield from self.refresh_topics()
        while not self.is_finished:
            yield from self.wait_for_next()
            partitions = self.partitions()
            if partitions:
                topic, partition = self.dice.choice(partitions)
                yield from self._send(topic, partition)
            if not partitions or self.dice.random() < 0.05:
                yield from self.refresh_topics()

    @property
    def is_settled(self) -> bool:
        """Whether it has finished."""
        return self.is_finished

    def _send(self, topic: str, partition: int) -> Flow[None]:
        history = self.world.history
        acks = self.dice.choice((-1, -1, 1, 1, 0))
        sends = self.make(topic, partition)
        request = self.request([(topic, partition, self.encode(sends))], acks)
        if acks == 0 and self.world.phase is Phase.STORM:
            self.channel.tell(PRODUCE, self.version, request)
            for send in sends:
                history.unknown(send)
            return
        request.acks = acks or 1
        answer = yield from self.call(PRODUCE, self.version, request)
        if answer is None:
            for send in sends:
                history.unknown(send)
            return
        (result,) = self.answers(answer, request, [(topic, partition)])
        if result.error_code == ErrorCode.NONE:
            self.acknowledge(sends, result)
            return
        if result.error_code not in RETRIABLE:
            raise Violation(f"{self.name} is refused with {result.error_code}: {result.error_message}")
        for send in sends:
            if result.error_code in NOT_APPENDED:
                history.fail(send)
            else:
                history.unknown(send)
        yield from self.refresh_topics()


@attrs.define(eq=False)
class _Batch:
    """A batch with its sequence, until it is acknowledged."""

    sends: list[Send]
    records: bytes
    is_in_flight: bool = False
    may_be_written: bool = False
    """Whether it was sent, and not refused for certain each time."""


@attrs.define(eq=False)
class _Lane:
    """The batches of one partition, oldest first, in one life of its topic."""

    topic: str
    partition: int
    topic_id: bytes
    batches: deque[_Batch] = attrs.field(factory=deque)
    next_sequence: int = 0
    in_flight: int = 0
    is_known: bool = False
    """Whether the broker has acknowledged any of them. Until then, one at a time: a log that does not know a producer
    takes any sequence for its first (KIP-360), also that of the second batch if the first was refused."""
    waits: bool = False
    """Whether one has failed: the others that are in flight fail too, and then they are all sent again in order."""

    def sendable(self) -> _Batch | None:
        """Return the next batch to be sent, if one may be."""
        if self.in_flight and (self.waits or not self.is_known):
            return None
        return next((batch for batch in self.batches if not batch.is_in_flight), None)


class IdempotentProducer(Producer):
    """Keeps up to five requests in flight, and repeats what failed, in order, until it is acknowledged.

    What is acknowledged once stands once, whatever happened in between; so OUT_OF_ORDER_SEQUENCE_NUMBER for the oldest
    batch is never right, nor is an acknowledgement of a later one before it.
    """

    is_idempotent = True

    def __init__(self, world: World, name: str, topics: Sequence[str], interval_ms: int) -> None:
        super().__init__(world, name, topics, interval_ms)
        self._producer_id = -1
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self._requests = 0
        self._pauses_until_us = 0

    def live(self) -> Flow[None]:
        """Get a producer id, and send until all has healed."""
        yield from self.refresh_topics()
        yield from self._get_producer_id()
        while not self.is_settled:
            yield from self.wait_for_next()
            partitions = self.partitions()
            if not self.is_finished and partitions:
                self._queue(*self.dice.choice(partitions))
            self._pump()
            if self.dice.random() < 0.05 or any(lane.waits for lane in self._lanes.values()):
                yield from self.refresh_topics()
                self._abandon_past_lives()

    @property
    def is_settled(self) -> bool:
        """Whether it has finished, and everything is acknowledged."""
        return self.is_finished and not any(lane.batches for lane in self._lanes.values())

    def state(self) -> str:
        """Return what has no answer."""
        waiting = {key: len(lane.batches) for key, lane in self._lanes.items() if lane.batches}
        return f"{self._requests} requests in flight, batches {waiting}"

    def _get_producer_id(self) -> Flow[None]:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        while True:
            answer = yield from self.call(INIT_PRODUCER_ID, 4, request)
            if answer is not None and answer.error_code == ErrorCode.NONE:
                break
            yield from self.pause(100)
        self.world.promises.given_once("producer id", answer.producer_id)
        self._producer_id = answer.producer_id

    def _queue(self, topic: str, partition: int) -> None:
        topic_id = self.topics[topic].topic_id
        lane = self._lanes.setdefault((topic, partition), _Lane(topic, partition, topic_id))
        if lane.topic_id != topic_id or len(lane.batches) >= MOST_QUEUED:
            return
        sends = self.make(topic, partition)
        records = self.encode(sends, producer_id=self._producer_id, producer_epoch=0, base_sequence=lane.next_sequence)
        lane.batches.append(_Batch(sends, records))
        lane.next_sequence += len(sends)

    def _pump(self) -> None:
        """Send what may be sent; several partitions share a request."""
        if self.world.scheduler.now_us < self._pauses_until_us:
            return
        while self._requests < MOST_IN_FLIGHT:
            ready = [(lane, batch) for lane in self._lanes.values() if (batch := lane.sendable()) is not None]
            if not ready:
                return
            self._send(self.dice.sample(ready, min(len(ready), self.dice.randrange(1, 4))))

    def _send(self, picked: list[tuple[_Lane, _Batch]]) -> None:
        for lane, batch in picked:
            batch.is_in_flight = True
            lane.in_flight += 1
        self._requests += 1
        request = self.request([(lane.topic, lane.partition, batch.records) for lane, batch in picked], -1)
        self.channel.ask(PRODUCE, self.version, request, lambda answer: self._answered(picked, request, answer))

    def _answered(
        self, picked: list[tuple[_Lane, _Batch]], request: ProduceRequest, answer: ProduceResponse | None
    ) -> None:
        self._requests -= 1
        results: Sequence[PartitionProduceResponse | None] = [None] * len(picked)
        if answer is not None:
            results = self.answers(answer, request, [(lane.topic, lane.partition) for lane, _ in picked])
        for (lane, batch), result in zip(picked, results, strict=True):
            lane.in_flight -= 1
            batch.is_in_flight = False
            if batch not in lane.batches:
                continue  # its topic is gone
            if result is not None and result.error_code == ErrorCode.NONE:
                self._acknowledged(lane, batch, result)
            else:
                self._failed(lane, batch, result)
            lane.waits = lane.waits and lane.in_flight > 0
        self._pump()

    def _acknowledged(self, lane: _Lane, batch: _Batch, result: PartitionProduceResponse) -> None:
        if batch is not lane.batches[0]:
            raise Violation(f"{self.name} is acknowledged a batch of {lane.topic}-{lane.partition} before an older one")
        lane.batches.popleft()
        lane.is_known = True
        self.acknowledge(batch.sends, result)

    def _failed(self, lane: _Lane, batch: _Batch, result: PartitionProduceResponse | None) -> None:
        lane.waits = True
        self._pauses_until_us = self.world.scheduler.now_us + 1000 * self.dice.randrange(20, 100)
        self.world.counts["batches sent again"] += 1
        batch.may_be_written |= result is None or result.error_code not in NOT_APPENDED
        if result is None or result.error_code in RETRIABLE:
            return
        is_oldest = batch is lane.batches[0]
        if result.error_code != ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER or is_oldest:
            raise Violation(
                f"{self.name} is refused with {result.error_code}, {result.error_message}, for a batch of"
                f" {lane.topic}-{lane.partition}" + (", its oldest" if is_oldest else "")
            )

    def _abandon_past_lives(self) -> None:
        """Give up what was for a topic that is gone, or is another one by now."""
        for key, lane in list(self._lanes.items()):
            state = self.topics.get(lane.topic)
            if state is not None and state.topic_id == lane.topic_id:
                continue
            for batch in lane.batches:
                for send in batch.sends:
                    if batch.may_be_written or batch.is_in_flight:
                        self.world.history.unknown(send)
                    else:
                        self.world.history.fail(send)
            lane.batches.clear()
            if not lane.in_flight:
                del self._lanes[key]
