"""The records that a consumer group is the sum of: made from members and assignments, and read back."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs

from dotkafka.coordinator.consumer.member import AssignedPartitions, ConsumerMember, MemberState, Partitions
from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.protocol.messages import consumer_group_records as messages
from dotkafka.storage.spi import TopicIdPartition

_STATES: Final = {int(state): state for state in MemberState}


def by_topic(partitions: Iterable[TopicIdPartition]) -> dict[bytes, list[int]]:
    """Partitions by the id of their topic, in order."""
    topics: dict[bytes, list[int]] = {}
    for topic_id, partition in sorted(partitions):
        topics.setdefault(topic_id, []).append(partition)
    return topics


def flattened(topics: Iterable[Any]) -> Partitions:
    """The partitions of messages that have a topic id and partitions each."""
    return frozenset(TopicIdPartition(topic.topic_id, index) for topic in topics for index in topic.partitions)


def group_epoch_record(group_id: str, epoch: int, metadata_hash: int) -> CoordinatorRecord:
    """The epoch of a group, and the hash of the topics it was made with."""
    return CoordinatorRecord(
        messages.ConsumerGroupMetadataKey(group_id=group_id),
        messages.ConsumerGroupMetadataValue(epoch=epoch, metadata_hash=metadata_hash),
    )


def member_record(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    """What a member is and wants."""
    return CoordinatorRecord(
        messages.ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=member.member_id),
        messages.ConsumerGroupMemberMetadataValue(
            instance_id=member.instance_id,
            rack_id=member.rack_id,
            client_id=member.client_id,
            client_host=member.client_host,
            subscribed_topic_names=sorted(member.subscribed_topics),
            subscribed_topic_regex=member.subscribed_regex,
            rebalance_timeout_ms=member.rebalance_timeout_ms,
            server_assignor=member.server_assignor,
            classic_member_metadata=member.classic,
        ),
    )


def target_epoch_record(group_id: str, epoch: int, timestamp_ms: int) -> CoordinatorRecord:
    """The epoch that the target assignment is made for, and when that was, wall clock."""
    return CoordinatorRecord(
        messages.ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id),
        messages.ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch, assignment_timestamp=timestamp_ms),
    )


def target_record(group_id: str, member_id: str, partitions: Partitions) -> CoordinatorRecord:
    """What a member shall have."""
    return CoordinatorRecord(
        messages.ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id),
        messages.ConsumerGroupTargetAssignmentMemberValue(
            topic_partitions=[
                messages.TopicPartition(topic_id=topic_id, partitions=indexes)
                for topic_id, indexes in by_topic(partitions).items()
            ]
        ),
    )


def current_record(group_id: str, member: ConsumerMember) -> CoordinatorRecord:
    """What a member has."""
    return CoordinatorRecord(
        messages.ConsumerGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member.member_id),
        messages.ConsumerGroupCurrentMemberAssignmentValue(
            member_epoch=member.member_epoch,
            previous_member_epoch=member.previous_member_epoch,
            state=member.state,
            assigned_partitions=_with_epochs(member.assigned),
            partitions_pending_revocation=_with_epochs(member.pending_revocation),
        ),
    )


def regex_record(group_id: str, regex: str, topics: Iterable[str], timestamp_ms: int) -> CoordinatorRecord:
    """The topics that a regular expression stands for at present, and since when, wall clock."""
    return CoordinatorRecord(
        messages.ConsumerGroupRegularExpressionKey(group_id=group_id, regular_expression=regex),
        messages.ConsumerGroupRegularExpressionValue(topics=sorted(topics), version=0, timestamp=timestamp_ms),
    )


def regex_tombstone(group_id: str, regex: str) -> CoordinatorRecord:
    """A regular expression that nobody subscribes to any more."""
    return CoordinatorRecord(
        messages.ConsumerGroupRegularExpressionKey(group_id=group_id, regular_expression=regex), None
    )


def partition_metadata_tombstone(group_id: str) -> CoordinatorRecord:
    """What Kafka before 4.1 kept of the topics is no more."""
    return CoordinatorRecord(messages.ConsumerGroupPartitionMetadataKey(group_id=group_id), None)


def current_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member has nothing any more."""
    return CoordinatorRecord(
        messages.ConsumerGroupCurrentMemberAssignmentKey(group_id=group_id, member_id=member_id), None
    )


def target_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member shall have nothing any more."""
    return CoordinatorRecord(
        messages.ConsumerGroupTargetAssignmentMemberKey(group_id=group_id, member_id=member_id), None
    )


def member_tombstone(group_id: str, member_id: str) -> CoordinatorRecord:
    """A member is no more."""
    return CoordinatorRecord(messages.ConsumerGroupMemberMetadataKey(group_id=group_id, member_id=member_id), None)


def gone_member_records(group_id: str, member_id: str) -> list[CoordinatorRecord]:
    """All that has to be forgotten with one member."""
    return [
        current_tombstone(group_id, member_id),
        target_tombstone(group_id, member_id),
        member_tombstone(group_id, member_id),
    ]


def gone_group_records(group_id: str, member_ids: Iterable[str], regexes: Iterable[str]) -> list[CoordinatorRecord]:
    """All that has to be forgotten with a group, in Kafka's order: members first, the group itself last."""
    member_ids = list(member_ids)
    return [
        *(current_tombstone(group_id, member_id) for member_id in member_ids),
        *(target_tombstone(group_id, member_id) for member_id in member_ids),
        CoordinatorRecord(messages.ConsumerGroupTargetAssignmentMetadataKey(group_id=group_id), None),
        *(member_tombstone(group_id, member_id) for member_id in member_ids),
        *(regex_tombstone(group_id, regex) for regex in regexes),
        partition_metadata_tombstone(group_id),
        CoordinatorRecord(messages.ConsumerGroupMetadataKey(group_id=group_id), None),
    ]


def described_by(member: ConsumerMember, value: messages.ConsumerGroupMemberMetadataValue) -> ConsumerMember:
    """The member, being and wanting what the record says."""
    return attrs.evolve(
        member,
        instance_id=value.instance_id,
        rack_id=value.rack_id,
        client_id=value.client_id,
        client_host=value.client_host,
        subscribed_topics=frozenset(value.subscribed_topic_names),
        subscribed_regex=value.subscribed_topic_regex or "",
        rebalance_timeout_ms=value.rebalance_timeout_ms,
        server_assignor=value.server_assignor,
        classic=value.classic_member_metadata,
    )


def assigned_by(member: ConsumerMember, value: messages.ConsumerGroupCurrentMemberAssignmentValue) -> ConsumerMember:
    """The member, having what the record says."""
    return attrs.evolve(
        member,
        member_epoch=value.member_epoch,
        previous_member_epoch=value.previous_member_epoch,
        # A state of some later Kafka: the member has to say what it has before it goes on.
        state=_STATES.get(value.state, MemberState.UNREVOKED_PARTITIONS),
        assigned=_read_epochs(value.assigned_partitions, value.member_epoch),
        pending_revocation=_read_epochs(value.partitions_pending_revocation, value.member_epoch),
    )


def _with_epochs(partitions: AssignedPartitions) -> list[messages.TopicPartitions]:
    return [
        messages.TopicPartitions(
            topic_id=topic_id,
            partitions=indexes,
            assignment_epochs=[partitions[TopicIdPartition(topic_id, index)] for index in indexes],
        )
        for topic_id, indexes in by_topic(partitions).items()
    ]


def _read_epochs(topics: Iterable[messages.TopicPartitions], member_epoch: int) -> Mapping[TopicIdPartition, int]:
    """Partitions with their epochs; a record of a Kafka before 4.3 has none, where the member's epoch stands in."""
    assigned = {}
    for topic in topics:
        epochs = topic.assignment_epochs
        for position, index in enumerate(topic.partitions):
            epoch = epochs[position] if epochs is not None and position < len(epochs) else member_epoch
            assigned[TopicIdPartition(topic.topic_id, index)] = epoch
    return assigned
