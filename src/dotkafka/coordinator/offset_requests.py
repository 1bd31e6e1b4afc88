"""OffsetCommit, OffsetFetch and OffsetDelete."""

from collections.abc import Mapping, Sequence
from typing import Final

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.committed_offsets import CommittedOffset, CommittedOffsets
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.group_records import offset_commit_record, offset_tombstone
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_offsets import OffsetCommitValue
from dotkafka.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from dotkafka.protocol.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from dotkafka.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from dotkafka.protocol.schema import NULL_UUID
from dotkafka.storage.spi import TopicIdPartition

FIRST_VERSION_WITH_EPOCHS: Final = 9
"""Since then OffsetCommit and OffsetFetch know of member epochs (KIP-848)."""

_NO_OFFSET = CommittedOffset(offset=-1, leader_epoch=-1, metadata="", commit_timestamp_ms=-1)
_NEVER_MS: Final = 2**63 - 1


def validate_commit(
    group: ClassicGroup | ConsumerGroup | None, request: OffsetCommitRequest, context: RequestContext, step: Step
) -> None:
    """Check that the caller may commit offsets: as a member of this generation; from outside while there are none.

    Raises:
        ApiError: UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION, GROUP_ID_NOT_FOUND, REBALANCE_IN_PROGRESS;
            of consumer groups STALE_MEMBER_EPOCH, UNSUPPORTED_VERSION.
    """
    generation_id, member_id = request.generation_id_or_member_epoch, request.member_id
    if group is None:
        if generation_id >= 0:
            is_told = context.api_version >= FIRST_VERSION_WITH_EPOCHS
            raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND if is_told else ErrorCode.ILLEGAL_GENERATION)
        return
    if isinstance(group, ConsumerGroup):
        _validate_member_commit(group, request, context, step)
        return
    if generation_id < 0 and group.state is GroupState.EMPTY:
        return
    if generation_id < 0 and not member_id and request.group_instance_id is None:
        raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
    group.validate_member(member_id, request.group_instance_id)
    if generation_id != group.generation_id:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION)
    if group.state is GroupState.COMPLETING_REBALANCE:
        # The member knows the new generation, but not yet what it may read in it.
        raise ApiError(ErrorCode.REBALANCE_IN_PROGRESS)


def _validate_member_commit(
    group: ConsumerGroup, request: OffsetCommitRequest, context: RequestContext, step: Step
) -> None:
    """Check a commit to a consumer group: the member is in this epoch, or has had these partitions since an older one.

    What a member has read in its last epoch it may commit as long as the partitions are its own: it cannot know that
    its epoch has moved before the answer to its heartbeat is there.
    """
    epoch = request.generation_id_or_member_epoch
    if epoch < 0 and not group.members:
        return
    member = group.member(request.member_id)
    if not member.is_classic and context.api_version < FIRST_VERSION_WITH_EPOCHS:
        raise ApiError(ErrorCode.UNSUPPORTED_VERSION)
    if epoch == member.member_epoch:
        return
    stale = ErrorCode.ILLEGAL_GENERATION if member.is_classic else ErrorCode.STALE_MEMBER_EPOCH
    if epoch > member.member_epoch:
        raise ApiError(stale)
    for topic in request.topics:
        known = step.cluster.topics_by_name.get(topic.name)
        for partition in topic.partitions:
            since = None
            if known is not None:
                since = member.assignment_epoch(TopicIdPartition(known.topic_id, partition.partition_index))
            if since is None or epoch < since:
                raise ApiError(stale)


def validate_fetch(group: ClassicGroup | ConsumerGroup | None, request: OffsetFetchRequestGroup) -> None:
    """Check that a member of a consumer group that says who it is, is one, and up to date. Anybody else may ask.

    Raises:
        ApiError: UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH, ILLEGAL_GENERATION.
    """
    if not isinstance(group, ConsumerGroup) or (request.member_id is None and request.member_epoch < 0):
        return
    member = group.member(request.member_id or "")
    if request.member_epoch != member.member_epoch:
        raise ApiError(ErrorCode.ILLEGAL_GENERATION if member.is_classic else ErrorCode.STALE_MEMBER_EPOCH)


def commit_offsets(offsets: CommittedOffsets, request: OffsetCommitRequest, step: Step) -> OffsetCommitResponse:
    """Note the offsets of a commit that is allowed; metadata that is too long refuses its partition alone."""
    topics = []
    for topic in request.topics:
        partitions = []
        for partition in topic.partitions:
            error = ErrorCode.NONE
            if len(partition.committed_metadata or "") > step.config.offset_metadata_max_bytes:
                error = ErrorCode.OFFSET_METADATA_TOO_LARGE
            else:
                value = _commit_value(partition, topic.topic_id, request.retention_time_ms, step.now.wall_ms)
                index = partition.partition_index
                offsets.put(request.group_id, topic.name, index, CommittedOffset.from_value(value))
                step.record(offset_commit_record(request.group_id, topic.name, index, value))
            partitions.append(
                OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error)
            )
        topics.append(OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=partitions))
    return OffsetCommitResponse(topics=topics)


def _commit_value(
    partition: OffsetCommitRequestPartition, topic_id: bytes, retention_time_ms: int, now_ms: int
) -> OffsetCommitValue:
    return OffsetCommitValue(
        offset=partition.committed_offset,
        leader_epoch=partition.committed_leader_epoch,
        metadata=partition.committed_metadata or "",
        # Version 1 alone lets the client say when it was.
        commit_timestamp=now_ms if partition.commit_timestamp == -1 else partition.commit_timestamp,
        expire_timestamp=-1 if retention_time_ms == -1 else min(now_ms + retention_time_ms, _NEVER_MS),
        topic_id=topic_id,
    )


def fetch_offsets(
    groups: Mapping[str, ClassicGroup | ConsumerGroup],
    offsets: CommittedOffsets,
    request: OffsetFetchRequest,
    context: RequestContext,
) -> OffsetFetchResponse:
    """Tell committed offsets, of one group before version 8, of several since; -1 where there is none.

    A group that does not exist has committed nothing, which is no error. Of a classic group anybody may ask: there the
    member id and epoch in the request are not looked at. An offset that was committed for an earlier topic of the same
    name is none of the topic that is asked for by id.
    """
    if context.api_version >= 8:
        return OffsetFetchResponse(
            groups=[_fetch_group(groups.get(group.group_id), offsets, group) for group in request.groups]
        )
    asked = None
    if request.topics is not None:
        asked = [(topic.name, NULL_UUID, topic.partition_indexes) for topic in request.topics]
    topics = [
        OffsetFetchResponseTopic(
            name=name,
            partitions=[
                OffsetFetchResponsePartition(
                    partition_index=index,
                    committed_offset=committed.offset,
                    committed_leader_epoch=committed.leader_epoch,
                    metadata=committed.metadata,
                )
                for index, committed in partitions.items()
            ],
        )
        for name, _, partitions in _look_up(offsets.of_group(request.group_id), asked)
    ]
    return OffsetFetchResponse(topics=topics)


def _fetch_group(
    asked_of: ClassicGroup | ConsumerGroup | None, offsets: CommittedOffsets, group: OffsetFetchRequestGroup
) -> OffsetFetchResponseGroup:
    try:
        validate_fetch(asked_of, group)
    except ApiError as refusal:
        return OffsetFetchResponseGroup(group_id=group.group_id, error_code=refusal.error_code)
    asked = None
    if group.topics is not None:
        asked = [(topic.name, topic.topic_id, topic.partition_indexes) for topic in group.topics]
    topics = [
        OffsetFetchResponseTopics(
            name=name,
            topic_id=topic_id,
            partitions=[
                OffsetFetchResponsePartitions(
                    partition_index=index,
                    committed_offset=committed.offset,
                    committed_leader_epoch=committed.leader_epoch,
                    metadata=committed.metadata,
                )
                for index, committed in partitions.items()
            ],
        )
        for name, topic_id, partitions in _look_up(offsets.of_group(group.group_id), asked)
    ]
    return OffsetFetchResponseGroup(group_id=group.group_id, topics=topics)


def _look_up(
    committed: Mapping[str, Mapping[int, CommittedOffset]], asked: Sequence[tuple[str, bytes, Sequence[int]]] | None
) -> list[tuple[str, bytes, Mapping[int, CommittedOffset]]]:
    """The offsets of the topics and partitions asked for, by name and id; `asked` None means all there are."""
    if asked is None:
        return [(name, NULL_UUID, partitions) for name, partitions in committed.items()]
    found: list[tuple[str, bytes, Mapping[int, CommittedOffset]]] = []
    for name, topic_id, indexes in asked:
        held = committed.get(name, {})
        partitions = {index: held.get(index, _NO_OFFSET) for index in indexes}
        for index, offset in partitions.items():
            if not offset.is_of(topic_id):
                partitions[index] = _NO_OFFSET
        found.append((name, topic_id, partitions))
    return found


def delete_offsets(
    group: ClassicGroup | ConsumerGroup | None, offsets: CommittedOffsets, request: OffsetDeleteRequest, step: Step
) -> OffsetDeleteResponse:
    """Forget committed offsets of topics that no member reads.

    Raises:
        ApiError: GROUP_ID_NOT_FOUND; NON_EMPTY_GROUP if there are members and they are no consumers.
    """
    if group is None:
        raise ApiError(ErrorCode.GROUP_ID_NOT_FOUND)
    if isinstance(group, ClassicGroup) and group.state is not GroupState.EMPTY and not group.is_consumer_group:
        raise ApiError(ErrorCode.NON_EMPTY_GROUP)
    topics = []
    for topic in request.topics:
        is_subscribed = group.is_subscribed_to(topic.name)
        error = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if is_subscribed else ErrorCode.NONE
        partitions = []
        for partition in topic.partitions:
            index = partition.partition_index
            if not is_subscribed and offsets.get(group.group_id, topic.name, index) is not None:
                offsets.remove(group.group_id, topic.name, index)
                step.record(offset_tombstone(group.group_id, topic.name, index))
            partitions.append(OffsetDeleteResponsePartition(partition_index=index, error_code=error))
        topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=partitions))
    return OffsetDeleteResponse(topics=topics)
