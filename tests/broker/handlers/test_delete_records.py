"""DeleteRecords."""

from typing import Any

import pytest

from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_records import (
    DELETE_RECORDS,
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record


def produce(client: Any, count: int) -> None:
    """Append records to the topic, each in a batch of its own."""
    for _ in range(count):
        data = PartitionProduceData(index=0, records=encode_batch([Record(0, 1_700_000_000_000, None, b"x")]))
        topic = TopicProduceData(name="orders", partition_data=[data])
        response = client.call(PRODUCE, 9, ProduceRequest(acks=-1, timeout_ms=1000, topic_data=[topic]))
        assert response.responses[0].partition_responses[0].error_code == 0


@pytest.fixture(name="stocked")
def fixture_stocked(running: Any, client: Any) -> Any:
    """A client of a broker whose topic `orders` has five records."""
    running.broker.metadata_log.create_topic("orders", 1, {})
    produce(client, 5)
    return client


def delete(client: Any, offset: int, topic: str = "orders", index: int = 0, version: int = 2) -> tuple[int, int]:
    """Delete the records of a partition before an offset, and return error code and low watermark."""
    partition = DeleteRecordsPartition(partition_index=index, offset=offset)
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[partition])])
    (result,) = client.call(DELETE_RECORDS, version, request).topics
    (answer,) = result.partitions
    assert (result.name, answer.partition_index) == (topic, index)
    return answer.error_code, answer.low_watermark


@pytest.mark.parametrize("version", range(3))
def test_every_version_is_served(stocked: Any, boot: Any, version: int) -> None:
    """Records before the offset are gone, for good."""
    assert delete(stocked, 3, version=version) == (0, 3)
    broker = boot().broker
    _, log = broker.partition("orders", 0)
    assert (log.log_start_offset, log.log_end_offset) == (3, 5)


def test_minus_one_is_the_high_watermark(stocked: Any) -> None:
    """It empties the partition."""
    assert delete(stocked, -1) == (0, 5)


def test_an_offset_that_is_deleted_already_changes_nothing(stocked: Any) -> None:
    """The answer is the log start offset as it is."""
    assert delete(stocked, 3) == (0, 3)
    assert delete(stocked, 1) == (0, 3)


@pytest.mark.parametrize("offset", [6, -2])
def test_an_offset_that_is_not_there_is_refused(stocked: Any, offset: int) -> None:
    """Beyond the high watermark or below -1 is OFFSET_OUT_OF_RANGE."""
    assert delete(stocked, offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)


def test_what_is_not_there_is_unknown(stocked: Any) -> None:
    """Unknown topics and partitions, and the metadata's."""
    assert delete(stocked, 0, "unknown") == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    assert delete(stocked, 0, index=1) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    assert delete(stocked, 0, index=-1) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)
    assert delete(stocked, 0, "__cluster_metadata") == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, -1)


def test_what_may_not_be_deleted_is_refused(running: Any, stocked: Any) -> None:
    """Internal topics, and topics that are compacted and never deleted; both policies together are fine."""
    log = running.broker.metadata_log
    log.create_topic("__transaction_state", 1, {})
    log.create_topic("compacted", 1, {"cleanup.policy": "compact"})
    log.create_topic("both", 1, {"cleanup.policy": "compact,delete"})
    assert delete(stocked, 0, "__transaction_state") == (ErrorCode.INVALID_TOPIC_EXCEPTION, -1)
    assert delete(stocked, 0, "compacted") == (ErrorCode.POLICY_VIOLATION, -1)
    assert delete(stocked, 0, "both") == (0, 0)


def test_the_answer_waits_until_it_is_durable(running: Any, stocked: Any) -> None:
    """No answer before storage has the new log start offset."""
    partition = DeleteRecordsPartition(partition_index=0, offset=2)
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name="orders", partitions=[partition])])
    stocked.send(DELETE_RECORDS, 2, request)
    assert list(stocked.received()) == []
    running.settle()
    assert len(list(stocked.received())) == 1


def test_nothing_is_deleted_when_storage_does_not_accept_it(running: Any, stocked: Any) -> None:
    """A broker that cannot write any more leaves the log as it is, and says so instead of closing the connection."""
    running.broker.shard.failure = StorageFailed("the disk is gone")
    assert delete(stocked, 2) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    _, log = running.broker.partition("orders", 0)
    assert log.log_start_offset == 0


def test_a_full_disk_refuses_at_once(machine: Any, running: Any, stocked: Any) -> None:
    """The refusal does not wait for the writes that wait for space."""
    machine.wal.errors.append(StorageUnavailable("no space"))
    running.broker.metadata_log.create_topic("waits", 1, {})
    running.settle()
    assert delete(stocked, 2) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
