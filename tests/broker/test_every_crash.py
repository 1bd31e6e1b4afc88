"""Whenever the power goes, and whatever of the unsynced then survives: nothing acknowledged is lost.

The broker on its real write-ahead log in files. `make crash` checks more of the same.
"""

import pytest

from dotkafka.testing.crash_states import CrashStates
from dotkafka.testing.faulty_sqlite import faulty_checkpoints

SEEDS = 37
"""Some 560 states each, more than 20,000 together."""


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_acknowledged_is_lost(seed):
    """Every acknowledged record is there once at its offset, batches are whole, nothing goes back, retries are known.

    And the broker that starts on what is left accepts new writes, and keeps them through the next crash.
    """
    states = CrashStates(seed)
    states.run()
    assert states.cuts > 60
    assert states.count > 2 * states.cuts, "what is unsynced survives in several ways"


@pytest.mark.parametrize("seed", range(2))
def test_nothing_acknowledged_is_lost_with_sqlite(seed):
    """The same, with checkpoints in a real SQLite on the same files: its journal and pages are torn and lost too."""
    states = CrashStates(seed, make_checkpoints=faulty_checkpoints, choices=4, steps=60)
    states.run()
    assert states.count > 750
