"""The records of consumer groups."""

from hypothesis import given
from hypothesis import strategies as st

from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember, MemberState
from dotkafka.coordinator.consumer.records import (
    assigned_by,
    by_topic,
    current_record,
    described_by,
    flattened,
    gone_group_records,
    group_epoch_record,
    member_record,
    regex_record,
    target_epoch_record,
    target_record,
)
from dotkafka.coordinator.group_records import decode_record, encode_key, encode_value
from dotkafka.protocol.messages.consumer_group_records import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupCurrentMemberAssignmentValue,
    TopicPartitions,
)
from dotkafka.storage.spi import TopicIdPartition

topic_ids = st.sampled_from([b"1" * 16, b"2" * 16])
partitions = st.builds(TopicIdPartition, topic_ids, st.integers(0, 5))
texts = st.sampled_from(["", "x", "ä" * 100])
members = st.builds(
    ConsumerMember,
    member_id=st.just("m"),
    instance_id=st.none() | texts,
    rack_id=st.none() | texts,
    rebalance_timeout_ms=st.integers(-1, 2**31 - 1),
    client_id=texts,
    client_host=texts,
    subscribed_topics=st.frozensets(texts),
    subscribed_regex=texts,
    server_assignor=st.none() | st.sampled_from(["uniform", "range"]),
    classic=st.none()
    | st.builds(
        ClassicMemberMetadata,
        session_timeout_ms=st.integers(0, 2**31 - 1),
        supported_protocols=st.lists(
            st.builds(ClassicProtocol, name=texts, metadata=st.binary(max_size=5)), max_size=2
        ),
    ),
    member_epoch=st.integers(-2, 2**31 - 1),
    previous_member_epoch=st.integers(-1, 2**31 - 1),
    state=st.sampled_from(MemberState),
    assigned=st.dictionaries(partitions, st.integers(0, 9)),
    pending_revocation=st.dictionaries(partitions, st.integers(0, 9)),
)


@given(members)
def test_a_member_is_what_its_records_say(member: ConsumerMember) -> None:
    """Through bytes and back."""
    read = ConsumerMember(member_id="m")
    for record in (member_record("g", member), current_record("g", member)):
        value = encode_value(record)
        assert value is not None
        decoded = decode_record(encode_key(record), value)
        assert decoded is not None
        assert decoded.value is not None
        is_current = isinstance(decoded.value, ConsumerGroupCurrentMemberAssignmentValue)
        read = assigned_by(read, decoded.value) if is_current else described_by(read, decoded.value)
    assert read == member


def test_records_of_older_brokers_have_no_epochs() -> None:
    """There the member's own epoch stands in."""
    value = ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=7,
        previous_member_epoch=6,
        state=0,
        assigned_partitions=[TopicPartitions(topic_id=b"1" * 16, partitions=[0, 1])],
        partitions_pending_revocation=[],
    )
    member = assigned_by(ConsumerMember(member_id="m"), value)
    assert member.assigned == {TopicIdPartition(b"1" * 16, 0): 7, TopicIdPartition(b"1" * 16, 1): 7}


def test_a_state_of_a_later_kafka() -> None:
    """The member has to say what it has before anything is given to it or taken from it."""
    value = ConsumerGroupCurrentMemberAssignmentValue(
        member_epoch=7, previous_member_epoch=6, state=99, assigned_partitions=[], partitions_pending_revocation=[]
    )
    member = assigned_by(ConsumerMember(member_id="m"), value)
    assert member.state is MemberState.UNREVOKED_PARTITIONS


@given(st.frozensets(partitions))
def test_partitions_by_topic(some: frozenset[TopicIdPartition]) -> None:
    """There and back."""
    topics = [TopicPartitions(topic_id=topic_id, partitions=indexes) for topic_id, indexes in by_topic(some).items()]
    assert flattened(topics) == some


def test_a_group_that_is_gone_leaves_nothing() -> None:
    """Every record that makes a group has its tombstone, members before the group itself."""
    member = ConsumerMember(member_id="m", subscribed_regex="r")
    made = [
        member_record("g", member),
        regex_record("g", "r", ["t"], 5),
        group_epoch_record("g", 1, 2),
        target_record("g", "m", frozenset()),
        target_epoch_record("g", 1, 5),
        current_record("g", member),
    ]
    gone = gone_group_records("g", ["m"], ["r"])
    assert all(record.value is None for record in gone)
    assert {encode_key(record) for record in made} <= {encode_key(record) for record in gone}
    group = ConsumerGroup("g")
    for record in (*made, *gone):
        group.replay(record)
    assert not group.members
    assert not group.targets
    assert not group.regexes
    assert group.assignment_epoch == -1
