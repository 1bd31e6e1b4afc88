"""The machine of the broker: its processes start, stall, are killed and lose power, and its disk takes its time."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.intake import Intake
from dotkafka.coordinator.config import GroupConfig
from dotkafka.errors import StorageError
from dotkafka.protocol.framing import SCRATCH_BYTES
from dotkafka.testing.faulty_file_system import PowerCut
from dotkafka.testing.simulation.stalls import Stalls
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Connection
    from dotkafka.broker.storage_work import Lane, StorageWork
    from dotkafka.testing.simulated_storage import SimulatedStorage
    from dotkafka.testing.simulation.network import Link
    from dotkafka.testing.simulation.scheduler import Timer
    from dotkafka.testing.simulation.world import World

CONFIG: Final = BrokerConfig(
    checkpoint_bytes=6_000,
    tail_max_bytes=7_000,
    auto_create_topics_enable=False,
    log_retention_check_interval_ms=3_000,
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
LATENCIES_US: Final[dict[Lane, int]] = {
    "append": 1_000,
    "checkpoint": 30_000,
    "read": 1_500,
    "compaction": 10_000,
}
"""What a call of a lane takes on average; one in fifty takes twenty times as long."""
RESTART_MS: Final = 300
BOOT_RETRY_MS: Final = 200


class Host:
    """Keeps a broker running on a storage, whatever happens to it.

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
        self.faults: Callable[[str], int] | None = None
        """Lets calls of the disk fail, as in `FaultyFileSystem.fail_when`; kept through restarts."""
        self.slowness = 1
        """So many times longer than usual every call of the disk takes."""

    def set_faults(self, faults: Callable[[str], int] | None) -> None:
        """Let calls of the disk fail from now on, or with None no more."""
        self.faults = faults
        self.storage.files.fail_when(faults)

    def accept(self, link: Link) -> ServerEnd | None:
        """Take a new connection, if there is a broker."""
        return None if self.process is None else self.process.accept(link)

    def boot(self) -> None:
        """Start a process, or try again later if the disk does not let it.

        Raises:
            Violation: it does not start, and nothing is wrong with the disk.
        """
        if self.process is not None:
            return
        files = self.storage.files
        files.kill_process()
        files.fail_when(self.faults)
        try:
            broker = self.storage.open(self.world.scheduler.now, CONFIG)
        except PowerCut:
            self.cut_power()
            return
        except StorageError as error:
            self.world.trace.note(f"the broker does not start: {error}")
            if self.faults is None:
                raise Violation(f"the broker does not start: {error}") from error
            self.boot_after(BOOT_RETRY_MS)
            return
        self.world.counts["starts"] += 1
        self.world.trace.note(f"the broker starts with epoch {broker.shard.leader_epoch}")
        self.process = Process(self, broker)
        self.process.schedule_step()

    def boot_after(self, delay_ms: int) -> None:
        """Start a process after a while, unless there is one by then."""
        self.world.scheduler.after(delay_ms * 1000, self.boot)

    def kill(self) -> None:
        """End the process, as kill -9 does; its connections are reset, and a new one starts after a while."""
        if self.process is None:
            return
        self.world.trace.note("the broker is killed")
        self.world.counts["kills"] += 1
        self._end_process(is_told=True)
        self.storage.files.kill_process()
        self.boot_after(self.dice.randrange(10, 2 * RESTART_MS))

    def cut_power(self, share: float | None = None) -> None:
        """Lose power: of what was not synced, only a share survives, which is drawn if none is given."""
        if share is None:
            share = self.dice.choice((0.0, 1.0, self.dice.random()))
        self.world.trace.note(f"the power goes, {share:.2f} of what was not synced survives")
        self.world.counts["power cuts"] += 1
        self._end_process(is_told=self.dice.random() < 0.5)
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

    def _end_process(self, *, is_told: bool) -> None:
        """End the process; its clients are told, or find out by themselves."""
        process, self.process = self.process, None
        if process is None:
            return
        process.is_alive = False
        for link in self.world.network.links():
            if is_told:
                link.reset()
            else:
                link.server = None


class ServerEnd:
    """The broker's end of one connection."""

    def __init__(self, process: Process, link: Link, connection: Connection) -> None:
        self.connection = connection
        self.link = link
        self.intake = Intake(process.broker, connection, process.scratch)
        self._process = process

    def received(self, data: bytes) -> None:
        """Give the broker what is complete now."""
        self._process.when_awake(lambda: self._take(data))

    def lost(self) -> None:
        """Tell the broker that the client has gone."""
        self._process.when_awake(lambda: self._process.disconnect(self))

    def _take(self, data: bytes) -> None:
        self.intake.feed(data)
        self.intake.serve(self._process.world.scheduler.now)
        self._process.schedule_step()


class Process:
    """One life of the broker: what `dotkafka.server.Driver` does, with virtual time, a disk and a network in memory."""

    def __init__(self, host: Host, broker: Broker) -> None:
        self.world = host.world
        self.broker = broker
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        self.is_alive = True
        self.stalls = Stalls(host.world.scheduler)
        self._host = host
        self._ends: dict[Connection, ServerEnd] = {}
        self._lanes: dict[Lane, deque[StorageWork]] = {lane: deque() for lane in LATENCIES_US}
        self._is_scheduled = False
        self._timer: Timer | None = None
        self._has_failed = False
        self._has_met_fault = False

    def accept(self, link: Link) -> ServerEnd:
        """Take a new connection."""
        connection = self.broker.connect("127.0.0.1", ("broker", 9092), self.world.scheduler.now)
        end = self._ends[connection] = ServerEnd(self, link, connection)
        return end

    def disconnect(self, end: ServerEnd) -> None:
        """Forget a connection that has ended."""
        if self._ends.pop(end.connection, None) is not None:
            self.broker.disconnect(end.connection, self.world.scheduler.now)
            self.schedule_step()

    def when_awake(self, call: Callable[[], None]) -> None:
        """Make a call, once the process does not stall any more; never, if it has ended."""
        self.stalls.when_awake(lambda: self._call(call))

    def schedule_step(self) -> None:
        """Take a step soon, after what else is ready by then."""
        if not self._is_scheduled:
            self._is_scheduled = True
            self.world.scheduler.after(self._host.dice.randrange(100), lambda: self.when_awake(self._step))

    def _step(self) -> None:
        self._is_scheduled = False
        broker, now = self.broker, self.world.scheduler.now
        if broker.shard.is_overloaded:
            self.world.counts["steps in which producers wait"] += 1
        deadline_ms = broker.next_deadline_ms()
        if deadline_ms is not None and deadline_ms <= now.monotonic_ms:
            broker.handle_timeouts(now)
        while self._start_work() | self._send_responses():
            pass
        self._arm_timer()
        if broker.shard.failure is not None and not self._has_failed:
            # Whoever looks after the broker reads its log, and starts it anew.
            self._has_failed = True
            self.world.trace.note(f"the broker writes no more: {broker.shard.failure}")
            self.world.counts["storage failures"] += 1
            if not self._has_met_fault:
                raise Violation(f"storage fails, and nothing is wrong with the disk: {broker.shard.failure}")
            self.world.scheduler.after(RESTART_MS * 1000, lambda: self._host.kill() if self.is_alive else None)

    def _start_work(self) -> bool:
        works = self.broker.take_work(self.world.scheduler.now)
        for work in works:
            if work.inline:
                work.run()
                self.broker.complete(work, self.world.scheduler.now)
                continue
            lane = self._lanes[work.lane]
            lane.append(work)
            if len(lane) == 1:
                self._begin(work)
        return bool(works)

    def _begin(self, work: StorageWork) -> None:
        """Make a call at some moment, and have it return at a later one; what ends the process may come in between."""
        scheduler, dice = self.world.scheduler, self._host.dice
        latency_us = int(2 * dice.random() * LATENCIES_US[work.lane]) * (20 if dice.random() < 0.02 else 1)
        latency_us *= self._host.slowness
        call_us = int(latency_us * dice.random())

        def call() -> None:
            work.run()
            # The fault may be over when the process learns of it.
            self._has_met_fault |= work.error is not None and self._host.faults is not None
            self.world.counts[f"{work.lane} calls"] += 1
            self.world.trace.note(f"broker: {type(work).__name__} {work.error or ''}")
            scheduler.after(latency_us - call_us, lambda: self.when_awake(lambda: self._completed(work)))

        # The disk does not stall with the process.
        scheduler.after(call_us, lambda: self._call(call))

    def _call(self, call: Callable[[], None]) -> None:
        if self.is_alive:
            try:
                call()
            except PowerCut:
                self._host.cut_power()

    def _completed(self, work: StorageWork) -> None:
        lane = self._lanes[work.lane]
        lane.popleft()
        if lane:
            self._begin(lane[0])
        self.broker.complete(work, self.world.scheduler.now)
        self.schedule_step()

    def _send_responses(self) -> bool:
        ready = self.broker.take_ready_connections()
        for connection in ready:
            end = self._ends.get(connection)
            if end is None:
                continue
            if data := b"".join(connection.take_responses()):
                end.link.send(data, to_server=False)
            if connection.is_closing:
                end.link.close(by_client=False)
                self.disconnect(end)
            elif end.intake.is_waiting:
                end.intake.serve(self.world.scheduler.now)
        return bool(ready)

    def _arm_timer(self) -> None:
        deadline_ms = self.broker.next_deadline_ms()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if deadline_ms is not None:
            due_us = max(deadline_ms * 1000, self.world.scheduler.now_us + 1000)
            self._timer = self.world.scheduler.at(due_us, lambda: self.when_awake(self.schedule_step))
