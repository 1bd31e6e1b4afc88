"""RunningBroker: a Kafka broker for the time of a test, and a look into it without a client.

It runs in a thread, so tests need not be asynchronous, and listens on a free port of this machine.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.list_offsets import (
    LIST_OFFSETS,
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsTopic,
)
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from dotkafka.protocol.messages.offset_fetch import OFFSET_FETCH, OffsetFetchRequest
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import batch_headers, decode_records, encode_batch
from dotkafka.records.record import Record
from dotkafka.server.server_thread import ServerThread, run_in_thread
from dotkafka.testing.clock import ManualClock

if TYPE_CHECKING:
    import os
    import ssl
    from collections.abc import Iterator, Mapping, Sequence

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.clock import Clock
    from dotkafka.protocol.schema import Api
    from dotkafka.server.storage import Storage

Request = TypeVar("Request")
Response = TypeVar("Response")

_TIMEOUT_MS = 30_000
_EARLIEST_TIMESTAMP = -2


class ConsumedRecord(NamedTuple):
    """One record as a consumer gets it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]] = ()


class RunningBroker:
    """A running broker. Made by `running_broker`. What its methods do goes through Kafka's protocol, but no socket.

    They raise `dotkafka.ApiError` with Kafka's error code where the broker refuses.
    """

    def __init__(self, thread: ServerThread, clock: Clock | None) -> None:
        self._thread = thread
        self._clock = clock

    @property
    def bootstrap(self) -> str:
        """What to give a client as `bootstrap.servers`."""
        return self._thread.bootstrap

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._thread.port

    def create_topic(self, name: str, *, partitions: int = 1, config: Mapping[str, str] | None = None) -> None:
        """Create a topic.

        Args:
            name: of the topic.
            partitions: how many.
            config: topic settings by Kafka's names, such as `max.message.bytes`.
        """
        settings = [CreatableTopicConfig(name=key, value=value) for key, value in (config or {}).items()]
        topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=settings)
        answer = self.request(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic], timeout_ms=_TIMEOUT_MS))
        for result in answer.topics:
            _raise_for(result.error_code, result.error_message or f"topic {name!r} was not created")

    def delete_topic(self, name: str) -> None:
        """Delete a topic and all that is in it."""
        answer = self.request(DELETE_TOPICS, 5, DeleteTopicsRequest(topic_names=[name], timeout_ms=_TIMEOUT_MS))
        for result in answer.responses:
            _raise_for(result.error_code, f"topic {name!r} was not deleted")

    def topics(self) -> dict[str, int]:
        """Return the number of partitions of each topic, without Kafka's internal ones."""
        answer = self.request(METADATA, 9, MetadataRequest(topics=None, allow_auto_topic_creation=False))
        return {str(topic.name): len(topic.partitions) for topic in answer.topics if not topic.is_internal}

    def produce(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int = 0,
        headers: Sequence[tuple[str, bytes | None]] = (),
        timestamp_ms: int | None = None,
    ) -> int:
        """Write one record to an existing topic, and return its offset once it is durable.

        Raises:
            EncodeError: key, value or a header's value are not bytes.
        """
        if timestamp_ms is None:
            timestamp_ms = self._thread.server.driver.clock.now().wall_ms
        batch = encode_batch([Record(0, timestamp_ms, key, value, headers)])
        data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=partition, records=batch)])
        answer = self.request(PRODUCE, 9, ProduceRequest(acks=-1, timeout_ms=_TIMEOUT_MS, topic_data=[data]))
        (result,) = answer.responses[0].partition_responses
        _raise_for(result.error_code, result.error_message or f"{topic}-{partition} did not take the record")
        return int(result.base_offset)

    def records(self, topic: str, *, partition: int | None = None) -> list[ConsumedRecord]:
        """Return all records of a topic, or of one partition, by partition and offset."""
        partitions = range(self._partition_count(topic)) if partition is None else (partition,)
        return [record for number in partitions for record in self._partition_records(topic, number)]

    def committed(self, group: str) -> dict[tuple[str, int], int]:
        """Return the committed offsets of a group by topic and partition: where its consumers go on."""
        answer = self.request(OFFSET_FETCH, 5, OffsetFetchRequest(group_id=group, topics=None))
        _raise_for(answer.error_code, f"group {group!r}")
        return {
            (topic.name, partition.partition_index): partition.committed_offset
            for topic in answer.topics
            for partition in topic.partitions
            if partition.committed_offset >= 0
        }

    def advance_clock(self, duration_ms: int) -> None:
        """Let time pass for the broker: sessions expire, long polls end. Only with a `ManualClock`."""
        if not isinstance(self._clock, ManualClock):
            raise TypeError("only a broker made with clock=ManualClock() can have its clock moved")
        self._thread.call(self._advance(self._clock, duration_ms))

    def request(self, api: Api[Request, Response], version: int, request: Request) -> Response:
        """Send any request of Kafka's protocol, and return its response."""
        return self._thread.call(self._request(api, version, request))

    async def _request(self, api: Api[Request, Response], version: int, request: Request) -> Response:
        client = self._thread.server.connect_locally()
        try:
            return await client.request(api, version, request)
        finally:
            client.close()

    async def _advance(self, clock: ManualClock, duration_ms: int) -> None:
        clock.advance(duration_ms)
        self._thread.server.driver.move_on()

    def _partition_count(self, topic: str) -> int:
        wanted = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
        (answer,) = self.request(METADATA, 9, wanted).topics
        _raise_for(answer.error_code, f"topic {topic!r}")
        return len(answer.partitions)

    def _partition_records(self, topic: str, partition: int) -> Iterator[ConsumedRecord]:
        offset = self._log_start_offset(topic, partition)
        while True:
            wanted = FetchPartition(partition=partition, fetch_offset=offset, partition_max_bytes=16 * 1024 * 1024)
            request = FetchRequest(
                max_wait_ms=0, min_bytes=0, topics=[FetchTopic(topic=topic, partitions=[wanted])], session_epoch=-1
            )
            answer = self.request(FETCH, 11, request)
            _raise_for(answer.error_code, f"{topic}-{partition}")
            (data,) = answer.responses[0].partitions
            _raise_for(data.error_code, f"{topic}-{partition}")
            next_offset = offset
            for position, header in batch_headers(data.records or b""):
                next_offset = header.next_offset
                if header.is_control:
                    continue
                for record in decode_records(memoryview(data.records or b"")[position : position + header.size_bytes]):
                    if record.offset >= offset:
                        yield ConsumedRecord(
                            topic,
                            partition,
                            record.offset,
                            record.timestamp_ms,
                            record.key,
                            record.value,
                            record.headers,
                        )
            if next_offset == offset:
                return
            offset = next_offset

    def _log_start_offset(self, topic: str, partition: int) -> int:
        wanted = ListOffsetsPartition(partition_index=partition, timestamp=_EARLIEST_TIMESTAMP)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[wanted])])
        (answer,) = self.request(LIST_OFFSETS, 5, request).topics[0].partitions
        _raise_for(answer.error_code, f"{topic}-{partition}")
        return int(answer.offset)


@contextmanager
def running_broker(
    listen: str = "127.0.0.1:0",
    *,
    data: str | os.PathLike[str] | Storage | None = None,
    config: BrokerConfig | None = None,
    tls: ssl.SSLContext | None = None,
    advertise: str | None = None,
    clock: Clock | None = None,
) -> Iterator[RunningBroker]:
    """Run a broker in a thread for the time of a `with` block; the arguments mean what they mean to `dotkafka.serve`.

    with dotkafka.testing.running_broker() as kafka:
        kafka.create_topic("orders", partitions=4)
        program_under_test(kafka.bootstrap)
        assert len(kafka.records("orders")) == 3
    """
    with run_in_thread(listen, data=data, config=config, tls=tls, advertise=advertise, clock=clock) as thread:
        yield RunningBroker(thread, clock)


def _raise_for(error_code: int, message: str) -> None:
    if error_code:
        raise ApiError(ErrorCode(error_code), message)
