"""Classic groups and their offsets against Apache Kafka's own coordinator, request by request, on one virtual time.

Both are asked the same, in any order, with time and restarts in between, and must answer the same and write the same
records. Comments say where Kafka does otherwise, and the test keeps away from that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dotkafka.clock import Instant
from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.effects import Effects
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.coordinator.group_records import decode_record, encode_key, encode_value
from dotkafka.coordinator.refusals import refuse, refuse_members
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_offsets import GroupMetadataValue
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
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.protocol.schema import Api

START_MS = 1_000_000_000_000
CHECK_INTERVAL_MS = 3_600_000
SETTINGS = {
    "group.initial.rebalance.delay.ms": 50,
    "group.max.size": 4,
    "offsets.retention.minutes": 90,
    "offsets.retention.check.interval.ms": CHECK_INTERVAL_MS,
    "offset.metadata.max.bytes": 10,
}
CONFIG = GroupConfig(**{name.replace(".", "_"): value for name, value in SETTINGS.items()})
INSTANCES = (None, None, None, "i1", "i2", "i1")
"""Clients by number: three dynamic ones, and three static ones of which two claim to be the same."""
LEAVE_VERSION, FETCH_VERSION, COMMIT_VERSION = 5, 9, 9

clients = st.integers(0, len(INSTANCES) - 1)
stale = st.sampled_from([0, 0, 0, 0, 0, -1, 1, -99])


class Call(NamedTuple):
    """A request, and who waits for its answer."""

    client: Client | None
    api: Api[Any, Any]
    version: int
    request: Any


@attrs.define(eq=False)
class Client:
    """What a client knows of its membership."""

    number: int
    member_id: str = ""
    generation: int = -1
    is_leader: bool = False
    members: list[str] = attrs.Factory(list)
    version: int = 9
    is_waiting: bool = False

    @property
    def instance_id(self) -> str | None:
        """Its name, if it is static."""
        return INSTANCES[self.number]

    def hear(self, response: Any) -> None:
        """Take in an answer to JoinGroup or SyncGroup."""
        self.is_waiting = False
        if not isinstance(response, JoinGroupResponse):
            return
        if response.error_code in {ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED}:
            self.member_id = response.member_id
        if response.error_code == ErrorCode.NONE:
            self.generation = response.generation_id
            self.is_leader = response.leader == response.member_id
            self.members = [member.member_id for member in response.members]


class Differential(RuleBasedStateMachine):
    """Clients that do anything in any order, against both coordinators at once."""

    def __init__(self, ask_java: Callable[..., dict[str, Any]]) -> None:
        super().__init__()
        self.ask_java = ask_java
        self.now = Instant(0, START_MS)
        self.calls: dict[str, Call] = {}
        self.written: list[tuple[bytes, bytes | None]] = []
        self.clients = [Client(number) for number in range(len(INSTANCES))]
        self.ids: set[str] = set()
        self.uuid = ""
        self.protocol_type = "consumer"
        self.fixed_of_instance: dict[str, tuple[str, tuple[int, int]]] = {}
        self.begin(is_restart=False)

    # Both

    def begin(self, *, is_restart: bool) -> None:
        """Start both, from nothing or from what each has written."""
        config = {name: str(value) for name, value in SETTINGS.items()}
        self.ask_java(coordinate="begin", restart=is_restart, time=self.now.wall_ms, config=config)
        self.coordinator = GroupCoordinator(CONFIG, lambda: self.uuid)
        for key, value in self.written:
            record = decode_record(key, value)
            assert record is not None
            self.coordinator.replay(record)
        self.coordinator.finish_replay(self.now)
        self.last_check_ms = self.now.monotonic_ms
        self.order_members()

    def ask(self, client: Client | None, api: Api[Any, Any], version: int, request: Any) -> None:
        """Ask both, compare, and let a moment pass, so that no two things are due at once."""
        call = Call(client, api, version, request)
        to = str(len(self.calls))
        self.calls[to] = call
        if client is not None and api in {JOIN_GROUP, SYNC_GROUP}:
            client.is_waiting = True
        name = "outside" if client is None else f"c{client.number}"
        theirs = self.ask_java_about(to, name, call)
        self.uuid = self.id_given(theirs, to)[-36:]
        context = RequestContext(version, name, "/127.0.0.1")
        self.compare(theirs, self.coordinator.handle(request, context, to, self.now))
        self.wait(1)

    def ask_java_about(self, to: str, name: str, call: Call) -> dict[str, Any]:
        """What Kafka says and writes."""
        answer = self.ask_java(
            coordinate="request",
            to=to,
            client=name,
            api=call.api.key,
            version=call.version,
            hex=call.api.request.encode(call.version, call.request).hex(),
        )
        assert "error" not in answer, answer
        return answer

    def id_given(self, theirs: dict[str, Any], to: str) -> str:
        """The member id that Kafka has just made up, if any: ours is to be the same."""
        if self.calls[to].api is not JOIN_GROUP or self.calls[to].request.member_id:
            return ""
        looked = self.ask_java_about("-", "-", Call(None, DESCRIBE_GROUPS, 5, DescribeGroupsRequest(groups=["g"])))
        (described,) = DESCRIBE_GROUPS.response.decode(5, bytes.fromhex(looked["replies"][0]["hex"])).groups
        ids = {member.member_id for member in described.members}
        for reply in theirs["replies"]:
            if reply["to"] == to and "hex" in reply:
                ids.add(JOIN_GROUP.response.decode(self.calls[to].version, bytes.fromhex(reply["hex"])).member_id)
        new = ids - self.ids - {""}
        self.ids |= new
        assert len(new) <= 1
        return next(iter(new), "")

    def compare(self, theirs: dict[str, Any], ours: Effects) -> None:
        """Hold our effects against Kafka's, and let the clients hear them."""
        self.order_members()
        answers = {str(reply.reply_to): reply.response for reply in ours.replies}
        for reply in theirs["replies"]:
            call = self.calls[reply["to"]]
            if "hex" in reply:
                expected = call.api.response.decode(call.version, bytes.fromhex(reply["hex"]))
            else:
                # As Kafka words it around the shard: members of no group are unknown one by one.
                refuse_all = refuse_members if call.api is LEAVE_GROUP else refuse
                expected = refuse_all(call.request, call.version, reply["error"])
            assert reply["to"] in answers, (call, expected)
            answer = answers.pop(reply["to"])
            assert self.told(call, answer) == self.told(call, expected), call
            self.hear(call, answer)
        for to, answer in answers.items():
            # A request that nothing will come of any more is left without an answer by Kafka.
            call = self.calls[to]
            assert call.api in {JOIN_GROUP, SYNC_GROUP}
            assert answer.error_code, (call, answer)
            self.hear(call, answer)
        records = [(encode_key(record), encode_value(record)) for record in ours.records]
        self.written += records
        expected_records = [
            (bytes.fromhex(record["key"]), None if record["value"] is None else bytes.fromhex(record["value"]))
            for record in theirs["records"]
        ]
        assert sorted(map(told_record, records)) == sorted(map(told_record, expected_records))

    def told(self, call: Call, response: Any) -> Any:
        """A response as it goes over the wire, its members and topics in one order: Kafka's is that of a hash table."""
        response = call.api.response.decode(call.version, call.api.response.encode(call.version, response))
        if call.api is JOIN_GROUP:
            response.members = sorted(response.members, key=lambda member: member.member_id)
            # Some refusals say that there is no protocol, others that it has no name.
            response.protocol_name = response.protocol_name or ""
        elif call.api is DESCRIBE_GROUPS:
            for group in response.groups:
                group.members = sorted(group.members, key=lambda member: member.member_id)
                # Kafka words it by where it looked.
                group.error_message = None
        elif call.api is OFFSET_FETCH:
            for group in response.groups:
                group.topics = sorted(group.topics, key=lambda topic: topic.name)
                for topic in group.topics:
                    topic.partitions = sorted(topic.partitions, key=lambda partition: partition.partition_index)
        return response

    def order_members(self) -> None:
        """Put our members in the order of Kafka's hash table: where any member may lead, both take the first one."""
        group = self.group
        if group is not None:
            group.members = dict(sorted(group.members.items(), key=lambda item: bucket(item[0])))

    def hear(self, call: Call, answer: Any) -> None:
        """Let the client know."""
        if call.client is not None:
            call.client.hear(answer)

    @property
    def group(self) -> ClassicGroup | None:
        """Our group, if it exists."""
        group = self.coordinator._groups.get("g")
        assert group is None or isinstance(group, ClassicGroup)
        return group

    # What happens

    @initialize(protocol_type=st.sampled_from(["consumer", "consumer", "connect"]))
    def choose_type(self, protocol_type: str) -> None:
        """All members are consumers, or workers of Connect, say."""
        self.protocol_type = protocol_type

    @rule(
        client=clients,
        protocols=st.sampled_from(["ab", "ab", "ab", "a", "b", "bc"]),
        topics=st.sampled_from(["t", "t", "tu", "", "?"]),
        version=st.sampled_from([3, 5, 8, 9]),
        timeouts=st.sampled_from([(6_000, 20_000), (9_000, 7_000), (30_000, 61_000)]),
        forgets=st.sampled_from([False, False, False, True]),
    )
    def join(
        self, client: int, protocols: str, topics: str, version: int, timeouts: tuple[int, int], *, forgets: bool
    ) -> None:
        """Join as what the client was told it is, or as somebody new."""
        joining = self.clients[client]
        if forgets:
            # A new process: what the old one waits for, nobody hears.
            joining = self.clients[client] = Client(client)
        group = self.group
        is_full = group is not None and group.joined_count >= CONFIG.group_max_size
        if joining.is_waiting or (is_full and joining.member_id):
            # Kafka goes on waiting for who was turned away, until the rebalance times out.
            return
        if joining.instance_id is not None:
            version = max(version, 5)
            # When a static member takes its old place, Kafka learns of new topics with the next generation only, of a
            # new session timeout with the next heartbeat; and it waits for its old id if that owed a SyncGroup.
            topics, timeouts = self.fixed_of_instance.setdefault(joining.instance_id, (topics, timeouts))
            if group is not None and group.static_members.get(joining.instance_id) in group.pending_sync_members:
                return
        joining.version = version
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=timeouts[0],
            rebalance_timeout_ms=timeouts[1],
            member_id=joining.member_id,
            group_instance_id=joining.instance_id,
            protocol_type=self.protocol_type,
            protocols=[JoinGroupRequestProtocol(name=name, metadata=subscription(topics)) for name in protocols],
        )
        self.ask(joining, JOIN_GROUP, version, request)

    @rule(client=clients, stale=stale, protocol=st.sampled_from([None, None, None, "a", "x"]))
    def sync(self, client: int, stale: int, protocol: str | None) -> None:
        """Ask for the assignment; who leads brings it."""
        syncing = self.clients[client]
        if syncing.is_waiting:
            return
        request = SyncGroupRequest(
            group_id="g",
            generation_id=syncing.generation + stale,
            member_id=syncing.member_id,
            group_instance_id=syncing.instance_id,
            protocol_type=None if protocol is None else self.protocol_type,
            protocol_name=protocol,
            assignments=[
                SyncGroupRequestAssignment(member_id=member_id, assignment=member_id.encode())
                for member_id in syncing.members[:3]
            ]
            if syncing.is_leader
            else [],
        )
        # Version 5 must name the protocol, which is looked at before the coordinator is asked.
        self.ask(syncing, SYNC_GROUP, 4 if protocol is None else 5, request)

    @rule(
        who=st.lists(clients, min_size=1, max_size=4, unique=True),
        topics=st.sampled_from(["t", "t", "tu"]),
        is_cut_short=st.booleans(),
    )
    def behave(self, who: list[int], topics: str, *, is_cut_short: bool) -> None:
        """Join and sync as clients do, so that the group is stable, or nearly."""
        for _ in range(2):
            for number in who:
                self.join(number, "ab", topics, 9, (30_000, 61_000), forgets=False)
        for milliseconds in (200, 20_000, 41_000):
            if any(self.clients[number].is_waiting for number in who):
                self.wait(milliseconds)
        for number in who[is_cut_short:]:
            self.sync(number, 0, None)

    @rule(number=st.integers(3, 5), version=st.sampled_from([5, 8, 9]))
    def restart_static(self, number: int, version: int) -> None:
        """A static member is started again, under the eyes of the others."""
        self.join(number, "ab", "t", version, (30_000, 61_000), forgets=True)
        self.sync(number, 0, None)

    @rule(seconds=st.sampled_from([10, 40, 100]), commits=st.booleans())
    def live(self, seconds: int, *, commits: bool) -> None:
        """Time passes for members that send heartbeats, or only commits; both keep them."""
        for _ in range(seconds // 5):
            self.wait(5_000)
            for client in self.clients:
                if commits:
                    self.commit(client.number, 0, "t", None, is_too_long=False)
                else:
                    self.heartbeat(client.number, 0)

    @rule(client=clients, stale=stale)
    def heartbeat(self, client: int, stale: int) -> None:
        """Stay a member, if it is one."""
        member = self.clients[client]
        request = HeartbeatRequest(
            group_id="g",
            generation_id=member.generation + stale,
            member_id=member.member_id,
            group_instance_id=member.instance_id,
        )
        self.ask(None, HEARTBEAT, 4, request)

    @rule(who=st.lists(clients, min_size=1, max_size=3), by_name=st.booleans())
    def leave(self, who: list[int], *, by_name: bool) -> None:
        """Leave, several at once; static members by their name alone, as an administrator does it."""
        leaving = [self.clients[number] for number in who]
        if self.group is not None and self.group.state is not GroupState.PREPARING_REBALANCE:
            # Kafka rebalances for somebody who leaves before having joined.
            leaving = [client for client in leaving if client.member_id not in self.group.pending_join_members]
        members = [
            MemberIdentity(
                member_id="" if by_name and member.instance_id else member.member_id,
                group_instance_id=member.instance_id,
                reason="told to",
            )
            for member in leaving
        ]
        self.ask(None, LEAVE_GROUP, LEAVE_VERSION, LeaveGroupRequest(group_id="g", members=members))

    @rule(
        client=st.none() | clients,
        stale=stale,
        topic=st.sampled_from("tu"),
        is_too_long=st.booleans(),
        retention=st.sampled_from([None, None, None, 100_000]),
    )
    def commit(self, client: int | None, stale: int, topic: str, retention: int | None, *, is_too_long: bool) -> None:
        """Commit as a member or from outside, now and then with a retention of its own, as old clients do."""
        member = Client(0) if client is None else self.clients[client]
        request = OffsetCommitRequest(
            group_id="g",
            generation_id_or_member_epoch=member.generation + stale if client is not None else -1,
            member_id=member.member_id,
            group_instance_id=None if retention else member.instance_id,
            retention_time_ms=retention or -1,
            topics=[
                OffsetCommitRequestTopic(
                    name=topic,
                    partitions=[
                        OffsetCommitRequestPartition(
                            partition_index=0, committed_offset=7, committed_metadata="x" * 10
                        ),
                        OffsetCommitRequestPartition(
                            partition_index=1, committed_offset=8, committed_metadata="x" * (11 if is_too_long else 0)
                        ),
                    ],
                )
            ],
        )
        self.ask(None, OFFSET_COMMIT, 4 if retention else COMMIT_VERSION, request)

    @rule(is_of_all=st.booleans())
    def fetch(self, *, is_of_all: bool) -> None:
        """Ask what is committed, also by a group that is not there."""
        topics = None if is_of_all else [OffsetFetchRequestTopics(name="t", partition_indexes=[0, 5])]
        groups = [OffsetFetchRequestGroup(group_id=group_id, topics=topics) for group_id in ("g", "none")]
        self.ask(None, OFFSET_FETCH, FETCH_VERSION, OffsetFetchRequest(groups=groups))

    @rule(topic=st.sampled_from("tu"), index=st.integers(0, 2))
    def delete_offset(self, topic: str, index: int) -> None:
        """Forget one offset, if nobody reads that topic."""
        partitions = [OffsetDeleteRequestPartition(partition_index=index)]
        topics = [OffsetDeleteRequestTopic(name=topic, partitions=partitions)]
        self.ask(None, OFFSET_DELETE, 0, OffsetDeleteRequest(group_id="g", topics=topics))

    @rule()
    def delete_group(self) -> None:
        """Forget the group, if it is empty."""
        self.ask(None, DELETE_GROUPS, 2, DeleteGroupsRequest(groups_names=["g", "none"]))

    @rule(version=st.sampled_from([4, 6]), state=st.sampled_from(["stable", "EMPTY", "no such state"]))
    def look(self, version: int, state: str) -> None:
        """Describe and list groups, by filters that match and by some that do not."""
        self.ask(None, DESCRIBE_GROUPS, version, DescribeGroupsRequest(groups=["g", "none"]))
        for types in ([], ["Classic"], ["consumer"], ["no such type"]):
            self.ask(None, LIST_GROUPS, 5, ListGroupsRequest(states_filter=[state], types_filter=types))
        self.ask(None, LIST_GROUPS, 5, ListGroupsRequest())

    @rule(milliseconds=st.sampled_from([20, 1_000, 5_500, 7_300, 25_000, 62_000, 310_000, CHECK_INTERVAL_MS]))
    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        due_ms = self.last_check_ms + CHECK_INTERVAL_MS
        if self.now.monotonic_ms + milliseconds >= due_ms:
            if self.group is not None and self.group.pending_join_members:
                # Kafka forgets an empty group although somebody was just given an id to join it with.
                return
            self.last_check_ms = due_ms
        theirs = self.ask_java(coordinate="wait", ms=milliseconds)
        assert "error" not in theirs, theirs
        end_ms = self.now.monotonic_ms + milliseconds
        effects = Effects()
        while (due := self.coordinator.next_deadline_ms()) is not None and due <= end_ms:
            self.now = Instant(max(due, self.now.monotonic_ms), START_MS + max(due, self.now.monotonic_ms))
            effects += self.coordinator.handle_timeouts(self.now)
            self.order_members()
        self.now = Instant(end_ms, START_MS + end_ms)
        self.compare(theirs, effects)

    @rule()
    def restart(self) -> None:
        """Both are rebuilt from their records; whoever waits hears nothing, and asks again."""
        self.begin(is_restart=True)
        for client in self.clients:
            client.is_waiting = False
        self.calls = {to: call._replace(client=None) for to, call in self.calls.items()}

    @invariant()
    def books_agree(self) -> None:
        """Ours is in order within."""
        self.coordinator.check_invariants()


def subscription(topics: str) -> bytes:
    """A consumer's subscription of version 0, or what is none."""
    if topics == "?":
        return b"?"
    names = b"".join(len(name).to_bytes(2) + name.encode() for name in topics)
    return bytes(2) + len(topics).to_bytes(4) + names + (-1).to_bytes(4, signed=True)


def told_record(record: tuple[bytes, bytes | None]) -> str:
    """A record with its members in one order; the moment of a change of state counts for empty groups alone."""
    decoded = decode_record(*record)
    assert decoded is not None
    if isinstance(decoded.value, GroupMetadataValue):
        decoded.value.members = sorted(decoded.value.members, key=lambda member: member.member_id)
        if decoded.value.members:
            # Kafka writes the assignment before the group is stable.
            decoded.value.current_state_timestamp = 0
    return repr(decoded)


def bucket(key: str) -> int:
    """Where Java's hash table of up to twelve entries keeps a key."""
    hashed = 0
    for character in key:
        hashed = (hashed * 31 + ord(character)) & 0xFFFFFFFF
    return (hashed ^ hashed >> 16) & 15


def test_any_order(ask_java: Callable[..., dict[str, Any]]) -> None:
    """Whatever is asked, and whenever, both say and write the same."""

    class AgainstJava(Differential):
        """Hypothesis makes them without arguments."""

        def __init__(self) -> None:
            super().__init__(ask_java)

    run_state_machine_as_test(AgainstJava, settings=settings(max_examples=150, stateful_step_count=30))
