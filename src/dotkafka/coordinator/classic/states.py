"""The states of a classic group, and which may follow which."""

import enum
from collections.abc import Mapping


class GroupState(enum.Enum):
    """Where a group stands; the value is Kafka's name for it on the wire."""

    EMPTY = "Empty"
    """No members; committed offsets may remain. Members without an id yet (pending) do not count."""
    PREPARING_REBALANCE = "PreparingRebalance"
    """Members are asked to join again, and JoinGroup requests wait for the rest."""
    COMPLETING_REBALANCE = "CompletingRebalance"
    """The generation is made up; SyncGroup requests wait for the leader's assignment."""
    STABLE = "Stable"
    """Every member may fetch its assignment and reads."""
    DEAD = "Dead"
    """Deleted; nothing leads out of here."""


TRANSITIONS: Mapping[GroupState, frozenset[GroupState]] = {
    GroupState.EMPTY: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
    GroupState.PREPARING_REBALANCE: frozenset({GroupState.COMPLETING_REBALANCE, GroupState.EMPTY, GroupState.DEAD}),
    GroupState.COMPLETING_REBALANCE: frozenset({GroupState.STABLE, GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
    GroupState.STABLE: frozenset({GroupState.PREPARING_REBALANCE, GroupState.DEAD}),
    GroupState.DEAD: frozenset(),
}
"""The states that may follow each state."""
