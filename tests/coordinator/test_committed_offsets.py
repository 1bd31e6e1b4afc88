"""Committed offsets: a store, and when they expire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import GroupState
from dotkafka.coordinator.committed_offsets import CommittedOffset, CommittedOffsets

DAY_MS = 86_400_000
keys = st.tuples(st.sampled_from("gh"), st.sampled_from(["t1", "t2"]), st.integers(0, 2))


def committed(offset: int, commit_timestamp_ms: int = 0, expire_timestamp_ms: int = -1) -> CommittedOffset:
    """An offset of which only these matter."""
    return CommittedOffset(offset, -1, "", commit_timestamp_ms, expire_timestamp_ms)


@given(st.lists(st.tuples(keys, st.none() | st.integers(0, 9))))
def test_is_a_dictionary(actions: list[tuple[tuple[str, str, int], int | None]]) -> None:
    """It holds what was last put under each key, under whichever view it is looked at."""
    offsets, model = CommittedOffsets(), dict[tuple[str, str, int], CommittedOffset]()
    for key, offset in actions:
        if offset is None:
            offsets.remove(*key)
            model.pop(key, None)
        else:
            offsets.put(*key, committed(offset))
            model[key] = committed(offset)
        offsets.check_invariants()
        assert offsets.get(*key) == model.get(key)
    assert {key: value for *key_parts, value in offsets for key in [tuple(key_parts)]} == model
    assert sorted(offsets.partitions_of("g")) == sorted(key[1:] for key in model if key[0] == "g")
    assert sorted(offsets.of_topics(frozenset({"t1", "t9"}))) == sorted(key for key in model if key[1] == "t1")


def group_in(
    state: GroupState, protocol_type: str | None = "consumer", topics: frozenset[str] | None = None
) -> ClassicGroup:
    """A group that has been in a state since day 10."""
    group = ClassicGroup("g", 10 * DAY_MS, state)
    group.protocol_type = protocol_type
    group.subscribed_topics = topics
    return group


EMPTY = group_in(GroupState.EMPTY, topics=frozenset())
SIMPLE = group_in(GroupState.EMPTY, protocol_type=None)
STABLE = group_in(GroupState.STABLE, topics=frozenset({"t1"}))
STABLE_OF_OTHERS = group_in(GroupState.STABLE, protocol_type="connect")
REBALANCING = group_in(GroupState.PREPARING_REBALANCE, topics=frozenset({"t1"}))


@pytest.mark.parametrize(
    ("group", "topic", "offset", "expires_on_day"),
    [
        (EMPTY, "t1", committed(1, commit_timestamp_ms=2 * DAY_MS), 17),
        (SIMPLE, "t1", committed(1, commit_timestamp_ms=2 * DAY_MS), 9),
        (STABLE, "t1", committed(1, commit_timestamp_ms=2 * DAY_MS), None),
        (STABLE, "t2", committed(1, commit_timestamp_ms=2 * DAY_MS), 9),
        (STABLE_OF_OTHERS, "t2", committed(1, commit_timestamp_ms=2 * DAY_MS), None),
        (REBALANCING, "t2", committed(1, commit_timestamp_ms=2 * DAY_MS), None),
        (EMPTY, "t1", committed(1, expire_timestamp_ms=3 * DAY_MS), 3),
        (STABLE, "t1", committed(1, expire_timestamp_ms=3 * DAY_MS), None),
    ],
)
def test_expiry(group: ClassicGroup, topic: str, offset: CommittedOffset, expires_on_day: int | None) -> None:
    """With seven days of retention an offset expires on this day, and not a millisecond earlier."""
    offsets = CommittedOffsets()
    offsets.put("g", topic, 0, offset)
    if expires_on_day is None:
        assert offsets.expired(group, 7 * DAY_MS, 10_000 * DAY_MS) == []
    else:
        assert offsets.expired(group, 7 * DAY_MS, expires_on_day * DAY_MS - 1) == []
        assert offsets.expired(group, 7 * DAY_MS, expires_on_day * DAY_MS) == [(topic, 0)]


def test_empty_group_of_an_old_record() -> None:
    """Where an old record did not say since when the group is empty, retention counts from the commit."""
    group = ClassicGroup("g", None)
    group.protocol_type = "consumer"
    group.subscribed_topics = frozenset()
    offsets = CommittedOffsets()
    offsets.put("g", "t", 0, committed(1, commit_timestamp_ms=5))
    assert offsets.expired(group, 10, 14) == []
    assert offsets.expired(group, 10, 15) == [("t", 0)]
