"""Stories of consumer groups: what is asked, and when, and what comes of it.

Each file in `scenarios/` is a list of blocks: `#` comments, commands, a line of dashes, and what happened. With
`pytest tests/coordinator --rewrite-scenarios` the files are rewritten, and their diff is the review.

Commands. The group is `g` unless `group=` says otherwise; a client's first argument is its client id, and it uses the
member id, generation and protocol it was last told unless `member=`, `generation=`, `protocol=` say otherwise.

    config initial-delay=3s max-size=2 retention=7d     restart with these settings
    join a version=9 session=10s rebalance=60s protocols=range:t1,t2|sticky:t1 type=consumer instance=i
    sync a b:t1/0,t1/1 a:t1/2                           assignments, by client
    heartbeat a        leave a b        leave instance=i
    commit a t1/0=5 t1/1=7 metadata=x retention=1d      without a client: from outside the group
    fetch t1/0 t1/1    fetch            fetch groups=g,h
    describe g h       list states=stable types=classic
    delete g h         delete-offsets t1/0             topics-deleted t1
    wait 3s            time passes; what it brings is marked with the moment
    restart            a new coordinator, from the records alone

Effects: `a <- ...` is a reply to client a, `record ...` is a record to be made durable.
"""

import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dotkafka.clock import Instant
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.effects import CoordinatorRecord, Effects, Reply
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.group_records import decode_record, encode_key, encode_value
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages import (
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
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_SUBSCRIPTION, ConsumerProtocolSubscription

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
DASHES = "----"
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
WALL_START_MS = 1_000_000_000_000


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_scenario(path: Path, rewrite_scenarios: bool) -> None:  # noqa: FBT001 (a fixture)
    """What happens is what the scenario says."""
    told = path.read_text()
    happened = _run_scenario(told)
    if rewrite_scenarios:
        path.write_text(happened)
    else:
        assert happened == told


def _run_scenario(text: str) -> str:
    """The scenario with what happens now in place of what it says."""
    story = _Story()
    blocks = []
    for block in text.strip().split("\n\n"):
        commands = block.split(f"\n{DASHES}")[0].splitlines()
        effects = [line for command in commands if not command.startswith("#") for line in story.run(command)]
        story.coordinator.check_invariants()
        blocks.append("\n".join([*commands, DASHES, *(effects or ["(nothing)"])]))
    return "\n\n".join(blocks) + "\n"


class _Client:
    """What a client remembers of its group."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.member_id = ""
        self.generation_id = -1
        self.protocol_name: str | None = None
        self.instance_id: str | None = None

    def hear(self, response: Any) -> None:
        """Remember what a reply tells."""
        error = ErrorCode(getattr(response, "error_code", 0))
        if isinstance(response, join_group.JoinGroupResponse) and error in {
            ErrorCode.NONE,
            ErrorCode.MEMBER_ID_REQUIRED,
        }:
            self.member_id = response.member_id
            self.generation_id = response.generation_id
            self.protocol_name = response.protocol_name
        elif error is ErrorCode.UNKNOWN_MEMBER_ID:
            self.member_id, self.generation_id = "", -1


class _Arguments:
    """The words of a command, read one by one; `finish` sees that none was overlooked."""

    def __init__(self, words: list[str]) -> None:
        self.words = [word for word in words if not re.match(r"[a-z][a-z-]*=", word)]
        self._options = dict(word.split("=", 1) for word in words if word not in self.words)

    def option(self, name: str, default: str) -> str:
        return self._options.pop(name, default)

    def optional(self, name: str) -> str | None:
        return self._options.pop(name, None)

    def duration_ms(self, name: str, default: str) -> int:
        return _duration_ms(self.option(name, default))

    def finish(self) -> None:
        assert not self._options, f"unknown options: {self._options}"


class _Story:
    """A coordinator, its clients, its clock and its log."""

    def __init__(self) -> None:
        self.clock_ms = 0
        self.config = GroupConfig(group_initial_rebalance_delay_ms=50)
        self.numbers = itertools.count(1)
        self.log: list[tuple[bytes, bytes | None]] = []
        self.clients: dict[str, _Client] = {}
        self.coordinator = self.start()

    @property
    def now(self) -> Instant:
        return Instant(self.clock_ms, WALL_START_MS + self.clock_ms)

    def start(self) -> GroupCoordinator:
        coordinator = GroupCoordinator(self.config, lambda: str(next(self.numbers)))
        for key, value in self.log:
            record = decode_record(key, value)
            assert record is not None
            coordinator.replay(record)
        coordinator.finish_replay(self.now)
        return coordinator

    def run(self, command: str) -> list[str]:
        """Do one command and tell its effects."""
        verb, *words = command.split()
        arguments = _Arguments(words)
        method: Callable[[_Arguments], list[str]] = getattr(self, "do_" + verb.replace("-", "_"))
        effects = method(arguments)
        arguments.finish()
        return effects

    def do_config(self, arguments: _Arguments) -> list[str]:
        self.config = GroupConfig(
            group_initial_rebalance_delay_ms=arguments.duration_ms("initial-delay", "50ms"),
            group_max_size=int(arguments.option("max-size", "1000")),
            offsets_retention_minutes=arguments.duration_ms("retention", "7d") // 60_000,
            offset_metadata_max_bytes=int(arguments.option("max-metadata", "4096")),
        )
        self.coordinator = self.start()
        return []

    def do_restart(self, arguments: _Arguments) -> list[str]:
        self.coordinator = self.start()
        return []

    def do_wait(self, arguments: _Arguments) -> list[str]:
        end_ms = self.clock_ms + _duration_ms(arguments.words[0])
        lines = []
        while (deadline_ms := self.coordinator.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            self.clock_ms = max(self.clock_ms, deadline_ms)
            effects = self.coordinator.handle_timeouts(self.now)
            self.coordinator.check_invariants()
            lines += [f"[{self.clock_ms}ms] {line}" for line in self.take(effects)]
        self.clock_ms = end_ms
        return lines

    def do_join(self, arguments: _Arguments) -> list[str]:
        client = self.client(arguments.words[0])
        client.instance_id = arguments.optional("instance") or client.instance_id
        protocols = [
            join_group.JoinGroupRequestProtocol(name=name, metadata=_subscription(topics.split(",") if topics else []))
            for name, _, topics in (
                protocol.partition(":") for protocol in arguments.option("protocols", "range:t1").split("|") if protocol
            )
        ]
        request = join_group.JoinGroupRequest(
            group_id=arguments.option("group", "g"),
            session_timeout_ms=arguments.duration_ms("session", "10s"),
            rebalance_timeout_ms=arguments.duration_ms("rebalance", "60s"),
            member_id=arguments.option("member", client.member_id),
            group_instance_id=client.instance_id,
            protocol_type=arguments.option("type", "consumer"),
            protocols=protocols,
        )
        return self.ask(client.name, request, int(arguments.option("version", "9")))

    def do_sync(self, arguments: _Arguments) -> list[str]:
        client = self.client(arguments.words[0])
        version = int(arguments.option("version", "5"))
        assignments = [
            sync_group.SyncGroupRequestAssignment(member_id=self.clients[name].member_id, assignment=parts.encode())
            for name, _, parts in (word.partition(":") for word in arguments.words[1:])
        ]
        request = sync_group.SyncGroupRequest(
            group_id=arguments.option("group", "g"),
            generation_id=int(arguments.option("generation", str(client.generation_id))),
            member_id=arguments.option("member", client.member_id),
            group_instance_id=client.instance_id,
            protocol_type=arguments.option("type", "consumer") if version >= 5 else None,
            protocol_name=arguments.option("protocol", client.protocol_name or "") if version >= 5 else None,
            assignments=assignments,
        )
        return self.ask(client.name, request, version)

    def do_heartbeat(self, arguments: _Arguments) -> list[str]:
        client = self.client(arguments.words[0])
        request = heartbeat.HeartbeatRequest(
            group_id=arguments.option("group", "g"),
            generation_id=int(arguments.option("generation", str(client.generation_id))),
            member_id=arguments.option("member", client.member_id),
            group_instance_id=client.instance_id,
        )
        return self.ask(client.name, request, 4)

    def do_leave(self, arguments: _Arguments) -> list[str]:
        version = int(arguments.option("version", "5"))
        instance_id = arguments.optional("instance")
        members = [
            leave_group.MemberIdentity(member_id=self.client(name).member_id, group_instance_id=None)
            for name in arguments.words
        ]
        if instance_id is not None:
            members.append(leave_group.MemberIdentity(member_id="", group_instance_id=instance_id))
        request = leave_group.LeaveGroupRequest(group_id=arguments.option("group", "g"))
        if version < 3:
            request.member_id = members[0].member_id
        else:
            request.members = members
        return self.ask(arguments.words[0] if arguments.words else "admin", request, version)

    def do_commit(self, arguments: _Arguments) -> list[str]:
        client = self.client(arguments.words.pop(0)) if "/" not in arguments.words[0] else _Client("outside")
        version = int(arguments.option("version", "9"))
        retention = arguments.optional("retention")
        metadata = arguments.option("metadata", "")
        topics: dict[str, list[offset_commit.OffsetCommitRequestPartition]] = {}
        for word in arguments.words:
            topic, partition, offset = re.split("[/=]", word)
            topics.setdefault(topic, []).append(
                offset_commit.OffsetCommitRequestPartition(
                    partition_index=int(partition), committed_offset=int(offset), committed_metadata=metadata
                )
            )
        request = offset_commit.OffsetCommitRequest(
            group_id=arguments.option("group", "g"),
            generation_id_or_member_epoch=int(arguments.option("generation", str(client.generation_id))),
            member_id=arguments.option("member", client.member_id),
            group_instance_id=client.instance_id,
            retention_time_ms=-1 if retention is None else _duration_ms(retention),
            topics=[
                offset_commit.OffsetCommitRequestTopic(name=name, partitions=partitions)
                for name, partitions in topics.items()
            ],
        )
        return self.ask(client.name, request, version)

    def do_fetch(self, arguments: _Arguments) -> list[str]:
        topics = _by_topic(arguments.words) or None
        groups = arguments.optional("groups")
        if groups is None:
            one = offset_fetch.OffsetFetchRequest(group_id=arguments.option("group", "g"), topics=None)
            if topics is not None:
                one.topics = [
                    offset_fetch.OffsetFetchRequestTopic(name=name, partition_indexes=indexes)
                    for name, indexes in topics.items()
                ]
            return self.ask("reader", one, 7)
        many = [
            offset_fetch.OffsetFetchRequestGroup(
                group_id=group_id,
                topics=None
                if topics is None
                else [
                    offset_fetch.OffsetFetchRequestTopics(name=name, partition_indexes=indexes)
                    for name, indexes in topics.items()
                ],
            )
            for group_id in groups.split(",")
        ]
        return self.ask("reader", offset_fetch.OffsetFetchRequest(groups=many), 9)

    def do_describe(self, arguments: _Arguments) -> list[str]:
        request = describe_groups.DescribeGroupsRequest(groups=arguments.words)
        return self.ask("admin", request, int(arguments.option("version", "6")))

    def do_list(self, arguments: _Arguments) -> list[str]:
        states, types = arguments.option("states", ""), arguments.option("types", "")
        request = list_groups.ListGroupsRequest(
            states_filter=states.split(",") if states else (), types_filter=types.split(",") if types else ()
        )
        return self.ask("admin", request, 5)

    def do_delete(self, arguments: _Arguments) -> list[str]:
        return self.ask("admin", delete_groups.DeleteGroupsRequest(groups_names=arguments.words), 2)

    def do_delete_offsets(self, arguments: _Arguments) -> list[str]:
        topics = [
            offset_delete.OffsetDeleteRequestTopic(
                name=name,
                partitions=[offset_delete.OffsetDeleteRequestPartition(partition_index=index) for index in indexes],
            )
            for name, indexes in _by_topic(arguments.words).items()
        ]
        group_id = arguments.option("group", "g")
        return self.ask("admin", offset_delete.OffsetDeleteRequest(group_id=group_id, topics=topics), 0)

    def do_topics_deleted(self, arguments: _Arguments) -> list[str]:
        return self.take(self.coordinator.on_topics_deleted(arguments.words, self.now))

    def client(self, name: str) -> _Client:
        return self.clients.setdefault(name, _Client(name))

    def ask(self, name: str, request: Any, version: int) -> list[str]:
        context = RequestContext(version, name, "/127.0.0.1")
        return self.take(self.coordinator.handle(request, context, name, self.now))

    def take(self, effects: Effects) -> list[str]:
        """Write the records, send the replies, and tell of both."""
        for record in effects.records:
            self.log.append((encode_key(record), encode_value(record)))
        for reply in effects.replies:
            if reply.reply_to in self.clients:
                self.clients[str(reply.reply_to)].hear(reply.response)
        return [
            *("record " + _told_record(record) for record in effects.records),
            *(_told_reply(reply) for reply in effects.replies),
        ]


def _duration_ms(text: str) -> int:
    number, unit = re.fullmatch(r"(-?\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def _subscription(topics: list[str]) -> bytes:
    return bytes(2) + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(0, ConsumerProtocolSubscription(topics=topics))


def _told_subscription(data: bytes) -> str:
    return ",".join(CONSUMER_PROTOCOL_SUBSCRIPTION.decode(0, data, 2).topics) if data else "-"


def _by_topic(words: list[str]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for word in words:
        topic, partition = word.split("/")
        topics.setdefault(topic, []).append(int(partition))
    return topics


def _told_record(record: CoordinatorRecord) -> str:
    key, value = record.key, record.value
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
        f"{member.member_id}({_told_subscription(member.subscription)} -> {member.assignment.decode() or '-'})"
        for member in value.members
    )
    return (
        f"group {key.group}: generation={value.generation} type={value.protocol_type or '-'} "
        f"protocol={value.protocol or '-'} leader={value.leader or '-'} members=[{members}]"
    )


def _told_reply(reply: Reply) -> str:
    response = reply.response
    name = type(response).__name__.removesuffix("Response")
    error = ErrorCode(getattr(response, "error_code", 0))
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
    return [] if response.error_code else [f"assignment={response.assignment.decode() or '-'}"]


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
        words += [f"{group.group_id}:", *_told_fetched_topics(group.topics)]
    return words


def _told_describe(response: describe_groups.DescribeGroupsResponse) -> list[str]:
    words = []
    for group in response.groups:
        members = " ".join(
            f"{member.member_id}({_told_subscription(member.member_metadata)} -> "
            f"{member.member_assignment.decode() or '-'})"
            for member in group.members
        )
        error = f" {ErrorCode(group.error_code).name}" if group.error_code else ""
        words.append(f"{group.group_id}:{error} {group.group_state} protocol={group.protocol_data} members=[{members}]")
    return words


def _told_list(response: list_groups.ListGroupsResponse) -> list[str]:
    return [f"{group.group_id}({group.group_state} {group.group_type})" for group in response.groups]


def _told_delete(response: delete_groups.DeleteGroupsResponse) -> list[str]:
    return [f"{result.group_id}={ErrorCode(result.error_code).name}" for result in response.results]


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
}
