"""Groups: the coordinator's records are durable before its replies leave, and it is rebuilt from them."""

import pytest

from dotkafka.broker.groups import OFFSETS_TOPIC, group_partition
from dotkafka.coordinator.config import GroupConfig
from dotkafka.errors import StorageFailed, StorageUnavailable
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from dotkafka.protocol.messages.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupRequest, JoinGroupRequestProtocol
from dotkafka.protocol.messages.list_groups import LIST_GROUPS, ListGroupsRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import OFFSET_FETCH, OffsetFetchRequest
from dotkafka.protocol.messages.produce import PRODUCE
from dotkafka.records.batch import batch_headers, encode_batch, iterate_records
from dotkafka.records.record import Record


def commit_request(offset):
    """A commit of the group `g` for `t`."""
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset)
    return OffsetCommitRequest(group_id="g", topics=[OffsetCommitRequestTopic(name="t", partitions=[partition])])


def heartbeat(client, joined):
    """Say that a member is alive, and return the error."""
    request = HeartbeatRequest(group_id="g", generation_id=joined.generation_id, member_id=joined.member_id)
    return client.call(HEARTBEAT, 3, request).error_code


@pytest.mark.parametrize(
    ("group_id", "java_hash"),
    # What Java's "…".hashCode() gives.
    [("", 0), ("a", 97), ("ab", 3105), ("group", 98629247), ("polygenelubricants", -2147483648), ("😀", 1772899)],
)
def test_partition_of_a_group(group_id, java_hash):
    """Tools look for a group's records where Kafka would put them."""
    for count in (1, 7, 50):
        assert group_partition(group_id, count) == (java_hash & 0x7FFFFFFF) % count


def test_answers_wait_for_earlier_records(client, running):
    """A reply that rests on records of another request waits for them too."""
    client.create_topic("t")
    client.commit("t", 1)
    other = running.connect()
    client.send(OFFSET_COMMIT, 8, commit_request(5))
    other.send(OFFSET_FETCH, 5, OffsetFetchRequest(group_id="g", topics=None))
    assert list(other.received()) == []
    running.settle()
    (answer,) = other.received()
    assert answer.topics[0].partitions[0].committed_offset == 5


def test_answers_do_not_wait_for_other_peoples_records(client, running, batch):
    """With nothing of the coordinator's on its way, a flush of producers is not waited for."""
    client.create_topic("t")
    client.commit("t", 1)
    running.connect().send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    client.send(OFFSET_FETCH, 5, OffsetFetchRequest(group_id="g", topics=None))
    (answer,) = client.received()
    assert answer.topics[0].partitions[0].committed_offset == 1


def test_records_are_kafkas(client, running):
    """What is in `__consumer_offsets` can be read by Kafka's own tools: versioned keys and values, one batch a step."""
    client.create_topic("t")
    client.commit("t", 5)
    log = running.broker.partition(OFFSETS_TOPIC, 0)[1]
    (data,) = log.read(0, 1 << 20, up_to=log.high_watermark, at_least_one=True)
    assert len(list(batch_headers(data))) == 1
    (record,) = iterate_records(data)
    # Type 1 (offset), group, topic, partition; the value is of a version that Kafka 4 writes.
    assert record.key == b"\x00\x01\x00\x01g\x00\x01t\x00\x00\x00\x00"
    assert record.value is not None
    assert record.value[:2] in {b"\x00\x03", b"\x00\x04"}
    assert record.value[2:10] == (5).to_bytes(8, "big")


def test_groups_are_spread_over_partitions(boot):
    """With several partitions each group has its own, and all are read at start."""
    client = boot(offsets_topic_num_partitions=5).connect()
    client.create_topic("t")
    for number in range(20):
        client.commit("t", number, group=f"g{number}")
    running = boot(offsets_topic_num_partitions=1)
    ends = [running.broker.partition(OFFSETS_TOPIC, index)[1].log_end_offset for index in range(5)]
    assert sum(ends) == 20
    assert min(ends) > 0
    client = running.connect()
    assert [client.committed("t", group=f"g{number}") for number in range(20)] == list(range(20))


def test_the_offsets_topic_is_internal_and_cannot_be_written(client, running):
    """Clients see it as internal."""
    client.create_topic("t")
    client.commit("t", 5)
    assert running.broker.metadata.topics_by_name[OFFSETS_TOPIC].is_internal
    assert client.produce(OFFSETS_TOPIC, b"x").error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_failed_storage_ends_waiting_answers(client, running, machine):
    """Replies whose records may be lost are not given; the connections end, and later requests are refused."""
    client.create_topic("t")
    joined = client.join()
    machine.wal.errors.append(StorageFailed("fsync failed"))
    client.send(
        OFFSET_COMMIT, 8, OffsetCommitRequest(group_id="h", topics=commit_request(1).topics), expects_response=False
    )
    running.settle()
    assert client.is_closed_by_broker
    assert heartbeat(running.connect(), joined) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert running.broker.next_deadline_ms() is None
    running.advance(1_000_000)


def test_no_session_ends_while_storage_accepts_nothing(client, running, machine, batch):
    """Heartbeats are refused on a full disk; once there is space, the same members go on in the same generation."""
    client.create_topic("t")
    joined = client.join(session_timeout_ms=10_000)
    client.sync(joined)
    machine.wal.errors += [StorageUnavailable("no space")] * 1000
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    running.settle()
    running.advance(60_000)
    assert not running.broker.shard.is_writable
    other = running.connect()
    assert heartbeat(other, joined) == ErrorCode.COORDINATOR_NOT_AVAILABLE
    machine.wal.errors.clear()
    running.advance(1_000)
    assert heartbeat(other, joined) == ErrorCode.NONE
    running.advance(10_000)
    assert heartbeat(other, joined) == ErrorCode.UNKNOWN_MEMBER_ID


def test_no_session_ends_while_an_answer_waits_for_the_disk(client, running):
    """A member that commits, and is not answered for a minute, is alive; with an answer, it has to show it again."""
    client.create_topic("t")
    joined = client.join(session_timeout_ms=10_000)
    client.sync(joined)
    commit = commit_request(1)
    commit.generation_id_or_member_epoch = joined.generation_id
    commit.member_id = joined.member_id
    client.send(OFFSET_COMMIT, 8, commit)
    (append,) = running.take_work()
    for _ in range(60):
        running.advance(1_000)
    assert running.broker.groups.next_deadline_ms() is None
    running.run(append)
    running.advance(8_000)
    assert heartbeat(running.connect(), joined) == ErrorCode.NONE
    running.advance(10_000)
    assert heartbeat(running.connect(), joined) == ErrorCode.UNKNOWN_MEMBER_ID


def test_what_time_brings_about_waits_for_storage(client, running, machine, batch):
    """It cannot be refused: its records wait until they are accepted, and a restart finds them."""
    client.create_topic("t")
    client.join(session_timeout_ms=10_000)
    running.advance(9_500)
    machine.wal.errors += [StorageUnavailable("no space")] * 200
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    running.settle()
    running.advance(700)
    assert not running.broker.shard.is_writable
    machine.wal.errors.clear()
    running.advance(1_000)
    described = DescribeGroupsRequest(groups=["g"])
    assert running.connect().call(DESCRIBE_GROUPS, 1, described).groups[0].group_state == "Empty"
    (after,) = machine.boot().connect().call(DESCRIBE_GROUPS, 1, described).groups
    assert (after.group_state, list(after.members)) == ("Empty", [])


def test_groups_are_read_while_storage_accepts_nothing(client, running, machine, batch):
    """A full disk keeps nobody from what is durable: the coordinator, the groups, and what they have committed."""
    client.create_topic("t")
    client.commit("t", 5)
    machine.wal.errors += [StorageUnavailable("no space")] * 200
    running.connect().send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    running.settle()
    assert not running.broker.shard.is_writable
    found = client.call(FIND_COORDINATOR, 1, FindCoordinatorRequest(key="g"))
    assert found.error_code == ErrorCode.NONE
    assert [group.group_id for group in client.call(LIST_GROUPS, 2, ListGroupsRequest()).groups] == ["g"]
    assert client.call(DESCRIBE_GROUPS, 1, DescribeGroupsRequest(groups=["g"])).groups[0].error_code == ErrorCode.NONE
    assert client.committed("t") == 5
    assert client.commit("t", 6) == ErrorCode.COORDINATOR_NOT_AVAILABLE


def test_failed_storage_ends_waiting_requests(client, running, machine, batch):
    """Whoever waits for other members is not left to wait when the coordinator can write no more."""
    client.create_topic("t")
    client.join()
    waiting = running.connect()
    request = JoinGroupRequest(
        group_id="g",
        session_timeout_ms=10_000,
        rebalance_timeout_ms=300_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    waiting.send(JOIN_GROUP, 3, request, expects_response=False)
    running.settle()
    assert not waiting.is_closed_by_broker
    machine.wal.errors.append(StorageFailed("fsync failed"))
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    running.settle()
    assert waiting.is_closed_by_broker


def test_offsets_expire(boot, machine):
    """An empty group's offsets go after the retention, by a tombstone that a restart sees too."""
    running = boot(group=GroupConfig(offsets_retention_minutes=1, offsets_retention_check_interval_ms=1000))
    client = running.connect()
    client.create_topic("t")
    client.commit("t", 5)
    running.advance(59_000)
    assert client.committed("t") == 5
    running.advance(2_000)
    assert client.committed("t") == -1
    assert boot().connect().committed("t") == -1


def test_a_record_that_is_none_of_groups_stops_the_start(running):
    """It is damage, and said like any other."""
    with pytest.raises(StorageFailed, match="__consumer_offsets is damaged"):
        running.broker.groups.replay(encode_batch([Record(0, 0, b"\0", b"x")]))


def test_committed_offsets_are_counted_by_group(client, running):
    """Those of each group that there is."""
    assert running.broker.groups.committed_counts() == {}
    client.create_topic("t")
    client.commit("t", 1)
    client.commit("t", 2)
    assert running.broker.groups.committed_counts() == {"g": 1}
