"""A consumer group: the sum of its records.

Nothing changes what is durable of a group but `replay`, while it lives and when it is loaded alike; so a restart finds
exactly what was there. What to change is decided in `rebalance.py`, and by the requests in `heartbeat.py`,
`membership.py` and `classic_members.py`.

Invariants (`check_invariants`): a partition has one owner at most, whatever the target says; the assignment epoch is
never ahead of the group epoch, no member ahead of the assignment epoch.
"""

import enum
import weakref
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeVar

from dotkafka.coordinator.cluster_view import ClusterView
from dotkafka.coordinator.consumer.member import LEAVE_EPOCH, ConsumerMember, MemberState, Partitions
from dotkafka.coordinator.consumer.records import (
    assigned_by,
    current_record,
    described_by,
    flattened,
    group_epoch_record,
    member_record,
    regex_record,
    target_epoch_record,
    target_record,
)
from dotkafka.coordinator.deadlines import GroupDeadline, RevocationDeadline, SessionDeadline
from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages import consumer_group_records as messages
from dotkafka.storage.spi import TopicIdPartition

Value = TypeVar("Value")

NO_PARTITIONS: Partitions = frozenset()


class ConsumerGroupState(enum.Enum):
    """Where a group stands; it follows from epochs. The value is Kafka's name for it on the wire."""

    EMPTY = "Empty"
    """No members; committed offsets may remain."""
    ASSIGNING = "Assigning"
    """The target assignment is older than the group."""
    RECONCILING = "Reconciling"
    """Some member does not have yet what the target gives it."""
    STABLE = "Stable"
    """Every member has what the target gives it."""


class ResolvedRegex(NamedTuple):
    """The topics that a regular expression stands for."""

    topics: frozenset[str]
    timestamp_ms: int


class ConsumerGroup:
    """One group; without members and of epoch 0 until told otherwise."""

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.group_epoch = 0
        self.metadata_hash = 0
        """Of the topics subscribed to, as they were when the group epoch last moved."""
        self.assignment_epoch = -1
        """The group epoch that the targets were made for; -1 while there are none."""
        self.assignment_timestamp_ms = 0
        """When the targets were made, wall clock; 0 if that is not known."""
        self.members: dict[str, ConsumerMember] = {}
        self.static_members: dict[str, str] = {}
        """Member id by group instance id."""
        self.targets: dict[str, Partitions] = {}
        """What each member shall have, by member id."""
        self.regexes: dict[str, ResolvedRegex] = {}
        self.has_partition_metadata = False
        """There is a record of a Kafka before 4.1 that is to be forgotten."""
        self._seen_cluster: weakref.ref[ClusterView] | None = None
        self.resolved_at_ms: int | None = None
        """When all regular expressions were last looked up, on the monotonic clock."""
        self._owners: dict[TopicIdPartition, str] = {}

    # State

    @property
    def state(self) -> ConsumerGroupState:
        """Where the group stands. Costs a look at each member."""
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.group_epoch > self.assignment_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    def owner_of(self, partition: TopicIdPartition) -> str | None:
        """The member that may read a partition, or has not confirmed yet that it stopped."""
        return self._owners.get(partition)

    def target_of(self, member_id: str) -> Partitions:
        """What a member shall have."""
        return self.targets.get(member_id, NO_PARTITIONS)

    def waits_for_release(self, member: ConsumerMember) -> bool:
        """Whether others have not let go yet of anything that this member shall have."""
        return any(
            self.owner_of(partition) not in {None, member.member_id} for partition in self.target_of(member.member_id)
        )

    def member(self, member_id: str, instance_id: str | None = None) -> ConsumerMember:
        """The member of this id, which must be the one of that instance id if there is one.

        Raises:
            ApiError: UNKNOWN_MEMBER_ID; FENCED_INSTANCE_ID if another member goes by that group instance id now.
        """
        if instance_id is not None:
            owner = self.static_members.get(instance_id)
            if owner is None:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
            if owner != member_id:
                raise ApiError(
                    ErrorCode.FENCED_INSTANCE_ID,
                    f"Static member {member_id} with instance id {instance_id} was fenced by member {owner}.",
                )
        member = self.members.get(member_id)
        if member is None:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID, f"Member {member_id} is not a member of group {self.group_id}.")
        return member

    # Subscriptions

    def topics_of(self, member: ConsumerMember) -> frozenset[str]:
        """The topics that a member subscribes to, by name or by its regular expression."""
        resolved = self.regexes.get(member.subscribed_regex)
        return member.subscribed_topics if resolved is None else member.subscribed_topics | resolved.topics

    def subscribed_topics(self) -> frozenset[str]:
        """The topics that any member subscribes to."""
        return frozenset().union(*map(self.topics_of, self.members.values()))

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether any member subscribes to this topic."""
        return any(
            topic in member.subscribed_topics or topic in self.topics_of(member) for member in self.members.values()
        )

    def subscribed_regexes(self) -> frozenset[str]:
        """The regular expressions that members subscribe to."""
        return frozenset(member.subscribed_regex for member in self.members.values() if member.subscribed_regex)

    def has_looked_at(self, cluster: ClusterView) -> bool:
        """Whether the subscriptions were looked up in this very cluster, and not in one before or since."""
        return self._seen_cluster is not None and self._seen_cluster() is cluster

    def look_at(self, cluster: ClusterView) -> None:
        """Remember that subscriptions were looked up in this cluster, without keeping it alive."""
        self._seen_cluster = weakref.ref(cluster)

    # Members that use the classic protocol

    def supports_classic_protocols(self, protocol_type: str, protocols: Iterable[str]) -> bool:
        """Whether a member with these protocols may join: those that use the classic protocol share one."""
        classic = [member.classic for member in self.members.values() if member.classic is not None]
        supporters = Counter(protocol.name for metadata in classic for protocol in metadata.supported_protocols)
        return protocol_type == "consumer" and any(supporters[name] == len(classic) for name in protocols)

    # Change

    def change(self, record: CoordinatorRecord, step: Step) -> None:
        """Change the group by a record, which is to be made durable."""
        step.record(record)
        self.replay(record)

    def as_records(self) -> list[CoordinatorRecord]:
        """Records that make this group out of nothing, in Kafka's order."""
        group_id, members = self.group_id, self.members.values()
        return [
            *(member_record(group_id, member) for member in members),
            *(regex_record(group_id, regex, *resolved) for regex, resolved in self.regexes.items()),
            group_epoch_record(group_id, self.group_epoch, self.metadata_hash),
            *(target_record(group_id, member_id, partitions) for member_id, partitions in self.targets.items()),
            target_epoch_record(group_id, self.assignment_epoch, self.assignment_timestamp_ms),
            *(current_record(group_id, member) for member in members),
        ]

    def replay(self, record: CoordinatorRecord) -> None:
        """Take in one record of this group, which is in force from now on."""
        key, value = record.key, record.value
        match key:
            case messages.ConsumerGroupMetadataKey():
                # Without a value the whole group is gone: that is for who keeps groups.
                if value is not None:
                    self.group_epoch, self.metadata_hash = value.epoch, value.metadata_hash
            case messages.ConsumerGroupPartitionMetadataKey():
                self.has_partition_metadata = value is not None
            case messages.ConsumerGroupMemberMetadataKey():
                self._replay_member(key.member_id, value)
            case messages.ConsumerGroupTargetAssignmentMetadataKey():
                self.assignment_epoch = -1 if value is None else value.assignment_epoch
                self.assignment_timestamp_ms = 0 if value is None else value.assignment_timestamp
            case messages.ConsumerGroupTargetAssignmentMemberKey():
                _put(self.targets, key.member_id, value and flattened(value.topic_partitions))
            case messages.ConsumerGroupCurrentMemberAssignmentKey():
                self._replay_current(key.member_id, value)
            case messages.ConsumerGroupRegularExpressionKey():
                resolved = value and ResolvedRegex(frozenset(value.topics), value.timestamp)
                _put(self.regexes, key.regular_expression, resolved)

    def _replay_member(self, member_id: str, value: messages.ConsumerGroupMemberMetadataValue | None) -> None:
        old = self.members.get(member_id)
        if old is not None and old.instance_id is not None and self.static_members.get(old.instance_id) == member_id:
            del self.static_members[old.instance_id]
        if value is None:
            if old is not None:
                self._disown(old)
                del self.members[member_id]
            return
        member = described_by(old or ConsumerMember(member_id=member_id), value)
        self.members[member_id] = member
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member_id

    def _replay_current(self, member_id: str, value: messages.ConsumerGroupCurrentMemberAssignmentValue | None) -> None:
        old = self.members.get(member_id)
        if value is None:
            if old is None:
                return
            value = messages.ConsumerGroupCurrentMemberAssignmentValue(
                member_epoch=LEAVE_EPOCH,
                previous_member_epoch=LEAVE_EPOCH,
                state=MemberState.STABLE,
                assigned_partitions=[],
                partitions_pending_revocation=[],
            )
        if old is not None:
            self._disown(old)
        member = assigned_by(old or ConsumerMember(member_id=member_id), value)
        self.members[member_id] = member
        for partition in member.owns():
            self._owners[partition] = member_id

    def _disown(self, member: ConsumerMember) -> None:
        for partition in member.owns():
            if self._owners.get(partition) == member.member_id:
                del self._owners[partition]

    def expected_deadlines(self) -> Iterator[GroupDeadline]:
        """What must be scheduled for this group, as it is now."""
        for member in self.members.values():
            yield SessionDeadline(self.group_id, member.member_id)
            if member.must_revoke_in_time:
                yield RevocationDeadline(self.group_id, member.member_id)

    def check_invariants(self) -> None:
        """Raise AssertionError if the books do not agree; see the module's docstring."""
        members = self.members.values()
        owned = [partition for member in members for partition in member.owns()]
        static_members = {m.instance_id: m.member_id for m in members if m.instance_id is not None}
        truths: Mapping[str, bool] = {
            "members are kept by their id": all(key == member.member_id for key, member in self.members.items()),
            "static members are those with an instance id": self.static_members == static_members,
            "a partition has one owner": len(owned) == len(set(owned)),
            "owners are noted": self._owners
            == {partition: member.member_id for member in members for partition in member.owns()},
            "the target is not ahead of the group": self.assignment_epoch <= self.group_epoch,
            "no member is ahead of the target": all(
                member.member_epoch <= self.assignment_epoch for member in members if member.member_epoch > 0
            ),
            "only members have targets": self.targets.keys() <= self.members.keys(),
            "targets do not overlap": sum(map(len, self.targets.values()))
            == len(frozenset().union(*self.targets.values())),
            "no partition is both assigned and pending": all(
                member.assigned.keys().isdisjoint(member.pending_revocation) for member in members
            ),
            "only who must revoke has partitions pending": all(
                member.state is MemberState.UNREVOKED_PARTITIONS or not member.pending_revocation for member in members
            ),
            "only regular expressions in use are resolved": self.regexes.keys() <= self.subscribed_regexes(),
        }
        for truth, holds in truths.items():
            if not holds:
                raise AssertionError(f"group {self.group_id!r}: {truth}")


def _put(mapping: dict[str, Value], key: str, value: Value | None) -> None:
    """Set what `key` stands for; None forgets it."""
    if value is None:
        mapping.pop(key, None)
    else:
        mapping[key] = value
