"""The assignors against those of Apache Kafka's group coordinator, through the program in tests/java_oracle.

`range` gives the same to everybody. `uniform` has a choice between members that have as much, where Kafka goes by the
order of a hash table; what it promises is the same: how equal it is, and how much moves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotkafka.coordinator.consumer.assignors import Subscriber, assign_range, assign_uniform
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dotkafka.coordinator.consumer.assignors import Targets

names = st.sampled_from([f"m{number}" for number in range(6)])
counts_of_topics = st.dictionaries(st.integers(1, 4), st.integers(0, 12), min_size=1, max_size=4)
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def topic_id(number: int) -> bytes:
    """As the Java program makes it."""
    return (1).to_bytes(8) + number.to_bytes(8)


@st.composite
def groups(draw: st.DrawFn, *, is_homogeneous: bool) -> tuple[dict[str, Subscriber], dict[bytes, int]]:
    """Members and topics; all that any member subscribes to exist."""
    counts = {topic_id(number): count for number, count in draw(counts_of_topics).items()}
    topics = st.just(frozenset(counts)) if is_homogeneous else st.frozensets(st.sampled_from(sorted(counts)))
    members = draw(st.dictionaries(names, topics, min_size=1))
    static = draw(st.sets(st.sampled_from(sorted(members))))
    return {
        member_id: Subscriber(topic_ids, instance_id=f"i{9 - int(member_id[1:])}" if member_id in static else None)
        for member_id, topic_ids in members.items()
    }, counts


def assigned_by_java(
    ask_java: Callable[..., dict[str, Any]], assignor: str, members: Mapping[str, Subscriber], counts: dict[bytes, int]
) -> Targets:
    """What Kafka's assignor says."""
    answer = ask_java(
        assignor=assignor,
        counts={int.from_bytes(topic[8:]): count for topic, count in counts.items()},
        members={
            member_id: {
                "topics": [int.from_bytes(topic[8:]) for topic in member.topic_ids],
                "instance": member.instance_id,
                "current": [
                    [int.from_bytes(partition.topic_id[8:]), partition.partition] for partition in member.current
                ],
            }
            for member_id, member in members.items()
        },
    )
    assert "error" not in answer, answer
    return {
        member_id: frozenset(TopicIdPartition(topic_id(topic), index) for topic, index in pairs)
        for member_id, pairs in answer["targets"].items()
    }


def sizes(targets: Targets) -> list[int]:
    """How much members have, whoever they are."""
    return sorted(map(len, targets.values()))


def moved(members: Mapping[str, Subscriber], targets: Targets) -> int:
    """How many partitions somebody gets who did not have them."""
    return sum(len(partitions - members[member_id].current) for member_id, partitions in targets.items())


@many
@given(group=groups(is_homogeneous=False))
def test_range(ask_java: Callable[..., dict[str, Any]], group: tuple[dict[str, Subscriber], dict[bytes, int]]) -> None:
    """The same to everybody."""
    assert assign_range(*group) == assigned_by_java(ask_java, "range", *group)


@many
@given(first=groups(is_homogeneous=True), second=groups(is_homogeneous=True))
def test_uniform_where_all_subscribe_to_the_same(
    ask_java: Callable[..., dict[str, Any]],
    first: tuple[dict[str, Subscriber], dict[bytes, int]],
    second: tuple[dict[str, Subscriber], dict[bytes, int]],
) -> None:
    """The same numbers, and no more moves, from any assignment to any other group."""
    old = assign_uniform(*first)
    members, counts = second
    members = {
        member_id: member._replace(
            # A topic does not lose partitions.
            current=frozenset(p for p in old.get(member_id, ()) if p.partition < counts.get(p.topic_id, 99))
        )
        for member_id, member in members.items()
    }
    ours, theirs = assign_uniform(members, counts), assigned_by_java(ask_java, "uniform", members, counts)
    assert sizes(ours) == sizes(theirs)
    assert moved(members, ours) <= moved(members, theirs)


@many
@given(group=groups(is_homogeneous=False))
def test_uniform_where_subscriptions_overlap(
    ask_java: Callable[..., dict[str, Any]], group: tuple[dict[str, Subscriber], dict[bytes, int]]
) -> None:
    """What one has assigned the other one leaves as it is: neither finds a move that would make it more equal."""
    members, counts = group

    def settled(targets: Targets) -> dict[str, Subscriber]:
        return {member_id: member._replace(current=targets[member_id]) for member_id, member in members.items()}

    ours = assign_uniform(members, counts)
    assert assigned_by_java(ask_java, "uniform", settled(ours), counts) == ours
    theirs = assigned_by_java(ask_java, "uniform", members, counts)
    assert assign_uniform(settled(theirs), counts) == theirs
