"""The enumeration finds mistakes, and shows each again by its number; `fuzz/planted_bugs/` has many more."""

import attrs
import pytest

from dotkafka.broker.shard import Shard
from dotkafka.broker.storage_work import TrimWork
from dotkafka.testing.crash_model import BrokenPromise
from dotkafka.testing.crash_states import CrashStates
from dotkafka.testing.simulated_storage import CrashingCheckpoints

SEEDS = range(3)


def answer_before_the_sync(monkeypatch):
    """The broker does not wait for its log."""
    monkeypatch.setattr(Shard, "when_durable", lambda self, waiter: waiter(self.failure))


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


def replace_in_two_steps(monkeypatch):
    """What compaction replaces is removed with one save, and what is left of it added with another."""
    save = CrashingCheckpoints.save

    def save_twice(self, shard, changes):
        removed = {
            name: attrs.evolve(partition, replacement=attrs.evolve(partition.replacement, batches=()))
            for name, partition in changes.partitions.items()
            if partition.replacement is not None
        }
        if removed:
            save(self, shard, attrs.evolve(changes, partitions={**changes.partitions, **removed}))
        save(self, shard, changes)

    monkeypatch.setattr(CrashingCheckpoints, "save", save_twice)


MISTAKES = [
    replace_in_two_steps,
    answer_before_the_sync,
    trim_before_the_checkpoint,
]


def first_finding():
    """What the states of some seeds show."""
    for seed in SEEDS:
        try:
            CrashStates(seed).run()
        except BrokenPromise as error:
            return str(error)
    return ""


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found(monkeypatch, mistake):
    """And the state that shows one can be had again, alone, by its number."""
    mistake(monkeypatch)
    finding = first_finding()
    assert finding.startswith("state ")
    seed, number = map(int, finding.split()[1].rstrip(",").split(":"))
    with pytest.raises(BrokenPromise) as again:
        CrashStates(seed, only=number).run()
    assert str(again.value) == finding


def test_the_same_seed_has_the_same_states():
    """So a number means the same tomorrow."""
    counts = set()
    for only in (None, 3, -1):
        states = CrashStates(1, steps=40, only=only)
        states.run()
        counts.add((states.count, states.cuts))
    assert len(counts) == 1


def test_more_choices_are_more_states():
    """At the same cuts."""
    few, many = (CrashStates(1, steps=40, choices=choices) for choices in (2, 12))
    few.run()
    many.run()
    assert few.cuts == many.cuts
    assert few.count < many.count
