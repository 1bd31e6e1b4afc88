"""Which offsets groups have committed, and when those expire."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.protocol.messages.consumer_offsets import OffsetCommitValue
from dotkafka.protocol.schema import NULL_UUID


class CommittedOffset(NamedTuple):
    """How far a group has read a partition. Timestamps are on the wall clock."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int = -1
    """When it expires, by the wish of an old client; -1 where the group's retention decides."""
    topic_id: bytes = NULL_UUID

    def is_of(self, topic_id: bytes) -> bool:
        """Whether it was committed for this topic, as far as both ids are known."""
        return NULL_UUID in {topic_id, self.topic_id} or topic_id == self.topic_id

    @classmethod
    def from_value(cls, value: OffsetCommitValue) -> "CommittedOffset":
        """The offset that a record tells of."""
        return cls(
            offset=value.offset,
            leader_epoch=value.leader_epoch,
            metadata=value.metadata,
            commit_timestamp_ms=value.commit_timestamp,
            expire_timestamp_ms=value.expire_timestamp,
            topic_id=value.topic_id,
        )


NO_OFFSETS: Mapping[str, Mapping[int, CommittedOffset]] = {}


class CommittedOffsets:
    """The committed offsets of all groups, by group, topic and partition. No entry is ever empty."""

    def __init__(self) -> None:
        self._by_group: dict[str, dict[str, dict[int, CommittedOffset]]] = {}

    def of_group(self, group_id: str) -> Mapping[str, Mapping[int, CommittedOffset]]:
        """The offsets of one group by topic and partition; not to be kept while they change."""
        return self._by_group.get(group_id, NO_OFFSETS)

    def get(self, group_id: str, topic: str, partition: int) -> CommittedOffset | None:
        """The committed offset of one partition."""
        return self.of_group(group_id).get(topic, {}).get(partition)

    def put(self, group_id: str, topic: str, partition: int, offset: CommittedOffset) -> None:
        """Set the committed offset of one partition."""
        self._by_group.setdefault(group_id, {}).setdefault(topic, {})[partition] = offset

    def remove(self, group_id: str, topic: str, partition: int) -> None:
        """Forget the committed offset of one partition, if there is one."""
        topics = self._by_group.get(group_id, {})
        partitions = topics.get(topic, {})
        if partitions.pop(partition, None) is None:
            return
        if not partitions:
            del topics[topic]
        if not topics:
            del self._by_group[group_id]

    def partitions_of(self, group_id: str) -> list[tuple[str, int]]:
        """The topics and partitions for which a group has committed offsets."""
        return [(topic, partition) for topic, partitions in self.of_group(group_id).items() for partition in partitions]

    def of_topics(self, names: frozenset[str]) -> list[tuple[str, str, int]]:
        """Group, topic and partition of every offset committed for these topics. Costs a look at each group."""
        return [
            (group_id, topic, partition)
            for group_id, topics in self._by_group.items()
            for topic in names & topics.keys()
            for partition in topics[topic]
        ]

    def __iter__(self) -> Iterator[tuple[str, str, int, CommittedOffset]]:
        for group_id, topics in self._by_group.items():
            for topic, partitions in topics.items():
                for partition, offset in partitions.items():
                    yield group_id, topic, partition, offset

    def expired(self, group: ClassicGroup | ConsumerGroup, retention_ms: int, now_ms: int) -> list[tuple[str, int]]:
        """The topics and partitions of a group whose offsets have outlived their retention at `now_ms`, wall clock.

        Retention counts from when a classic group became empty. It counts from the commit where there never are members
        (simple consumers), where the members of a stable group read other topics, and in consumer groups. In a
        rebalance of a classic group nothing expires.
        """
        if isinstance(group, ConsumerGroup) or group.protocol_type is None:
            start_ms = None
        elif group.state is GroupState.EMPTY:
            start_ms = group.state_timestamp_ms
        elif group.state is GroupState.STABLE and group.is_consumer_group and group.subscribed_topics is not None:
            start_ms = None
        else:
            return []
        return [
            (topic, partition)
            for topic, partitions in self.of_group(group.group_id).items()
            if not group.is_subscribed_to(topic)
            for partition, offset in partitions.items()
            if now_ms >= _expiry_ms(offset, start_ms, retention_ms)
        ]

    def check_invariants(self) -> None:
        """Raise AssertionError if an empty entry was left behind."""
        for group_id, topics in self._by_group.items():
            if not topics or not all(topics.values()):
                raise AssertionError(f"group {group_id!r} has empty entries among its committed offsets")


def _expiry_ms(offset: CommittedOffset, retention_start_ms: int | None, retention_ms: int) -> int:
    if offset.expire_timestamp_ms != -1:
        return offset.expire_timestamp_ms
    return (offset.commit_timestamp_ms if retention_start_ms is None else retention_start_ms) + retention_ms
