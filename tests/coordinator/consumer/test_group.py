"""A consumer group as the sum of its records; `test_any_order.py` drives it through everything."""

import weakref

import pytest

from dotkafka.coordinator.cluster_view import EmptyCluster
from dotkafka.coordinator.consumer.group import ConsumerGroup, ConsumerGroupState
from dotkafka.coordinator.consumer.member import ConsumerMember, MemberState
from dotkafka.coordinator.consumer.records import (
    current_record,
    current_tombstone,
    group_epoch_record,
    member_record,
    member_tombstone,
    regex_record,
    target_epoch_record,
    target_record,
)
from dotkafka.coordinator.effects import CoordinatorRecord
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_records import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue,
)
from dotkafka.storage.spi import TopicIdPartition

PARTITION = TopicIdPartition(b"1" * 16, 0)


def made_of(*records: CoordinatorRecord) -> ConsumerGroup:
    """The group that these records make."""
    group = ConsumerGroup("g")
    for record in records:
        group.replay(record)
    return group


def member(member_id: str = "m", **facts: object) -> ConsumerMember:
    """A member of which only these things matter."""
    return ConsumerMember(member_id=member_id, **facts)  # type: ignore[arg-type]


def test_state_follows_from_epochs() -> None:
    """In the order in which a group comes to rest."""
    group = ConsumerGroup("g")
    states = [group.state]
    for record in (
        member_record("g", member()),
        group_epoch_record("g", 1, 0),
        target_epoch_record("g", 1, 5),
        current_record("g", member(member_epoch=1, state=MemberState.UNRELEASED_PARTITIONS)),
        current_record("g", member(member_epoch=1)),
    ):
        group.replay(record)
        states.append(group.state)
    assert states == [
        ConsumerGroupState.EMPTY,
        ConsumerGroupState.ASSIGNING,
        ConsumerGroupState.ASSIGNING,
        ConsumerGroupState.RECONCILING,
        ConsumerGroupState.RECONCILING,
        ConsumerGroupState.STABLE,
    ]


def test_ownership_follows_members() -> None:
    """A partition is its owner's until a record says otherwise."""
    group = made_of(
        member_record("g", member()),
        current_record("g", member(assigned={PARTITION: 1})),
        target_record("g", "n", frozenset({PARTITION})),
    )
    assert group.owner_of(PARTITION) == "m"
    assert group.waits_for_release(member("n"))
    group.replay(current_tombstone("g", "m"))
    assert group.owner_of(PARTITION) is None
    assert not group.waits_for_release(member("n"))
    group.replay(member_tombstone("g", "m"))
    assert not group.members


def test_an_instance_id_leads_to_one_member() -> None:
    """Whoever comes by another member id is fenced."""
    group = made_of(member_record("g", member(instance_id="i")))
    assert group.member("m", "i").member_id == "m"
    for member_id, instance_id, error in (
        ("x", "i", ErrorCode.FENCED_INSTANCE_ID),
        ("m", "j", ErrorCode.UNKNOWN_MEMBER_ID),
        ("x", None, ErrorCode.UNKNOWN_MEMBER_ID),
    ):
        with pytest.raises(ApiError) as refusal:
            group.member(member_id, instance_id)
        assert refusal.value.error_code == error
    group.replay(member_tombstone("g", "m"))
    assert not group.static_members


def test_topics_by_name_and_by_expression() -> None:
    """An expression that nothing is known of yet stands for nothing."""
    group = made_of(member_record("g", member(subscribed_topics=frozenset({"a"}), subscribed_regex="r")))
    assert group.subscribed_topics() == {"a"}
    group.replay(regex_record("g", "r", ["b"], 5))
    assert group.subscribed_topics() == {"a", "b"}
    assert group.is_subscribed_to("a")
    assert group.is_subscribed_to("b")
    assert not group.is_subscribed_to("c")


def test_classic_members_share_a_protocol() -> None:
    """Those that use the other protocol have no say."""
    classic = ClassicMemberMetadata(session_timeout_ms=1, supported_protocols=[ClassicProtocol(name="range")])
    group = made_of(member_record("g", member()))
    assert group.supports_classic_protocols("consumer", ["any"])
    assert not group.supports_classic_protocols("consumer", [])
    group.replay(member_record("g", member("c", classic=classic)))
    assert group.supports_classic_protocols("consumer", ["sticky", "range"])
    assert not group.supports_classic_protocols("consumer", ["sticky"])
    assert not group.supports_classic_protocols("connect", ["range"])


def test_records_of_older_brokers_are_noted() -> None:
    """They are forgotten with the next epoch."""
    record = CoordinatorRecord(
        ConsumerGroupPartitionMetadataKey(group_id="g"), ConsumerGroupPartitionMetadataValue(topics=[])
    )
    assert made_of(record).has_partition_metadata


def test_wrong_books_are_noticed() -> None:
    """Two owners of one partition, a target that is ahead of its group."""
    for wrong in (
        made_of(
            current_record("g", member(assigned={PARTITION: 1})),
            current_record("g", member("n", assigned={PARTITION: 1})),
        ),
        made_of(target_epoch_record("g", 3, 0)),
        made_of(target_record("g", "m", frozenset())),
        made_of(member_record("g", member()), regex_record("g", "r", [], 0)),
    ):
        with pytest.raises(AssertionError):
            wrong.check_invariants()


def test_an_idle_group_keeps_no_old_cluster_alive() -> None:
    """There may be many groups, and each change of the cluster makes another image of it."""
    group, cluster = ConsumerGroup("g"), EmptyCluster()
    assert not group.has_looked_at(cluster)
    group.look_at(cluster)
    assert group.has_looked_at(cluster)
    assert not group.has_looked_at(EmptyCluster())
    seen = weakref.ref(cluster)
    del cluster
    assert seen() is None
