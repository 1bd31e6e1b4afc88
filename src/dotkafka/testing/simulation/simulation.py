"""One simulation: a storm, then healing, then everything is read and held against what was promised."""

from __future__ import annotations

import logging
import random
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dotkafka.testing.history import Healed, History, check
from dotkafka.testing.simulated_storage import MakeWal, SimulatedStorage, small_file_wal
from dotkafka.testing.simulation.admin import Admin
from dotkafka.testing.simulation.classic_member import ClassicMember
from dotkafka.testing.simulation.consumer_member import ConsumerMember
from dotkafka.testing.simulation.group_admin import GroupAdmin
from dotkafka.testing.simulation.group_member import GroupMember
from dotkafka.testing.simulation.host import Host
from dotkafka.testing.simulation.network import Network
from dotkafka.testing.simulation.producers import IdempotentProducer, PlainProducer, Producer
from dotkafka.testing.simulation.promises import Promises
from dotkafka.testing.simulation.reader import Reader
from dotkafka.testing.simulation.scheduler import START_US, Scheduler
from dotkafka.testing.simulation.storm import Storm
from dotkafka.testing.simulation.topics import COMPACTED, EVERYTHING, FORGETTING, GROWING, PASSING, STEADY, TRIMMED
from dotkafka.testing.simulation.trace import SimulationFailure, Trace, Violation
from dotkafka.testing.simulation.world import Phase, World

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Iterator

    from dotkafka.testing.simulation.client import Client

STORM_MS: Final = 40_000
PATIENCE_MS: Final = 120_000
"""So long everything has to converge after the storm, phase by phase."""
LOOK_INTERVAL_MS: Final = 200
EAGER: Final = "eager"
COOPERATIVE: Final = "cooperative"
CONSUMER: Final = "consumer"
MIGRATING: Final = "migrating"
"""Members of both protocols come and go: it is upgraded and downgraded all the time."""
GROUPS: Final = {
    EAGER: (STEADY, FORGETTING),
    COOPERATIVE: (STEADY, GROWING),
    CONSUMER: (STEADY, GROWING),
    MIGRATING: (STEADY, GROWING),
}
"""Groups, and what they subscribe to."""
MEMBERS: Final = 2
STATIC_SHARE: Final = 0.3
"""Of members, those that have a group instance id, if there is a free one."""


class Simulation:
    """A broker and its clients in a world of their own: no threads, no real time, and nothing by chance.

    The same seed does the same, event by event, whichever process runs it.

    Args:
        seed: of everything.
        make_wal: the write-ahead log that the broker runs on.
        storm_ms: how long things go wrong, in virtual time.
        show: given each line of the trace, if anybody reads along.
    """

    def __init__(
        self,
        seed: int,
        make_wal: MakeWal = small_file_wal,
        *,
        storm_ms: int = STORM_MS,
        show: Callable[[str], None] | None = None,
    ) -> None:
        scheduler = Scheduler()
        self.seed = seed
        self.world = World(
            seed,
            scheduler,
            Trace(scheduler, show),
            network=None,  # type: ignore[arg-type] # it needs the host, which needs the world
            history=History(now=lambda: scheduler.now_us),
            promises=Promises(scheduler),
        )
        self.host = Host(self.world, SimulatedStorage(f"{seed}/storage", make_wal), self._dice("host"))
        self.world.network = Network(scheduler, self._dice("network"), self.host)
        self._storm_ms = storm_ms
        self._clients: list[Client] = []
        self._spawned = 0
        self._storm = Storm(
            self.world,
            self.host,
            self._dice("storm"),
            lambda: [client for client in self._clients if client.is_alive],
            (self._replace_member, self._replace_member, self._add_member, self._let_member_leave),
        )
        self._crowd_dice = self._dice("crowd")
        self._errors: list[str] = []

    @property
    def steps(self) -> int:
        """Events that have happened."""
        return self.world.scheduler.steps

    @property
    def simulated_ms(self) -> int:
        """How much virtual time has passed."""
        return (self.world.scheduler.now_us - START_US) // 1000

    @property
    def counts(self) -> Counter[str]:
        """How often what has happened."""
        return self.world.counts

    def digest(self) -> str:
        """Return the hash of all that has happened; the same for each run of a seed."""
        return self.world.trace.digest()

    def run(self) -> None:
        """Go through all phases.

        Raises:
            SimulationFailure: something promised does not hold, or does not come to rest.
        """
        try:
            with _errors_of_broker(self._errors):
                self._run()
        except (Violation, Exception) as error:
            message = str(error) if isinstance(error, Violation) else repr(error)
            raise SimulationFailure(
                f"seed {self.seed}, at {self.world.scheduler.now_us / 1e6:.6f} s: {message}\n{self.world.trace.tail()}"
            ) from error

    def _run(self) -> None:
        world = self.world
        self.host.boot()
        self._begin_clients()
        self._storm.begin()
        world.scheduler.run_until(self._check_errors, world.scheduler.now_us + self._storm_ms * 1000)
        self._storm.end()
        world.trace.note("everything heals")
        world.healed_us = world.scheduler.now_us
        world.history.add(Healed("storm"))
        self._come_to(Phase.HEALING, (Producer, Admin))
        self._come_to(Phase.DRAINING, (Reader, GroupMember, GroupAdmin))
        self._check_groups()
        self.host.cut_power(0.0)
        self._come_to(Phase.AUDIT, (Reader, GroupMember, GroupAdmin))
        self._check_groups()
        findings = check(world.history)
        if findings:
            raise Violation("; ".join(map(str, findings[:5])))

    def _come_to(self, phase: Phase, kinds: tuple[type[Client], ...]) -> None:
        """Enter a phase, and wait until all clients of some kinds are settled in it.

        Raises:
            Violation: some never are.
        """
        world = self.world
        world.phase = phase
        world.trace.note(f"phase {phase.name}")
        deadline_us = world.scheduler.now_us + PATIENCE_MS * 1000
        unsettled: list[Client] = []
        while world.scheduler.now_us < deadline_us:
            world.scheduler.run_until(self._check_errors, world.scheduler.now_us + LOOK_INTERVAL_MS * 1000)
            clients = [client for client in self._clients if client.is_alive and isinstance(client, kinds)]
            unsettled = [client for client in clients if not client.is_settled]
            if not unsettled and (phase < Phase.DRAINING or self._is_every_partition_owned()):
                return
        stuck = "; ".join(f"{client.name}: {client.state()}" for client in unsettled) or self._ownership()
        raise Violation(f"{PATIENCE_MS} ms after the beginning of {phase.name} it is not over: {stuck}")

    def _check_errors(self) -> bool:
        if self._errors:
            raise Violation(self._errors[0])
        return False

    # -- clients -------------------------------------------------------------------------------------------------------

    def _begin_clients(self) -> None:
        dice = self._dice("cast")
        world = self.world
        cast: list[Client] = [Admin(world, "admin"), GroupAdmin(world, "group-admin", (CONSUMER, MIGRATING))]
        cast += [
            IdempotentProducer(world, "idempotent-0", (STEADY, GROWING), dice.randrange(20, 100)),
            IdempotentProducer(world, "idempotent-1", (STEADY, TRIMMED), dice.randrange(20, 200)),
            IdempotentProducer(world, "idempotent-2", (PASSING, STEADY), dice.randrange(50, 300)),
            PlainProducer(world, "plain-0", (STEADY, TRIMMED), dice.randrange(30, 200)),
            PlainProducer(world, "plain-1", (FORGETTING, PASSING), dice.randrange(20, 100)),
            IdempotentProducer(world, "idempotent-3", (COMPACTED,), dice.randrange(50, 200)),
            Reader(world, "reader-0", EVERYTHING),
            Reader(world, "reader-1", (STEADY, GROWING, COMPACTED)),
        ]
        for client in cast:
            self._begin(client)
        for group in GROUPS:
            for _ in range(MEMBERS):
                self._spawn(group)

    def _begin(self, client: Client) -> None:
        self._clients.append(client)
        client.start(client.live())

    def _spawn(self, group: str) -> None:
        self._spawned += 1
        dice = self._crowd_dice
        taken = {member.instance_id for member in self._every_member() if member.group == group}
        free = [name for name in ("static-0", "static-1") if name not in taken]
        instance_id = free[0] if free and dice.random() < STATIC_SHARE else None
        of_consumer_protocol = group == CONSUMER or (group == MIGRATING and dice.random() < 0.5)
        world, name, topics = self.world, f"member-{self._spawned}", GROUPS[group]
        self._begin(
            ConsumerMember(world, name, group, topics, instance_id)
            if of_consumer_protocol
            else ClassicMember(world, name, group, topics, instance_id, is_cooperative=group == COOPERATIVE)
        )

    def _every_member(self) -> list[GroupMember]:
        return [client for client in self._clients if isinstance(client, GroupMember) and client.is_alive]

    def _members(self) -> list[GroupMember]:
        return [member for member in self._every_member() if not member.is_leaving]

    def _replace_member(self) -> None:
        """Kill a member; another one starts in its place."""
        member = self._crowd_dice.choice(self._members())
        member.kill()
        self._spawn(member.group)

    def _add_member(self) -> None:
        members = self._members()
        group = self._crowd_dice.choice(list(GROUPS))
        if sum(member.group == group for member in members) < 2 * MEMBERS:
            self._spawn(group)

    def _let_member_leave(self) -> None:
        member = self._crowd_dice.choice(self._members())
        if sum(other.group == member.group for other in self._members()) > 1:
            member.is_leaving = True

    # -- groups --------------------------------------------------------------------------------------------------------

    def _is_every_partition_owned(self) -> bool:
        for group, topics in GROUPS.items():
            members = [member for member in self._members() if member.group == group]
            owned = [partition for member in members for partition in member.assigned]
            there = sum(self.world.created[topic] for topic in topics)
            if len({member.generation for member in members}) != 1 or len(owned) < there:
                return False
        return True

    def _check_groups(self) -> None:
        """Hold against each other what the members of a group own."""
        for group in GROUPS:
            owned = [partition for member in self._members() if member.group == group for partition in member.assigned]
            if len(owned) != len(set(owned)):
                raise Violation(f"a partition of group {group} has two owners: {self._ownership()}")

    def _ownership(self) -> str:
        return "; ".join(
            f"{member.name} of {member.group} owns {[str(partition) for partition in member.assigned]}"
            f" in generation {member.generation}"
            for member in self._members()
        )

    def _dice(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")  # noqa: S311 (the same seed does the same)


class _ErrorKeeper(logging.Handler):
    """Keeps what the broker logs of its own mistakes: exceptions that it did not expect, answers that do not fit."""

    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record, if it tells of a mistake."""
        if record.exc_info or record.name == "dotkafka.broker.connection":
            cause = repr(record.exc_info[1]) if record.exc_info else ""
            self._errors.append(f"the broker logs: {record.getMessage()} {cause}")


@contextmanager
def _errors_of_broker(errors: list[str]) -> Iterator[None]:
    """Let nothing be logged meanwhile, but what the broker finds wrong with itself be kept."""
    logger = logging.getLogger("dotkafka")
    keeper = _ErrorKeeper(errors)
    level, propagate = logger.level, logger.propagate
    logger.addHandler(keeper)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(keeper)
        logger.setLevel(level)
        logger.propagate = propagate
