"""What administrators are told; the scenarios tell the rest."""

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.cluster_view import EmptyCluster
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember
from dotkafka.coordinator.consumer.records import current_record, member_record
from dotkafka.coordinator.describing import Groups, describe_classic_group, describe_consumer_group, list_groups
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.list_groups import ListGroupsRequest
from dotkafka.storage.spi import TopicIdPartition

GROUPS: Groups = {"c": ClassicGroup("c", 0), "n": ConsumerGroup("n")}


def test_groups_are_listed_by_type_and_state() -> None:
    """Capitals do not matter in filters."""
    assert [group.group_id for group in list_groups(GROUPS, ListGroupsRequest())] == ["c", "n"]
    assert [group.group_type for group in list_groups(GROUPS, ListGroupsRequest())] == ["classic", "consumer"]
    assert [group.group_id for group in list_groups(GROUPS, ListGroupsRequest(types_filter=["CONSUMER"]))] == ["n"]
    assert len(list_groups(GROUPS, ListGroupsRequest(states_filter=["empty"]))) == 2
    assert not list_groups(GROUPS, ListGroupsRequest(states_filter=["Stable"], types_filter=["classic"]))


def test_each_describe_knows_its_own_kind() -> None:
    """The other kind is not found, which is how admin clients find out which one to ask."""
    assert describe_classic_group(GROUPS, "c", 6).error_code == ErrorCode.NONE
    assert describe_classic_group(GROUPS, "n", 6).error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert describe_classic_group(GROUPS, "n", 5).group_state == "Dead"
    assert describe_consumer_group(GROUPS, "n", EmptyCluster()).error_code == ErrorCode.NONE
    described = describe_consumer_group(GROUPS, "c", EmptyCluster())
    assert described.error_code == ErrorCode.GROUP_ID_NOT_FOUND
    assert described.error_message == "Group c is not a consumer group."


def test_topics_that_are_gone_are_left_out() -> None:
    """They have no name any more."""
    group = ConsumerGroup("g")
    member = ConsumerMember(member_id="m", rack_id="r", assigned={TopicIdPartition(b"1" * 16, 0): 1})
    group.replay(member_record("g", member))
    group.replay(current_record("g", member))
    described = describe_consumer_group({"g": group}, "g", EmptyCluster()).members[0]
    assert described.assignment.topic_partitions == []
    assert described.rack_id == "r"
    assert described.subscribed_topic_regex is None
