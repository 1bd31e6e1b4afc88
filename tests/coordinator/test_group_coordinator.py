"""The group coordinator under any mix of requests, time and restarts."""

import itertools
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dotkafka.clock import Instant
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.effects import CoordinatorRecord, Effects
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.group_records import decode_record, encode_key, encode_value
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_groups import DELETE_GROUPS, DeleteGroupsRequest
from dotkafka.protocol.messages.describe_groups import DESCRIBE_GROUPS, DescribeGroupsRequest
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from dotkafka.protocol.messages.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from dotkafka.protocol.messages.list_groups import LIST_GROUPS, ListGroupsRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import OFFSET_FETCH, OffsetFetchRequest, OffsetFetchRequestGroup
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment
from dotkafka.protocol.schema import Api

APIS: dict[type, Api[Any, Any]] = {
    JoinGroupRequest: JOIN_GROUP,
    SyncGroupRequest: SYNC_GROUP,
    HeartbeatRequest: HEARTBEAT,
    LeaveGroupRequest: LEAVE_GROUP,
    OffsetCommitRequest: OFFSET_COMMIT,
    OffsetFetchRequest: OFFSET_FETCH,
    OffsetDeleteRequest: OFFSET_DELETE,
    DescribeGroupsRequest: DESCRIBE_GROUPS,
    ListGroupsRequest: LIST_GROUPS,
    DeleteGroupsRequest: DELETE_GROUPS,
}
LONGEST_WAIT_MS = 400_000
"""No request waits longer: the first JoinGroup of a member may for 300 s, any other for a rebalance timeout."""

groups = st.sampled_from(["g", "g", "g", "h"])
clients = st.integers(0, 3)
instances = st.sampled_from([None, "i1", "i2"])
INSTANCE_OF_CLIENT = {0: None, 1: None, 2: "i1", 3: "i1"}
topics = st.sampled_from(["t1", "t2"])
protocol_lists = st.sampled_from(
    [["range", "sticky"], ["range", "sticky"], ["sticky", "range"], ["range"], ["sticky"], []]
)
metadata = st.sampled_from([bytes(2) + bytes.fromhex("00000001 0002") + b"t1" + bytes(4), b"", b"\xff"])
session_timeouts_ms = st.sampled_from([6_000, 30_000])
rebalance_timeouts_ms = st.sampled_from([-1, 0, 5_000, 60_000])
stale_generations = st.sampled_from([None, None, None, -1, 0, 1, 99])


class _Groups(RuleBasedStateMachine):
    """Clients that do anything in any order, against a coordinator whose records and replies go through bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Instant(0, 1_000_000_000_000)
        self.config = GroupConfig(
            group_max_size=3, offsets_retention_minutes=1, offsets_retention_check_interval_ms=30_000
        )
        self.numbers = itertools.count()
        self.log: list[tuple[bytes, bytes | None]] = []
        self.waiting: dict[int, tuple[Any, int, int]] = {}
        self.known: dict[int, tuple[str, int]] = {}
        self.protocol_of: dict[int, str | None] = {}
        self.next_request: dict[int, str] = {}
        self.coordinator = self.restarted()

    def restarted(self) -> GroupCoordinator:
        coordinator = GroupCoordinator(self.config, lambda: str(next(self.numbers)))
        for key, value in self.log:
            record = decode_record(key, value)
            assert record is not None
            coordinator.replay(record)
        coordinator.finish_replay(self.now)
        return coordinator

    def ask(self, client: int, request: Any, version: int) -> None:
        api = APIS[type(request)]
        request = api.decode_request(version, api.encode_request(version, request))
        token = next(self.numbers)
        self.waiting[token] = (api, version, client)
        context = RequestContext(version, f"client-{client}", "/127.0.0.1")
        self.take(self.coordinator.handle(request, context, token, self.now))

    def take(self, effects: Effects) -> None:
        self.log += [(encode_key(record), encode_value(record)) for record in effects.records]
        for token, answer in effects.replies:
            # A request that is answered twice is not there the second time.
            assert isinstance(token, int)
            api, version, client = self.waiting.pop(token)
            response = api.decode_response(version, api.encode_response(version, answer))
            if api in {JOIN_GROUP, SYNC_GROUP, HEARTBEAT}:
                self.hear(client, response)

    def hear(self, client: int, response: Any) -> None:
        """Do as a well-behaved client would: remember who one is, and what to ask next."""
        if response.error_code == 0:
            self.next_request[client] = "sync" if isinstance(response, JoinGroupResponse) else "heartbeat"
        else:
            self.next_request[client] = "join"
        if isinstance(response, JoinGroupResponse) and response.error_code in {0, ErrorCode.MEMBER_ID_REQUIRED}:
            self.known[client] = (response.member_id, response.generation_id)
            self.protocol_of[client] = response.protocol_name
        elif response.error_code in {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID}:
            self.known.pop(client, None)

    def identity(self, client: int) -> tuple[str, int]:
        return self.known.get(client, ("", -1))

    @rule(
        client=clients,
        names=protocol_lists,
        metadata=metadata,
        timeouts=st.tuples(session_timeouts_ms, rebalance_timeouts_ms),
    )
    def behave(self, client: int, names: list[str], metadata: bytes, timeouts: tuple[int, int]) -> None:
        """The next request of a client that follows the protocol."""
        instance = INSTANCE_OF_CLIENT[client]
        request = self.next_request.get(client, "join")
        if request == "join":
            names = names or ["range"]
            self.join("g", client, instance, False, 9, names, metadata, *timeouts)  # noqa: FBT003
        elif request == "sync":
            self.sync("g", client, instance, None, 5)
        else:
            self.heartbeat("g", client, None)

    @rule(
        orders=st.lists(st.permutations(range(3)), min_size=2, max_size=5),
        timeouts=st.sampled_from([(6_000, 60_000), (30_000, 0)]),
    )
    def all_behave(self, orders: list[list[int]], timeouts: tuple[int, int]) -> None:
        """All clients follow the protocol for a while, each time in another order."""
        for order in orders:
            for client in order:
                self.behave(client, ["range", "sticky"], b"", timeouts)
            self.pass_time(100)

    @rule(metadata=metadata)
    def static_client_restarts(self, metadata: bytes) -> None:
        """It knows nothing but its instance id."""
        self.known.pop(2, None)
        self.next_request[2] = "join"
        self.behave(2, ["range", "sticky"], metadata, (6_000, 60_000))

    @rule(
        group=groups,
        client=clients,
        instance=instances,
        forgets=st.booleans(),
        version=st.sampled_from([0, 3, 5, 9]),
        names=protocol_lists,
        metadata=metadata,
        session_timeout_ms=session_timeouts_ms,
        rebalance_timeout_ms=rebalance_timeouts_ms,
    )
    def join(
        self,
        group: str,
        client: int,
        instance: str | None,
        forgets: bool,  # noqa: FBT001
        version: int,
        names: list[str],
        metadata: bytes,
        session_timeout_ms: int,
        rebalance_timeout_ms: int,
    ) -> None:
        protocols = [JoinGroupRequestProtocol(name=name, metadata=metadata) for name in names]
        request = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_timeout_ms,
            rebalance_timeout_ms=rebalance_timeout_ms,
            member_id="" if forgets else self.identity(client)[0],
            group_instance_id=instance if version >= 5 else None,
            protocol_type="consumer",
            protocols=protocols,
        )
        self.ask(client, request, version)

    @rule(group=groups, client=clients, instance=instances, generation=stale_generations, version=st.integers(0, 5))
    def sync(self, group: str, client: int, instance: str | None, generation: int | None, version: int) -> None:
        member_id, generation_id = self.identity(client)
        request = SyncGroupRequest(
            group_id=group,
            generation_id=generation_id if generation is None else generation,
            member_id=member_id,
            group_instance_id=instance if version >= 3 else None,
            protocol_type="consumer" if version >= 5 else None,
            protocol_name=self.protocol_of.get(client) or "range" if version >= 5 else None,
            assignments=[
                SyncGroupRequestAssignment(member_id=known, assignment=known.encode())
                for known, _ in self.known.values()
            ],
        )
        self.ask(client, request, version)

    @rule(group=groups, client=clients, generation=stale_generations)
    def heartbeat(self, group: str, client: int, generation: int | None) -> None:
        member_id, generation_id = self.identity(client)
        generation_id = generation_id if generation is None else generation
        self.ask(client, HeartbeatRequest(group_id=group, generation_id=generation_id, member_id=member_id), 4)

    @rule(group=groups, leaving=st.lists(clients, max_size=3), instance=instances, version=st.sampled_from([1, 5]))
    def leave(self, group: str, leaving: list[int], instance: str | None, version: int) -> None:
        request = LeaveGroupRequest(group_id=group)
        if version < 3:
            request.member_id = self.identity(leaving[0] if leaving else 0)[0]
        else:
            request.members = [
                *(MemberIdentity(member_id=self.identity(client)[0]) for client in leaving),
                MemberIdentity(member_id="", group_instance_id=instance),
            ]
        self.ask(0, request, version)

    @rule(
        group=groups,
        client=clients,
        from_outside=st.booleans(),
        topic=topics,
        partition=st.integers(0, 2),
        offset=st.integers(0, 5),
        generation=stale_generations,
        version=st.sampled_from([1, 2, 9]),
    )
    def commit(
        self,
        group: str,
        client: int,
        from_outside: bool,  # noqa: FBT001
        topic: str,
        partition: int,
        offset: int,
        generation: int | None,
        version: int,
    ) -> None:
        member_id, generation_id = ("", -1) if from_outside else self.identity(client)
        part = OffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata="x" * (offset * 1_000)
        )
        request = OffsetCommitRequest(
            group_id=group,
            generation_id_or_member_epoch=generation_id if generation is None else generation,
            member_id=member_id,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=[part])],
        )
        self.ask(client, request, version)

    @rule(group=groups, topic=topics, partition=st.integers(0, 2))
    def delete_offset(self, group: str, topic: str, partition: int) -> None:
        partitions = [OffsetDeleteRequestPartition(partition_index=partition)]
        request = OffsetDeleteRequest(
            group_id=group, topics=[OffsetDeleteRequestTopic(name=topic, partitions=partitions)]
        )
        self.ask(0, request, 0)

    @rule(groups=st.lists(groups, max_size=2))
    def delete_groups(self, groups: list[str]) -> None:
        self.ask(0, DeleteGroupsRequest(groups_names=groups), 2)

    @rule(topic=topics)
    def topic_deleted(self, topic: str) -> None:
        self.take(self.coordinator.on_topics_deleted([topic], self.now))

    @rule(version=st.sampled_from([0, 6]))
    def look(self, version: int) -> None:
        self.ask(0, DescribeGroupsRequest(groups=["g", "h"]), version)
        self.ask(0, ListGroupsRequest(), 5)
        self.ask(0, OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=None)]), 8)

    @rule(milliseconds=st.sampled_from([1, 50, 3_000, 6_000, 40_000]), wall_jump_ms=st.sampled_from([0, 0, 0, 70_000]))
    def time_passes(self, milliseconds: int, wall_jump_ms: int) -> None:
        self.pass_time(milliseconds)
        self.now = self.now._replace(wall_ms=self.now.wall_ms + wall_jump_ms)

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
        self.check_replay()
        self.waiting.clear()
        self.coordinator = self.restarted()

    @invariant()
    def books_agree(self) -> None:
        self.coordinator.check_invariants()

    def check_replay(self) -> None:
        """Replaying the records gives what living through them gave, of all that is durable."""
        replayed = self.restarted()
        assert sorted(replayed._offsets) == sorted(self.coordinator._offsets)
        assert replayed._groups.keys() == self.coordinator._groups.keys()
        for group_id, group in self.coordinator._groups.items():
            if group.state in {GroupState.STABLE, GroupState.EMPTY}:
                again = replayed._groups[group_id]
                assert self.durable(again) == self.durable(group)
                assert again.subscribed_topics == group.subscribed_topics
                assert again.state is group.state

    def durable(self, group: Any) -> CoordinatorRecord:
        step = Step(self.now, self.config, self.coordinator._deadlines, str)
        group.record_metadata(step)
        return step.effects().records[0]

    def teardown(self) -> None:
        self.check_replay()
        self.pass_time(LONGEST_WAIT_MS)
        assert not self.waiting, "every request is answered, if only time passes"


_Groups.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestGroups = _Groups.TestCase
