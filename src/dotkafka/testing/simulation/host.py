"""The machine of the broker: its processes start, stall, are killed and lose power, and its disk takes its time."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from dotkafka.broker.config import BrokerConfig
from dotkafka.coordinator.config import GroupConfig
from dotkafka.errors import Fenced, StorageError
from dotkafka.testing.faulty_file_system import PowerCut
from dotkafka.testing.simulation.process import RESTART_MS, Process
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from dotkafka.broker.broker import Broker
    from dotkafka.testing.simulated_storage import SimulatedStorage
    from dotkafka.testing.simulation.network import Link
    from dotkafka.testing.simulation.process import ServerEnd
    from dotkafka.testing.simulation.world import World

CONFIG: Final = BrokerConfig(
    checkpoint_bytes=6_000,
    tail_max_bytes=7_000,
    auto_create_topics_enable=False,
    log_retention_check_interval_ms=3_000,
    metadata_log_max_record_bytes_between_snapshots=100,
    log_cleaner_backoff_ms=1_000,
    log_cleaner_io_buffer_size=3_000,
    offsets_topic_num_partitions=2,
    group=GroupConfig(
        group_initial_rebalance_delay_ms=50,
        group_consumer_min_session_timeout_ms=1_000,
        group_consumer_session_timeout_ms=6_000,
        group_consumer_min_heartbeat_interval_ms=100,
        group_consumer_heartbeat_interval_ms=1_000,
    ),
)
"""So small that checkpoints, reads of L2 and producers that must wait are common."""
BOOT_RETRY_MS: Final = 200
OVERTAKING_SHARE: Final = 0.3
"""Of the calls of storage that a starting process makes, those that a call of another process comes before."""


class Host:
    """Keeps a broker running on a storage, whatever happens to it; for a while also those whose storage it took over.

    Args:
        world: its surroundings.
        storage: that it runs on.
        dice: decide how long what takes.
    """

    def __init__(self, world: World, storage: SimulatedStorage, dice: random.Random) -> None:
        self.world = world
        self.storage = storage
        self.dice = dice
        self.process: Process | None = None
        """The owner of the storage, to which clients connect."""
        self.faults: Callable[[str], int] | None = None
        """Lets calls of the disk fail, as in `FaultyFileSystem.fail_when`; kept through restarts."""
        self.slowness = 1
        """So many times longer than usual every call of the disk takes."""
        self._superseded: list[Process] = []
        """Former owners that still run."""

    def set_faults(self, faults: Callable[[str], int] | None) -> None:
        """Let calls of the disk fail from now on, or with None no more."""
        self.faults = faults
        self.storage.files.fail_when(faults)

    def accept(self, link: Link) -> ServerEnd | None:
        """Take a new connection, if there is a broker."""
        return None if self.process is None else self.process.accept(link)

    # -- starting ------------------------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start a process, or try again later if the disk does not let it.

        Raises:
            Violation: it does not start, and nothing is wrong with the disk.
        """
        if self.process is not None:
            return
        if not self._superseded:
            self.storage.files.kill_process()
            self.storage.files.fail_when(self.faults)
        try:
            broker = self._open(self._superseded, takes_over=bool(self._superseded))
        except PowerCut:
            self.cut_power()
        except StorageError:
            self.boot_after(BOOT_RETRY_MS)
        else:
            self._start(broker)

    def boot_after(self, delay_ms: int) -> None:
        """Start a process after a while, unless there is one by then."""
        self.world.scheduler.after(delay_ms * 1000, self.boot)

    def take_over(self, *, fences: bool) -> None:
        """Start a second process on the storage, though the first one has not ended.

        Args:
            fences: whether the second one has a log that can fence the first; if not, it is refused.

        Raises:
            Violation: it does not start, and nothing is wrong with the disk.
        """
        former = self.process
        if former is None:
            return
        former.may_be_fenced = True
        try:
            broker = self._open([former, *self._superseded], takes_over=fences)
        except PowerCut:
            self.cut_power()
        except Fenced:
            self.world.counts["second brokers refused"] += 1
        except StorageError:
            pass  # the first one may be fenced all the same, and then ends as others do that cannot write
        else:
            self.world.counts["takeovers"] += 1
            former.superseded_us = self.world.scheduler.now_us
            self._superseded.append(former)
            self._start(broker)

    def _open(self, others: Sequence[Process], *, takes_over: bool) -> Broker:
        """Open a broker on the storage; calls of others that are under way get through in between.

        Raises:
            PowerCut: the power went.
            StorageError: it cannot be opened now, or, `Fenced`, not while another one has it.
            Violation: it cannot be opened, and nothing is wrong with the disk.
        """

        def meanwhile() -> None:
            if self.dice.random() < OVERTAKING_SHARE:
                self.dice.choice(others).make_call_under_way()

        with self.storage.interrupted(meanwhile) if others else nullcontext():
            try:
                return self.storage.open(self.world.scheduler.now, CONFIG, takes_over=takes_over)
            except StorageError as error:
                self.world.trace.note(f"the broker does not start: {error}")
                if self.faults is None and not (others and isinstance(error, Fenced)):
                    raise Violation(f"the broker does not start: {error}") from error
                raise

    def _start(self, broker: Broker) -> None:
        self.world.counts["starts"] += 1
        self.world.trace.note(f"the broker starts with epoch {broker.shard.leader_epoch}")
        self.process = Process(self, broker)
        self.process.schedule_step()

    # -- ending --------------------------------------------------------------------------------------------------------

    def kill(self, process: Process | None = None) -> None:
        """End a process, by default the owner, as kill -9 does; its connections are reset.

        After a while a new one starts in the place of the owner.
        """
        process = process or self.process
        if process is None or not process.is_alive:
            return
        is_owner = process is self.process
        self.world.trace.note("the broker is killed" if is_owner else "a former broker is killed")
        self.world.counts["kills"] += 1
        self._end(process, is_told=True)
        if is_owner:
            if not self._superseded:
                self.storage.files.kill_process()
            self.boot_after(self.dice.randrange(10, 2 * RESTART_MS))

    def kill_superseded(self) -> None:
        """End all former owners."""
        for process in list(self._superseded):
            self.kill(process)

    def cut_power(self, share: float | None = None) -> None:
        """Lose power: of what was not synced, only a share survives, which is drawn if none is given."""
        if share is None:
            share = self.dice.choice((0.0, 1.0, self.dice.random()))
        self.world.trace.note(f"the power goes, {share:.2f} of what was not synced survives")
        self.world.counts["power cuts"] += 1
        is_told = self.dice.random() < 0.5
        for process in (self.process, *self._superseded):
            if process is not None:
                self._end(process, is_told=is_told)
        self.storage.files.crash(lambda: self.dice.random() < share)
        self.boot_after(self.dice.randrange(10, 4 * RESTART_MS))

    def cut_power_within(self, operations: int) -> None:
        """Lose power during one of the next calls of the disk."""
        files = self.storage.files
        files.power_cut_at(len(files.operations) + self.dice.randrange(operations))

    def stall(self, duration_ms: int) -> None:
        """Let the process stand still; the world goes on."""
        if self.process is not None:
            self.world.trace.note(f"the broker stalls for {duration_ms} ms")
            self.world.counts["broker stalls"] += 1
            self.process.stalls.stall(duration_ms)

    def _end(self, process: Process, *, is_told: bool) -> None:
        """End a process; its clients are told, or find out by themselves."""
        process.is_alive = False
        for link in process.links:
            if is_told:
                link.reset()
            else:
                link.server = None
        if process is self.process:
            self.process = None
        else:
            self._superseded.remove(process)
