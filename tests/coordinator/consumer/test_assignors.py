"""The assignors against what they promise."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.coordinator.consumer.assignors import ASSIGNORS, Subscriber, Targets, assign_range, assign_uniform
from dotkafka.storage.spi import TopicIdPartition

TOPICS = [bytes([number]) * 16 for number in range(1, 5)]
counts_of_topics = st.dictionaries(st.sampled_from(TOPICS), st.integers(0, 12), max_size=4)
names = st.sampled_from([f"m{number}" for number in range(7)])


@st.composite
def homogeneous(draw: st.DrawFn) -> tuple[dict[str, Subscriber], dict[bytes, int]]:
    """Members that all subscribe to all topics."""
    counts = draw(counts_of_topics)
    members = draw(st.sets(names, min_size=1))
    return {member_id: Subscriber(frozenset(counts)) for member_id in members}, counts


@st.composite
def heterogeneous(draw: st.DrawFn) -> tuple[dict[str, Subscriber], dict[bytes, int]]:
    """Members that subscribe to some topics each, topics that somebody subscribes to."""
    counts = draw(counts_of_topics)
    topic_ids = st.frozensets(st.sampled_from(sorted(counts))) if counts else st.just(frozenset[bytes]())
    members = draw(st.dictionaries(names, st.builds(Subscriber, topic_ids), min_size=1))
    static = draw(st.sets(st.sampled_from(sorted(members))))
    return {
        # Instance ids in another order than member ids.
        member_id: member._replace(instance_id=f"i{9 - int(member_id[1:])}" if member_id in static else None)
        for member_id, member in members.items()
    }, counts


def after(members: Mapping[str, Subscriber], targets: Targets) -> dict[str, Subscriber]:
    """The same members with what they were given."""
    return {
        member_id: member._replace(current=targets.get(member_id, frozenset())) for member_id, member in members.items()
    }


def moved(before: Targets, now: Targets) -> int:
    """How many partitions have changed their owner."""
    return sum(len(partitions - before.get(member_id, frozenset())) for member_id, partitions in now.items())


@pytest.mark.parametrize("name", ASSIGNORS)
@given(given_members=heterogeneous())
def test_every_partition_has_one_subscriber(
    name: str, given_members: tuple[dict[str, Subscriber], dict[bytes, int]]
) -> None:
    """All partitions of topics that anybody subscribes to, each once, to one who does."""
    members, counts = given_members
    targets = ASSIGNORS[name](members, counts)
    assert targets.keys() == members.keys()
    wanted = frozenset().union(*(member.topic_ids for member in members.values()))
    given_out = sorted(partition for partitions in targets.values() for partition in partitions)
    assert given_out == sorted(
        TopicIdPartition(topic_id, index) for topic_id in wanted for index in range(counts[topic_id])
    )
    for member_id, partitions in targets.items():
        assert {partition.topic_id for partition in partitions} <= members[member_id].topic_ids
    assert ASSIGNORS[name](dict(reversed(members.items())), counts) == targets


@given(homogeneous(), homogeneous())
def test_uniform_is_balanced_and_moves_no_more_than_needed(
    first: tuple[dict[str, Subscriber], dict[bytes, int]], second: tuple[dict[str, Subscriber], dict[bytes, int]]
) -> None:
    """From any assignment to that of any other members and topics."""
    old = assign_uniform(*first)
    members, counts = second
    new = assign_uniform(after(members, old), counts)
    sizes = sorted(len(partitions) for partitions in new.values())
    assert sizes[-1] - sizes[0] <= 1

    kept = {
        member_id: frozenset(p for p in old.get(member_id, ()) if p.partition < counts.get(p.topic_id, 0))
        for member_id in members
    }
    total = sum(counts.values())
    quota, extra = divmod(total, len(members))
    # Who has most keeps the odd ones; all that lies above the quota has to go, and what nobody has has to come.
    over = sorted((len(partitions) for partitions in kept.values()), reverse=True)
    excess = sum(max(size - quota - (rank < extra), 0) for rank, size in enumerate(over))
    free = total - sum(map(len, kept.values()))
    assert moved(kept, new) == free + excess


@given(heterogeneous())
def test_uniform_comes_to_rest(given_members: tuple[dict[str, Subscriber], dict[bytes, int]]) -> None:
    """What is as balanced as single moves can make it stays as it is."""
    members, counts = given_members
    targets = assign_uniform(members, counts)
    assert assign_uniform(after(members, targets), counts) == targets
    for member_id, partitions in targets.items():
        for other_id, others in targets.items():
            can_move = any(partition.topic_id in members[other_id].topic_ids for partition in partitions)
            assert not can_move or len(partitions) - len(others) <= 1, (member_id, other_id)


@given(heterogeneous())
def test_range_gives_ranges(given_members: tuple[dict[str, Subscriber], dict[bytes, int]]) -> None:
    """Contiguous, in the order of members, the larger ones first; the same for topics of one size and subscribers."""
    members, counts = given_members
    targets = assign_range(members, counts)
    order = sorted(members, key=lambda m: (members[m].instance_id is None, members[m].instance_id or m))
    for topic_id, count in counts.items():
        subscribers = [member_id for member_id in order if topic_id in members[member_id].topic_ids]
        ranges = [
            sorted(p.partition for p in targets[member_id] if p.topic_id == topic_id) for member_id in subscribers
        ]
        assert [index for some in ranges for index in some] == (list(range(count)) if subscribers else [])
        sizes = [len(some) for some in ranges]
        assert sizes == sorted(sizes, reverse=True)
        assert not sizes or sizes[0] - sizes[-1] <= 1


def test_range_keeps_static_members_in_place() -> None:
    """Their order is that of instance ids, whatever their member ids are after a restart."""
    topic = frozenset(TOPICS[:1])
    before = {
        "a": Subscriber(topic, instance_id="i1"),
        "b": Subscriber(topic, instance_id="i2"),
        "c": Subscriber(topic),
    }
    later = {"z": Subscriber(topic, instance_id="i1"), "b": Subscriber(topic, instance_id="i2"), "c": Subscriber(topic)}
    counts = {TOPICS[0]: 4}
    assert assign_range(before, counts)["a"] == assign_range(later, counts)["z"]
    assert assign_range(before, counts)["c"] == assign_range(later, counts)["c"]
