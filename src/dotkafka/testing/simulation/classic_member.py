"""A member of a consumer group, by the classic protocol: joins, is assigned partitions, reads, commits, joins again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_protocol import (
    CONSUMER_PROTOCOL_ASSIGNMENT,
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from dotkafka.protocol.messages.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from dotkafka.protocol.messages.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment
from dotkafka.testing.history import Assigned, Commit, Committed, Outcome, Partition, Position, Revoked
from dotkafka.testing.simulation.fetching import Fetching
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

SESSION_TIMEOUT_MS: Final = 6_000
REBALANCE_TIMEOUT_MS: Final = 4_000
JOIN_TIMEOUT_MS: Final = 2 * REBALANCE_TIMEOUT_MS + SESSION_TIMEOUT_MS
HEARTBEAT_INTERVAL_MS: Final = 1_000
PROTOCOL: Final = "round"
NOT_A_MEMBER: Final = frozenset(
    {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.FENCED_INSTANCE_ID}
)
REJOIN: Final = NOT_A_MEMBER | {ErrorCode.REBALANCE_IN_PROGRESS}
TRY_AGAIN: Final = frozenset(
    {ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}
)


class GroupMember(Fetching):
    """One member; it leaves or is killed when the storm says so, never else.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        group: that it is in.
        topics: that it subscribes to.
    """

    def __init__(self, world: World, name: str, group: str, topics: Sequence[str]) -> None:
        super().__init__(world, name)
        self.group = group
        self.is_stable = False
        """Whether it has an assignment, and nobody has told it to join again."""
        self.is_leaving = False
        """Whether it is to leave at its next opportunity."""
        self.generation = -1
        self._topics = topics
        self._member_id = ""
        self._join_version = self.dice.choice((2, 5, 9))
        self._committed: dict[Partition, int] = {}
        self._heartbeat_due_us = 0
        self._heard_us = 0
        self._asking: Commit | Committed | None = None
        """What it waits for the outcome of."""

    @property
    def assigned(self) -> list[Partition]:
        """What it owns."""
        return list(self.places) if self.is_stable else []

    @property
    def is_settled(self) -> bool:
        """Whether it has read and committed everything that is assigned to it."""
        places = self.places.items()
        return (
            self.is_stable and self.is_at_end and all(self._committed.get(at) == place.offset for at, place in places)
        )

    def state(self) -> str:
        """Return where it is."""
        return f"stable {self.is_stable}, generation {self.generation}, {self.behind()}, committed {self._committed}"

    def kill(self) -> None:
        """End as a process does that is killed: nobody is told."""
        self.world.trace.note(f"{self.name} is killed")
        self.world.counts["members killed"] += 1
        if self._asking is not None and self._asking.outcome is Outcome.PENDING:
            self.world.history.unknown(self._asking)
        self._give_up_assignment()
        self._end()

    def live(self) -> Flow[None]:
        """Be a member until told to leave."""
        yield from self._find_coordinator()
        while not self.is_leaving:
            if (yield from self._join()):
                yield from self._work()
                self._give_up_assignment()
            else:
                yield from self.pause(self.dice.randrange(50, 300))
        yield from self._leave()

    # -- joining -------------------------------------------------------------------------------------------------------

    def _find_coordinator(self) -> Flow[None]:
        while True:
            request = FindCoordinatorRequest(coordinator_keys=[self.group])
            answer = yield from self.call(FIND_COORDINATOR, 4, request)
            if answer is not None and answer.coordinators[0].error_code == ErrorCode.NONE:
                return
            yield from self.pause(100)

    def _join(self) -> Flow[bool]:
        """Join, synchronise, and learn where to read; return whether all of that went well."""
        yield from self.refresh_topics()
        subscription = ConsumerProtocolSubscription(topics=list(self._topics))
        metadata = b"\0\0" + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(0, subscription)
        request = JoinGroupRequest(
            group_id=self.group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id=self._member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name=PROTOCOL, metadata=metadata)],
        )
        answer = yield from self.call(JOIN_GROUP, self._join_version, request, timeout_ms=JOIN_TIMEOUT_MS)
        if answer is None:
            return False
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self._member_id = answer.member_id
            return False
        if answer.error_code != ErrorCode.NONE:
            self._must_rejoin(answer.error_code)
            return False
        self._member_id = answer.member_id
        self.generation = answer.generation_id
        self.world.promises.never_goes_back(("generation of", self.name, self._member_id), self.generation, 0)
        self.world.counts["joins"] += 1
        return (yield from self._synchronise(answer))

    def _synchronise(self, joined: JoinGroupResponse) -> Flow[bool]:
        request = SyncGroupRequest(
            group_id=self.group,
            generation_id=self.generation,
            member_id=self._member_id,
            assignments=self._assign(joined) if joined.leader == self._member_id else [],
        )
        if request.assignments:
            self.world.counts["rebalances"] += 1
        answer = yield from self.call(SYNC_GROUP, 3, request, timeout_ms=JOIN_TIMEOUT_MS)
        if answer is None:
            return False
        if answer.error_code != ErrorCode.NONE:
            self._must_rejoin(answer.error_code)
            return False
        self._hear()
        partitions: list[Partition] = []
        if answer.assignment:
            assignment = CONSUMER_PROTOCOL_ASSIGNMENT.decode(0, answer.assignment, 2)
            partitions = [
                Partition(topic.topic, index) for topic in assignment.assigned_partitions for index in topic.partitions
            ]
        self.world.history.add(Assigned(self.name, self.group, partitions, generation=self.generation))
        self.is_stable = True
        if not (yield from self._find_positions(partitions)):
            self._give_up_assignment()
            return False
        return True

    def _assign(self, joined: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        """Deal the partitions out to the members."""
        members = sorted(member.member_id for member in joined.members)
        hands: dict[str, dict[str, list[int]]] = {member: {} for member in members}
        partitions = [
            (topic, index)
            for topic in self._topics
            for index in range(len(self.topics[topic].epochs) if topic in self.topics else 0)
        ]
        for number, (topic, index) in enumerate(partitions):
            hands[members[number % len(members)]].setdefault(topic, []).append(index)
        return [
            SyncGroupRequestAssignment(
                member_id=member,
                assignment=b"\0\0"
                + CONSUMER_PROTOCOL_ASSIGNMENT.encode(
                    0,
                    ConsumerProtocolAssignment(
                        assigned_partitions=[
                            ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=indexes)
                            for topic, indexes in hand.items()
                        ]
                    ),
                ),
            )
            for member, hand in hands.items()
        ]

    def _find_positions(self, partitions: Sequence[Partition]) -> Flow[bool]:
        """Go where the group has committed, or to the beginning where it has not."""
        if any(partition.topic not in self.topics for partition in partitions):
            yield from self.refresh_topics()
        for _ in range(3):
            committed = yield from self._fetch_committed(partitions)
            if committed is not None:
                break
        else:
            return False
        self._committed = dict(committed)
        for partition in partitions:
            if partition in committed:
                self.go_to(partition, committed[partition])
            elif not (yield from self.go_to_beginning(partition)):
                return False
        return True

    def _fetch_committed(self, partitions: Sequence[Partition]) -> Flow[dict[Partition, int] | None]:
        """Return what the group has committed, without what it has not; None if nobody tells."""
        indexes: dict[str, list[int]] = {}
        for partition in partitions:
            indexes.setdefault(partition.topic, []).append(partition.partition)
        topics = [OffsetFetchRequestTopics(name=topic, partition_indexes=those) for topic, those in indexes.items()]
        group = OffsetFetchRequestGroup(group_id=self.group, topics=topics)
        fetched = self._asking = self.world.history.begin(Committed(self.name, self.group))
        answer = yield from self.call(OFFSET_FETCH, 8, OffsetFetchRequest(groups=[group]))
        if answer is None or answer.groups[0].error_code != ErrorCode.NONE:
            self.world.history.unknown(fetched)
            return None
        positions = [
            Position(topic.name, found.partition_index, found.committed_offset if found.committed_offset >= 0 else None)
            for topic in answer.groups[0].topics
            for found in topic.partitions
        ]
        self.world.history.ok(fetched, offsets=positions)
        return {Partition(at.topic, at.partition): at.offset for at in positions if at.offset is not None}

    # -- working -------------------------------------------------------------------------------------------------------

    def _work(self) -> Flow[None]:
        """Read, commit and heartbeat, until it has to join again."""
        while self.is_stable and not self.is_leaving:
            if self.world.scheduler.now_us >= self._heartbeat_due_us:
                yield from self._heartbeat()
                continue
            if self.needs_topics or self.dice.random() < 0.01:
                self.needs_topics = False
                if not (yield from self._look_around()):
                    return
            if self.places:
                yield from self.poll(self.dice.randrange(200))
            if self.dice.random() < 0.2 or self.is_at_end:
                yield from self._commit()
            yield from self.pause(self.dice.randrange(5, 50))
        yield from self._commit()

    def _look_around(self) -> Flow[bool]:
        """Return whether the topics are still what they were when it joined."""
        before = {topic: len(self.topics[topic].epochs) for topic in self._topics if topic in self.topics}
        yield from self.refresh_topics()
        return before == {topic: len(self.topics[topic].epochs) for topic in self._topics if topic in self.topics}

    def _heartbeat(self) -> Flow[None]:
        request = HeartbeatRequest(group_id=self.group, generation_id=self.generation, member_id=self._member_id)
        answer = yield from self.call(HEARTBEAT, 3, request)
        if answer is None:
            yield from self.pause(50)
        elif answer.error_code == ErrorCode.NONE:
            self._hear()
        elif answer.error_code == ErrorCode.REBALANCE_IN_PROGRESS:
            self.world.counts["heartbeats that call to a rebalance"] += 1
            if self.dice.random() < 0.5:
                yield from self._commit()
            self._must_rejoin(answer.error_code)
        else:
            if (
                answer.error_code in NOT_A_MEMBER
                and self.world.scheduler.now_us - self._heard_us < SESSION_TIMEOUT_MS * 500
            ):
                raise Violation(f"{self.name} was heard half a session timeout ago, and is put out of the group")
            self._must_rejoin(answer.error_code)

    def _commit(self) -> Flow[None]:
        """Commit where it is, if it owns anything, and has read on."""
        changed = {at: place.offset for at, place in self.places.items() if self._committed.get(at) != place.offset}
        if not changed or not self.is_stable:
            return
        parts: dict[str, list[OffsetCommitRequestPartition]] = {}
        for partition, offset in changed.items():
            parts.setdefault(partition.topic, []).append(
                OffsetCommitRequestPartition(partition_index=partition.partition, committed_offset=offset)
            )
        offsets = [Position(*partition, offset) for partition, offset in changed.items()]
        operation = self._asking = self.world.history.begin(
            Commit(self.name, self.group, offsets, generation=self.generation)
        )
        request = OffsetCommitRequest(
            group_id=self.group,
            generation_id_or_member_epoch=self.generation,
            member_id=self._member_id,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=those) for topic, those in parts.items()],
        )
        answer = yield from self.call(OFFSET_COMMIT, 8, request)
        if answer is None:
            self.world.history.unknown(operation)
            return
        codes = dict.fromkeys(part.error_code for topic in answer.topics for part in topic.partitions)
        if len(codes) != 1:
            raise Violation(f"{self.name} commits and is answered {list(codes)}")
        (code,) = codes
        if code == ErrorCode.NONE:
            self.world.history.ok(operation)
            self.world.counts["commits"] += 1
            self._committed.update(changed)
            return
        self.world.history.fail(operation)
        self._must_rejoin(code)

    def _hear(self) -> None:
        """The coordinator has answered: the next heartbeat is due a while from now."""
        self._heard_us = self.world.scheduler.now_us
        self._heartbeat_due_us = self._heard_us + HEARTBEAT_INTERVAL_MS * 1000

    def _must_rejoin(self, code: int) -> None:
        """Act on an error of the coordinator."""
        if code in NOT_A_MEMBER:
            self.world.counts["members put out"] += 1
            self._member_id = ""
        if code in REJOIN:
            self.is_stable = False
        elif code not in TRY_AGAIN:
            raise Violation(f"{self.name} gets error {code} from its coordinator")
        else:
            self._heartbeat_due_us = self.world.scheduler.now_us + 200_000

    # -- leaving -------------------------------------------------------------------------------------------------------

    def _give_up_assignment(self) -> None:
        self.is_stable = False
        self.places.clear()
        self._committed.clear()
        self.world.history.add(Revoked(self.name, self.group))

    def _leave(self) -> Flow[None]:
        if self._member_id:
            request = LeaveGroupRequest(group_id=self.group, members=[MemberIdentity(member_id=self._member_id)])
            yield from self.call(LEAVE_GROUP, 3, request)
            self.world.counts["members left"] += 1
        self._end()

    def _end(self) -> None:
        self.is_alive = False
        self.channel.close()
        self._fetch_channel.close()
