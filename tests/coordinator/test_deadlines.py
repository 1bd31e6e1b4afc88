"""Deadlines come in order of time, one per key."""

from hypothesis import given
from hypothesis import strategies as st

from dotkafka.coordinator.deadlines import Deadlines, JoinDeadline, SyncDeadline

actions = st.lists(st.tuples(st.sampled_from("abcd"), st.none() | st.integers(0, 5)))


@given(actions)
def test_comes_in_order_and_once(actions: list[tuple[str, int | None]]) -> None:
    """Each key comes once, at the moment it was last given, equal moments in the order they were given."""
    deadlines: Deadlines[str] = Deadlines()
    expected: dict[str, int] = {}
    for key, at_ms in actions:
        expected.pop(key, None)
        if at_ms is None:
            deadlines.cancel(key)
        else:
            deadlines.schedule(key, at_ms)
            expected[key] = at_ms
        deadlines.check_invariants()
        assert (key in deadlines) == (key in expected)
    assert len(deadlines) == len(expected)
    assert deadlines.next_ms() == min(expected.values(), default=None)

    popped = []
    while (key_due := deadlines.pop_due(3)) is not None:
        popped.append(key_due)
    due = {key: at_ms for key, at_ms in expected.items() if at_ms <= 3}
    assert popped == sorted(due, key=lambda key: due[key])
    assert len(deadlines) == len(expected) - len(due)


def test_kinds_of_deadlines_are_different_keys() -> None:
    """The join and the sync deadline of one group do not replace each other."""
    deadlines: Deadlines[JoinDeadline | SyncDeadline] = Deadlines()
    deadlines.schedule(JoinDeadline("g"), 1)
    deadlines.schedule(SyncDeadline("g"), 2)
    assert [deadlines.pop_due(5), deadlines.pop_due(5)] == [JoinDeadline("g"), SyncDeadline("g")]
