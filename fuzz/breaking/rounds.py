"""A broker that dies again and again under real clients, and the judgement on what they saw."""

from __future__ import annotations

import random
import signal
import statistics
import time
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import attrs
from confluent_kafka import KafkaException
from fuzz.breaking.clients import (
    PARTITIONS,
    TOPIC,
    Asking,
    ChangingTopics,
    Producing,
    Reading,
    Worker,
    create_topic,
    read_all,
    topics,
)
from fuzz.breaking.process import ServerProcess, free_port

from dotkafka.testing.failpoints import SERVING_POINTS, START_POINTS, STOP_POINTS
from dotkafka.testing.history import Healed, History, Mark, check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

COMMIT_POINTS = ("before save.commit", "in save.commit")
POINTS = (*START_POINTS, *SERVING_POINTS, *COMMIT_POINTS, *STOP_POINTS)
"""Every named point of `fuzz.breaking.server`."""
MOMENTS = ("any moment of serving", "any moment of a start", "any moment of a stop")
OFTEN = 40
"""At most at which passing of a point a kill comes, where it is passed with every append; elsewhere it is 3."""
POINT_TIMEOUT_S = 30.0
LONGEST_WAIT_S = 0.6
"""A kill at any moment comes within this time; a start takes about as long."""
PROGRESS_S = 5.0
MOST_TOLD = 10
"""How many findings are printed."""


class Kill(NamedTuple):
    """Where a process dies: at a point, at one of its passings; or at one of `MOMENTS`."""

    where: str
    passes: int = 1

    @property
    def is_at_start(self) -> bool:
        """Whether it comes before the server listens."""
        return self.where in START_POINTS or self.where == MOMENTS[1]

    @property
    def is_at_stop(self) -> bool:
        """Whether the server has to be asked to stop."""
        return self.where in STOP_POINTS or self.where == MOMENTS[2]


def kills(chance: random.Random) -> Iterator[Kill]:
    """Yield kills without end: three at points, each in its turn, then one at any moment.

    After a clean stop there is nothing in L1 to be read, so something is left there for a death in the middle of that.
    """
    while True:
        points = list(POINTS)
        chance.shuffle(points)
        for number, point in enumerate(points):
            if number % 3 == 2:
                yield Kill(chance.choice(MOMENTS))
            if point == "in read":
                yield Kill("after append")
            is_frequent = "append" in point
            most = 1 if point in {*START_POINTS, *STOP_POINTS} else OFTEN if is_frequent else 3
            yield Kill(point, chance.randint(1, most))


@attrs.define
class Figures:
    """What a run amounts to."""

    kills: Counter[str] = attrs.field(factory=Counter)
    passed: set[str] = attrs.field(factory=set)
    start_s: list[float] = attrs.field(factory=list)
    hot_journals: int = 0
    """How often SQLite's journal was not empty after a death."""
    acknowledged: dict[str, int] = attrs.field(factory=dict)
    read: int = 0
    """Records that the group has read, some of them again after a death."""
    commits: int = 0
    topics_created: int = 0
    topics_deleted: int = 0
    duplicates: int = 0
    """Records that a plain producer has written twice: Kafka allows it, and an idempotent one is for avoiding it."""

    def lines(self) -> Iterator[str]:
        """Yield them for people."""
        for point, count in sorted(self.kills.items()):
            yield f"{count:6} at {point}"
        starts = sorted(self.start_s)
        yield f"{sum(self.kills.values())} kills; SQLite's journal was left behind by {self.hot_journals}"
        yield f"all {len(POINTS)} points passed"
        yield f"acknowledged: {', '.join(f'{count} by {name}' for name, count in self.acknowledged.items())}"
        yield f"written twice by the plain producer: {self.duplicates}"
        yield f"read by the group: {self.read}, with {self.commits} commits acknowledged"
        yield f"topics created {self.topics_created}, deleted {self.topics_deleted}"
        yield f"starts: median {statistics.median(starts):.2f} s, longest {starts[-1]:.2f} s"


class Run:
    """One run: a directory, a port, clients, and one server process after another.

    Args:
        folder: for the data, the history and what servers say.
        data: the data directory.
        seed: of all that is random, but for how threads and processes happen to run.
        mistake: what is planted in the servers.
        after_death: called when a process has died: what a power cut does to its files.
    """

    def __init__(
        self,
        folder: Path,
        data: Path,
        seed: int,
        *,
        mistake: str = "",
        after_death: Callable[[], None] = lambda: None,
    ) -> None:
        self.figures = Figures()
        self._folder = folder
        self._data = data
        self._chance = random.Random(seed)
        self._mistake = mistake
        self._after_death = after_death
        self._port = free_port()
        self._history = History(now=time.monotonic_ns)
        self._findings: list[str] = []
        self._server: ServerProcess

    def run(self, count: int) -> list[str]:
        """Kill so many times; return what was found."""
        bootstrap = f"127.0.0.1:{self._port}"
        self._round(Kill(MOMENTS[0]), lambda: create_topic(bootstrap))
        producers = [
            Producing("idempotent", bootstrap, self._history, idempotent=True),
            Producing("plain", bootstrap, self._history, idempotent=False),
        ]
        readers = [Reading(name, bootstrap, self._history) for name in ("reader-1", "reader-2")]
        asker = Asking("asker", bootstrap, self._history)
        changer = ChangingTopics("topics", bootstrap, self._history, random.Random(self._chance.random()))
        workers = (changer, *producers, *readers, asker)
        told_s = time.monotonic()
        try:
            for number, kill in zip(range(2, count + 1), kills(self._chance), strict=False):
                self._round(kill)
                if time.monotonic() - told_s >= PROGRESS_S:
                    told_s = time.monotonic()
                    print(f"{number} kills, {sum(each.acknowledged for each in producers)} acknowledged", flush=True)
                if self._findings or any(worker.failure for worker in workers):
                    break
            self._start(Kill(""))
            if not self._server.is_listening:
                return [*self._findings, f"the server does not start any more; {self._server}"]
            self._server.wait_until_passed({*POINTS} - {*STOP_POINTS} - self.figures.passed, POINT_TIMEOUT_S)
            self._history.add(Healed("test"))
            for worker in workers:
                self._stop(worker)
            self.figures.acknowledged = {each.name: each.acknowledged for each in producers}
            self.figures.read = sum(reader.records for reader in readers)
            self.figures.commits = sum(reader.commits for reader in readers)
            self._audit(bootstrap, changer)
            self._stop_cleanly()
        finally:
            self._server.kill()
            (self._folder / "history.jsonl").write_text(self._history.to_json())
        return self._findings

    def _stop(self, worker: Worker) -> None:
        try:
            worker.stop()
        except (KafkaException, TimeoutError) as error:
            self._findings.append(f"{worker.name} could not go on: {error}")

    def _stop_cleanly(self) -> None:
        self._server.ask_to_stop()
        if self._server.end() != 0:
            self._findings.append(f"the server did not stop cleanly; {self._server}")
        self.figures.passed |= self._server.passed
        self._findings += [f"no process has passed {point}" for point in POINTS if point not in self.figures.passed]

    def _start(self, kill: Kill) -> None:
        die_at = kill.where if kill.where in POINTS else ""
        log = self._folder / "server.log"
        self._server = ServerProcess(
            self._port, self._data, log, die_at=die_at, passes=kill.passes, mistake=self._mistake
        )
        if not kill.is_at_start and self._server.wait_until_listening():
            self.figures.start_s.append(self._server.start_s)

    def _round(self, kill: Kill, while_it_serves: Callable[[], None] = lambda: None) -> None:
        """Start a server, and let it die."""
        self._start(kill)
        while_it_serves()
        if kill.where in MOMENTS:
            self._server.has_ended_within(self._chance.uniform(0, LONGEST_WAIT_S))
        if kill.is_at_stop:
            self._server.has_ended_within(self._chance.uniform(0, LONGEST_WAIT_S))
            self._server.ask_to_stop()
        if kill.where in POINTS and not self._server.has_ended_within(POINT_TIMEOUT_S):
            self._findings.append(f"{kill.where} was not passed {kill.passes} times in {POINT_TIMEOUT_S:.0f} s")
        status = self._server.kill()
        if status != -signal.SIGKILL and not (kill.where == MOMENTS[2] and status == 0):
            self._findings.append(f"the server ended by itself, with status {status}; {self._server}")
        self._history.add(Mark("test", f"died at {kill.where}, passing {kill.passes}"))
        self.figures.kills[kill.where] += 1
        self.figures.passed |= self._server.passed
        journal = self._data / "checkpoint.sqlite-journal"
        self.figures.hot_journals += journal.exists() and journal.stat().st_size > 0
        self._after_death()

    def _audit(self, bootstrap: str, changer: ChangingTopics) -> None:
        """Read everything, and judge."""
        present = topics(bootstrap)
        self.figures.topics_created = len(changer.created) + len(changer.deleted)
        self.figures.topics_deleted = len(changer.deleted)
        self._findings += [f"topic {topic} has been created and is not there" for topic in changer.created - present]
        self._findings += [f"topic {topic} has been deleted and is there" for topic in changer.deleted & present]
        sides = [(topic, 0) for topic in sorted(changer.created & present)]
        found = []
        try:
            found = read_all(bootstrap, self._history, [*((TOPIC, number) for number in range(PARTITIONS)), *sides])
        except (KafkaException, TimeoutError) as error:
            self._findings.append(f"not everything can be read: {error}")
        copies = Counter((topic, partition, value) for topic, partition, _, value in found)
        self.figures.duplicates = sum(
            count - 1 for (_, _, value), count in copies.items() if value.startswith("plain ")
        )
        self._findings[:0] = [str(finding) for finding in check(self._history)]  # in front: only the first are told
