"""A seeded workload for a broker on storage that can crash, and the model of what its clients were told.

Produce, idempotent and plain, to several partitions at once, some of them compacted, some of which forget; retries;
topics that come and go; committed offsets; members of a consumer group; deletions of records, offsets and groups;
producer ids; group commits, checkpoints, trims, segments that roll, compaction; restarts of all kinds.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import attrs

from dotkafka.clock import Instant
from dotkafka.errors import StorageError
from dotkafka.metadata.image import METADATA_PARTITION
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
from dotkafka.protocol.messages.init_producer_id import (
    INIT_PRODUCER_ID,
    InitProducerIdRequest,
    InitProducerIdResponse,
)
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.offset_commit import OFFSET_COMMIT
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.records.batch import encode_batch
from dotkafka.testing.crash_check import (
    TIMEOUT_MS,
    TIMESTAMP_MS,
    check_committed,
    check_produced,
    commit_request,
    next_batch,
    observe,
    produce_request,
    records_of,
)
from dotkafka.testing.crash_groups import NOTHING_PROMISED, GroupDeletions, GroupMembers, expect_none
from dotkafka.testing.crash_model import (
    BrokenPromise,
    CrashModel,
    ModelPartition,
    ModelState,
    ModelTopicPartition,
    Observed,
    Retention,
    SentBatch,
)
from dotkafka.testing.simulated_storage import MakeCheckpoints, MakeWal, SimulatedStorage, small_file_wal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dotkafka.broker.shard import Shard
    from dotkafka.broker.storage_work import Lane
    from dotkafka.protocol.schema import Api
    from dotkafka.testing.hand_driven_broker import HandDrivenBroker, Question

COMPACTED: Final = "c"
FORGETTING: Final = "f"
TOPICS: Final = ("t", COMPACTED, FORGETTING)
RETENTION: Final = Retention(size_bytes=600, time_ms=60_000)
COMPACTED_CONFIGS: Final = {
    "cleanup.policy": "compact,delete",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
    "retention.ms": "-1",
}
FORGETTING_CONFIGS: Final = {
    "retention.bytes": str(RETENTION.size_bytes),
    "retention.ms": str(RETENTION.time_ms),
}
CONFIGS: Final = {COMPACTED: COMPACTED_CONFIGS, FORGETTING: FORGETTING_CONFIGS}
PARTITIONS: Final = 2
START: Final = Instant(1_000, TIMESTAMP_MS)
STEPS: Final = 150
PAUSE_MS: Final = 10_000
MOST_FAILURES: Final = 20
"""After so many it is not the fault any more that keeps the broker from starting, but what it has led to."""

LANES: Final[Mapping[str, Lane]] = {
    "run append": "append",
    "run checkpoint": "checkpoint",
    "run compaction": "compaction",
}
OPERATIONS: Final = (
    *("produce",) * 8,
    *("retry", "retry", "commit", "commit", "delete_records", "new_producer", "create", "create", "create", "delete"),
    *("heartbeat",) * 4,
    *("commit_as_member", "delete_offset", "delete_group"),
    *("run append",) * 10,
    *("run checkpoint", "run checkpoint", "run compaction", "run compaction", "pass_time", "restart"),
)


class _Asked(NamedTuple):
    """A request without answer yet."""

    question: Question[Any]
    operation: int
    """What is durable once it is answered."""
    check: Callable[[Any], None]


class CrashWorkload:
    """Clients of one broker that crashes and starts again. `run` goes through all of it.

    Args:
        seed: the same seed does the same.
        make_wal: the write-ahead log under test.
        make_checkpoints: the checkpoint store under test; by default one in memory, whose saves are there or not.
        steps: how many things happen.
        faults: lets calls of the file system fail. Without it nothing may be refused.
    """

    def __init__(
        self,
        seed: int,
        make_wal: MakeWal = small_file_wal,
        make_checkpoints: MakeCheckpoints | None = None,
        *,
        steps: int = STEPS,
        faults: Callable[[str], int] | None = None,
    ) -> None:
        self.storage = SimulatedStorage(str(seed), make_wal, make_checkpoints)
        self.model = CrashModel()
        self.now = START
        self.failures: list[StorageError] = []
        """Why brokers would not start, or write no more."""
        self._dice = random.Random(seed)  # noqa: S311 (the same seed does the same)
        self._members = GroupMembers(self._dice, self.model, self._ask)
        self._deletions = GroupDeletions(self._dice, self.model, self._ask)
        self._steps = steps
        self._faults = faults
        self._asked: list[_Asked] = []
        self._driver: HandDrivenBroker

    @property
    def shard(self) -> Shard:
        """The shard of the broker that runs."""
        return self._driver.broker.shard

    def run(self) -> None:
        """Do everything, and come to rest.

        Raises:
            BrokenPromise: a restart does not show what was acknowledged, or something is refused for no reason.
        """
        self._boot()
        self.create()
        for _ in range(self._steps):
            operation = self._dice.choice(OPERATIONS)
            if operation.startswith("run "):
                self._run(LANES[operation])
            else:
                getattr(self, operation)()
            self._show()
        self.come_to_rest()

    def come_to_rest(self) -> None:
        """Let time pass until everything is in L2 and answered; or refused, if storage has failed for good."""
        for _ in range(3):
            self.pass_time()
            self._settle()
        if self.shard.failure is None and (self._asked or self.model.acknowledged < self.model.last_operation):
            raise BrokenPromise("storage works, and something is not answered")
        if self.shard.failure is None:
            self._check_that_space_is_free()
        self._keep_failure()

    def _check_that_space_is_free(self) -> None:
        """What is deleted must not stay in L2."""
        checkpoint = self.storage.checkpoints.load(self.shard.number)
        alive = {METADATA_PARTITION, *self._driver.broker.metadata.partitions()}
        if checkpoint is not None and not alive.issuperset(checkpoint.partitions):
            raise BrokenPromise(f"deleted, and still in L2: {sorted(set(checkpoint.partitions) - alive)}")

    def restart(self) -> None:
        """End the broker in one of three ways, and hold what the next one shows against the model."""
        ending = self._dice.choice(("shutdown", "kill", "power cut"))
        if ending == "shutdown" and self.shard.failure is None and self.shard.is_writable:
            self._settle()
            self._driver.shut_down()
            self._take_answers()
        self._keep_failure()
        if ending == "power cut":
            share = self._dice.random()
            self.storage.files.crash(lambda: self._dice.random() < share)
        self._boot()

    def create(self) -> None:
        """Create a topic, unless all are there."""
        missing = [topic for topic in TOPICS if topic not in self.model.now.topics()]
        if not missing:
            return
        configs = CONFIGS.get(missing[0], {}).items()
        wanted = CreatableTopic(
            name=missing[0],
            num_partitions=PARTITIONS,
            replication_factor=1,
            configs=[CreatableTopicConfig(name=name, value=value) for name, value in configs],
        )
        names = [ModelTopicPartition(missing[0], index) for index in range(PARTITIONS)]
        retention = RETENTION if missing[0] == FORGETTING else None
        partition = ModelPartition(len(self.model.states), missing[0] == COMPACTED, retention=retention)
        self._ask(
            CREATE_TOPICS,
            5,
            CreateTopicsRequest(topics=[wanted], timeout_ms=TIMEOUT_MS),
            lambda answer: expect_none(answer.topics[0].error_code, "creating a topic"),
            self._with_partitions(dict.fromkeys(names, partition)),
        )

    def delete(self) -> None:
        """Delete a topic, with what the group has committed for it."""
        topics = sorted(self.model.now.topics())
        if not topics:
            return
        topic = self._dice.choice(topics)
        state = self.model.now
        self._ask(
            DELETE_TOPICS,
            5,
            DeleteTopicsRequest(topic_names=[topic], timeout_ms=TIMEOUT_MS),
            lambda answer: expect_none(answer.responses[0].error_code, "deleting a topic"),
            ModelState(
                {name: partition for name, partition in state.partitions.items() if name.topic != topic},
                {name: offset for name, offset in state.committed.items() if name.topic != topic},
                {name: offset for name, offset in state.committed_by_members.items() if name.topic != topic},
                state.group,
            ),
        )

    def produce(self) -> None:
        """Append batches to some partitions in one request, unless it would have to wait for L2."""
        if not self.shard.has_room or not self.model.now.partitions:
            return
        batches: dict[ModelTopicPartition, SentBatch] = {}
        changed: dict[ModelTopicPartition, ModelPartition] = {}
        for name in self._some_partitions():
            partition = self.model.now.partitions[name]
            values = [self._value(name) for _ in range(self._dice.randint(1, 3))]
            batch = next_batch(name, partition, values, len(self.model.states))
            is_idempotent = self._dice.random() < 0.7
            if not is_idempotent:
                records = encode_batch(records_of(partition, values))
                batch = batch._replace(records=bytes(records))
            batches[name] = batch
            sent = batch if is_idempotent else None
            changed[name] = partition.with_batch(values, sent, len(batch.records), TIMESTAMP_MS)
        self._send(batches, "a batch", self._with_partitions(changed))

    def retry(self) -> None:
        """Send one of the last batches of a producer again, which changes nothing."""
        sent = {name: partition.sent for name, partition in self.model.now.partitions.items() if partition.sent}
        if sent and self.shard.has_room:
            name = self._dice.choice(sorted(sent))
            self._send({name: self._dice.choice(sent[name])}, "a retry")

    def commit(self) -> None:
        """Commit offsets of some partitions."""
        if not self.model.now.partitions:
            return
        offsets = {name: self._dice.randrange(1000) for name in self._some_partitions()}
        self._ask(
            OFFSET_COMMIT,
            8,
            commit_request(offsets),
            check_committed,
            attrs.evolve(self.model.now, committed={**self.model.now.committed, **offsets}),
        )

    def heartbeat(self) -> None:
        """Let a member of the other group join, go on or leave."""
        self._members.take_turn()

    def commit_as_member(self) -> None:
        """Let a member commit."""
        self._members.commit(commit_request, check_committed)

    def delete_offset(self) -> None:
        """Delete one of the committed offsets."""
        self._deletions.delete_offset()

    def delete_group(self) -> None:
        """Delete the group without members."""
        self._deletions.delete_group()

    def delete_records(self) -> None:
        """Move a log start offset, at most to what is durable."""
        if not self.model.now.partitions:
            return
        name = self._dice.choice(sorted(self.model.now.partitions))
        partition = self.model.now.partitions[name]
        high_watermark = self._driver.broker.partition(name.topic, name.partition)[1].high_watermark
        if high_watermark <= partition.log_start_offset:
            return
        offset = self._dice.randint(partition.log_start_offset + 1, high_watermark)
        wanted = DeleteRecordsPartition(partition_index=name.partition, offset=offset)
        topics = [DeleteRecordsTopic(name=name.topic, partitions=[wanted])]
        self._ask(
            DELETE_RECORDS,
            1,
            DeleteRecordsRequest(topics=topics, timeout_ms=TIMEOUT_MS),
            lambda answer: expect_none(answer.topics[0].partitions[0].error_code, "deleting records"),
            self._with_partitions({name: attrs.evolve(partition, log_start_offset=offset)}),
        )

    def new_producer(self) -> None:
        """Get a producer id that nobody else ever gets."""

        def check(answer: InitProducerIdResponse) -> None:
            expect_none(answer.error_code, "getting a producer id")
            if answer.producer_id in self.model.producer_ids:
                raise BrokenPromise(f"producer id {answer.producer_id} is given twice")
            self.model.producer_ids.add(answer.producer_id)

        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=TIMEOUT_MS)
        self._ask(INIT_PRODUCER_ID, 4, request, check, self.model.now)

    def pass_time(self) -> None:
        """Let a checkpoint, or another try, become due."""
        self._driver.advance(PAUSE_MS)
        self.now = self._driver.now
        self.model.now_ms = self.now.wall_ms

    def _boot(self) -> None:
        self._asked.clear()
        while not self._has_started():
            pass
        observed = self._observe()
        operation, state = self.model.match(observed)
        self.model.restarted(operation, state, observed.epoch)
        self._members.restarted(observed.group)

    def _observe(self) -> Observed:
        try:
            return observe(self._driver)
        except BrokenPromise:
            if self._faults is None:
                raise
            # The call that fails may be one that reads; a client asks again.
            return observe(self._driver)

    def _has_started(self) -> bool:
        # The process is a new one, and the fault of the disk is the same.
        self.storage.files.kill_process()
        self.storage.files.fail_when(self._faults)
        try:
            self._driver = self.storage.boot(self.now)
            self._write_beginning()
        except StorageError as error:
            self.failures.append(error)
            if self._faults is None or len(self.failures) > MOST_FAILURES:
                raise BrokenPromise(f"the broker does not start: {error}") from error
            return False
        return True

    def _write_beginning(self) -> None:
        """Write what a new broker has to write, which it does when it is first asked; raise why it cannot."""
        self._driver.ask(METADATA, 9, MetadataRequest(topics=None))
        self._driver.settle()
        while not self.shard.is_writable:
            if self.shard.failure is not None:
                raise self.shard.failure
            self.pass_time()
            self._driver.settle()

    def _send(self, batches: dict[ModelTopicPartition, SentBatch], what: str, state: ModelState | None = None) -> None:
        self._ask(
            PRODUCE,
            9,
            produce_request({name: batch.records for name, batch in batches.items()}),
            lambda answer: check_produced(answer, {name: batch.base_offset for name, batch in batches.items()}, what),
            state,
            max(batch.operation for batch in batches.values()),
        )

    def _ask(
        self,
        api: Api[Any, Any],
        version: int,
        request: object,
        check: Callable[[Any], None],
        state: ModelState | None,
        operation: int | None = None,
    ) -> None:
        """Send a request that leads to `state`, if any; once it is answered, `operation` (or it itself) is durable."""
        is_refused = not self.shard.is_writable
        if is_refused and state is None and operation == NOTHING_PROMISED:
            return  # It only reads, which may be answered or not.
        question = self._driver.ask(api, version, request)
        if is_refused:
            _expect_refusal(question, check)
            return
        done = self.model.did(state) if state is not None else self.model.last_operation
        self._asked.append(_Asked(question, done if operation is None else operation, check))
        self._take_answers()

    def _take_answers(self) -> None:
        waiting, self._asked = self._asked, []
        for asked in waiting:
            answer = asked.question.answer
            if answer is None:
                self._asked.append(asked)
                continue
            try:
                asked.check(answer)
            except BrokenPromise:
                if self.shard.failure is None:
                    raise
            else:
                self.model.acknowledge(asked.operation)

    def _show(self) -> None:
        """Note what readers may see now."""
        for name in self.model.now.partitions:
            log = self._driver.broker.partition(name.topic, name.partition)[1]
            self.model.show(name, log.log_start_offset, log.high_watermark)

    def _run(self, lane: Lane) -> bool:
        has_run = self._driver.run(lane)
        self._take_answers()
        return has_run

    def _settle(self) -> None:
        while any(self._run(lane) for lane in LANES.values()):
            pass

    def _keep_failure(self) -> None:
        failure = self.shard.failure
        if failure is None:
            return
        self.failures.append(failure)
        if self._faults is None:
            raise BrokenPromise(f"nothing has failed, and the broker writes no more: {failure}") from failure

    def _some_partitions(self) -> list[ModelTopicPartition]:
        names = sorted(self.model.now.partitions)
        return self._dice.sample(names, min(self._dice.randint(1, 3), len(names)))

    def _value(self, name: ModelTopicPartition) -> bytes:
        label = f"{name.topic}-{name.partition} by operation {len(self.model.states)}: "
        if name.topic == COMPACTED:
            key = b"key %d=" % self._dice.randrange(3)
            if self._dice.random() < 0.2:
                return key
            label = f"{key.decode()}{label}"
        return label.encode() + self._dice.randbytes(self._dice.randrange(150))

    def _with_partitions(self, changed: dict[ModelTopicPartition, ModelPartition]) -> ModelState:
        state = self.model.now
        return attrs.evolve(state, partitions={**state.partitions, **changed})


def _expect_refusal(question: Question[Any], check: Callable[[Any], None]) -> None:
    answer = question.answer
    try:
        if answer is not None:
            check(answer)
    except BrokenPromise:
        return
    raise BrokenPromise(f"storage takes no writes, and one is answered with {answer}")
