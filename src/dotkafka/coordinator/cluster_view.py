"""What the coordinator may see of the cluster: topics, and the settings of groups."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Protocol


class Topic(Protocol):
    """A topic, as far as groups care."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def topic_id(self) -> bytes:
        """Its id, 16 bytes."""
        ...

    @property
    def partition_count(self) -> int:
        """How many partitions it has."""
        ...

    @property
    def is_internal(self) -> bool:
        """Whether only the broker writes it."""
        ...


class ClusterView(Protocol):
    """The cluster at one moment. It never changes: a later moment is another object."""

    @property
    def topics_by_name(self) -> Mapping[str, Topic]:
        """All topics by name."""
        ...

    @property
    def topics_by_id(self) -> Mapping[bytes, Topic]:
        """All topics by id."""
        ...

    def group_configs(self, group_id: str) -> Mapping[str, str]:
        """The settings that a group has of its own."""
        ...


class EmptyCluster:
    """A cluster without topics."""

    topics_by_name: Mapping[str, Topic] = {}
    topics_by_id: Mapping[bytes, Topic] = {}

    def group_configs(self, _group_id: str) -> Mapping[str, str]:
        """None."""
        return {}


def topics_hash(cluster: ClusterView, names: Iterable[str]) -> int:
    """A number that differs when one of these topics is another one, or has more partitions; 0 if none exists.

    Kafka keeps such a hash with a group and only compares it with its own, so the function need not be Kafka's.
    """
    digest = hashlib.blake2b(digest_size=8)
    count = 0
    for name in sorted(names):
        topic = cluster.topics_by_name.get(name)
        if topic is not None:
            count += 1
            digest.update(topic.topic_id + topic.partition_count.to_bytes(4))
    return int.from_bytes(digest.digest(), signed=True) if count else 0
