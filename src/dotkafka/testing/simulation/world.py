"""What everybody in a simulation shares: time, the network, the trace, and what is kept of what clients saw."""

from __future__ import annotations

import math
from collections import Counter
from enum import IntEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from dotkafka.testing.history import History
    from dotkafka.testing.simulation.network import Network
    from dotkafka.testing.simulation.promises import Promises
    from dotkafka.testing.simulation.scheduler import Scheduler
    from dotkafka.testing.simulation.trace import Trace


class Phase(IntEnum):
    """How far a simulation has come."""

    STORM = 0
    """Everything may fail."""
    HEALING = 1
    """Nothing fails any more; producers finish what they have begun."""
    DRAINING = 2
    """Nothing is sent any more; everything is read, by readers from the beginning."""
    AUDIT = 3
    """The power has gone once more, with all that was not synced; everything is read again."""


@attrs.define
class World:
    """One simulation's surroundings, for its clients."""

    seed: int
    scheduler: Scheduler
    trace: Trace
    network: Network
    history: History
    promises: Promises
    phase: Phase = Phase.STORM
    healed_us: float = math.inf
    """When everything has healed."""
    counts: Counter[str] = attrs.field(factory=Counter)
    """How often what has happened, by a word for it."""
    created: dict[str, int] = attrs.field(factory=dict)
    """Topics that stay, by name: the partitions that they have at least, as acknowledged."""

    def acknowledge_topic(self, name: str, partitions: int) -> None:
        """Note that a topic that stays has so many partitions from now on."""
        self.created[name] = partitions
        self.promises.never_goes_back(("partition count", name), partitions, self.scheduler.now_us)
