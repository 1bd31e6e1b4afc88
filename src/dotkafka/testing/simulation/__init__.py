"""A broker and its clients on virtual time: everything goes wrong, and a seed does it again, event by event.

    Simulation(seed=17).run()
    Simulation(seed=17, make_wal=lambda files, random_bytes: MyLog(files)).run()

The codec, broker, logs, coordinators and the write-ahead log are the real ones; the network, the disk, the clients and
the clock are simulated. Each seed is a storm, of crashes, stalls, failing disks, broken connections, dying clients and
jumping clocks, and then a time in which nothing fails and everything has to come to rest. What clients saw is judged by
`dotkafka.testing.history`.
"""

from __future__ import annotations

from dotkafka.testing.simulation.simulation import Simulation
from dotkafka.testing.simulation.trace import SimulationFailure

__all__ = ["Simulation", "SimulationFailure"]
