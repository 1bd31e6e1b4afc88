"""One step from what a member has to what it shall have."""

import attrs
import pytest

from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember, MemberState
from dotkafka.coordinator.consumer.reconciliation import reconcile
from dotkafka.coordinator.consumer.records import (
    current_record,
    group_epoch_record,
    member_record,
    target_epoch_record,
    target_record,
)
from dotkafka.storage.spi import TopicIdPartition

T, U = b"1" * 16, b"2" * 16
T0, T1, U0 = TopicIdPartition(T, 0), TopicIdPartition(T, 1), TopicIdPartition(U, 0)
BOTH = frozenset({T, U})


@pytest.fixture
def group() -> ConsumerGroup:
    """A group of epoch 5 in which member `m` shall have T0 and U0, and another one owns U0."""
    group = ConsumerGroup("g")
    other = ConsumerMember(member_id="other", member_epoch=4, assigned={U0: 4})
    for record in (
        member_record("g", other),
        current_record("g", other),
        group_epoch_record("g", 5, 0),
        target_record("g", "m", frozenset({T0, U0})),
        target_epoch_record("g", 5, 0),
    ):
        group.replay(record)
    return group


def test_what_is_not_free_comes_later(group: ConsumerGroup) -> None:
    """A new member is in the epoch at once, with what is free."""
    member = reconcile(group, ConsumerMember(member_id="m"), BOTH, frozenset(), has_subscription_changed=True)
    assert member.assigned == {T0: 5}
    assert member.member_epoch == 5
    assert member.state is MemberState.UNRELEASED_PARTITIONS
    free = ConsumerMember(member_id="other", member_epoch=5)
    group.replay(current_record("g", free))
    member = reconcile(group, member, BOTH, None, has_subscription_changed=False)
    assert member.assigned == {T0: 5, U0: 5}
    assert member.state is MemberState.STABLE


def test_revocation_comes_first(group: ConsumerGroup) -> None:
    """It stays in its epoch until it says that it has let go."""
    member = ConsumerMember(member_id="m", member_epoch=3, assigned={T1: 2})
    revoking = reconcile(group, member, BOTH, None, has_subscription_changed=False)
    assert revoking.state is MemberState.UNREVOKED_PARTITIONS
    assert (revoking.member_epoch, revoking.assigned, revoking.pending_revocation) == (3, {}, {T1: 2})
    for owned in (None, frozenset({T1})):
        assert reconcile(group, revoking, BOTH, owned, has_subscription_changed=False) == revoking
    done = reconcile(group, revoking, BOTH, frozenset(), has_subscription_changed=False)
    assert (done.member_epoch, done.assigned, done.pending_revocation) == (5, {T0: 5}, {})


def test_what_it_has_let_go_of_already_is_not_asked_for(group: ConsumerGroup) -> None:
    """A member that joins again owns nothing, whatever the coordinator thought."""
    member = ConsumerMember(member_id="m", member_epoch=3, assigned={T1: 2})
    assert reconcile(group, member, BOTH, frozenset(), has_subscription_changed=False).assigned == {T0: 5}


def test_the_target_may_give_back_what_is_pending(group: ConsumerGroup) -> None:
    """Its own it gets again, in the new epoch, when it has confirmed."""
    member = ConsumerMember(
        member_id="m", member_epoch=3, state=MemberState.UNREVOKED_PARTITIONS, pending_revocation={T0: 2}
    )
    group.replay(member_record("g", member))
    group.replay(current_record("g", member))
    assert reconcile(group, member, BOTH, frozenset(), has_subscription_changed=False).assigned == {T0: 5}


def test_topics_are_dropped_before_the_target_knows(group: ConsumerGroup) -> None:
    """The subscription has changed, and the next target waits for its time."""
    member = ConsumerMember(member_id="m", member_epoch=5, assigned={T0: 5, U0: 5})
    dropped = reconcile(group, member, frozenset({T}), frozenset({T0, U0}), has_subscription_changed=True)
    assert dropped.state is MemberState.UNREVOKED_PARTITIONS
    assert (dropped.member_epoch, dropped.assigned, dropped.pending_revocation) == (5, {T0: 5}, {U0: 5})
    gone = reconcile(group, dropped, frozenset(), frozenset({T0, U0}), has_subscription_changed=True)
    assert (gone.assigned, gone.pending_revocation) == ({}, {T0: 5, U0: 5})
    joined_again = reconcile(group, member, frozenset({T}), frozenset(), has_subscription_changed=True)
    assert joined_again.state is MemberState.STABLE
    assert joined_again.assigned == {T0: 5}


def test_who_has_arrived_stays(group: ConsumerGroup) -> None:
    """Nothing changes, not even the epoch before."""
    member = ConsumerMember(member_id="m", member_epoch=5, previous_member_epoch=2, assigned={T0: 5})
    assert reconcile(group, member, BOTH, None, has_subscription_changed=False) == member
    assert reconcile(group, member, BOTH, None, has_subscription_changed=True) == member
    assert attrs.evolve(member) == member
