"""Whoever manages the topics: some stay, one grows, one comes and goes, of one records are deleted, one forgets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.create_partitions import (
    CREATE_PARTITIONS,
    CreatePartitionsRequest,
    CreatePartitionsTopic,
)
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from dotkafka.testing.history import Compaction, DeleteRecords, DeleteTopic
from dotkafka.testing.simulation.client import Client
from dotkafka.testing.simulation.topics import COMPACTED, FORGETTING, GROWING, PASSING, STAYING, TRIMMED
from dotkafka.testing.simulation.trace import Violation
from dotkafka.testing.simulation.world import Phase

if TYPE_CHECKING:
    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

MOST_PARTITIONS: Final = 5
TOPIC_RESOURCE: Final = 2
SET: Final = 0
UNAVAILABLE: Final = frozenset({ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_LEADER_OR_FOLLOWER})
HIGH_WATERMARK: Final = -1
FOR_EVER: Final = str(2**62)
"""No clock jumps so far."""


class Admin(Client):
    """Creates the topics, and changes them until everything heals."""

    def __init__(self, world: World, name: str) -> None:
        super().__init__(world, name)
        self._compacted_configs = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.05"}

    def live(self) -> Flow[None]:
        """Create what stays; then do one thing after another."""
        keeps_tombstones = self.dice.random() < 0.5
        self._compacted_configs["delete.retention.ms"] = FOR_EVER if keeps_tombstones else "0"
        self.world.history.add(Compaction(self.name, COMPACTED, keeps_tombstones=keeps_tombstones))
        for topic, partitions in STAYING.items():
            while not (yield from self._create(topic, partitions)):
                yield from self.pause(100)
            self.world.acknowledge_topic(topic, partitions)
        actions = (
            self._grow,
            self._delete_records,
            self._delete_records,
            self._come_or_go,
            self._come_or_go,
            self._forget,
        )
        while self.world.phase is Phase.STORM:
            yield from self.dice.choice(actions)()
            yield from self.pause(self.dice.randrange(100, 2_000))

    @property
    def is_settled(self) -> bool:
        """Whether the topics are there."""
        return len(self.world.created) == len(STAYING)

    def _create(self, topic: str, partitions: int) -> Flow[bool]:
        """Create a topic; return whether it is there."""
        wanted = CreatableTopic(name=topic, num_partitions=partitions, replication_factor=1)
        configs = {FORGETTING: {"retention.bytes": "4000"}, COMPACTED: self._compacted_configs}.get(topic, {})
        wanted.configs = [CreatableTopicConfig(name=name, value=value) for name, value in configs.items()]
        answer = yield from self.call(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[wanted], timeout_ms=1_000))
        if answer is None:
            return False
        code = answer.topics[0].error_code
        self._expect(code, ErrorCode.TOPIC_ALREADY_EXISTS)
        return code not in UNAVAILABLE

    def _grow(self) -> Flow[None]:
        """Add a partition."""
        yield from self.refresh_topics()
        count = len(self.topics[GROWING].epochs) + 1
        if count > MOST_PARTITIONS:
            return
        topic = CreatePartitionsTopic(name=GROWING, count=count, assignments=None)
        answer = yield from self.call(CREATE_PARTITIONS, 3, CreatePartitionsRequest(topics=[topic], timeout_ms=1_000))
        if answer is None:
            return
        code = answer.results[0].error_code
        self._expect(code)
        if code == ErrorCode.NONE:
            self.world.acknowledge_topic(GROWING, count)
            self.world.counts["partitions added"] += 1

    def _delete_records(self) -> Flow[None]:
        """Delete what stands before the high watermark, or before one of the first offsets."""
        partition = self.dice.randrange(STAYING[TRIMMED])
        offset = HIGH_WATERMARK if self.dice.random() < 0.3 else self.dice.randrange(400)
        request = DeleteRecordsRequest(
            topics=[DeleteRecordsTopic(TRIMMED, [DeleteRecordsPartition(partition_index=partition, offset=offset)])],
            timeout_ms=1_000,
        )
        before_offset = 2**62 if offset == HIGH_WATERMARK else offset
        operation = self.world.history.begin(DeleteRecords(self.name, TRIMMED, partition, before_offset))
        answer = yield from self.call(DELETE_RECORDS, 2, request)
        if answer is None:
            self.world.history.unknown(operation)
            return
        (result,) = answer.topics[0].partitions
        self._expect(result.error_code, ErrorCode.OFFSET_OUT_OF_RANGE)
        if result.error_code == ErrorCode.NONE:
            self.world.history.ok(operation, before_offset=result.low_watermark)
            self.world.counts["deletions of records"] += 1
        elif result.error_code == ErrorCode.OFFSET_OUT_OF_RANGE:
            self.world.history.fail(operation)
        else:
            self.world.history.unknown(operation)

    def _come_or_go(self) -> Flow[None]:
        """Create the topic that passes, or delete it."""
        yield from self.refresh_topics()
        if PASSING not in self.topics:
            yield from self._create(PASSING, 2)
            return
        operation = self.world.history.begin(DeleteTopic(self.name, PASSING))
        request = DeleteTopicsRequest(topic_names=[PASSING], timeout_ms=1_000)
        answer = yield from self.call(DELETE_TOPICS, 5, request)
        if answer is None:
            self.world.history.unknown(operation)
            return
        code = answer.responses[0].error_code
        self._expect(code, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if code == ErrorCode.NONE:
            self.world.history.ok(operation)
            self.world.counts["topics deleted"] += 1
        elif code in UNAVAILABLE:
            self.world.history.unknown(operation)
        else:
            self.world.history.fail(operation)

    def _forget(self) -> Flow[None]:
        """Change how much is kept of the topic that forgets."""
        value = str(self.dice.choice((1_000, 4_000, 20_000)))
        resource = AlterConfigsResource(
            resource_type=TOPIC_RESOURCE,
            resource_name=FORGETTING,
            configs=[AlterableConfig(name="retention.bytes", config_operation=SET, value=value)],
        )
        request = IncrementalAlterConfigsRequest(resources=[resource])
        answer = yield from self.call(INCREMENTAL_ALTER_CONFIGS, 1, request)
        if answer is not None:
            self._expect(answer.responses[0].error_code)

    def _expect(self, code: int, *allowed: ErrorCode) -> None:
        if code not in {ErrorCode.NONE, *UNAVAILABLE, *allowed}:
            raise Violation(f"{self.name} is refused with {code}")
