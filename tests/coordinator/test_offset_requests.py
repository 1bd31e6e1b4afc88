"""Offset requests, where scenarios do not reach."""

import pytest

from dotkafka.coordinator.committed_offsets import CommittedOffset, CommittedOffsets
from dotkafka.coordinator.group_records import encode_value
from dotkafka.coordinator.offset_requests import commit_offsets, fetch_offsets, validate_commit
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)

TOPIC_ID = bytes(range(16))
OTHER_TOPIC_ID = bytes(range(1, 17))


def commit_of(partition: OffsetCommitRequestPartition, topic_id: bytes = bytes(16)) -> OffsetCommitRequest:
    """A commit of one partition."""
    topic = OffsetCommitRequestTopic(name="t", topic_id=topic_id, partitions=[partition])
    return OffsetCommitRequest(group_id="g", topics=[topic])


@pytest.mark.parametrize(("commit_timestamp", "noted_ms"), [(-1, 1_000_000), (77, 77)])
def test_commit_timestamp(step: Step, commit_timestamp: int, noted_ms: int) -> None:
    """The commit is of now, unless a client of version 1 says of when."""
    offsets = CommittedOffsets()
    commit_offsets(offsets, commit_of(OffsetCommitRequestPartition(commit_timestamp=commit_timestamp)), step)
    committed = offsets.get("g", "t", 0)
    assert committed is not None
    assert committed.commit_timestamp_ms == noted_ms


def test_a_retention_beyond_all_time(step: Step) -> None:
    """An offset that would expire after the last millisecond there is can be recorded all the same."""
    request = commit_of(OffsetCommitRequestPartition())
    request.retention_time_ms = 2**63 - 1
    commit_offsets(CommittedOffsets(), request, step)
    (record,) = step.effects().records
    assert encode_value(record) is not None


def test_what_is_kept_is_what_is_recorded(step: Step) -> None:
    """A null metadata is empty, and leader epoch and topic id are kept, in memory and in the record."""
    offsets = CommittedOffsets()
    partition = OffsetCommitRequestPartition(committed_offset=5, committed_leader_epoch=3, committed_metadata=None)
    response = commit_offsets(offsets, commit_of(partition, TOPIC_ID), step)
    assert response.topics[0].topic_id == TOPIC_ID
    committed = offsets.get("g", "t", 0)
    assert committed == CommittedOffset(5, 3, "", 1_000_000, -1, TOPIC_ID)
    (record,) = step.effects().records
    assert record.value is not None
    assert CommittedOffset.from_value(record.value) == committed


@pytest.mark.parametrize("version", range(11))
def test_group_that_does_not_exist(step: Step, version: int) -> None:
    """Anybody may begin one from outside, nobody may claim a generation of it."""
    validate_commit(None, OffsetCommitRequest(generation_id_or_member_epoch=-1), RequestContext(version), step)
    with pytest.raises(ApiError) as refusal:
        validate_commit(None, OffsetCommitRequest(generation_id_or_member_epoch=0), RequestContext(version), step)
    expected = ErrorCode.GROUP_ID_NOT_FOUND if version >= 9 else ErrorCode.ILLEGAL_GENERATION
    assert refusal.value.error_code == expected


def test_fetch_gives_topic_ids_back() -> None:
    """Topics that were asked for by id are answered with it; offset, epoch and metadata are those committed."""
    offsets = CommittedOffsets()
    offsets.put("g", "t", 0, CommittedOffset(5, 3, "md", 0))
    topics = [OffsetFetchRequestTopics(name="t", topic_id=TOPIC_ID, partition_indexes=[0, 1])]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=topics)])
    (group,) = fetch_offsets({}, offsets, request, RequestContext(10)).groups
    (topic,) = group.topics
    assert topic.topic_id == TOPIC_ID
    found = [(p.partition_index, p.committed_offset, p.committed_leader_epoch, p.metadata) for p in topic.partitions]
    assert found == [(0, 5, 3, "md"), (1, -1, -1, "")]


@pytest.mark.parametrize(
    ("committed_for", "asked_for", "offset"),
    [(TOPIC_ID, TOPIC_ID, 5), (bytes(16), TOPIC_ID, 5), (TOPIC_ID, bytes(16), 5), (OTHER_TOPIC_ID, TOPIC_ID, -1)],
)
def test_offset_of_an_earlier_topic_of_that_name(committed_for: bytes, asked_for: bytes, offset: int) -> None:
    """It is not given for the topic that has the name now, where both ids are known."""
    offsets = CommittedOffsets()
    offsets.put("g", "t", 0, CommittedOffset(5, 3, "md", 0, topic_id=committed_for))
    topics = [OffsetFetchRequestTopics(name="t", topic_id=asked_for, partition_indexes=[0])]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=topics)])
    (group,) = fetch_offsets({}, offsets, request, RequestContext(10)).groups
    assert group.topics[0].partitions[0].committed_offset == offset
