"""From what a member has to what it shall have: revocation first, and nothing that another member still owns.

A member moves to the epoch of the target only when it has let go of everything that the target takes from it. What
others have not let go of yet it gets later, in that same epoch.
"""

import attrs

from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import AssignedPartitions, ConsumerMember, MemberState, Partitions


def reconcile(
    group: ConsumerGroup,
    member: ConsumerMember,
    topic_ids: frozenset[bytes],
    owned: Partitions | None,
    *,
    has_subscription_changed: bool,
) -> ConsumerMember:
    """The member, one step closer to its target; the same value if there is nothing to do.

    Args:
        group: the member's group, which says what the target is and who owns what.
        member: as it is.
        topic_ids: what it subscribes to.
        owned: what it says that it still reads; None if it does not say.
        has_subscription_changed: it may have to let go of topics even before the target knows.
    """
    if member.state is MemberState.STABLE and member.member_epoch == group.assignment_epoch:
        return _drop_topics(member, topic_ids, owned) if has_subscription_changed else member
    if member.state is MemberState.UNREVOKED_PARTITIONS and _still_owns(owned, member.pending_revocation):
        return _drop_topics(member, topic_ids, owned) if has_subscription_changed else member
    return _approach(group, member, topic_ids, owned)


def _still_owns(owned: Partitions | None, revoked: AssignedPartitions) -> bool:
    """Whether a member may still read what it was told to let go of; as long as it does not say, it may."""
    return owned is None or not owned.isdisjoint(revoked)


def _approach(
    group: ConsumerGroup, member: ConsumerMember, topic_ids: frozenset[bytes], owned: Partitions | None
) -> ConsumerMember:
    target = frozenset(partition for partition in group.target_of(member.member_id) if partition.topic_id in topic_ids)
    kept = {partition: epoch for partition, epoch in member.assigned.items() if partition in target}
    revoked = {partition: epoch for partition, epoch in member.assigned.items() if partition not in target}
    if revoked and _still_owns(owned, revoked):
        return attrs.evolve(
            member.with_epoch(member.member_epoch),
            state=MemberState.UNREVOKED_PARTITIONS,
            assigned=kept,
            pending_revocation=revoked,
        )
    missing = target - kept.keys()
    free = {partition for partition in missing if group.owner_of(partition) in {None, member.member_id}}
    assigned = kept | dict.fromkeys(free, group.assignment_epoch)
    return attrs.evolve(
        member.with_epoch(group.assignment_epoch),
        state=MemberState.STABLE if free == missing else MemberState.UNRELEASED_PARTITIONS,
        assigned=assigned,
        pending_revocation={},
    )


def _drop_topics(member: ConsumerMember, topic_ids: frozenset[bytes], owned: Partitions | None) -> ConsumerMember:
    """Take from the member what it does not subscribe to any more; its epoch stays."""
    dropped = {partition: epoch for partition, epoch in member.assigned.items() if partition.topic_id not in topic_ids}
    if not dropped:
        return member
    kept = {partition: epoch for partition, epoch in member.assigned.items() if partition not in dropped}
    revoked = {**member.pending_revocation, **dropped}
    moved = attrs.evolve(member.with_epoch(member.member_epoch), assigned=kept)
    if not _still_owns(owned, revoked):
        return moved
    return attrs.evolve(moved, state=MemberState.UNREVOKED_PARTITIONS, pending_revocation=revoked)
