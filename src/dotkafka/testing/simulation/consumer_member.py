"""A member of a group by the consumer protocol (KIP-848): heartbeats, and does what the answers say.

What it is told to let go of it commits, stops to read, and says so with its next heartbeat; only then it takes what is
new. If an answer was lost it tells everything again. If it was fenced it drops all, and joins anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from dotkafka.testing.history import Partition
from dotkafka.testing.simulation.group_member import TRY_AGAIN, GroupMember
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

REBALANCE_TIMEOUT_MS: Final = 8_000
JOIN: Final = 0
LEAVE: Final = -1
LEAVE_FOR_A_WHILE: Final = -2
NOT_A_MEMBER: Final = frozenset(
    {
        ErrorCode.UNKNOWN_MEMBER_ID,
        ErrorCode.FENCED_MEMBER_EPOCH,
        ErrorCode.FENCED_INSTANCE_ID,
        ErrorCode.GROUP_ID_NOT_FOUND,
    }
)
NOT_YET: Final = TRY_AGAIN | {ErrorCode.UNRELEASED_INSTANCE_ID, ErrorCode.STALE_MEMBER_EPOCH}


class ConsumerMember(GroupMember):
    """One member, static or not, that subscribes by names or by a regular expression.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        group: that it is in.
        topics: that it subscribes to.
        instance_id: of a static member.
    """

    commit_version = 9
    fetch_version = 9

    def __init__(
        self, world: World, name: str, group: str, topics: Sequence[str], instance_id: str | None = None
    ) -> None:
        super().__init__(world, name, group, topics, instance_id)
        self._api_version = self.dice.choice((0, 1, 1))
        self._regex = "|".join(topics) if self._api_version and self.dice.random() < 0.4 else None
        self._must_tell_all = True
        """Whether it does not know what became of its last heartbeat."""
        self._said: set[Partition] = set()
        """What its last heartbeat said that it reads."""
        self._topic_ids: dict[bytes, str] = {}
        self._joins = 0
        self._was_answered = False
        """Whether its last heartbeat was; if it was not, the coordinator may be further than it knows."""

    def live(self) -> Flow[None]:
        """Be a member until told to leave."""
        yield from self.find_coordinator()
        while not self.is_leaving:
            if (yield from self._join()):
                yield from self._work()
            else:
                yield from self.pause(self.dice.randrange(50, 300))
        yield from self._leave()

    def act_on(self, code: int) -> None:
        """Act on an error of the coordinator."""
        if code in NOT_A_MEMBER:
            self.world.counts["members fenced"] += 1
            self.give_up_assignment()
            self.generation = JOIN
        elif code in NOT_YET:
            self._heartbeat_due_us = self.world.scheduler.now_us + 1000 * self.dice.randrange(50, 300)
        else:
            raise Violation(f"{self.name} gets error {code} from its coordinator")

    # -- heartbeats ----------------------------------------------------------------------------------------------------

    def _join(self) -> Flow[bool]:
        """Join, with nothing; return whether it is a member now."""
        yield from self.refresh_topics()
        self._topic_ids |= {state.topic_id: name for name, state in self.topics.items()}
        self.generation = JOIN
        self._must_tell_all = True
        self._joins += 1
        if self._api_version and not self._member_id:
            self._member_id = f"{self.name}-{self.dice.randrange(2**32)}"
        yield from self._heartbeat()
        if self.is_stable:
            self.world.counts["joins of the consumer protocol"] += 1
        return self.is_stable

    def _heartbeat(self) -> Flow[None]:
        """Send a heartbeat, and do what its answer says."""
        owned = {*self.places, *self._unplaced}
        request = self._heartbeat_request(owned)
        self._must_tell_all = True  # until there is an answer
        asked_us = self.world.scheduler.now_us
        operation = self.begin_heartbeat()
        was_answered, self._was_answered = self._was_answered, False
        answer = yield from self.call(CONSUMER_GROUP_HEARTBEAT, self._api_version, request)
        if answer is None:
            self.world.history.unknown(operation)
            yield from self.pause(50)
            return
        self._was_answered = True
        if answer.error_code != ErrorCode.NONE:
            self.world.history.fail(operation)
            if answer.error_code in NOT_A_MEMBER and self.generation > JOIN and was_answered:
                self.check_that_time_is_up()
            self.act_on(answer.error_code)
            return
        self.confirm(operation)
        self._said = owned
        self._must_tell_all = False
        self.hear()
        yield from self._follow(answer, asked_us)

    def _heartbeat_request(self, owned: set[Partition]) -> ConsumerGroupHeartbeatRequest:
        request = ConsumerGroupHeartbeatRequest(
            group_id=self.group,
            member_id=self._member_id,
            member_epoch=self.generation,
            instance_id=self.instance_id,
        )
        if self._must_tell_all:
            request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS
            request.subscribed_topic_names = None if self._regex else list(self._topics)
            request.subscribed_topic_regex = self._regex
        if self._must_tell_all or owned != self._said:
            indexes: dict[bytes, list[int]] = {}
            ids = {name: topic_id for topic_id, name in self._topic_ids.items()}
            for topic, index in sorted(owned):
                indexes.setdefault(ids[topic], []).append(index)
            request.topic_partitions = [
                TopicPartitions(topic_id=topic_id, partitions=those) for topic_id, those in indexes.items()
            ]
        return request

    def _follow(self, answer: ConsumerGroupHeartbeatResponse, asked_us: int) -> Flow[None]:
        """Be in the epoch that the answer says; let go of what it does not have any more, or take what is new."""
        self._member_id = answer.member_id or self._member_id
        self.generation = answer.member_epoch
        name = "member epoch of", self.name, self._joins
        self.world.promises.never_goes_back(name, self.generation, asked_us)
        if answer.assignment is None:
            return
        assigned = [
            (bytes(topic.topic_id), index) for topic in answer.assignment.topic_partitions for index in topic.partitions
        ]
        if any(topic_id not in self._topic_ids for topic_id, _ in assigned):
            yield from self.refresh_topics()
            self._topic_ids |= {state.topic_id: name for name, state in self.topics.items()}
        partitions = [Partition(self._topic_ids[topic_id], index) for topic_id, index in assigned]
        revoked = [partition for partition in (*self.places, *sorted(self._unplaced)) if partition not in partitions]
        if revoked:
            self.world.counts["revocations"] += 1
            if self.dice.random() < 0.7:
                yield from self.commit()
            if not self.is_stable:
                return  # the commit has told it that it is fenced
            self.give_up(revoked)
            self._heartbeat_due_us = self.world.scheduler.now_us
        self.own(partitions, asked_us)

    # -- working -------------------------------------------------------------------------------------------------------

    def _work(self) -> Flow[None]:
        """Heartbeat, read and commit, until it is fenced or is to leave."""
        while self.is_stable and not self.is_leaving:
            is_late = self.world.scheduler.now_us >= self._heartbeat_due_us
            if is_late or (self._unplaced and not (yield from self.find_positions())):
                yield from self._heartbeat()
                continue
            if self.needs_topics or self.dice.random() < 0.01:
                self.needs_topics = False
                yield from self.refresh_topics()
            if self.places:
                yield from self.poll(self.dice.randrange(200))
            if self.dice.random() < 0.2 or self.is_at_end:
                yield from self.commit()
            yield from self.pause(self.dice.randrange(5, 50))
        yield from self.commit()

    def _leave(self) -> Flow[None]:
        """Leave; a static member does so for a while, most often, and another one has its place."""
        epoch = LEAVE_FOR_A_WHILE if self.instance_id is not None and self.dice.random() < 0.7 else LEAVE
        is_member = self.is_stable
        self.give_up_assignment()
        if is_member:
            request = ConsumerGroupHeartbeatRequest(
                group_id=self.group, member_id=self._member_id, member_epoch=epoch, instance_id=self.instance_id
            )
            yield from self.call(CONSUMER_GROUP_HEARTBEAT, self._api_version, request)
            self.world.counts["members left"] += 1
        self.end()
