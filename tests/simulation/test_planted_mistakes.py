"""The simulation finds the mistakes that brokers have made: each is planted, and shows within a few seeds."""

import attrs
import pytest

from dotkafka.broker import broker
from dotkafka.broker.broker import Broker
from dotkafka.broker.groups import Groups
from dotkafka.broker.shard import Shard
from dotkafka.broker.storage_work import TrimWork
from dotkafka.clock import Instant
from dotkafka.coordinator.deadlines import Deadlines, SessionDeadline
from dotkafka.coordinator.effects import Effects
from dotkafka.coordinator.group_coordinator import GroupCoordinator
from dotkafka.log.producer_state import ProducerStates
from dotkafka.storage.memory import MemoryCheckpointStore
from dotkafka.storage.wal_file import FileWalWriter
from dotkafka.testing.simulation import Simulation, SimulationFailure
from dotkafka.testing.simulation.scheduler import START_WALL_MS

SEEDS = range(10)


def answer_before_the_sync(monkeypatch):
    """The broker does not wait for its log."""
    monkeypatch.setattr(Shard, "when_durable", lambda self, waiter: waiter(self.failure))


def publish_before_the_sync(monkeypatch):
    """Consumers are shown what a crash can still take back."""
    write_batches = Shard.write_batches

    def write_and_publish(self, log, base_offset, data):
        write_batches(self, log, base_offset, data)
        log.advance_high_watermark(log.log_end_offset)

    monkeypatch.setattr(Shard, "write_batches", write_and_publish)


def commit_before_the_sync(monkeypatch):
    """The coordinator answers before its records are durable."""
    apply = Groups._apply

    def apply_at_once(self, effects):
        self._send(effects.replies, None)
        apply(self, Effects(effects.records))

    monkeypatch.setattr(Groups, "_apply", apply_at_once)


def forget_producers_at_a_restart(monkeypatch):
    """What a producer sent before a restart is not recognised after it."""
    recovered = Shard.recovered

    def recovered_without_producers(self, now):
        for log in self.logs.values():
            log._producers = ProducerStates()
        recovered(self, now)

    monkeypatch.setattr(Shard, "recovered", recovered_without_producers)


def keep_old_timers(monkeypatch):
    """A heartbeat starts a new timer of the session, and the old one still runs out."""
    cancel = Deadlines.cancel

    def cancel_others(self, key):
        if not isinstance(key, SessionDeadline):
            cancel(self, key)

    monkeypatch.setattr(Deadlines, "cancel", cancel_others)


def expire_sessions_by_the_wall_clock(monkeypatch):
    """A jump of the wall clock puts members out of their groups."""
    handle_timeouts = GroupCoordinator.handle_timeouts

    def handle_by_wall_clock(self, now):
        return handle_timeouts(self, Instant(max(now.monotonic_ms, now.wall_ms - START_WALL_MS), now.wall_ms))

    monkeypatch.setattr(GroupCoordinator, "handle_timeouts", handle_by_wall_clock)


def forget_who_waits_for_storage(monkeypatch):
    """A producer that was told to wait is never served."""
    monkeypatch.setattr(Broker, "hold", lambda self, connection, serve: setattr(connection, "is_held", True))


def trim_before_the_checkpoint(monkeypatch):
    """The log forgets what a checkpoint covers as soon as that is begun."""
    begin_checkpoint = Shard._begin_checkpoint

    def begin_and_trim(self, now, *, is_closing):
        before = self._checkpointing
        begin_checkpoint(self, now, is_closing=is_closing)
        if self._checkpointing is not before:
            changes = self._checkpointing.changes
            self._new_work.append(TrimWork(self._writer, changes.next_sequence, inline=False))

    monkeypatch.setattr(Shard, "_begin_checkpoint", begin_and_trim)


def let_former_owners_append(monkeypatch):
    """A write-ahead log gives its lock to a new owner, and the old one keeps its file."""

    def hand_over(self, _owner):
        folder_lock, self._folder_lock = self._folder_lock, None
        return folder_lock

    monkeypatch.setattr(FileWalWriter, "fence", hand_over)


def let_former_owners_save(monkeypatch):
    """The checkpoint store does not look whose checkpoint it is."""
    save = MemoryCheckpointStore.save

    def save_of_anybody(self, shard, changes):
        held = self.load(shard)
        save(self, shard, attrs.evolve(changes, epoch=max(changes.epoch, held.epoch if held else 0)))

    monkeypatch.setattr(MemoryCheckpointStore, "save", save_of_anybody)


def let_former_owners_be_read(monkeypatch):
    """A broker that cannot write any more goes on to serve what it knows, though another one writes."""

    class Never(Exception):  # noqa: N818 (it stands for one)
        pass

    monkeypatch.setattr(broker, "Fenced", Never)


MISTAKES = {
    answer_before_the_sync: "",
    publish_before_the_sync: "",
    commit_before_the_sync: "",
    forget_producers_at_a_restart: "",
    keep_old_timers: "",
    expire_sessions_by_the_wall_clock: "put out of the group",
    forget_who_waits_for_storage: "",
    trim_before_the_checkpoint: "",
    let_former_owners_append: "",
    let_former_owners_save: "",
    let_former_owners_be_read: "knows that another one has its storage",
}
"""And by what words each is told."""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(monkeypatch, mistake):
    """By what clients see of them."""
    mistake(monkeypatch)
    found = ""
    for seed in SEEDS:
        try:
            Simulation(seed).run()
        except SimulationFailure as failure:
            found = str(failure)
            break
    assert MISTAKES[mistake] in found.partition("\n")[0], found
    assert found
