"""Groups that change their protocol, where scenarios do not reach."""

from collections.abc import Callable

import pytest

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.config import MigrationPolicy
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember
from dotkafka.coordinator.consumer.migration import (
    Groups,
    downgrade,
    is_empty,
    may_downgrade,
    names_of_partitions,
    partitions_of_names,
    subscription_version,
    upgrade,
    upgraded,
)
from dotkafka.coordinator.group_records import encode_assignment
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.messages.consumer_protocol import ConsumerProtocolAssignmentTopicPartition
from dotkafka.storage.spi import TopicIdPartition

SUBSCRIPTION = bytes.fromhex("0000 00000001 0001") + b"t" + bytes(4)
TOPIC_ID = b"t" * 16


@pytest.fixture
def classic(make_member: Callable[..., ClassicMember]) -> ClassicGroup:
    """A stable classic group of generation 3, whose one member reads all of `t`."""
    group = ClassicGroup("g", 0, GroupState.STABLE)
    member = make_member("m", metadata=SUBSCRIPTION, instance="i")
    member.assignment = encode_assignment({"t": [0, 1]}, 0)
    group.add(member)
    group.generation_id = 3
    group.protocol_name = "range"
    return group


def test_an_upgrade_keeps_members_epoch_and_partitions(
    classic: ClassicGroup, groups: Groups, make_step: Callable[..., Step]
) -> None:
    """The records say so too."""
    groups["g"] = classic
    step = make_step()
    group = upgraded(classic, step)
    assert groups["g"] is classic, "nothing has happened yet"
    assert not step.effects().records
    upgrade(groups, classic, group, step)
    again = ConsumerGroup("g")
    for record in step.effects().records[1:]:
        again.replay(record)
    for one in (group, again):
        assert (one.group_epoch, one.assignment_epoch) == (3, 3)
        assert one.members["m"].assigned == {TopicIdPartition(TOPIC_ID, index): 3 for index in range(2)}
        assert one.static_members == {"i": "m"}
        one.check_invariants()


def test_there_and_back(classic: ClassicGroup, groups: Groups, make_step: Callable[..., Step]) -> None:
    """A downgrade finds the classic group again."""
    groups["g"] = classic
    step = make_step()
    upgrade(groups, classic, upgraded(classic, step), step)
    group = groups["g"]
    assert isinstance(group, ConsumerGroup)
    back = downgrade(groups, group, (), step)
    assert groups["g"] is back
    assert (back.generation_id, back.state, back.protocol_name) == (3, GroupState.STABLE, "range")
    assert back.members["m"].assignment == classic.members["m"].assignment
    assert back.members["m"].protocols == classic.members["m"].protocols
    back.check_invariants()


@pytest.mark.parametrize("policy", MigrationPolicy)
def test_policies(classic: ClassicGroup, make_step: Callable[..., Step], policy: MigrationPolicy) -> None:
    """Each way can be forbidden."""
    step = make_step(group_consumer_migration_policy=policy)
    group = upgraded(classic, make_step())
    assert may_downgrade(group, (), 1, step) == (policy.value in {"bidirectional", "downgrade"})
    if policy.value in {"bidirectional", "upgrade"}:
        assert upgraded(classic, step).members.keys() == {"m"}
    else:
        with pytest.raises(ApiError, match="disabled"):
            upgraded(classic, step)


def test_a_downgrade_needs_members_and_room(classic: ClassicGroup, make_step: Callable[..., Step]) -> None:
    """All of the classic protocol, and no more than a classic group may have."""
    group = upgraded(classic, make_step())
    assert not may_downgrade(group, ["m"], 0, make_step())
    assert not may_downgrade(group, (), 2, make_step(group_max_size=1))
    assert may_downgrade(group, (), 1, make_step(group_max_size=1))


def test_partitions_by_name(make_step: Callable[..., Step]) -> None:
    """Topics that do not exist are left out, both ways."""
    cluster = make_step().cluster
    named = [ConsumerProtocolAssignmentTopicPartition(topic=name, partitions=[1]) for name in ("t", "gone")]
    partitions = partitions_of_names(named, cluster)
    assert partitions == {TopicIdPartition(TOPIC_ID, 1)}
    assert names_of_partitions(partitions | {TopicIdPartition(b"x" * 16, 0)}, cluster) == {"t": [1]}


def test_which_groups_are_empty(classic: ClassicGroup) -> None:
    """Of either kind."""
    assert is_empty(ConsumerGroup("g"))
    assert is_empty(ClassicGroup("g", 0))
    assert not is_empty(classic)


def test_only_classic_members_have_an_embedded_version() -> None:
    """Asking any other is a mistake."""
    with pytest.raises(AssertionError):
        subscription_version(ConsumerMember(member_id="m"))
