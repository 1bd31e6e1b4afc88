"""Stories of consumer groups: what is asked, and when, and what comes of it.

Each file in `scenarios/` is a list of blocks: `#` comments, commands, a line of dashes, and what happened. With
`pytest tests/coordinator --rewrite-scenarios` the files are rewritten, and their diff is the review.

Commands. The group is `g` unless `group=` says otherwise; a client's first argument is its client id, and it uses the
member id, generation and protocol it was last told unless `member=`, `generation=`, `protocol=` say otherwise.

    config initial-delay=3s max-size=2 retention=7d     restart with these settings
    join a version=9 session=10s rebalance=60s protocols=range:t1,t2|sticky:t1 type=consumer instance=i
    join a owned=t1/0 metadata=junk                     what a cooperative member has; what nobody can read
    sync a b:t1/0,t1/1 a:t1/2 user-data=x               assignments, by client
    heartbeat a        leave a b        leave instance=i
    commit a t1/0=5 t1/1=7 metadata=x retention=1d      without a client: from outside the group
    fetch t1/0 t1/1    fetch            fetch groups=g,h
    describe g h       list states=stable types=classic
    delete g h         delete-offsets t1/0             topics-deleted t1
    wait 3s            time passes; what it brings is marked with the moment
    restart            a new coordinator, from the records alone

Of consumer groups. A member's id is its client's name; null is sent for what is not said, and its epoch is the one it
was last told. `owned=-` says that it has nothing, `owned=all` that it has what it was last assigned.

    topics t1:4 t2:2   the topics that exist from now on, and their partitions; `t1*:4` is a re-creation of t1
    beat a topics=t1,t2 regex=^t owned=t1/0,t1/1 assignor=range instance=i rack=r rebalance=60s epoch=0
    beat a epoch=-1    leave; the first beat of a client that is not in the group joins
    group-config g consumer.session.timeout.ms=50000
    describe-consumer g h


Effects: `a <- ...` is a reply to client a, `record ...` is a record to be made durable.
"""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from tests.coordinator.telling import WALL_START_MS, told_record, told_reply, topic_id_of

from dotkafka.clock import Instant
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.effects import Effects
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.group_records import decode_record, encode_assignment, encode_key, encode_value
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.metadata.image import GROUP_RESOURCE, MetadataImage, MetadataRecord
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages import (
    consumer_group_describe,
    consumer_group_heartbeat,
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
from dotkafka.protocol.messages.consumer_protocol import (
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from dotkafka.protocol.messages.metadata_records import ConfigRecord, PartitionRecord, TopicRecord

SCENARIOS = sorted((Path(__file__).parent / "scenarios").glob("*.txt"))
DASHES = "----"
UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


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
        self.member_epoch = 0
        self.assigned: list[Any] = []

    def hear(self, response: Any) -> None:
        """Remember what a reply tells."""
        error = ErrorCode(getattr(response, "error_code", 0))
        if isinstance(response, consumer_group_heartbeat.ConsumerGroupHeartbeatResponse):
            if not error:
                self.member_epoch = max(response.member_epoch, 0)
                if response.assignment is not None:
                    self.assigned = list(response.assignment.topic_partitions)
            elif error in {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH}:
                self.member_epoch = 0
        elif isinstance(response, join_group.JoinGroupResponse) and error in {
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
        self.raw = words
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
        self.cluster = MetadataImage()
        self.coordinator = self.start()

    @property
    def now(self) -> Instant:
        return Instant(self.clock_ms, WALL_START_MS + self.clock_ms)

    def start(self) -> GroupCoordinator:
        coordinator = GroupCoordinator(self.config, lambda: str(next(self.numbers)), lambda: self.cluster)
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
        method = getattr(self, "do_" + verb.replace("-", "_"))
        effects: list[str] = method(arguments)
        arguments.finish()
        return effects

    def do_config(self, arguments: _Arguments) -> list[str]:
        self.config = GroupConfig(
            group_initial_rebalance_delay_ms=arguments.duration_ms("initial-delay", "50ms"),
            group_max_size=int(arguments.option("max-size", "1000")),
            offsets_retention_minutes=arguments.duration_ms("retention", "7d") // 60_000,
            offset_metadata_max_bytes=int(arguments.option("max-metadata", "4096")),
            group_consumer_max_size=int(arguments.option("consumer-max-size", "1000")),
            group_consumer_assignment_interval_ms=arguments.duration_ms("assignment-interval", "0ms"),
            group_consumer_migration_policy=arguments.option("migration", "bidirectional"),
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
        metadata = arguments.option("metadata", "").encode()
        owned = _by_topic([word for word in arguments.option("owned", "").split(",") if word])
        protocols = [
            join_group.JoinGroupRequestProtocol(
                name=name, metadata=metadata or _subscription(topics.split(",") if topics else [], owned)
            )
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
        user_data = arguments.option("user-data", "").encode()
        assignments = [
            sync_group.SyncGroupRequestAssignment(
                member_id=self.clients[name].member_id, assignment=_assignment(parts, user_data)
            )
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
            generation_id_or_member_epoch=int(
                arguments.option("generation", str(client.member_epoch or client.generation_id))
            ),
            member_id=arguments.option("member", client.name if client.member_epoch else client.member_id),
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
        member_id, epoch = arguments.optional("as"), int(arguments.option("epoch", "-1"))
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
                member_id=member_id,
                member_epoch=epoch,
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

    def do_topics(self, arguments: _Arguments) -> list[str]:
        records: list[MetadataRecord] = []
        for word in arguments.words:
            name, count = word.split(":")
            topic_id = topic_id_of(name)
            records.append(TopicRecord(name=name.removesuffix("*"), topic_id=topic_id))
            records += [PartitionRecord(topic_id=topic_id, partition_id=index) for index in range(int(count))]
        self.cluster = MetadataImage().apply(*records)
        return []

    def do_group_config(self, arguments: _Arguments) -> list[str]:
        group_id = arguments.words.pop(0)
        records = [
            ConfigRecord(resource_type=GROUP_RESOURCE, resource_name=group_id, name=name, value=value)
            for name, value in (word.split("=") for word in arguments.raw[1:])
        ]
        self.cluster = self.cluster.apply(*records)
        return []

    def do_beat(self, arguments: _Arguments) -> list[str]:
        client = self.client(arguments.words[0])
        client.instance_id = arguments.optional("instance") or client.instance_id
        epoch = int(arguments.option("epoch", str(client.member_epoch)))
        names, owned, rebalance = arguments.optional("topics"), arguments.optional("owned"), None
        if epoch == 0:
            owned = owned or "-"
            rebalance = arguments.option("rebalance", "60s")
        else:
            rebalance = arguments.optional("rebalance")
        request = consumer_group_heartbeat.ConsumerGroupHeartbeatRequest(
            group_id=arguments.option("group", "g"),
            member_id=arguments.option("member", client.name),
            member_epoch=epoch,
            instance_id=client.instance_id,
            rack_id=arguments.optional("rack"),
            rebalance_timeout_ms=-1 if rebalance is None else _duration_ms(rebalance),
            subscribed_topic_names=None if names is None else [name for name in names.split(",") if name != "-"],
            subscribed_topic_regex=arguments.optional("regex"),
            server_assignor=arguments.optional("assignor"),
            topic_partitions=None if owned in {None, "null"} else self.owned(client, owned or "-"),
        )
        return self.ask(client.name, request, int(arguments.option("version", "1")))

    def owned(self, client: _Client, text: str) -> list[consumer_group_heartbeat.TopicPartitions]:
        if text == "all":
            return client.assigned
        return [
            consumer_group_heartbeat.TopicPartitions(topic_id=topic_id_of(name), partitions=indexes)
            for name, indexes in _by_topic([] if text == "-" else text.split(",")).items()
        ]

    def do_describe_consumer(self, arguments: _Arguments) -> list[str]:
        request = consumer_group_describe.ConsumerGroupDescribeRequest(group_ids=arguments.words)
        return self.ask("admin", request, 1)

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
            *("record " + told_record(record) for record in effects.records),
            *(told_reply(reply) for reply in effects.replies),
        ]


def _duration_ms(text: str) -> int:
    number, unit = re.fullmatch(r"(-?\d+)([a-z]+)", text).groups()  # type: ignore[union-attr]
    return int(number) * UNITS[unit]


def _subscription(topics: list[str], owned: dict[str, list[int]]) -> bytes:
    subscription = ConsumerProtocolSubscription(
        topics=topics,
        owned_partitions=[
            ConsumerProtocolSubscriptionTopicPartition(topic=topic, partitions=indexes)
            for topic, indexes in owned.items()
        ],
    )
    version = 1 if owned else 0
    return version.to_bytes(2) + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(version, subscription)


def _assignment(text: str, user_data: bytes) -> bytes:
    assignment = encode_assignment(_by_topic(text.split(",")), 0)
    # User data come last: four bytes of length, -1 for none, and the data.
    return assignment[:-4] + len(user_data).to_bytes(4) + user_data if user_data else assignment


def _by_topic(words: list[str]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for word in words:
        topic, partition = word.split("/")
        topics.setdefault(topic, []).append(int(partition))
    return topics
