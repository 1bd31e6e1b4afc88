"""A member at one moment."""

import attrs

from dotkafka.coordinator.consumer.member import STATIC_LEAVE_EPOCH, ConsumerMember, MemberState
from dotkafka.protocol.messages.consumer_group_records import ClassicMemberMetadata
from dotkafka.storage.spi import TopicIdPartition

HAS, REVOKES, OTHER = (TopicIdPartition(b"1" * 16, index) for index in range(3))
MEMBER = ConsumerMember(
    member_id="m",
    member_epoch=3,
    state=MemberState.UNREVOKED_PARTITIONS,
    assigned={HAS: 1},
    pending_revocation={REVOKES: 2},
)


def test_ownership_lasts_until_revocation_is_confirmed() -> None:
    """Nobody else may get what is pending."""
    assert MEMBER.owns() == {HAS, REVOKES}
    assert [MEMBER.assignment_epoch(partition) for partition in (HAS, REVOKES, OTHER)] == [1, 2, None]


def test_epochs_are_remembered() -> None:
    """The one before is accepted from a member whose answer was lost."""
    moved = MEMBER.with_epoch(4)
    assert (moved.member_epoch, moved.previous_member_epoch) == (4, 3)
    assert not moved.is_reconciled_to(4)
    assert attrs.evolve(moved, state=MemberState.STABLE).is_reconciled_to(4)


def test_who_must_revoke_in_time() -> None:
    """Not those that use the classic protocol, nor those that have left for a while."""
    assert MEMBER.must_revoke_in_time
    assert not attrs.evolve(MEMBER, classic=ClassicMemberMetadata(session_timeout_ms=1)).must_revoke_in_time
    gone = attrs.evolve(MEMBER, member_epoch=STATIC_LEAVE_EPOCH)
    assert gone.has_left_for_a_while
    assert not gone.must_revoke_in_time
