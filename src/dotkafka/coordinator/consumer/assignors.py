"""The assignors of the coordinator, as Kafka names them: who shall read what.

Both are pure functions of the members and the topics, and the same input gives the same assignment.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from sortedcontainers import SortedList

from dotkafka.coordinator.consumer.member import Partitions
from dotkafka.storage.spi import TopicIdPartition

MAX_BALANCING_ROUNDS: Final = 16
"""Looks at all topics, of which each about halves what is out of balance. Subscriptions that overlap without being the
same could else go on for long; all others need two."""


class Subscriber(NamedTuple):
    """A member, as far as an assignor cares."""

    topic_ids: frozenset[bytes]
    """What it subscribes to; only topics that exist."""
    current: Partitions = frozenset()
    """What the last target gave it."""
    instance_id: str | None = None


Subscribers = Mapping[str, Subscriber]
"""By member id."""
Targets = dict[str, Partitions]
"""By member id; every member has an entry."""
Assignor = Callable[[Subscribers, Mapping[bytes, int]], Targets]
"""From members, and partition counts by topic id, to what each shall have."""


def assign_range(members: Subscribers, partition_counts: Mapping[bytes, int]) -> Targets:
    """Give each member one range of every topic, so that topics of the same size and subscribers go together.

    Static members come first, by instance id, so that a restart under another member id changes nothing.
    """
    order = sorted(members, key=lambda member_id: _range_key(member_id, members[member_id]))
    targets: dict[str, set[TopicIdPartition]] = {member_id: set() for member_id in order}
    for topic_id, count in partition_counts.items():
        subscribers = [member_id for member_id in order if topic_id in members[member_id].topic_ids]
        if not subscribers:
            continue
        quota, extra = divmod(count, len(subscribers))
        start = 0
        for position, member_id in enumerate(subscribers):
            end = start + quota + (position < extra)
            targets[member_id].update(TopicIdPartition(topic_id, index) for index in range(start, end))
            start = end
    return {member_id: frozenset(partitions) for member_id, partitions in targets.items()}


def _range_key(member_id: str, member: Subscriber) -> tuple[bool, str]:
    return member.instance_id is None, member_id if member.instance_id is None else member.instance_id


def assign_uniform(members: Subscribers, partition_counts: Mapping[bytes, int]) -> Targets:
    """Give all members the same number of partitions, as far as subscriptions allow, and move no more than that needs.

    Balance comes before stickiness: a partition moves from the member that has most to the one that has least as long
    as they differ by more than one.
    """
    return _UniformAssignment(members, partition_counts).run()


class _UniformAssignment:
    """One uniform assignment in the making: who has which partitions of each topic."""

    def __init__(self, members: Subscribers, partition_counts: Mapping[bytes, int]) -> None:
        self._members = members
        self._counts = partition_counts
        self._holders: dict[bytes, dict[str, list[int]]] = {topic_id: {} for topic_id in partition_counts}
        """Partitions by holder, for each topic."""
        self._loads = dict.fromkeys(sorted(members), 0)
        self._subscribers: dict[bytes, tuple[str, ...]] = {
            topic_id: tuple(member_id for member_id in self._loads if topic_id in members[member_id].topic_ids)
            for topic_id in partition_counts
        }
        self._by_load: SortedList[tuple[int, str]] = SortedList()
        """Subscribers of the topic that is looked at, least loaded first."""
        self._by_load_of: tuple[str, ...] = ()

    def run(self) -> Targets:
        # Topics that leave least choice come first.
        topics = sorted(
            (topic_id for topic_id, subscribers in self._subscribers.items() if subscribers),
            key=lambda topic_id: (
                -self._counts[topic_id] / len(self._subscribers[topic_id]),
                len(self._subscribers[topic_id]),
                topic_id,
            ),
        )
        free = self._keep_current(topics)
        for topic_id in topics:
            self._look_at(topic_id)
            for index in free[topic_id]:
                self._give(topic_id, index, self._by_load[0][1])
        for _ in range(MAX_BALANCING_ROUNDS):
            moved = [topic_id for topic_id in topics if self._balance(topic_id)]
            if not moved:
                break
        targets: dict[str, set[TopicIdPartition]] = {member_id: set() for member_id in self._members}
        for topic_id, holders in self._holders.items():
            for member_id, indexes in holders.items():
                targets[member_id].update(TopicIdPartition(topic_id, index) for index in indexes)
        return {member_id: frozenset(partitions) for member_id, partitions in targets.items()}

    def _keep_current(self, topics: list[bytes]) -> dict[bytes, list[int]]:
        """Let members keep what they have, and return what nobody has."""
        free = {topic_id: set(range(self._counts[topic_id])) for topic_id in topics}
        for member_id in self._loads:
            member = self._members[member_id]
            for topic_id, index in sorted(member.current):
                if topic_id in member.topic_ids and index in free.get(topic_id, ()):
                    free[topic_id].remove(index)
                    self._holders[topic_id].setdefault(member_id, []).append(index)
                    self._loads[member_id] += 1
        return {topic_id: sorted(indexes) for topic_id, indexes in free.items()}

    def _look_at(self, topic_id: bytes) -> None:
        subscribers = self._subscribers[topic_id]
        if subscribers != self._by_load_of:
            self._by_load_of = subscribers
            self._by_load = SortedList((self._loads[member_id], member_id) for member_id in subscribers)

    def _give(self, topic_id: bytes, index: int, member_id: str) -> None:
        self._holders[topic_id].setdefault(member_id, []).append(index)
        self._add_load(member_id, 1)

    def _add_load(self, member_id: str, difference: int) -> None:
        load = self._loads[member_id]
        self._by_load.remove((load, member_id))
        self._loads[member_id] = load + difference
        self._by_load.add((load + difference, member_id))

    def _balance(self, topic_id: bytes) -> bool:
        """Move partitions of one topic as long as that makes loads more equal; return whether any was moved."""
        self._look_at(topic_id)
        if self._by_load[-1][0] - self._by_load[0][0] <= 1:
            return False
        holders = self._holders[topic_id]
        givers: SortedList[tuple[int, str]] = SortedList((self._loads[member_id], member_id) for member_id in holders)
        is_moved = False
        while givers and givers[-1][0] - self._by_load[0][0] > 1:
            load, giver = givers.pop()
            receiver = self._by_load[0][1]
            index = holders[giver].pop()
            if holders[giver]:
                givers.add((load - 1, giver))
            else:
                del holders[giver]
            if receiver in holders:
                givers.remove((self._loads[receiver], receiver))
            self._add_load(giver, -1)
            self._give(topic_id, index, receiver)
            givers.add((self._loads[receiver], receiver))
            is_moved = True
        return is_moved


ASSIGNORS: Final[Mapping[str, Assignor]] = {"uniform": assign_uniform, "range": assign_range}
"""By Kafka's name; the first one is used where no member asks for one."""
