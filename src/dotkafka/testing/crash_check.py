"""What clients find in a broker that has just started, and whether it serves them as before.

Both speak Kafka's protocol to a broker driven by hand; what they find is for `dotkafka.testing.crash_model`.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import attrs

from dotkafka.protocol.messages.consumer_group_describe import CONSUMER_GROUP_DESCRIBE
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.init_producer_id import INIT_PRODUCER_ID, InitProducerIdRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
)
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from dotkafka.records.batch import batch_headers, encode_batch, iterate_records, read_header
from dotkafka.records.record import Record
from dotkafka.testing.crash_groups import DESCRIBE, GROUP, MEMBERS_GROUP, ask_member, expect_none, view_of
from dotkafka.testing.crash_model import (
    NO_GROUP,
    BrokenPromise,
    ModelPartition,
    ModelState,
    ModelTopicPartition,
    Observed,
    ObservedPartition,
    SentBatch,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from dotkafka.storage.spi import Buffer
    from dotkafka.testing.hand_driven_broker import HandDrivenBroker

TIMEOUT_MS: Final = 1000
TIMESTAMP_MS: Final = 1_700_000_000_000
MAX_BYTES: Final = 1 << 20
NEXT: Final = b"next="
"""What is written after a crash: a value, or in a compacted partition a tombstone."""


def observe(driver: HandDrivenBroker) -> Observed:
    """Read everything that clients can see.

    Raises:
        BrokenPromise: a request is refused, or a partition has a gap or an offset twice.
    """
    topics = driver.call(METADATA, 10, MetadataRequest(topics=None)).topics
    names = [
        ModelTopicPartition(str(topic.name), partition.partition_index)
        for topic in topics
        if not topic.is_internal
        for partition in topic.partitions
    ]
    groups = [OffsetFetchRequestGroup(group_id=group, topics=None) for group in (GROUP, MEMBERS_GROUP)]
    without_members, with_members = driver.call(OFFSET_FETCH, 8, OffsetFetchRequest(groups=groups)).groups
    return Observed(
        driver.broker.shard.leader_epoch,
        read_partitions(driver, names),
        _committed(without_members),
        _committed(with_members),
        view_of(driver.call(CONSUMER_GROUP_DESCRIBE, 1, DESCRIBE)),
        {bytes(topic.topic_id) for topic in topics},
    )


def _committed(group: OffsetFetchResponseGroup) -> dict[ModelTopicPartition, int]:
    expect_none(group.error_code, "fetching committed offsets")
    return {
        ModelTopicPartition(topic.name, partition.partition_index): partition.committed_offset
        for topic in group.topics
        for partition in topic.partitions
    }


def read_partitions(
    driver: HandDrivenBroker, names: Sequence[ModelTopicPartition]
) -> dict[ModelTopicPartition, ObservedPartition]:
    """Read each partition from its log start offset to its high watermark, from L2 and from memory.

    Raises:
        BrokenPromise: reading is refused, or there is an offset twice, or no way to the high watermark.
    """
    logs = {name: driver.broker.partition(name.topic, name.partition)[1] for name in names}
    offsets = {name: log.log_start_offset for name, log in logs.items()}
    values: dict[ModelTopicPartition, list[bytes | None]] = {name: [] for name in names}
    left = set(names)
    while left:
        topics = [
            FetchTopic(
                topic=topic,
                partitions=[
                    FetchPartition(partition=name.partition, fetch_offset=offsets[name], partition_max_bytes=MAX_BYTES)
                    for name in group
                ],
            )
            for topic, group in _by_topic(left)
        ]
        answer = driver.call(
            FETCH, 11, FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=MAX_BYTES, topics=topics, session_epoch=-1)
        )
        for topic_answer in answer.responses:
            for data in topic_answer.partitions:
                name = ModelTopicPartition(topic_answer.topic, data.partition_index)
                expect_none(data.error_code, f"reading {name}")
                before = offsets[name]
                for offset, value in _records(data.records or b""):
                    # The first batch is whole: it may begin below the offset asked for.
                    if offset >= before:
                        if offset < offsets[name]:
                            raise BrokenPromise(f"{name}: offset {offset} follows offset {offsets[name] - 1}")
                        values[name] += [None] * (offset - offsets[name])
                        offsets[name] = offset
                        if value is not None:
                            values[name].append(value)
                            offsets[name] += 1
                if offsets[name] == data.high_watermark:
                    left.discard(name)
                elif offsets[name] == before or offsets[name] > data.high_watermark:
                    raise BrokenPromise(f"{name}: no offset {before}, but high watermark {data.high_watermark}")
    return {name: ObservedPartition(logs[name].log_start_offset, values[name]) for name in names}


def check_service(driver: HandDrivenBroker, state: ModelState, producer_ids: set[int], choice: int) -> ModelState:
    """Retry, produce, commit, get a producer id and let members go on, and return the state that this leads to.

    Args:
        driver: of a broker that shows `state`.
        state: what the broker shows.
        producer_ids: those that no producer may get again.
        choice: which of the last batches of each producer is sent again, and which member goes on.

    Raises:
        BrokenPromise: a retry does not yield the original offset, or something new is refused or done wrong.
    """
    again = {
        name: partition.sent[choice % len(partition.sent)]
        for name, partition in state.partitions.items()
        if partition.sent
    }
    added = {name: next_batch(name, partition, [NEXT], 0) for name, partition in state.partitions.items()}
    retried = driver.ask(PRODUCE, 9, produce_request({name: sent.records for name, sent in again.items()}))
    produced = driver.ask(PRODUCE, 9, produce_request({name: sent.records for name, sent in added.items()}))
    committed = {name: offset + 1 for name, offset in state.committed.items()}
    commits = driver.ask(OFFSET_COMMIT, 8, commit_request(committed))
    given = driver.ask(
        INIT_PRODUCER_ID, 4, InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=TIMEOUT_MS)
    )
    check_member = ask_member(driver, state.group.view or NO_GROUP, state.topics(), choice)
    driver.settle()
    if retried.answer is None or produced.answer is None or commits.answer is None or given.answer is None:
        raise BrokenPromise("a request after the restart is not answered")
    check_produced(retried.answer, {name: sent.base_offset for name, sent in again.items()}, "a retry")
    check_produced(produced.answer, {name: sent.base_offset for name, sent in added.items()}, "a new batch")
    check_committed(commits.answer)
    expect_none(given.answer.error_code, "getting a producer id")
    if given.answer.producer_id in producer_ids:
        raise BrokenPromise(f"producer id {given.answer.producer_id} is given twice")
    return attrs.evolve(
        state,
        partitions={
            name: partition.with_batch([NEXT], added[name], len(added[name].records), TIMESTAMP_MS)
            for name, partition in state.partitions.items()
        },
        committed=committed,
        group=check_member(),
    )


def next_batch(
    name: ModelTopicPartition, partition: ModelPartition, values: Sequence[bytes], operation: int
) -> SentBatch:
    """Return the next batch of the partition's idempotent producer."""
    records = encode_batch(
        records_of(partition, values),
        producer_id=name.partition,
        producer_epoch=0,
        base_sequence=partition.next_sequence,
    )
    return SentBatch(bytes(records), len(partition.values), operation)


def records_of(partition: ModelPartition, values: Sequence[bytes]) -> list[Record]:
    """Return records with these values for a partition; in one that is compacted they have keys."""
    if not partition.is_compacted:
        return [Record(0, TIMESTAMP_MS, None, value) for value in values]
    contents = [value.split(b"=", 1) for value in values]
    return [Record(0, TIMESTAMP_MS, key, value or None) for key, value in contents]


def produce_request(batches: Mapping[ModelTopicPartition, bytes]) -> ProduceRequest:
    """Return a request for one batch to each of these partitions."""
    topics = [
        TopicProduceData(
            name=topic,
            partition_data=[PartitionProduceData(index=name.partition, records=batches[name]) for name in names],
        )
        for topic, names in _by_topic(batches)
    ]
    return ProduceRequest(acks=-1, timeout_ms=TIMEOUT_MS, topic_data=topics)


def commit_request(offsets: Mapping[ModelTopicPartition, int]) -> OffsetCommitRequest:
    """Return a request to commit these offsets for the group."""
    topics = [
        OffsetCommitRequestTopic(
            name=topic,
            partitions=[
                OffsetCommitRequestPartition(partition_index=name.partition, committed_offset=offsets[name])
                for name in names
            ],
        )
        for topic, names in _by_topic(offsets)
    ]
    return OffsetCommitRequest(group_id=GROUP, topics=topics)


def check_produced(answer: ProduceResponse, base_offsets: Mapping[ModelTopicPartition, int], what: str) -> None:
    """Raise BrokenPromise unless every batch was accepted, at its offset."""
    for topic in answer.responses:
        for partition in topic.partition_responses:
            name = ModelTopicPartition(topic.name, partition.index)
            expect_none(partition.error_code, f"{what} for {name}")
            if partition.base_offset != base_offsets[name]:
                raise BrokenPromise(f"{what} for {name} got {partition.base_offset}, expected {base_offsets[name]}")


def check_committed(answer: OffsetCommitResponse) -> None:
    """Raise BrokenPromise unless every offset was committed."""
    for topic in answer.topics:
        for partition in topic.partitions:
            expect_none(partition.error_code, f"committing for {topic.name}-{partition.partition_index}")


def _records(data: Buffer) -> Iterator[tuple[int, bytes | None]]:
    """Yield offset and value of each record, and after each batch the offset after it, with None."""
    view = memoryview(data)
    for position, header in batch_headers(data):
        yield from _batch_records(bytes(view[position : position + header.size_bytes]))


@lru_cache(maxsize=4096)
def _batch_records(batch: bytes) -> tuple[tuple[int, bytes | None], ...]:
    """Return what `_records` yields of a batch: the same ones are found after thousands of crashes."""
    records = [
        (record.offset, (b"" if record.key is None else record.key + b"=") + (record.value or b""))
        for record in iterate_records(batch)
    ]
    return (*records, (read_header(batch).next_offset, None))


def _by_topic(names: Iterable[ModelTopicPartition]) -> Iterator[tuple[str, list[ModelTopicPartition]]]:
    topics: dict[str, list[ModelTopicPartition]] = defaultdict(list)
    for name in sorted(names):
        topics[name.topic].append(name)
    yield from topics.items()
