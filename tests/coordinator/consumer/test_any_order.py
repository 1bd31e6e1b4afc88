"""Consumer groups under any mix of requests, lost answers, time, topics and restarts.

Clients of both protocols keep to the rules, each with what it really reads. Whatever happens, nobody reads what another
member of the group reads; and when it stops happening, every partition is read.
"""

import itertools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dotkafka.clock import Instant
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.consumer.group import ConsumerGroup, ConsumerGroupState
from dotkafka.coordinator.consumer.records import by_topic, flattened
from dotkafka.coordinator.effects import Effects
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.group_records import (
    decode_assignment,
    decode_record,
    encode_assignment,
    encode_key,
    encode_value,
)
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.metadata.image import MetadataImage, MetadataRecord
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages import consumer_group_heartbeat, heartbeat, join_group, leave_group, sync_group
from dotkafka.protocol.messages.consumer_group_heartbeat import CONSUMER_GROUP_HEARTBEAT, ConsumerGroupHeartbeatRequest
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_SUBSCRIPTION, ConsumerProtocolSubscription
from dotkafka.protocol.messages.metadata_records import PartitionRecord, TopicRecord
from dotkafka.storage.spi import TopicIdPartition

APIS: dict[type, Any] = {
    ConsumerGroupHeartbeatRequest: CONSUMER_GROUP_HEARTBEAT,
    join_group.JoinGroupRequest: join_group.JOIN_GROUP,
    sync_group.SyncGroupRequest: sync_group.SYNC_GROUP,
    heartbeat.HeartbeatRequest: heartbeat.HEARTBEAT,
    leave_group.LeaveGroupRequest: leave_group.LEAVE_GROUP,
}
VERSIONS: dict[type, int] = {join_group.JoinGroupRequest: 9, sync_group.SyncGroupRequest: 5}
INSTANCES = {2: "i1", 3: "i1", 5: "i2", 6: "i2"}
"""Clients 0 to 3 use the consumer protocol, 3 is the restart of 2; 4 to 6 the classic one, 6 the restart of 5."""
CONSUMERS, CLASSICS = range(4), range(4, 7)
TOPICS = ("t1", "t2", "u")

clients = st.integers(0, 6)
subscriptions = st.sampled_from([("t1",), ("t1",), ("t1", "t2"), ("t2",), ()])
regexes = st.sampled_from(["", "", "t.*", "u"])


class _Client:
    """A client that keeps to the protocol, and what it really reads."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.reading: set[TopicIdPartition] = set()
        self.is_alive = False
        self.instance_id = INSTANCES.get(number)
        self.topics: tuple[str, ...] = ("t1",)
        self.regex = ""
        self.assignor: str | None = None
        # By the consumer protocol.
        self.member_id = f"client-{number}"
        self.epoch = 0
        self.is_sure = False
        """It has heard the last answer, so it says only what is new."""
        # By the classic protocol.
        self.generation_id = -1
        self.next_request = "join"
        self.others: list[str] = []

    def forget(self) -> None:
        """It is a member no more."""
        self.reading = set()
        self.epoch = 0
        self.is_sure = False
        self.next_request = "join"


class _ConsumerGroups(RuleBasedStateMachine):
    """Clients of both protocols in one group."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Instant(0, 1_000_000_000_000)
        self.config = GroupConfig(group_consumer_max_size=5, group_initial_rebalance_delay_ms=10)
        self.numbers = itertools.count()
        self.log: list[tuple[bytes, bytes | None]] = []
        self.clients = {number: _Client(number) for number in (*CONSUMERS, *CLASSICS)}
        for number in CLASSICS:
            self.clients[number].member_id = ""
        self.waiting: dict[int, tuple[Any, int, _Client, bool]] = {}
        self.cluster = MetadataImage()
        self.counts = dict.fromkeys(TOPICS, 0)
        self.ids = {name: name.encode().ljust(16) for name in TOPICS}
        self.last_epoch: tuple[ConsumerGroup | None, int] = (None, 0)
        self.coordinator = self.restarted()
        self.topics_change("t1", 3)

    def restarted(self) -> GroupCoordinator:
        coordinator = GroupCoordinator(self.config, lambda: f"m{next(self.numbers)}", lambda: self.cluster)
        for key, value in self.log:
            record = decode_record(key, value)
            assert record is not None
            coordinator.replay(record)
        coordinator.finish_replay(self.now)
        return coordinator

    def ask(self, client: _Client, request: Any, *, is_lost: bool = False) -> None:
        api, version = APIS[type(request)], VERSIONS.get(type(request), APIS[type(request)].versions.highest)
        request = api.decode_request(version, api.encode_request(version, request))
        token = next(self.numbers)
        self.waiting[token] = (api, version, client, is_lost)
        self.take(self.coordinator.handle(request, RequestContext(version, "client", "/127.0.0.1"), token, self.now))

    def take(self, effects: Effects) -> None:
        self.log += [(encode_key(record), encode_value(record)) for record in effects.records]
        for token, answer in effects.replies:
            assert isinstance(token, int)
            api, version, client, is_lost = self.waiting.pop(token)
            response = api.decode_response(version, api.encode_response(version, answer))
            if client.is_alive and not is_lost:
                self.hear(client, response)
            else:
                client.is_sure = False

    # Clients of the consumer protocol

    @rule(
        number=st.sampled_from(CONSUMERS),
        topics=subscriptions,
        regex=regexes,
        assignor=st.sampled_from([None, "range"]),
    )
    def subscribe(self, number: int, topics: tuple[str, ...], regex: str, assignor: str | None) -> None:
        client = self.clients[number]
        client.topics, client.regex, client.assignor, client.is_sure = topics, regex, assignor, False

    @rule(number=st.sampled_from(CONSUMERS), is_lost=st.booleans())
    def beat(self, number: int, is_lost: bool = False) -> None:  # noqa: FBT001, FBT002
        client = self.clients[number]
        twin = self.clients[5 - number] if number in {2, 3} else None
        if twin is not None and twin.is_alive:
            return
        client.is_alive = True
        is_full = client.epoch == 0 or not client.is_sure
        owned = None if client.is_sure and client.epoch else self.told(client.reading)
        request = ConsumerGroupHeartbeatRequest(
            group_id="g",
            member_id=client.member_id,
            member_epoch=client.epoch,
            instance_id=client.instance_id,
            rebalance_timeout_ms=10_000 if is_full else -1,
            subscribed_topic_names=client.topics if is_full else None,
            subscribed_topic_regex=client.regex if is_full else None,
            server_assignor=client.assignor if is_full else None,
            topic_partitions=owned,
        )
        self.ask(client, request, is_lost=is_lost)

    @rule(number=st.sampled_from(CONSUMERS), for_a_while=st.booleans())
    def leave(self, number: int, for_a_while: bool) -> None:  # noqa: FBT001
        client = self.clients[number]
        if not client.is_alive:
            return
        epoch = -2 if for_a_while and client.instance_id else -1
        client.forget()
        client.is_alive = False
        request = ConsumerGroupHeartbeatRequest(
            group_id="g", member_id=client.member_id, member_epoch=epoch, instance_id=client.instance_id
        )
        self.ask(client, request)

    def told(self, partitions: set[TopicIdPartition]) -> list[consumer_group_heartbeat.TopicPartitions]:
        return [
            consumer_group_heartbeat.TopicPartitions(topic_id=topic_id, partitions=indexes)
            for topic_id, indexes in by_topic(partitions).items()
        ]

    # Clients of the classic protocol, which give up everything before they join

    @rule(number=st.sampled_from(CLASSICS))
    def follow(self, number: int) -> None:
        client = self.clients[number]
        twin = self.clients[11 - number] if number in {5, 6} else None
        if (twin is not None and twin.is_alive) or any(entry[2] is client for entry in self.waiting.values()):
            return
        client.is_alive = True
        if client.next_request == "join":
            client.reading = set()
            subscription = ConsumerProtocolSubscription(topics=client.topics)
            metadata = bytes(2) + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(0, subscription)
            request: Any = join_group.JoinGroupRequest(
                group_id="g",
                session_timeout_ms=30_000,
                rebalance_timeout_ms=10_000,
                member_id=client.member_id,
                group_instance_id=client.instance_id,
                protocol_type="consumer",
                protocols=[join_group.JoinGroupRequestProtocol(name="range", metadata=metadata)],
            )
        elif client.next_request == "sync":
            request = self.sync_request(client)
        else:
            request = heartbeat.HeartbeatRequest(
                group_id="g",
                generation_id=client.generation_id,
                member_id=client.member_id,
                group_instance_id=client.instance_id,
            )
        self.ask(client, request)

    def sync_request(self, client: _Client) -> sync_group.SyncGroupRequest:
        """The leader gives partitions in turn to all that have joined."""
        indexes: dict[str, list[int]] = {member_id: [] for member_id in client.others}
        for index in range(self.counts["t1"] if client.others else 0):
            indexes[client.others[index % len(client.others)]].append(index)
        return sync_group.SyncGroupRequest(
            group_id="g",
            generation_id=client.generation_id,
            member_id=client.member_id,
            group_instance_id=client.instance_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[
                sync_group.SyncGroupRequestAssignment(
                    member_id=member_id, assignment=encode_assignment({"t1": given} if given else {}, 0)
                )
                for member_id, given in indexes.items()
            ],
        )

    @rule(number=st.sampled_from(CLASSICS))
    def leave_classic(self, number: int) -> None:
        client = self.clients[number]
        if client.is_alive and client.member_id and not any(entry[2] is client for entry in self.waiting.values()):
            client.is_alive = False
            identity = leave_group.MemberIdentity(member_id=client.member_id, group_instance_id=client.instance_id)
            self.ask(client, leave_group.LeaveGroupRequest(group_id="g", members=[identity]))
            client.forget()
            client.member_id = ""

    # Answers

    def hear(self, client: _Client, response: Any) -> None:
        error = ErrorCode(response.error_code)
        match response:
            case consumer_group_heartbeat.ConsumerGroupHeartbeatResponse():
                if error is ErrorCode.NONE:
                    # An epoch that a member is told of never goes back.
                    assert response.member_epoch >= client.epoch
                    client.epoch = response.member_epoch
                    client.is_sure = True
                    if response.assignment is not None:
                        assigned = set(flattened(response.assignment.topic_partitions))
                        # What it has let go of, it has to say.
                        client.is_sure = client.reading <= assigned
                        client.reading = assigned
                else:
                    client.forget()
            case join_group.JoinGroupResponse():
                if error in {ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED}:
                    client.member_id, client.generation_id = response.member_id, response.generation_id
                    client.others = [member.member_id for member in response.members]
                    client.next_request = "join" if error else "sync"
                else:
                    self.hear_refusal(client, error)
            case sync_group.SyncGroupResponse() if error is ErrorCode.NONE:
                client.next_request = "heartbeat"
                if response.assignment:
                    client.reading = {
                        TopicIdPartition(self.ids[topic.topic], index)
                        for topic in decode_assignment(response.assignment).assigned_partitions
                        for index in topic.partitions
                    }
            case heartbeat.HeartbeatResponse() if error is ErrorCode.NONE:
                pass
            case leave_group.LeaveGroupResponse():
                pass
            case _:
                self.hear_refusal(client, error)

    def hear_refusal(self, client: _Client, error: ErrorCode) -> None:
        client.next_request = "join"
        if error is not ErrorCode.REBALANCE_IN_PROGRESS:
            client.reading = set()
        if error in {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID}:
            client.member_id = ""

    # The world

    @rule(number=clients)
    def die(self, number: int) -> None:
        client = self.clients[number]
        client.is_alive = False
        client.forget()
        if number in CLASSICS:
            client.member_id = ""
        else:
            client.member_id = f"client-{number}-{next(self.numbers)}"

    @rule(topic=st.sampled_from(TOPICS), more=st.integers(0, 2))
    def topics_change(self, topic: str, more: int) -> None:
        """A topic is created, or gets more partitions."""
        self.counts[topic] = min(self.counts[topic] + more, 5)
        self.make_cluster()

    @rule(topic=st.sampled_from(TOPICS))
    def topic_is_deleted(self, topic: str) -> None:
        """Should it come again, it is another one."""
        self.counts[topic] = 0
        self.ids[topic] = f"{topic}-{next(self.numbers)}".encode().ljust(16)
        self.make_cluster()

    def make_cluster(self) -> None:
        records: list[MetadataRecord] = []
        for name, count in self.counts.items():
            if count:
                records.append(TopicRecord(name=name, topic_id=self.ids[name]))
                records += [PartitionRecord(topic_id=self.ids[name], partition_id=index) for index in range(count)]
        self.cluster = MetadataImage().apply(*records)

    @rule(orders=st.lists(st.permutations(range(7)), min_size=1, max_size=4))
    def all_go_on(self, orders: list[list[int]]) -> None:
        for order in orders:
            for number in order:
                self.go_on(number)
            self.pass_time(1_000)

    def go_on(self, number: int) -> None:
        if self.clients[number].is_alive:
            if number in CONSUMERS:
                self.beat(number)
            else:
                self.follow(number)

    @rule(milliseconds=st.sampled_from([100, 5_000, 11_000, 50_000]))
    def time_passes(self, milliseconds: int) -> None:
        self.pass_time(milliseconds)

    def pass_time(self, milliseconds: int) -> None:
        end_ms = self.now.monotonic_ms + milliseconds
        while (deadline_ms := self.coordinator.next_deadline_ms()) is not None and deadline_ms <= end_ms:
            step_ms = max(deadline_ms - self.now.monotonic_ms, 0)
            self.now = Instant(self.now.monotonic_ms + step_ms, self.now.wall_ms + step_ms)
            self.take(self.coordinator.handle_timeouts(self.now))
            self.coordinator.check_invariants()
            later_ms = self.coordinator.next_deadline_ms()
            assert later_ms is not None
            assert later_ms > self.now.monotonic_ms, "what is due is done, and does not spin"
        self.now = Instant(end_ms, self.now.wall_ms + end_ms - self.now.monotonic_ms)

    @rule()
    def restart(self) -> None:
        """Requests that wait are asked again; what is durable is all there is."""
        for _, _, client, _ in self.waiting.values():
            client.is_sure = False
            client.next_request = "join"
        self.waiting.clear()
        self.coordinator = self.restarted()

    # What holds

    @invariant()
    def books_agree(self) -> None:
        self.coordinator.check_invariants()

    @invariant()
    def replay_gives_the_same(self) -> None:
        replayed = self.restarted()
        assert replayed._groups.keys() == self.coordinator._groups.keys()
        for group_id, group in self.coordinator._groups.items():
            again = replayed._groups[group_id]
            assert type(again) is type(group)
            if isinstance(group, ConsumerGroup) and isinstance(again, ConsumerGroup):
                assert again.as_records() == group.as_records()
                assert again._owners == group._owners

    @invariant()
    def nobody_reads_what_another_reads(self) -> None:
        """Members that the coordinator still counts in, that is: who was removed will hear of it."""
        group = self.coordinator._groups.get("g")
        if not isinstance(group, ConsumerGroup):
            return
        readers: dict[TopicIdPartition, int] = {}
        for client in self.clients.values():
            if client.is_alive and client.member_id in group.members:
                for partition in client.reading:
                    assert partition not in readers, f"{partition} is read by {readers[partition]} and {client.number}"
                    readers[partition] = client.number

    @invariant()
    def epochs_never_go_back(self) -> None:
        group = self.coordinator._groups.get("g")
        if isinstance(group, ConsumerGroup):
            known, epoch = self.last_epoch
            assert known is not group or group.group_epoch >= epoch
            self.last_epoch = (group, group.group_epoch)

    def teardown(self) -> None:
        """When nothing changes any more, every partition comes to be read by one member."""
        for _ in range(30):
            for number in self.clients:
                self.go_on(number)
            self.pass_time(3_000)
            self.books_agree()
            self.nobody_reads_what_another_reads()
        group = self.coordinator._groups.get("g")
        alive = [client for client in self.clients.values() if client.is_alive]
        if not isinstance(group, ConsumerGroup) or not group.members:
            return
        assert group.state is ConsumerGroupState.STABLE
        read = [partition for client in alive for partition in client.reading if client.member_id in group.members]
        topics = [self.cluster.topics_by_name[name] for name in group.subscribed_topics() if self.counts.get(name)]
        assert sorted(read) == sorted(partition for topic in topics for partition in topic.partitions())


_ConsumerGroups.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestConsumerGroups = _ConsumerGroups.TestCase
