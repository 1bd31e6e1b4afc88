"""A member of a group by the classic protocol: joins, is assigned partitions, reads, commits, joins again.

Eager members give everything up before they join again; cooperative ones keep what they have, and give up only what the
leader takes from them, upon which all join once more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_protocol import (
    CONSUMER_PROTOCOL_ASSIGNMENT,
    CONSUMER_PROTOCOL_SUBSCRIPTION,
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.join_group import (
    JOIN_GROUP,
    JoinGroupRequest,
    JoinGroupRequestProtocol,
    JoinGroupResponse,
)
from dotkafka.protocol.messages.leave_group import LEAVE_GROUP, LeaveGroupRequest, MemberIdentity
from dotkafka.protocol.messages.sync_group import SYNC_GROUP, SyncGroupRequest, SyncGroupRequestAssignment
from dotkafka.testing.history import Partition
from dotkafka.testing.simulation.group_member import SESSION_TIMEOUT_MS, TRY_AGAIN, GroupMember
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

REBALANCE_TIMEOUT_MS: Final = 4_000
JOIN_TIMEOUT_MS: Final = 2 * REBALANCE_TIMEOUT_MS + SESSION_TIMEOUT_MS
NOT_A_MEMBER: Final = frozenset(
    {ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.ILLEGAL_GENERATION, ErrorCode.FENCED_INSTANCE_ID}
)
REJOIN: Final = NOT_A_MEMBER | {ErrorCode.REBALANCE_IN_PROGRESS}
SUBSCRIPTION_VERSION: Final = 2
ASSIGNMENT_VERSION: Final = 0


class ClassicMember(GroupMember):
    """One member; its protocol has the name of one of Kafka's assignors, so that its group can be upgraded.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        group: that it is in.
        topics: that it subscribes to.
        instance_id: of a static member.
        is_cooperative: whether it keeps what it has when it joins again; the same for all members of a group.
    """

    commit_version = 8
    fetch_version = 8

    def __init__(
        self,
        world: World,
        name: str,
        group: str,
        topics: Sequence[str],
        instance_id: str | None = None,
        *,
        is_cooperative: bool = False,
    ) -> None:
        super().__init__(world, name, group, topics, instance_id)
        self._is_cooperative = is_cooperative
        self._owned_since = -1
        """The generation that it was last assigned anything in."""
        self._join_version = 9 if instance_id is not None else self.dice.choice((2, 5, 9))

    def live(self) -> Flow[None]:
        """Be a member until told to leave."""
        yield from self.find_coordinator()
        while not self.is_leaving:
            if (yield from self._join()):
                yield from self._work()
                if not self._is_cooperative:
                    self.give_up_assignment()
            else:
                yield from self.pause(self.dice.randrange(50, 300))
        self.give_up_assignment()
        yield from self._leave()

    def act_on(self, code: int) -> None:
        """Act on an error of the coordinator."""
        if code in NOT_A_MEMBER:
            self.world.counts["members put out"] += 1
            self._member_id = ""
            self.give_up_assignment()
        if code in REJOIN:
            self.is_stable = False
        elif code not in TRY_AGAIN:
            raise Violation(f"{self.name} gets error {code} from its coordinator")
        else:
            self._heartbeat_due_us = self.world.scheduler.now_us + 200_000

    # -- joining -------------------------------------------------------------------------------------------------------

    def _join(self) -> Flow[bool]:
        """Join, synchronise, and learn where to read; return whether all of that went well."""
        yield from self.refresh_topics()
        subscription = ConsumerProtocolSubscription(
            topics=list(self._topics),
            owned_partitions=[
                ConsumerProtocolSubscriptionTopicPartition(topic=topic, partitions=indexes)
                for topic, indexes in by_topic((*self.places, *sorted(self._unplaced))).items()
            ],
            generation_id=self._owned_since,
        )
        metadata = SUBSCRIPTION_VERSION.to_bytes(2, "big") + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(
            SUBSCRIPTION_VERSION, subscription
        )
        request = JoinGroupRequest(
            group_id=self.group,
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id=self._member_id,
            group_instance_id=self.instance_id,
            protocol_type="consumer",
            protocols=[
                JoinGroupRequestProtocol(
                    name="cooperative-sticky" if self._is_cooperative else "range", metadata=metadata
                )
            ],
        )
        answer = yield from self.call(JOIN_GROUP, self._join_version, request, timeout_ms=JOIN_TIMEOUT_MS)
        if answer is None:
            return False
        if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self._member_id = answer.member_id
            return False
        if answer.error_code != ErrorCode.NONE:
            self.act_on(answer.error_code)
            return False
        self._member_id = answer.member_id
        self.generation = answer.generation_id
        self.world.promises.never_goes_back(("generation of", self.name, self._member_id), self.generation, 0)
        self.world.counts["joins"] += 1
        return (yield from self._synchronise(answer))

    def _synchronise(self, joined: JoinGroupResponse) -> Flow[bool]:
        is_leader = joined.leader == self._member_id and joined.members
        request = SyncGroupRequest(
            group_id=self.group,
            generation_id=self.generation,
            member_id=self._member_id,
            group_instance_id=self.instance_id,
            assignments=[_assignment(member, hand) for member, hand in self._deal(joined).items()] if is_leader else [],
        )
        if request.assignments:
            self.world.counts["rebalances"] += 1
        asked_us = self.world.scheduler.now_us
        answer = yield from self.call(SYNC_GROUP, 3, request, timeout_ms=JOIN_TIMEOUT_MS)
        if answer is None:
            return False
        if answer.error_code != ErrorCode.NONE:
            self.act_on(answer.error_code)
            return False
        self.hear()
        partitions: list[Partition] = []
        if answer.assignment:
            assignment = CONSUMER_PROTOCOL_ASSIGNMENT.decode(ASSIGNMENT_VERSION, answer.assignment, 2)
            partitions = [
                Partition(topic.topic, index) for topic in assignment.assigned_partitions for index in topic.partitions
            ]
        revoked = [partition for partition in (*self.places, *self._unplaced) if partition not in partitions]
        if revoked:
            self.world.counts["cooperative revocations"] += 1
            self.give_up(revoked)
        self._owned_since = self.generation
        self.own(partitions, asked_us)
        if revoked:
            self.is_stable = False  # those that it has given up are assigned when all have joined once more
            return False
        if self._unplaced and not (yield from self.find_positions()):
            self.give_up_assignment()
            return False
        return True

    def _deal(self, joined: JoinGroupResponse) -> Mapping[str, Sequence[Partition]]:
        """Deal the partitions out to the members: what one has is not given to another before it has let go."""
        members = sorted(member.member_id for member in joined.members)
        partitions = [
            Partition(topic, index)
            for topic in self._topics
            for index in range(len(self.topics[topic].epochs) if topic in self.topics else 0)
        ]
        hands: dict[str, list[Partition]] = {member: [] for member in members}
        if not self._is_cooperative:
            for number, partition in enumerate(partitions):
                hands[members[number % len(members)]].append(partition)
            return hands
        owners = _owners(joined)
        most = -(-len(partitions) // len(members))
        left = []
        for partition in partitions:
            owner = owners.get(partition)
            if owner is not None and len(hands[owner]) < most:
                hands[owner].append(partition)
            else:
                left.append(partition)
        counts = {member: len(hand) for member, hand in hands.items()}
        for partition in left:
            poorest = min(members, key=counts.__getitem__)
            counts[poorest] += 1
            if partition not in owners:
                hands[poorest].append(partition)
        return hands

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
                yield from self.commit()
            yield from self.pause(self.dice.randrange(5, 50))
        yield from self.commit()

    def _look_around(self) -> Flow[bool]:
        """Return whether the topics are still what they were when it joined."""
        before = {topic: len(self.topics[topic].epochs) for topic in self._topics if topic in self.topics}
        yield from self.refresh_topics()
        return before == {topic: len(self.topics[topic].epochs) for topic in self._topics if topic in self.topics}

    def _heartbeat(self) -> Flow[None]:
        request = HeartbeatRequest(
            group_id=self.group,
            generation_id=self.generation,
            member_id=self._member_id,
            group_instance_id=self.instance_id,
        )
        operation = self.begin_heartbeat()
        answer = yield from self.call(HEARTBEAT, 3, request)
        if answer is None:
            self.world.history.unknown(operation)
            yield from self.pause(50)
        elif answer.error_code == ErrorCode.NONE:
            self.confirm(operation)
            self.hear()
        else:
            self.world.history.fail(operation)
            yield from self._refused(answer.error_code)

    def _refused(self, code: int) -> Flow[None]:
        """Act on the error of a heartbeat."""
        if code == ErrorCode.REBALANCE_IN_PROGRESS:
            self.world.counts["heartbeats that call to a rebalance"] += 1
            if self.dice.random() < 0.5:
                yield from self.commit()
        elif code in NOT_A_MEMBER - {ErrorCode.ILLEGAL_GENERATION}:
            # A group that becomes a classic one goes on in the newest epoch; members of older ones just join again.
            self.check_that_time_is_up()
        self.act_on(code)

    # -- leaving -------------------------------------------------------------------------------------------------------

    def _leave(self) -> Flow[None]:
        if self._member_id:
            members = [MemberIdentity(member_id=self._member_id, group_instance_id=self.instance_id)]
            yield from self.call(LEAVE_GROUP, 3, LeaveGroupRequest(group_id=self.group, members=members))
            self.world.counts["members left"] += 1
        self.end()


def by_topic(partitions: Iterable[Partition]) -> dict[str, list[int]]:
    """Return the numbers of partitions by topic."""
    topics: dict[str, list[int]] = {}
    for topic, index in partitions:
        topics.setdefault(topic, []).append(index)
    return topics


def _assignment(member: str, hand: Iterable[Partition]) -> SyncGroupRequestAssignment:
    assignment = ConsumerProtocolAssignment(
        assigned_partitions=[
            ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=indexes)
            for topic, indexes in by_topic(hand).items()
        ]
    )
    encoded = CONSUMER_PROTOCOL_ASSIGNMENT.encode(ASSIGNMENT_VERSION, assignment)
    return SyncGroupRequestAssignment(member_id=member, assignment=ASSIGNMENT_VERSION.to_bytes(2, "big") + encoded)


def _owners(joined: JoinGroupResponse) -> dict[Partition, str]:
    """Return who has what, by what members say; where two say so, the one of the newer generation."""
    owners: dict[Partition, tuple[int, str]] = {}
    for member in joined.members:
        subscription = CONSUMER_PROTOCOL_SUBSCRIPTION.decode(SUBSCRIPTION_VERSION, member.metadata, 2)
        claim = subscription.generation_id, member.member_id
        for topic in subscription.owned_partitions:
            for index in topic.partitions:
                partition = Partition(topic.topic, index)
                owners[partition] = max(owners.get(partition, claim), claim)
    return {partition: owner for partition, (_, owner) in owners.items()}
