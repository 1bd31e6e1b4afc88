"""A classic group: its members, its generation and its state.

The group keeps its own books and answers the requests that wait on its members; when to rebalance is decided in
`rebalance.py`, and by the requests in `joining.py`, `syncing.py` and `membership.py`.

Invariants (`check_invariants`): the state moves through the table in `states.py`, and `transition_to` alone moves it;
there is a leader exactly while there are members; some protocol is supported by all members; JoinGroup requests wait
only while a rebalance is prepared, SyncGroup requests only while one is completed.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from dotkafka.coordinator.classic.member import ClassicMember
from dotkafka.coordinator.classic.states import TRANSITIONS, GroupState
from dotkafka.coordinator.deadlines import GroupDeadline, JoinDeadline, SessionDeadline, SyncDeadline
from dotkafka.coordinator.effects import ReplyTo
from dotkafka.coordinator.group_records import CONSUMER_PROTOCOL_TYPE, group_metadata_record, subscribed_topics
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_offsets import GroupMetadataValue, MemberMetadata
from dotkafka.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from dotkafka.protocol.messages.sync_group import SyncGroupResponse


class ClassicGroup:
    """One group; Empty and of generation 0 until told otherwise."""

    def __init__(self, group_id: str, created_ms: int | None, state: GroupState = GroupState.EMPTY) -> None:
        self.group_id = group_id
        self.state = state
        self.previous_state = GroupState.DEAD
        self.state_timestamp_ms = created_ms
        """Wall clock moment of the last change of state; None if an old record did not say."""
        self.generation_id = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader_id: str | None = None
        self.members: dict[str, ClassicMember] = {}
        self.static_members: dict[str, str] = {}
        """Member id by group instance id."""
        self.pending_join_members: set[str] = set()
        """Ids given out with MEMBER_ID_REQUIRED that have not come back yet."""
        self.pending_sync_members: set[str] = set()
        """Members that have not asked for their assignment in this generation yet."""
        self.subscribed_topics: frozenset[str] | None = None
        """None while unknown: not a consumer group, or its metadata could not be read."""
        self.new_member_added = False
        """A member came during the initial rebalance, so it may wait once more."""
        self.initial_rebalance_remaining_ms = 0
        self._joined_count = 0
        self._supporters: Counter[str] = Counter()

    # State

    @property
    def can_rebalance(self) -> bool:
        """Whether a rebalance may begin now."""
        return GroupState.PREPARING_REBALANCE in TRANSITIONS[self.state]

    def transition_to(self, state: GroupState, wall_ms: int) -> None:
        """Move to `state`, which the table must allow."""
        if state not in TRANSITIONS[self.state]:
            raise AssertionError(f"group {self.group_id!r} cannot go from {self.state.value} to {state.value}")
        self.previous_state = self.state
        self.state = state
        self.state_timestamp_ms = wall_ms

    def begin_generation(self, wall_ms: int) -> None:
        """Count up the generation and settle its protocol: to CompletingRebalance, or to Empty without members."""
        self.generation_id += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.update_subscribed_topics()
        self.transition_to(GroupState.COMPLETING_REBALANCE if self.members else GroupState.EMPTY, wall_ms)
        self.pending_sync_members = set(self.members)

    # Members

    @property
    def has_all_members_joined(self) -> bool:
        """Whether the join phase has nobody left to wait for."""
        return self._joined_count == len(self.members) and not self.pending_join_members

    @property
    def joined_count(self) -> int:
        """How many members have a JoinGroup request that waits."""
        return self._joined_count

    @property
    def rebalance_timeout_ms(self) -> int:
        """The longest rebalance timeout of all members."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def is_leader(self, member_id: str) -> bool:
        """Whether this member leads the group."""
        return self.leader_id == member_id

    def add(self, member: ClassicMember) -> None:
        """Take in a member whose protocols the group supports; the first one leads."""
        if not self.members:
            self.protocol_type = member.protocol_type
        if self.leader_id is None:
            self.leader_id = member.member_id
        self.members[member.member_id] = member
        if member.group_instance_id is not None:
            self.static_members[member.group_instance_id] = member.member_id
        self._supporters.update(member.protocols.keys())
        self.pending_join_members.discard(member.member_id)

    def remove(self, member_id: str, error: ErrorCode, step: Step) -> None:
        """Let a member go; requests of its that wait are answered with `error`."""
        member = self.members[member_id]
        self.answer_join(member, JoinGroupResponse(error_code=error, member_id=""), step)
        self.answer_sync(member, SyncGroupResponse(error_code=error), step)
        del self.members[member_id]
        if member.group_instance_id is not None:
            del self.static_members[member.group_instance_id]
        self._supporters.subtract(member.protocols.keys())
        if self.is_leader(member_id):
            self.leader_id = next(iter(self.members), None)
        self.pending_sync_members.discard(member_id)
        step.cancel(SessionDeadline(self.group_id, member_id))

    def replace_static_member(self, old_member_id: str, new_member_id: str, step: Step) -> ClassicMember:
        """Give a static member a new id; requests that wait under the old one are fenced. Source: KIP-345."""
        old = self.members.pop(old_member_id)
        fenced = ErrorCode.FENCED_INSTANCE_ID
        self.answer_join(old, JoinGroupResponse(error_code=fenced, member_id=old_member_id), step)
        self.answer_sync(old, SyncGroupResponse(error_code=fenced), step)
        step.cancel(SessionDeadline(self.group_id, old_member_id))
        old.member_id = new_member_id
        old.is_new = False
        self.members[new_member_id] = old
        if old.group_instance_id is not None:
            self.static_members[old.group_instance_id] = new_member_id
        if self.is_leader(old_member_id):
            self.leader_id = new_member_id
        if old_member_id in self.pending_sync_members:
            self.pending_sync_members.remove(old_member_id)
            self.pending_sync_members.add(new_member_id)
        return old

    def update_protocols(self, member: ClassicMember, protocols: Mapping[str, bytes]) -> None:
        """Note what a member that joins again supports now."""
        self._supporters.subtract(member.protocols.keys())
        member.protocols = protocols
        self._supporters.update(protocols.keys())

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is a member that has joined; return False if none has."""
        if self.leader_id is not None and self.members[self.leader_id].awaiting_join is not None:
            return True
        joined = (member_id for member_id, member in self.members.items() if member.awaiting_join is not None)
        leader_id = next(joined, None)
        if leader_id is None:
            return False
        self.leader_id = leader_id
        return True

    def validate_member(self, member_id: str, group_instance_id: str | None) -> None:
        """Check that the caller is a member under both of its names.

        Raises:
            ApiError: UNKNOWN_MEMBER_ID; FENCED_INSTANCE_ID if another member goes by that group instance id now.
        """
        if group_instance_id is not None:
            owner = self.static_members.get(group_instance_id)
            if owner is None:
                raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)
            if owner != member_id:
                raise ApiError(ErrorCode.FENCED_INSTANCE_ID)
        if member_id not in self.members:
            raise ApiError(ErrorCode.UNKNOWN_MEMBER_ID)

    def keep_alive(self, member: ClassicMember, step: Step) -> None:
        """Start the session of a member afresh."""
        step.schedule(SessionDeadline(self.group_id, member.member_id), member.session_timeout_ms)

    # Requests that wait

    def await_join(self, member: ClassicMember, reply_to: ReplyTo, step: Step) -> None:
        """Let a JoinGroup request wait for the generation; an older one of the same member is told to start over."""
        superseded = JoinGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id)
        self.answer_join(member, superseded, step)
        member.awaiting_join = reply_to
        self._joined_count += 1

    def answer_join(self, member: ClassicMember, response: JoinGroupResponse, step: Step) -> None:
        """Answer the member's JoinGroup request, if one waits."""
        if member.awaiting_join is not None:
            step.reply(member.awaiting_join, response)
            member.awaiting_join = None
            self._joined_count -= 1

    def await_sync(self, member: ClassicMember, reply_to: ReplyTo, step: Step) -> None:
        """Let a SyncGroup request wait for the leader's; an older one of the same member is told to start over."""
        self.answer_sync(member, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS), step)
        member.awaiting_sync = reply_to

    def answer_sync(self, member: ClassicMember, response: SyncGroupResponse, step: Step) -> None:
        """Answer the member's SyncGroup request, if one waits, and start its session afresh."""
        if member.awaiting_sync is not None:
            step.reply(member.awaiting_sync, response)
            member.awaiting_sync = None
            self.keep_alive(member, step)

    def join_response(self, member_id: str) -> JoinGroupResponse:
        """What a member is told of the present generation; only the leader is told of the others."""
        return JoinGroupResponse(
            generation_id=self.generation_id,
            protocol_type=self.protocol_type,
            protocol_name=self.protocol_name,
            leader=self.leader_id or "",
            member_id=member_id,
            members=self.described_members() if self.is_leader(member_id) else (),
        )

    def sync_response(self, member: ClassicMember) -> SyncGroupResponse:
        """What a member is told of its assignment."""
        return SyncGroupResponse(
            protocol_type=self.protocol_type,
            protocol_name=self.protocol_name,
            assignment=member.assignment,
        )

    def described_members(self) -> list[JoinGroupResponseMember]:
        """All members with their metadata for the chosen protocol, as the leader gets them."""
        return [
            JoinGroupResponseMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                metadata=self.metadata_of(member),
            )
            for member in self.members.values()
        ]

    # Protocols

    @property
    def is_consumer_group(self) -> bool:
        """Whether the metadata of members are consumers' subscriptions."""
        return self.protocol_type == CONSUMER_PROTOCOL_TYPE

    def supports_protocols(self, protocol_type: str, protocols: Iterable[str]) -> bool:
        """Whether a member with these protocols may join: it must share one with everybody."""
        if self.state is GroupState.EMPTY:
            return bool(protocol_type) and any(True for _ in protocols)
        member_count = len(self.members)
        return protocol_type == self.protocol_type and any(self._supporters[name] == member_count for name in protocols)

    def select_protocol(self) -> str:
        """Return the protocol that most members want most, of those that all support."""
        candidates = {name for name, supporters in self._supporters.items() if supporters == len(self.members)}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return max(votes, key=lambda name: votes[name])

    def metadata_of(self, member: ClassicMember) -> bytes:
        """The member's metadata for the chosen protocol."""
        return member.protocols.get(self.protocol_name or "", b"")

    def is_subscribed_to(self, topic: str) -> bool:
        """Whether members read this topic; while that cannot be known of a consumer group, they may."""
        return self.is_consumer_group if self.subscribed_topics is None else topic in self.subscribed_topics

    def update_subscribed_topics(self) -> None:
        """Read the subscriptions of all members afresh."""
        self.subscribed_topics = None
        if not self.is_consumer_group:
            return
        if not self.members:
            self.subscribed_topics = frozenset()
        elif self.protocol_name is not None:
            self.subscribed_topics = subscribed_topics(self.metadata_of(member) for member in self.members.values())

    # What is stored

    def record_metadata(self, step: Step) -> None:
        """Ask for the group as it is now to be made durable."""
        members = [
            MemberMetadata(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=self.metadata_of(member),
                assignment=member.assignment,
            )
            for member in self.members.values()
        ]
        value = GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation_id,
            protocol=self.protocol_name,
            leader=self.leader_id,
            current_state_timestamp=-1 if self.state_timestamp_ms is None else self.state_timestamp_ms,
            members=members,
        )
        step.record(group_metadata_record(self.group_id, value))

    @classmethod
    def from_metadata(cls, group_id: str, value: GroupMetadataValue) -> "ClassicGroup":
        """The group that a record tells of: Stable if it has members, else Empty."""
        timestamp_ms = None if value.current_state_timestamp == -1 else value.current_state_timestamp
        group = cls(group_id, timestamp_ms, GroupState.STABLE if value.members else GroupState.EMPTY)
        for member in value.members:
            rebalance_timeout_ms = member.rebalance_timeout
            group.add(
                ClassicMember(
                    member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    # Version 0 of the record has no rebalance timeout.
                    rebalance_timeout_ms=member.session_timeout if rebalance_timeout_ms == -1 else rebalance_timeout_ms,
                    session_timeout_ms=member.session_timeout,
                    protocol_type=value.protocol_type,
                    protocols={value.protocol or "": bytes(member.subscription)},
                    assignment=bytes(member.assignment),
                )
            )
        group.generation_id = value.generation
        group.protocol_type = value.protocol_type or None
        group.protocol_name = (value.protocol or "") if value.members else None
        if value.leader in group.members:
            group.leader_id = value.leader
        group.update_subscribed_topics()
        return group

    def expected_deadlines(self) -> Iterator[GroupDeadline]:
        """What must be scheduled for this group, as it is now."""
        if self.state is GroupState.PREPARING_REBALANCE:
            yield JoinDeadline(self.group_id)
        if self.pending_sync_members:
            yield SyncDeadline(self.group_id)
        for member_id in self.pending_join_members:
            yield SessionDeadline(self.group_id, member_id)
        for member in self.members.values():
            if not member.is_alive_by_waiting:
                yield SessionDeadline(self.group_id, member.member_id)

    def check_invariants(self) -> None:
        """Raise AssertionError if the books do not agree; see the module's docstring."""
        members = self.members.values()
        static_members = {m.group_instance_id: m.member_id for m in members if m.group_instance_id is not None}
        supporters = Counter(name for member in members for name in member.protocols)
        joined = sum(member.awaiting_join is not None for member in members)
        truths = {
            "members are kept by their id": all(key == member.member_id for key, member in self.members.items()),
            "a leader exactly while there are members": self.leader_id in (self.members or {None}),
            "static members are those with an instance id": self.static_members == static_members,
            "supporters are counted": +self._supporters == supporters,
            "some protocol suits all": not self.members or len(self.members) in supporters.values(),
            "one protocol type": all(member.protocol_type == self.protocol_type for member in members),
            "joined members are counted": self._joined_count == joined,
            "joins wait while preparing": not joined or self.state is GroupState.PREPARING_REBALANCE,
            "syncs wait while completing": self.state is GroupState.COMPLETING_REBALANCE
            or all(member.awaiting_sync is None for member in members),
            "only members owe a sync": self.pending_sync_members <= self.members.keys(),
            "pending members are no members": self.pending_join_members.isdisjoint(self.members),
            "what is kept is not dead": self.state is not GroupState.DEAD,
            "empty means without members": self.state is not GroupState.EMPTY or not self.members,
            "a generation has members": bool(self.members)
            or self.state not in {GroupState.COMPLETING_REBALANCE, GroupState.STABLE},
        }
        for truth, holds in truths.items():
            if not holds:
                raise AssertionError(f"group {self.group_id!r}: {truth}")
