"""What goes wrong until everything heals: on the machine, on the network, with the clients, and with the clock."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from dotkafka.testing.simulation.client import Client
    from dotkafka.testing.simulation.host import Host
    from dotkafka.testing.simulation.world import World

INTERVAL_MS: Final = 900
FULL: Final = (errno.ENOSPC, errno.EDQUOT)
WRONG: Final = (errno.EIO, errno.EROFS)
PAUSES_MS: Final = (500, 3_000, 10_000)
LONGEST_SILENCE_MS: Final = 1_000
"""After that a broker is given up, and another one started."""
DAY_MS: Final = 86_400_000


class Storm:
    """Does something bad every now and then.

    Args:
        world: where it is.
        host: of the broker.
        dice: decide what happens.
        clients: returns those that there are.
        crowd: what can happen to the members of groups: each call does one thing.
    """

    def __init__(
        self,
        world: World,
        host: Host,
        dice: random.Random,
        clients: Callable[[], Sequence[Client]],
        crowd: Sequence[Callable[[], None]],
    ) -> None:
        self._world = world
        self._host = host
        self._dice = dice
        self._clients = clients
        self._is_over = False
        self._blows: tuple[Callable[[], None], ...] = (
            *(self._kill, self._cut_power, self._cut_power, self._stall_broker, self._fail_disk, self._fail_disk),
            *(self._slow_disk, self._slow_disk, self._take_over, self._take_over),
            *(self._reset, self._reset, self._reset, self._darken, self._darken, self._slow_down, self._split),
            *(self._stall_client, self._stall_client, self._jump_clock),
            *crowd,
            *crowd,
        )

    def begin(self) -> None:
        """Let it begin."""
        self._world.scheduler.after(int(2000 * INTERVAL_MS * self._dice.random()), self._strike)

    def end(self) -> None:
        """Let everything heal: what is broken is mended, and nothing breaks any more."""
        self._is_over = True
        self._host.set_faults(None)
        self._host.slowness = 1
        self._host.storage.files.power_cut_at(-1)
        self._host.kill_superseded()
        self._world.network.slow_share = 0.0
        for link in self._world.network.links():
            if link.is_dark:
                link.reset()
        for client in self._clients():
            client.wake_up()

    def _strike(self) -> None:
        if not self._is_over:
            self._dice.choice(self._blows)()
            self.begin()

    def _count(self, what: str) -> None:
        self._world.trace.note(f"storm: {what}")
        self._world.counts[what] += 1

    def _for_a_while(self, longest_ms: int, end: Callable[[], None]) -> None:
        self._world.scheduler.after(1000 * self._dice.randrange(longest_ms), lambda: None if self._is_over else end())

    # -- the machine ---------------------------------------------------------------------------------------------------

    def _kill(self) -> None:
        self._host.kill()

    def _cut_power(self) -> None:
        if self._dice.random() < 0.3:
            self._host.cut_power()
        else:
            self._host.cut_power_within(6)

    def _stall_broker(self) -> None:
        self._host.stall(self._dice.choice((50, 500, 3_000, 10_000)))

    def _take_over(self) -> None:
        """Start a second broker, since nothing was heard of the first: it is paused, cut off, or all is well with it.

        Cut off from its clients, or from the disk, which calls of it that are under way reach later.
        """
        host, dice = self._host, self._dice
        former = host.process
        if former is None:
            return
        self._count("second brokers")
        if dice.random() < 0.5:
            host.stall(dice.choice(PAUSES_MS))
        if dice.random() < 0.5:
            former.storage_back_us = self._world.scheduler.now_us + 1000 * dice.choice(PAUSES_MS)
        if dice.random() < 0.3:
            for link in former.links:
                link.is_dark = True
        fences = dice.random() < 0.8

        def take_over() -> None:
            if host.process is former and not self._is_over:
                host.take_over(fences=fences)

        self._world.scheduler.after(1000 * dice.randrange(LONGEST_SILENCE_MS), take_over)

    def _fail_disk(self) -> None:
        """Let writes fail for a while: on a full disk, or on a broken one."""
        self._count("disk faults")
        errors = FULL if self._dice.random() < 0.7 else WRONG
        share = self._dice.choice((0.02, 0.3, 1.0))
        dice = self._dice

        def error_for(call: str) -> int:
            if call.startswith(("open", "read", "list")):
                return 0
            return dice.choice(errors) if dice.random() < share else 0

        self._host.set_faults(error_for)
        self._for_a_while(2_000, lambda: self._host.set_faults(None))

    def _slow_disk(self) -> None:
        """Let the disk be slow for a while; at its end the power often goes, with much that is not synced."""
        self._count("slow disks")
        self._host.slowness = self._dice.choice((10, 100))

        def end() -> None:
            self._host.slowness = 1
            if self._dice.random() < 0.5:
                self._host.cut_power()

        self._for_a_while(2_000, end)

    # -- the network ---------------------------------------------------------------------------------------------------

    def _reset(self) -> None:
        links = self._world.network.links()
        if links:
            self._count("resets")
            for link in self._dice.sample(links, self._dice.randrange(1, 1 + len(links))):
                link.reset()

    def _darken(self) -> None:
        links = self._world.network.links()
        if links:
            self._count("half-open connections")
            self._dice.choice(links).is_dark = True

    def _slow_down(self) -> None:
        self._count("slow networks")
        self._world.network.slow_share = self._dice.choice((0.02, 0.2))

        def end() -> None:
            self._world.network.slow_share = 0.0

        self._for_a_while(3_000, end)

    def _split(self) -> None:
        self._world.network.split_share = self._dice.choice((0.0, 0.05, 0.7))

    # -- clients and clocks --------------------------------------------------------------------------------------------

    def _stall_client(self) -> None:
        self._dice.choice(self._clients()).stall(self._dice.choice((100, 2_000, 9_000)))

    def _jump_clock(self) -> None:
        self._count("jumps of the wall clock")
        self._world.scheduler.jump_wall_clock(
            self._dice.choice((-DAY_MS // 48, -1_000, 1_000, DAY_MS // 48, DAY_MS // 4))
        )
