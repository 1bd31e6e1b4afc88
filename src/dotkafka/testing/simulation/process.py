"""One life of the broker: it is fed frames and time, its calls take theirs, and another may take its storage over."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from dotkafka.broker.intake import Intake
from dotkafka.broker.storage_work import AppendWork, CheckpointWork, TrimWork
from dotkafka.errors import Fenced
from dotkafka.protocol.framing import SCRATCH_BYTES
from dotkafka.testing.faulty_file_system import PowerCut
from dotkafka.testing.simulation.stalls import Stalls
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.broker.broker import Broker
    from dotkafka.broker.connection import Connection
    from dotkafka.broker.storage_work import Lane, StorageWork
    from dotkafka.testing.simulation.host import Host
    from dotkafka.testing.simulation.network import Link
    from dotkafka.testing.simulation.scheduler import Timer

LATENCIES_US: Final[dict[Lane, int]] = {
    "append": 1_000,
    "checkpoint": 30_000,
    "read": 1_500,
    "compaction": 10_000,
}
"""What a call of a lane takes on average; one in fifty takes twenty times as long."""
WRITES: Final = (AppendWork, TrimWork, CheckpointWork)
RESTART_MS: Final = 300
NEVER_US: Final = 2**62


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
        self.superseded_us = NEVER_US
        """When another process became the owner of its storage. It learns of that with its next write."""
        self.knew_us = NEVER_US
        """When it did."""
        self.may_be_fenced = False
        """Whether another process has tried to become the owner."""
        self.storage_back_us = 0
        """Until when no call reaches the disk."""
        self.stalls = Stalls(host.world.scheduler)
        self._host = host
        self._ends: dict[Connection, ServerEnd] = {}
        self._lanes: dict[Lane, deque[StorageWork]] = {lane: deque() for lane in LATENCIES_US}
        self._under_way: dict[Lane, Callable[[], None]] = {}
        """Calls that have yet to reach the disk."""
        self._is_scheduled = False
        self._timer: Timer | None = None
        self._has_failed = False
        self._has_met_fault = False

    def accept(self, link: Link) -> ServerEnd:
        """Take a new connection."""
        connection = self.broker.connect("127.0.0.1", ("broker", 9092), self.world.scheduler.now)
        end = self._ends[connection] = ServerEnd(self, link, connection)
        link.served_by = self
        return end

    @property
    def links(self) -> list[Link]:
        """The connections that it has."""
        return [end.link for end in self._ends.values()]

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
            self.world.counts["storage failures" if self.knew_us == NEVER_US else "fenced brokers"] += 1
            if not self._has_met_fault and not (self.may_be_fenced and isinstance(broker.shard.failure, Fenced)):
                raise Violation(f"storage fails, and nothing is wrong with the disk: {broker.shard.failure}")
            self.world.scheduler.after(RESTART_MS * 1000, lambda: self._host.kill(self))

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
            del self._under_way[work.lane]
            work.run()
            if self.superseded_us != NEVER_US and isinstance(work, WRITES) and work.error is None:
                raise Violation(f"another broker has taken the storage over, and a {type(work).__name__} goes well")
            # The fault may be over when the process learns of it.
            self._has_met_fault |= work.error is not None and self._host.faults is not None
            self.world.counts[f"{work.lane} calls"] += 1
            self.world.trace.note(f"broker: {type(work).__name__} {work.error or ''}")
            scheduler.after(latency_us - call_us, lambda: self.when_awake(lambda: self._completed(work)))

        self._under_way[work.lane] = call
        # The disk does not stall with the process.
        scheduler.after(call_us, lambda: self._reach_disk(work.lane, call))

    def _reach_disk(self, lane: Lane, call: Callable[[], None]) -> None:
        now_us = self.world.scheduler.now_us
        if self._under_way.get(lane) is not call:
            return  # made by `make_call_under_way`
        if self.storage_back_us > now_us:
            self.world.scheduler.at(self.storage_back_us, lambda: self._reach_disk(lane, call))
        else:
            self._call(call)

    def make_call_under_way(self) -> None:
        """Let one of the calls under way reach the disk now, if there is any.

        Raises:
            PowerCut: the power went during the call.
        """
        if self._under_way:
            self._under_way[self._host.dice.choice(list(self._under_way))]()

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
        if self.superseded_us != NEVER_US and isinstance(self.broker.shard.failure, Fenced):
            self.knew_us = min(self.knew_us, self.world.scheduler.now_us)
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
