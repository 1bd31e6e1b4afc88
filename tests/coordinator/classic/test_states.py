"""The table of states."""

import pytest

from dotkafka.coordinator.classic.group import ClassicGroup
from dotkafka.coordinator.classic.states import TRANSITIONS, GroupState

PAIRS = [(state, after) for state in GroupState for after in GroupState]


def test_table_is_whole() -> None:
    """Every state is in the table, every living state can die, and nothing follows death."""
    assert TRANSITIONS.keys() == set(GroupState)
    for state, after in TRANSITIONS.items():
        assert (GroupState.DEAD in after) == (state is not GroupState.DEAD)


@pytest.mark.parametrize(("state", "after"), PAIRS)
def test_a_group_moves_only_through_the_table(state: GroupState, after: GroupState) -> None:
    """A move that the table does not have is refused, and changes nothing."""
    group = ClassicGroup("g", 0, state)
    if after in TRANSITIONS[state]:
        group.transition_to(after, 7)
        assert (group.state, group.previous_state, group.state_timestamp_ms) == (after, state, 7)
    else:
        with pytest.raises(AssertionError, match="cannot go"):
            group.transition_to(after, 7)
        assert (group.state, group.state_timestamp_ms) == (state, 0)
