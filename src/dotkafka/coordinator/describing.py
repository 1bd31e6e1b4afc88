"""What administrators are told of groups: ListGroups, DescribeGroups, ConsumerGroupDescribe."""

from collections.abc import Mapping

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.cluster_view import ClusterView
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.member import ConsumerMember, Partitions
from dotkafka.coordinator.consumer.rebalance import preferred_assignor
from dotkafka.coordinator.consumer.records import by_topic
from dotkafka.coordinator.group_records import CONSUMER_PROTOCOL_TYPE
from dotkafka.errors import shortened
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages import consumer_group_describe
from dotkafka.protocol.messages.describe_groups import DescribedGroup, DescribedGroupMember
from dotkafka.protocol.messages.list_groups import ListedGroup, ListGroupsRequest

CLASSIC_TYPE = "classic"
CONSUMER_TYPE = "consumer"
"""What ListGroups calls groups of each protocol. Source: KIP-848."""

Groups = Mapping[str, ClassicGroup | ConsumerGroup]


def list_groups(groups: Groups, request: ListGroupsRequest) -> list[ListedGroup]:
    """The groups that pass the filters of the request, in which capitals do not matter."""
    states = {state.strip().lower() for state in request.states_filter}
    types = {group_type.strip().lower() for group_type in request.types_filter}
    listed = [
        ListedGroup(
            group_id=group.group_id,
            protocol_type=CONSUMER_PROTOCOL_TYPE if isinstance(group, ConsumerGroup) else group.protocol_type or "",
            group_state=group.state.value,
            group_type=CONSUMER_TYPE if isinstance(group, ConsumerGroup) else CLASSIC_TYPE,
        )
        for group in groups.values()
    ]
    return [
        group
        for group in listed
        if (not states or group.group_state.lower() in states) and (not types or group.group_type in types)
    ]


def describe_classic_group(groups: Groups, group_id: str, api_version: int) -> DescribedGroup:
    """A group for DescribeGroups, which knows classic groups alone: any other one is dead to it."""
    group = groups.get(group_id)
    if not isinstance(group, ClassicGroup):
        described = DescribedGroup(group_id=group_id, group_state=GroupState.DEAD.value)
        if api_version >= 6:
            described.error_code = ErrorCode.GROUP_ID_NOT_FOUND
            described.error_message = shortened(
                f"Group {group_id} not found." if group is None else f"Group {group_id} is not a classic group."
            )
        return described
    is_stable = group.state is GroupState.STABLE
    members = [
        DescribedGroupMember(
            member_id=member.member_id,
            group_instance_id=member.group_instance_id,
            client_id=member.client_id,
            client_host=member.client_host,
            member_metadata=group.metadata_of(member) if is_stable else b"",
            member_assignment=member.assignment,
        )
        for member in group.members.values()
    ]
    return DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol_name or "") if is_stable else "",
        members=members,
    )


def describe_consumer_group(
    groups: Groups, group_id: str, cluster: ClusterView
) -> consumer_group_describe.DescribedGroup:
    """A group for ConsumerGroupDescribe, which knows consumer groups alone."""
    if group_id == "":
        return consumer_group_describe.DescribedGroup(group_id="", error_code=ErrorCode.INVALID_GROUP_ID)
    group = groups.get(group_id)
    if not isinstance(group, ConsumerGroup):
        return consumer_group_describe.DescribedGroup(
            group_id=group_id,
            error_code=ErrorCode.GROUP_ID_NOT_FOUND,
            error_message=shortened(
                f"Group {group_id} not found." if group is None else f"Group {group_id} is not a consumer group."
            ),
        )
    return consumer_group_describe.DescribedGroup(
        group_id=group_id,
        group_state=group.state.value,
        group_epoch=group.group_epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=preferred_assignor(group),
        members=[_describe_member(group, member, cluster) for member in group.members.values()],
    )


def _describe_member(
    group: ConsumerGroup, member: ConsumerMember, cluster: ClusterView
) -> consumer_group_describe.Member:
    return consumer_group_describe.Member(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.subscribed_topics),
        subscribed_topic_regex=member.subscribed_regex or None,
        assignment=_describe_partitions(frozenset(member.assigned), cluster),
        target_assignment=_describe_partitions(group.target_of(member.member_id), cluster),
        member_type=0 if member.is_classic else 1,
    )


def _describe_partitions(partitions: Partitions, cluster: ClusterView) -> consumer_group_describe.Assignment:
    """Partitions under the names of their topics; topics that do not exist any more have none and are left out."""
    return consumer_group_describe.Assignment(
        topic_partitions=[
            consumer_group_describe.TopicPartitions(
                topic_id=topic_id, topic_name=cluster.topics_by_id[topic_id].name, partitions=indexes
            )
            for topic_id, indexes in by_topic(partitions).items()
            if topic_id in cluster.topics_by_id
        ]
    )
