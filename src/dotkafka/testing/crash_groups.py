"""Members of a group in the crash workload: they join, follow, let go, commit and leave; and what is seen of them.

What the coordinator knows after each of their requests, it is asked for in the same breath: that answer too leaves when
everything before it is durable. So a restart must show the group exactly as it was after some request, and after no
earlier one than the last that was answered: no epoch goes back, no owner is forgotten, no target is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.consumer_group_describe import (
    CONSUMER_GROUP_DESCRIBE,
    Assignment,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    CONSUMER_GROUP_HEARTBEAT,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from dotkafka.protocol.messages.delete_groups import DELETE_GROUPS, DeleteGroupsRequest, DeleteGroupsResponse
from dotkafka.protocol.messages.offset_commit import OFFSET_COMMIT, OffsetCommitRequest
from dotkafka.protocol.messages.offset_delete import (
    OFFSET_DELETE,
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from dotkafka.testing.crash_model import (
    BrokenPromise,
    CrashModel,
    GroupView,
    KnownGroup,
    MemberView,
    ModelTopicPartition,
    TopicIdPartitions,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping

    from dotkafka.testing.hand_driven_broker import HandDrivenBroker

GROUP: Final = "g"
"""The group without members."""
MEMBERS_GROUP: Final = "m"
"""The group that has members."""
MEMBERS: Final = ("one", "two", "three")
HOUR_MS: Final = 3_600_000
JOIN: Final = 0
LEAVE: Final = -1
COMMIT_VERSION: Final = 9
NOTHING_PROMISED: Final = 0
"""The operation that is durable whatever happens."""
DESCRIBE: Final = ConsumerGroupDescribeRequest(group_ids=[MEMBERS_GROUP])


def view_of(answer: ConsumerGroupDescribeResponse) -> GroupView:
    """Return the group as it is described.

    Raises:
        BrokenPromise: a partition has two owners.
    """
    (group,) = answer.groups
    if group.error_code not in {ErrorCode.NONE, ErrorCode.GROUP_ID_NOT_FOUND}:
        raise BrokenPromise(f"describing the group is refused with error {group.error_code}")
    members = {
        member.member_id: MemberView(
            member.member_epoch, _partitions(member.assignment), _partitions(member.target_assignment)
        )
        for member in group.members
    }
    assigned = [partition for member in members.values() for partition in member.assigned]
    if len(assigned) != len(set(assigned)):
        raise BrokenPromise(f"a partition has two owners: {members}")
    return GroupView(group.group_epoch, group.assignment_epoch, members)


def heartbeat(member_id: str, epoch: int, topics: Iterable[str], owned: TopicIdPartitions) -> Any:
    """Return a heartbeat that tells everything."""
    indexes: dict[bytes, list[int]] = {}
    for topic_id, index in sorted(owned):
        indexes.setdefault(topic_id, []).append(index)
    return ConsumerGroupHeartbeatRequest(
        group_id=MEMBERS_GROUP,
        member_id=member_id,
        member_epoch=epoch,
        rebalance_timeout_ms=HOUR_MS,
        subscribed_topic_names=sorted(topics),
        topic_partitions=[TopicPartitions(topic_id=topic_id, partitions=those) for topic_id, those in indexes.items()],
    )


def ask_member(
    driver: HandDrivenBroker, view: GroupView, topics: Iterable[str], choice: int
) -> Callable[[], KnownGroup]:
    """Let one member go on in the epoch that it was told of; return what holds the broker to its answer.

    That raises BrokenPromise if it is refused, and returns the group as it then is.
    """
    if not view.members:
        return lambda: KnownGroup(view)
    name, member = sorted(view.members.items())[choice % len(view.members)]
    question = driver.ask(CONSUMER_GROUP_HEARTBEAT, 1, heartbeat(name, member.epoch, topics, member.assigned))
    described = driver.ask(CONSUMER_GROUP_DESCRIBE, 1, DESCRIBE)

    def check() -> KnownGroup:
        if question.answer is None or described.answer is None:
            raise BrokenPromise("a heartbeat after the restart is not answered")
        _check_heartbeat(question.answer, member.epoch)
        return KnownGroup(view_of(described.answer))

    return check


@attrs.define
class _Member:
    """A member as it sees itself."""

    epoch: int = JOIN
    assigned: TopicIdPartitions = frozenset()
    """What it was told to read."""
    owned: TopicIdPartitions = frozenset()
    """What it reads."""
    waits: bool = False
    """Whether a request of it has no answer yet."""


class GroupMembers:
    """All members of the group.

    Args:
        dice: decide who does what.
        model: of what clients were told.
        ask: sends a request that leads to a state, as the workload does.
    """

    def __init__(self, dice: random.Random, model: CrashModel, ask: Callable[..., None]) -> None:
        self._dice = dice
        self._model = model
        self._ask = ask
        self._members: dict[str, _Member] = {}

    def restarted(self, view: GroupView) -> None:
        """Go on from what a restart shows."""
        self._members = {
            name: _Member(member.epoch, member.assigned, member.assigned) for name, member in view.members.items()
        }

    def take_turn(self) -> None:
        """Let one member join, go on, or leave."""
        name = self._dice.choice(MEMBERS)
        member = self._members.get(name)
        if member is not None and member.waits:
            return
        if member is None:
            member = self._members[name] = _Member()
        elif self._dice.random() < 0.1:
            del self._members[name]
            self._heartbeat(heartbeat(name, LEAVE, [], frozenset()), lambda _answer: None)
            return
        if self._dice.random() < 0.6:
            member.owned = member.assigned
        member.waits = True
        before = member.epoch

        def follow(answer: ConsumerGroupHeartbeatResponse) -> None:
            _check_heartbeat(answer, before)
            member.waits = False
            member.epoch = answer.member_epoch
            if answer.assignment is not None:
                member.assigned = _partitions(answer.assignment)
                member.owned |= member.assigned

        topics = self._model.now.topics()
        self._heartbeat(heartbeat(name, member.epoch, topics, member.owned if before else frozenset()), follow)

    def commit(self, request: Callable[[Mapping[ModelTopicPartition, int]], OffsetCommitRequest], check: Any) -> None:
        """Let a member commit, as of its epoch."""
        partitions = sorted(self._model.now.partitions)
        ready = [(name, member) for name, member in self._members.items() if not member.waits and member.epoch > JOIN]
        if not ready or not partitions:
            return
        name, member = self._dice.choice(ready)
        offsets = {self._dice.choice(partitions): self._dice.randrange(1000)}
        commit = request(offsets)
        commit.group_id, commit.member_id, commit.generation_id_or_member_epoch = MEMBERS_GROUP, name, member.epoch
        state = self._model.now
        self._ask(
            OFFSET_COMMIT,
            COMMIT_VERSION,
            commit,
            check,
            attrs.evolve(state, committed_by_members={**state.committed_by_members, **offsets}),
        )

    def _heartbeat(
        self, request: ConsumerGroupHeartbeatRequest, follow: Callable[[ConsumerGroupHeartbeatResponse], None]
    ) -> None:
        before, known = self._model.now.group, KnownGroup()

        def check(answer: ConsumerGroupHeartbeatResponse) -> None:
            if answer.error_code != ErrorCode.NONE:
                raise BrokenPromise(f"a heartbeat is refused with error {answer.error_code}: {answer.error_message}")
            follow(answer)

        def learn(answer: ConsumerGroupDescribeResponse) -> None:
            known.view = view_of(answer)
            # A heartbeat that changes nothing is answered at once, whatever else is not durable yet.
            if known.view != before.view:
                self._model.acknowledge(operation)
            else:
                self._model.changed_nothing(operation)

        state = attrs.evolve(self._model.now, group=known)
        self._ask(CONSUMER_GROUP_HEARTBEAT, 1, request, check, state, NOTHING_PROMISED)
        operation = self._model.last_operation
        self._ask(CONSUMER_GROUP_DESCRIBE, 1, DESCRIBE, learn, None, NOTHING_PROMISED)


class GroupDeletions:
    """Deletions of what the group without members has committed.

    Args:
        dice: decide what goes.
        model: of what clients were told.
        ask: sends a request that leads to a state, as the workload does.
    """

    def __init__(self, dice: random.Random, model: CrashModel, ask: Callable[..., None]) -> None:
        self._dice = dice
        self._model = model
        self._ask = ask

    def delete_offset(self) -> None:
        """Delete one of the committed offsets, if there is one."""
        state = self._model.now
        if not state.committed:
            return
        name = self._dice.choice(sorted(state.committed))
        committed = {other: offset for other, offset in state.committed.items() if other != name}
        partition = OffsetDeleteRequestPartition(partition_index=name.partition)
        topics = [OffsetDeleteRequestTopic(name=name.topic, partitions=[partition])]

        def check(answer: OffsetDeleteResponse) -> None:
            expect_none(answer.error_code or answer.topics[0].partitions[0].error_code, "deleting an offset")

        request = OffsetDeleteRequest(group_id=GROUP, topics=topics)
        self._ask(OFFSET_DELETE, 0, request, check, attrs.evolve(state, committed=committed))

    def delete_group(self) -> None:
        """Delete the group, if it has committed anything."""

        def check(answer: DeleteGroupsResponse) -> None:
            expect_none(answer.results[0].error_code, "deleting a group")

        state = self._model.now
        if state.committed:
            request = DeleteGroupsRequest(groups_names=[GROUP])
            self._ask(DELETE_GROUPS, 2, request, check, attrs.evolve(state, committed={}))


def expect_none(error_code: int, what: str) -> None:
    """Raise BrokenPromise at an error code."""
    if error_code != ErrorCode.NONE:
        raise BrokenPromise(f"{what} is refused with error {error_code}")


def _partitions(assignment: Assignment | Any) -> TopicIdPartitions:
    return frozenset(
        (bytes(topic.topic_id), index) for topic in assignment.topic_partitions for index in topic.partitions
    )


def _check_heartbeat(answer: ConsumerGroupHeartbeatResponse, epoch: int) -> None:
    if answer.error_code != ErrorCode.NONE:
        raise BrokenPromise(f"a member of epoch {epoch} is refused with error {answer.error_code}")
    if answer.member_epoch < epoch:
        raise BrokenPromise(f"a member of epoch {epoch} is told epoch {answer.member_epoch}")
