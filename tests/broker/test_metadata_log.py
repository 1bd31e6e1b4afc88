"""The metadata partition: changes, what survives a restart, ids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotkafka.broker.shard import content_name
from dotkafka.clock import Instant
from dotkafka.errors import StorageFailed
from dotkafka.metadata.image import METADATA_PARTITION, MetadataImage, TopicImage
from dotkafka.metadata.records import encode_metadata_record
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.metadata_records import ConfigRecord, PartitionRecord, RemoveTopicRecord, TopicRecord
from dotkafka.protocol.primitives import uuid_from_text
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.storage.spi import Changes, TopicIdPartition

if TYPE_CHECKING:
    from dotkafka.broker.metadata_log import MetadataLog


def test_a_created_topic_is_there_at_once_and_after_a_restart(boot: Any) -> None:
    """A change is seen by the next request, and again by a broker on the same storage."""
    running = boot()
    topic = running.broker.metadata_log.create_topic("orders", 3, {"retention.ms": "5"})
    assert topic == TopicImage("orders", topic.topic_id, 3, {"retention.ms": "5"})
    assert running.broker.metadata.topics_by_name["orders"] is topic
    running.settle()
    assert boot().broker.metadata.topics_by_name["orders"] == topic


def test_what_is_not_durable_is_not_there_after_a_restart(boot: Any) -> None:
    """A change that storage was never given is lost with the process."""
    boot().broker.metadata_log.create_topic("orders", 1, {})
    assert not boot().broker.metadata.topics_by_name


def test_the_image_survives_a_checkpoint(boot: Any) -> None:
    """What the checkpoint store has instead of the write-ahead log gives the same image."""
    running = boot(checkpoint_interval_ms=10)
    running.broker.metadata_log.create_topic("orders", 3, {})
    running.settle()
    running.advance(100)
    running.broker.metadata_log.create_topic("payments", 1, {})
    running.settle()
    image = running.broker.metadata
    assert boot().broker.metadata == image


def test_topic_ids_are_never_the_same(boot: Any) -> None:
    """A topic that is deleted and created again is another topic."""
    running = boot()
    log = running.broker.metadata_log
    first = log.create_topic("orders", 1, {})
    log.change([RemoveTopicRecord(topic_id=first.topic_id)])
    assert log.create_topic("orders", 1, {}).topic_id != first.topic_id


def test_the_cluster_id_is_given_once(boot: Any) -> None:
    """The id has Kafka's form, does not look like an option, and stays the same."""
    running = boot()
    cluster_id = running.broker.metadata_log.cluster_id
    assert len(uuid_from_text(cluster_id)) == 16
    assert not cluster_id.startswith("-")
    assert running.broker.metadata_log.cluster_id == cluster_id
    running.settle()
    assert boot().broker.metadata_log.cluster_id == cluster_id


def test_a_producer_id_is_never_given_twice(boot: Any) -> None:
    """Ids go up, over the end of a block and over restarts."""
    given: list[int] = []
    for _ in range(3):
        running = boot()
        given += [running.broker.metadata_log.allocate_producer_id() for _ in range(1001)]
        running.settle()
    assert given == sorted(set(given))
    assert given[0] == 0


def test_deleted_partitions_are_forgotten_once_that_is_durable(boot: Any) -> None:
    """The log of a deleted topic goes with the record that deletes it, not before, and does not come back."""
    running = boot()
    broker = running.broker
    topic = broker.metadata_log.create_topic("orders", 1, {})
    partition = TopicIdPartition(topic.topic_id, 0)
    broker.shard.log(partition)
    broker.metadata_log.change([RemoveTopicRecord(topic_id=topic.topic_id)])
    assert "orders" not in broker.metadata.topics_by_name
    assert partition in broker.shard.logs
    running.settle()
    assert partition not in broker.shard.logs
    restarted = boot().broker
    assert not restarted.metadata.topics_by_name
    assert partition not in restarted.shard.logs


def test_a_fetch_that_waits_hears_of_the_deletion(boot: Any) -> None:
    """Who waits for records of a topic is told at once that it is gone."""
    running = boot()
    topic = running.broker.metadata_log.create_topic("orders", 1, {})
    running.settle()
    client = running.connect()
    fetch = FetchRequest(
        max_wait_ms=60_000,
        min_bytes=1,
        max_bytes=1000,
        session_epoch=-1,
        topics=[FetchTopic(topic="orders", partitions=[FetchPartition(partition=0, partition_max_bytes=1000)])],
    )
    client.send(FETCH, 12, fetch)
    running.settle()
    assert list(client.received()) == []
    running.broker.metadata_log.change([RemoveTopicRecord(topic_id=topic.topic_id)])
    running.settle()
    (response,) = client.received()
    assert response.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_settings_hold_for_the_logs_of_a_topic(boot: Any) -> None:
    """A topic's own value, else what the broker's configuration says, else the default."""
    running = boot(message_max_bytes=2000, default_topic_configs={"message.timestamp.type": "LogAppendTime"})
    log = running.broker.metadata_log
    own = log.log_config(log.create_topic("own", 1, {"max.message.bytes": "3000", "cleanup.policy": "compact"}))
    assert (own.max_message_bytes, own.message_timestamp_type, own.is_compacted) == (3000, "LogAppendTime", True)
    topic = log.create_topic("inherited", 1, {})
    assert log.log_config(topic).max_message_bytes == 2000
    assert log.log_config(topic) is log.log_config(topic)


def test_default_topic_configs_are_checked(boot: Any) -> None:
    """A broker with an invalid default does not start, and says which."""
    with pytest.raises(ValueError, match=r"retention\.ms"):
        boot(default_topic_configs={"retention.ms": "soon"})


@pytest.mark.parametrize(
    "value",
    [
        b"nonsense",
        encode_metadata_record(PartitionRecord(partition_id=0, topic_id=b"x" * 16)),
        encode_metadata_record(RemoveTopicRecord(topic_id=b"x" * 16)),
    ],
)
def test_a_damaged_metadata_partition_is_refused(boot: Any, value: bytes) -> None:
    """What contradicts itself or cannot be read stops the start with an error of storage."""
    log: MetadataLog = boot().broker.metadata_log

    def replay() -> MetadataImage:
        log.replay(encode_batch([Record(0, 0, None, value)]))
        return log.image

    with pytest.raises(StorageFailed, match="metadata partition"):
        replay()


def test_many_replayed_records_are_applied_in_bulk(boot: Any) -> None:
    """Ten thousand topics, each from a change of its own, are replayed in about the time one copy of them takes."""
    log = boot().broker.metadata_log
    for number in range(12_000):
        topic_id = number.to_bytes(16, "big")
        log.replay(encode_batch([Record(0, 0, None, encode_metadata_record(TopicRecord(f"t{number}", topic_id)))]))
    assert len(log.image.topics_by_name) == 12_000


def test_the_metadata_partition_has_no_topic(boot: Any) -> None:
    """No image lists the partition that it comes from."""
    running = boot()
    running.broker.metadata_log.create_topic("orders", 1, {})
    assert METADATA_PARTITION not in set(running.broker.metadata.partitions())


SMALL_SNAPSHOTS = {"metadata_log_max_record_bytes_between_snapshots": 300, "checkpoint_interval_ms": 10}


def test_many_changes_leave_a_bounded_log(boot: Any) -> None:
    """However often topics come and go, a start has a snapshot and few records to read, and finds the same."""
    running = boot(**SMALL_SNAPSHOTS)
    log = running.broker.metadata_log
    partition = running.broker.shard.log(METADATA_PARTITION)
    kept = log.create_topic("kept", 2, {"retention.ms": "5"})
    first_producer_id = log.allocate_producer_id()
    for number in range(200):
        topic = log.create_topic(f"t{number}", 1, {})
        log.change([RemoveTopicRecord(topic_id=topic.topic_id)])
        running.settle()
        running.advance(20)
    assert partition.log_end_offset > 600
    assert partition.size_bytes < 1000
    image = running.broker.metadata
    restarted = boot(**SMALL_SNAPSHOTS).broker
    assert restarted.shard.log(METADATA_PARTITION).log_start_offset == partition.log_start_offset
    assert restarted.metadata == image
    assert restarted.metadata.topics_by_name["kept"] == kept
    assert restarted.metadata_log.allocate_producer_id() > first_producer_id


def test_a_snapshot_holds_what_is_durable_and_no_more(machine: Any) -> None:
    """A change that is still on its way to L1 when the snapshot is taken is not part of it."""
    running = machine.boot(**SMALL_SNAPSHOTS)
    broker = running.broker
    broker.metadata_log.create_topic("durable", 3, {"retention.ms": "5", "segment.ms": "6"})
    running.settle()
    machine.now = Instant(machine.now.monotonic_ms + 20, machine.now.wall_ms + 20)
    broker.metadata_log.create_topic("lost", 1, {})
    append, checkpoint = running.take_work()
    assert (append.lane, checkpoint.lane) == ("append", "checkpoint")
    running.run(checkpoint)
    assert broker.shard.log(METADATA_PARTITION).log_start_offset > 0
    assert list(machine.boot().broker.metadata.topics_by_name) == ["durable"]


def test_a_snapshot_is_taken_when_the_last_is_old(boot: Any) -> None:
    """With the first checkpoint after the interval; and without new records there is nothing to take."""
    running = boot(metadata_log_max_snapshot_interval_ms=1000, checkpoint_interval_ms=10)
    log = running.broker.shard.log(METADATA_PARTITION)
    running.broker.metadata_log.create_topic("orders", 1, {})
    running.settle()
    running.advance(900)
    assert log.log_start_offset == 0
    running.advance(200)
    running.broker.metadata_log.create_topic("payments", 1, {})
    running.settle()
    running.advance(20)
    assert log.log_start_offset == log.log_end_offset > 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: None, "begins at offset"),
        (lambda data: data[:-1], "damaged"),
        (lambda data: data[:3], "cut short"),
        (lambda data: bytes(8) + data[8:], "ends at 0"),
    ],
)
def test_a_damaged_snapshot_is_refused(machine: Any, damage: Any, message: str) -> None:
    """A start that lacks what the snapshot stands for would drop partitions; it is refused instead."""
    running = machine.boot(**SMALL_SNAPSHOTS)
    running.broker.metadata_log.create_topic("orders", 3, {"retention.ms": "5", "segment.ms": "6"})
    running.settle()
    running.advance(20)
    name = content_name(METADATA_PARTITION)
    checkpoint = machine.checkpoints.load(0)
    damaged = damage(checkpoint.snapshots[name])
    machine.checkpoints.save(0, Changes(checkpoint.epoch, checkpoint.next_sequence, snapshots={name: damaged}))
    with pytest.raises(StorageFailed, match=message):
        machine.boot()


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), st.sampled_from("abc"), st.integers(1, 3)),
        st.tuples(st.just("delete"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("configure"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("checkpoint"), st.just(""), st.just(0)),
        st.tuples(st.just("restart"), st.just(""), st.just(0)),
    ),
    max_size=12,
)


@given(STEPS)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_restart_never_changes_the_image(machine: Any, steps: list[tuple[str, str, int]]) -> None:
    """Whatever is done, with checkpoints in between or not, the next broker sees what this one saw."""
    machine = type(machine)()
    running = machine.boot(**SMALL_SNAPSHOTS)
    for step, name, number in [*steps, ("restart", "", 0)]:
        log = running.broker.metadata_log
        topic = log.image.topics_by_name.get(name)
        if step == "create" and topic is None:
            log.create_topic(name, number, {"segment.ms": str(number)})
        elif step == "delete" and topic is not None:
            log.change([RemoveTopicRecord(topic_id=topic.topic_id)])
        elif step == "configure" and topic is not None:
            value = str(number) if number else None
            log.change([ConfigRecord(resource_type=2, resource_name=name, name="retention.ms", value=value)])
        elif step == "checkpoint":
            running.advance(20)
        elif step == "restart":
            running.settle()
            image = running.broker.metadata
            running = machine.boot(**SMALL_SNAPSHOTS)
            assert running.broker.metadata == image
            assert set(running.broker.shard.logs) <= {*image.partitions(), METADATA_PARTITION}
