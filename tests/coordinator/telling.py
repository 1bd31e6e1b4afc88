"""How scenarios tell what happened: records and replies, one line each."""

from collections.abc import Callable, Iterable
from typing import Any

from dotkafka.coordinator.consumer.member import MemberState
from dotkafka.coordinator.effects import CoordinatorRecord, Reply
from dotkafka.coordinator.group_records import decode_assignment
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages import (
    consumer_group_describe,
    consumer_group_heartbeat,
    consumer_group_records,
    delete_groups,
    describe_groups,
    heartbeat,
    join_group,
    leave_group,
    list_groups,
    offset_commit,
    offset_delete,
    offset_fetch,
    sync_group,
)
from dotkafka.protocol.messages.consumer_offsets import GroupMetadataKey, GroupMetadataValue
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_SUBSCRIPTION

WALL_START_MS = 1_000_000_000_000
"""What the wall clock shows when a scenario begins."""


def topic_id_of(name: str) -> bytes:
    """The id that a topic of this name has in scenarios; `name*` stands for its re-creation."""
    return name.encode().ljust(16, b"\0")


def told_topic(topic_id: bytes) -> str:
    """The name of the topic that has this id in scenarios."""
    return topic_id.rstrip(b"\0").decode()


def _told_partitions(topics: Iterable[Any]) -> str:
    words = []
    for topic in topics:
        epochs = getattr(topic, "assignment_epochs", None) or [None] * len(topic.partitions)
        for index, epoch in zip(topic.partitions, epochs, strict=True):
            words.append(f"{told_topic(topic.topic_id)}/{index}" + ("" if epoch is None else f"@{epoch}"))
    return f"[{' '.join(words)}]"


def _told_assignment(data: bytes) -> str:
    if not data:
        return "-"
    topics = decode_assignment(data).assigned_partitions
    return ",".join(f"{topic.topic}/{index}" for topic in topics for index in topic.partitions) or "none"


def _told_subscription(data: bytes) -> str:
    if data == b"junk":
        return "junk"
    return ",".join(CONSUMER_PROTOCOL_SUBSCRIPTION.decode(0, data, 2).topics) if data else "-"


def told_record(record: CoordinatorRecord) -> str:
    """One line on a record: what it is about, and what it says."""
    key, value = record.key, record.value
    if type(key) in TOLD_PARTS:
        what, tell = TOLD_PARTS[type(key)]
        name = " ".join([what, *(getattr(key, part) for part in key.__match_args__)])
        return f"{name}: {'deleted' if value is None else tell(value)}"
    if not isinstance(key, GroupMetadataKey):
        name = f"offset {key.group} {key.topic}/{key.partition}: "
        if value is None:
            return name + "deleted"
        metadata = f" {value.metadata!r}" if value.metadata else ""
        expiry = "" if value.expire_timestamp == -1 else f" until {value.expire_timestamp - WALL_START_MS}ms"
        return f"{name}{value.offset}{metadata}{expiry} (v{record.value_version})"
    if value is None:
        return f"group {key.group}: deleted"
    assert isinstance(value, GroupMetadataValue)
    members = " ".join(
        f"{member.member_id}({_told_subscription(member.subscription)} -> {_told_assignment(member.assignment)})"
        for member in value.members
    )
    return (
        f"group {key.group}: generation={value.generation} type={value.protocol_type or '-'} "
        f"protocol={value.protocol or '-'} leader={value.leader or '-'} members=[{members}]"
    )


def told_reply(reply: Reply) -> str:
    """One line on a reply: to whom, by which API, and what it says."""
    response = reply.response
    name = type(response).__name__.removesuffix("Response")
    error = ErrorCode(getattr(response, "error_code", 0))
    if error and isinstance(response, consumer_group_heartbeat.ConsumerGroupHeartbeatResponse):
        return f"{reply.reply_to} <- {name} {error.name} ({response.error_message})"
    return " ".join([f"{reply.reply_to} <- {name}", *([error.name] if error else []), *TOLD[type(response)](response)])


def _told_join(response: join_group.JoinGroupResponse) -> list[str]:
    if response.error_code:
        return [f"member={response.member_id or '-'}"]
    members = " ".join(f"{member.member_id}({_told_subscription(member.metadata)})" for member in response.members)
    return [
        f"generation={response.generation_id} protocol={response.protocol_name} member={response.member_id}",
        f"leader={response.leader} members=[{members}]",
        *(["skip-assignment"] if response.skip_assignment else []),
    ]


def _told_sync(response: sync_group.SyncGroupResponse) -> list[str]:
    return [] if response.error_code else [f"assignment={_told_assignment(response.assignment)}"]


def _told_leave(response: leave_group.LeaveGroupResponse) -> list[str]:
    return [
        f"{member.member_id or member.group_instance_id or '-'}={ErrorCode(member.error_code).name}"
        for member in response.members
    ]


def _told_commit(response: offset_commit.OffsetCommitResponse) -> list[str]:
    return [
        f"{topic.name}/{partition.partition_index}={ErrorCode(partition.error_code).name}"
        for topic in response.topics
        for partition in topic.partitions
    ]


def _told_fetched_topics(topics: Any) -> list[str]:
    return [
        f"{topic.name}/{partition.partition_index}={partition.committed_offset}"
        + (f"({partition.metadata})" if partition.metadata else "")
        for topic in topics
        for partition in topic.partitions
    ]


def _told_fetch(response: offset_fetch.OffsetFetchResponse) -> list[str]:
    words = _told_fetched_topics(response.topics)
    for group in response.groups:
        error = [ErrorCode(group.error_code).name] if group.error_code else []
        words += [f"{group.group_id}:", *error, *_told_fetched_topics(group.topics)]
    return words


def _told_describe(response: describe_groups.DescribeGroupsResponse) -> list[str]:
    words = []
    for group in response.groups:
        members = " ".join(
            f"{member.member_id}({_told_subscription(member.member_metadata)} -> "
            f"{_told_assignment(member.member_assignment)})"
            for member in group.members
        )
        error = f" {ErrorCode(group.error_code).name}" if group.error_code else ""
        words.append(f"{group.group_id}:{error} {group.group_state} protocol={group.protocol_data} members=[{members}]")
    return words


def _told_list(response: list_groups.ListGroupsResponse) -> list[str]:
    return [f"{group.group_id}({group.group_state} {group.group_type})" for group in response.groups]


def _told_delete(response: delete_groups.DeleteGroupsResponse) -> list[str]:
    return [f"{result.group_id}={ErrorCode(result.error_code).name}" for result in response.results]


def _told_consumer_heartbeat(response: consumer_group_heartbeat.ConsumerGroupHeartbeatResponse) -> list[str]:
    words = [f"member={response.member_id} epoch={response.member_epoch}"]
    if response.assignment is not None:
        words.append(f"assigned={_told_partitions(response.assignment.topic_partitions)}")
    return words


def _told_describe_consumer(response: consumer_group_describe.ConsumerGroupDescribeResponse) -> list[str]:
    words = []
    for group in response.groups:
        if group.error_code:
            words.append(f"{group.group_id}: {ErrorCode(group.error_code).name} ({group.error_message})")
            continue
        members = " ".join(
            f"{member.member_id}({'consumer' if member.member_type else 'classic'} epoch={member.member_epoch}"
            f" has={_told_partitions(member.assignment.topic_partitions)}"
            f" shall={_told_partitions(member.target_assignment.topic_partitions)})"
            for member in group.members
        )
        words.append(
            f"{group.group_id}: {group.group_state} epoch={group.group_epoch} assignment={group.assignment_epoch}"
            f" assignor={group.assignor_name} members=[{members}]"
        )
    return words


def _told_member_part(value: consumer_group_records.ConsumerGroupMemberMetadataValue) -> str:
    classic = value.classic_member_metadata
    facts = {
        "topics": ",".join(value.subscribed_topic_names),
        "regex": value.subscribed_topic_regex,
        "assignor": value.server_assignor,
        "instance": value.instance_id,
        "rack": value.rack_id,
        "rebalance": f"{value.rebalance_timeout_ms}ms",
        "classic": classic and f"{classic.session_timeout_ms}ms",
    }
    return " ".join(f"{name}={fact}" for name, fact in facts.items() if fact)


def _told_current_part(value: consumer_group_records.ConsumerGroupCurrentMemberAssignmentValue) -> str:
    told = (
        f"epoch={value.member_epoch} previous={value.previous_member_epoch} {MemberState(value.state).name}"
        f" has={_told_partitions(value.assigned_partitions)}"
    )
    revoking = value.partitions_pending_revocation
    return f"{told} revoking={_told_partitions(revoking)}" if revoking else told


TOLD_PARTS: dict[type, tuple[str, Callable[[Any], str]]] = {
    consumer_group_records.ConsumerGroupMetadataKey: ("epoch of", lambda value: str(value.epoch)),
    consumer_group_records.ConsumerGroupPartitionMetadataKey: ("partition metadata of", lambda _value: "some"),
    consumer_group_records.ConsumerGroupMemberMetadataKey: ("member", _told_member_part),
    consumer_group_records.ConsumerGroupTargetAssignmentMetadataKey: (
        "target epoch of",
        lambda value: str(value.assignment_epoch),
    ),
    consumer_group_records.ConsumerGroupTargetAssignmentMemberKey: (
        "target",
        lambda value: _told_partitions(value.topic_partitions),
    ),
    consumer_group_records.ConsumerGroupCurrentMemberAssignmentKey: ("current", _told_current_part),
    consumer_group_records.ConsumerGroupRegularExpressionKey: ("regex", lambda value: ",".join(value.topics) or "none"),
}
"""The records that a consumer group is made of: what each is called, and how its value is told."""

TOLD: dict[type, Callable[[Any], list[str]]] = {
    join_group.JoinGroupResponse: _told_join,
    sync_group.SyncGroupResponse: _told_sync,
    heartbeat.HeartbeatResponse: lambda _response: [],
    leave_group.LeaveGroupResponse: _told_leave,
    offset_commit.OffsetCommitResponse: _told_commit,
    offset_fetch.OffsetFetchResponse: _told_fetch,
    offset_delete.OffsetDeleteResponse: _told_commit,
    describe_groups.DescribeGroupsResponse: _told_describe,
    list_groups.ListGroupsResponse: _told_list,
    delete_groups.DeleteGroupsResponse: _told_delete,
    consumer_group_heartbeat.ConsumerGroupHeartbeatResponse: _told_consumer_heartbeat,
    consumer_group_describe.ConsumerGroupDescribeResponse: _told_describe_consumer,
}
