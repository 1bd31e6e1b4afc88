"""Whoever looks after groups: commits for one that has no members, deletes its offsets and it, describes the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import CONSUMER_GROUP_DESCRIBE, ConsumerGroupDescribeRequest
from dotkafka.protocol.messages.delete_groups import DELETE_GROUPS, DeleteGroupsRequest
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
from dotkafka.testing.history import Commit, Committed, Position
from dotkafka.testing.simulation.client import Client
from dotkafka.testing.simulation.topics import STAYING, STEADY
from dotkafka.testing.simulation.trace import Violation
from dotkafka.testing.simulation.world import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

GROUP: Final = "errand"
"""The group without members."""
UNAVAILABLE: Final = frozenset(
    {
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)


class GroupAdmin(Client):
    """Does one thing after another until everything heals; then asks what is left.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        described: the groups of the consumer protocol that it looks at.
    """

    def __init__(self, world: World, name: str, described: Sequence[str]) -> None:
        super().__init__(world, name)
        self._described = described
        self._phase = world.phase
        self._last_offset = 0

    def live(self) -> Flow[None]:
        """Look after groups."""
        actions = (self._commit, self._commit, self._fetch, self._delete_offsets, self._delete_group, self._describe)
        while True:
            if self.world.phase is Phase.STORM:
                yield from self.dice.choice(actions)()
            elif self.is_settled:
                yield from self.pause(100)
            elif (yield from self._fetch()):
                self._phase = self.world.phase
            yield from self.pause(self.dice.randrange(50, 500))

    @property
    def is_settled(self) -> bool:
        """Whether it has asked what is left, in this phase."""
        return self._phase is self.world.phase

    def _commit(self) -> Flow[None]:
        """Commit offsets that nobody has committed before."""
        self._last_offset += 1
        partitions = self.dice.sample(range(STAYING[STEADY]), self.dice.randrange(1, 1 + STAYING[STEADY]))
        topic = OffsetCommitRequestTopic(
            name=STEADY,
            partitions=[
                OffsetCommitRequestPartition(partition_index=index, committed_offset=self._last_offset)
                for index in partitions
            ],
        )
        operation = self._begin(partitions, self._last_offset)
        answer = yield from self.call(OFFSET_COMMIT, 8, OffsetCommitRequest(group_id=GROUP, topics=[topic]))
        self._end(operation, None if answer is None else answer.topics[0].partitions[0].error_code)

    def _delete_offsets(self) -> Flow[None]:
        """Delete the offset of one partition."""
        index = self.dice.randrange(STAYING[STEADY])
        topic = OffsetDeleteRequestTopic(name=STEADY, partitions=[OffsetDeleteRequestPartition(partition_index=index)])
        operation = self._begin([index], None)
        answer = yield from self.call(OFFSET_DELETE, 0, OffsetDeleteRequest(group_id=GROUP, topics=[topic]))
        code = None if answer is None else answer.error_code or answer.topics[0].partitions[0].error_code
        self._end(operation, code, ErrorCode.GROUP_ID_NOT_FOUND)
        self.world.counts["offsets deleted"] += code == ErrorCode.NONE

    def _delete_group(self) -> Flow[None]:
        """Delete the group, with all its offsets."""
        operation = self._begin(range(STAYING[STEADY]), None)
        answer = yield from self.call(DELETE_GROUPS, 2, DeleteGroupsRequest(groups_names=[GROUP]))
        code = None if answer is None else answer.results[0].error_code
        self._end(operation, code, ErrorCode.GROUP_ID_NOT_FOUND)
        self.world.counts["groups deleted"] += code == ErrorCode.NONE

    def _fetch(self) -> Flow[bool]:
        """Ask for all offsets of the group; return whether there was an answer."""
        topic = OffsetFetchRequestTopics(name=STEADY, partition_indexes=list(range(STAYING[STEADY])))
        fetched = self.world.history.begin(Committed(self.name, GROUP))
        request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=GROUP, topics=[topic])])
        answer = yield from self.call(OFFSET_FETCH, 8, request)
        if answer is None or answer.groups[0].error_code != ErrorCode.NONE:
            self.world.history.unknown(fetched)
            return False
        fetched.began = self.channel.as_of(fetched.began)
        found = answer.groups[0].topics[0].partitions
        positions = [
            Position(STEADY, at.partition_index, at.committed_offset if at.committed_offset >= 0 else None)
            for at in found
        ]
        self.world.history.ok(fetched, offsets=positions)
        return True

    def _describe(self) -> Flow[None]:
        """Look at the groups with members: no partition has two owners, whoever has been told so."""
        request = ConsumerGroupDescribeRequest(group_ids=list(self._described))
        answer = yield from self.call(CONSUMER_GROUP_DESCRIBE, 1, request)
        for group in () if answer is None else answer.groups:
            owned = [
                (bytes(topic.topic_id), index)
                for member in group.members
                for topic in member.assignment.topic_partitions
                for index in topic.partitions
            ]
            if len(owned) != len(set(owned)):
                raise Violation(f"a partition of group {group.group_id} is described with two owners: {group.members}")
            self.world.counts[f"descriptions: {group.group_state or 'none'}"] += 1

    def _begin(self, partitions: Sequence[int], offset: int | None) -> Commit:
        positions = [Position(STEADY, index, offset) for index in partitions]
        return self.world.history.begin(Commit(self.name, GROUP, positions))

    def _end(self, operation: Commit, code: int | None, *allowed: ErrorCode) -> None:
        """Note what became of a commit or a deletion."""
        if code == ErrorCode.NONE:
            self.world.history.ok(operation)
        elif code is None or code in UNAVAILABLE:
            self.world.history.unknown(operation)
        elif code in {*allowed, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION}:
            self.world.history.fail(operation)
        else:
            raise Violation(f"{self.name} is refused with {code}")
