"""A member of a consumer group: what it wants, and what it has."""

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from dotkafka.protocol.messages.consumer_group_records import ClassicMemberMetadata
from dotkafka.storage.spi import TopicIdPartition

Partitions = frozenset[TopicIdPartition]
AssignedPartitions = Mapping[TopicIdPartition, int]
"""Partitions, and the member epoch that each was assigned in."""

JOIN_EPOCH: Final = 0
"""The epoch of a member that joins, or joins again because it was fenced."""
LEAVE_EPOCH: Final = -1
STATIC_LEAVE_EPOCH: Final = -2
"""The epoch of a static member that has gone and may come back."""


class MemberState(enum.IntEnum):
    """How far a member is on its way to its target assignment; the value is Kafka's number in records."""

    STABLE = 0
    """It has what the target epoch gives it."""
    UNREVOKED_PARTITIONS = 1
    """It was told to let go of partitions and has not confirmed yet; it stays in its epoch until then."""
    UNRELEASED_PARTITIONS = 2
    """It is in the target epoch, but other members have not let go of some of its partitions."""


@attrs.frozen(kw_only=True)
class ConsumerMember:
    """One member at one moment; a change makes a new value.

    Invariant: `assigned` and `pending_revocation` share no partition; only in state UNREVOKED_PARTITIONS is anything
    pending revocation.
    """

    member_id: str
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    subscribed_topics: frozenset[str] = frozenset()
    subscribed_regex: str = ""
    """Empty for none."""
    server_assignor: str | None = None
    classic: ClassicMemberMetadata | None = None
    """What it joined with, if it uses the classic protocol."""

    member_epoch: int = JOIN_EPOCH
    previous_member_epoch: int = JOIN_EPOCH
    state: MemberState = MemberState.STABLE
    assigned: AssignedPartitions = attrs.field(factory=dict)
    """What it may read: the coordinator counts it as the owner."""
    pending_revocation: AssignedPartitions = attrs.field(factory=dict)
    """What it was told to let go of: it is the owner of these too, until it says that it is not."""

    @property
    def is_classic(self) -> bool:
        """Whether it uses the classic protocol."""
        return self.classic is not None

    @property
    def has_left_for_a_while(self) -> bool:
        """Whether it is a static member that has announced to come back."""
        return self.member_epoch == STATIC_LEAVE_EPOCH

    @property
    def must_revoke_in_time(self) -> bool:
        """Whether its rebalance timeout runs. Members of the classic protocol have other deadlines."""
        return self.state is MemberState.UNREVOKED_PARTITIONS and not self.is_classic and not self.has_left_for_a_while

    def is_reconciled_to(self, epoch: int) -> bool:
        """Whether it has all that the target of this epoch gives it."""
        return self.state is MemberState.STABLE and self.member_epoch == epoch

    def owns(self) -> Partitions:
        """Everything that nobody else may get."""
        return frozenset(self.assigned) | frozenset(self.pending_revocation)

    def assignment_epoch(self, partition: TopicIdPartition) -> int | None:
        """The epoch that it was given this partition in; None if it does not own it."""
        return self.assigned.get(partition, self.pending_revocation.get(partition))

    def with_epoch(self, epoch: int) -> "ConsumerMember":
        """The member moved to `epoch`, which it may already be in."""
        return attrs.evolve(self, member_epoch=epoch, previous_member_epoch=self.member_epoch)
