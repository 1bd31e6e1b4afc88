"""Fencing: many open a shard, one at a time writes it."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier, Lock

import attrs

from dotkafka.errors import Fenced, StorageFailed
from dotkafka.storage.spi import WalWriter, WriteAheadLog
from dotkafka.testing.conformance.checks import (
    entries,
    expect,
    expect_error,
    expect_true,
    given,
    interleavings,
    payloads,
    promised_by,
)
from dotkafka.testing.conformance.wal_subject import WalSubject

_OPENERS = 6
_APPENDS = 15


@attrs.define
class _Race:
    """What racing owners were told."""

    lock: Lock = attrs.field(factory=Lock)
    writers: list[WalWriter] = attrs.field(factory=list)
    appended: dict[int, tuple[int, bytes]] = attrs.field(factory=dict)
    """By sequence: epoch and payload of what was acknowledged."""
    refused: set[bytes] = attrs.field(factory=set)
    twice: list[int] = attrs.field(factory=list)
    """Sequences that two appends got."""

    def run_opener(self, wal: WriteAheadLog, name: str, start: Barrier) -> None:
        """Open the shard and append until fenced."""
        start.wait()
        try:
            writer = wal.open(0, name)
        except Fenced:
            return
        with self.lock:
            self.writers.append(writer)
        for number in range(_APPENDS):
            payload = b"%s.%d" % (name.encode(), number)
            try:
                sequence = writer.append([payload])
            except Fenced:
                self.refused.add(payload)
                return
            with self.lock:
                if sequence in self.appended:
                    self.twice.append(sequence)
                self.appended[sequence] = writer.epoch, payload


class WalOwnerChecks(WalSubject):
    """The promises of `WriteAheadLog.open`."""

    @promised_by(WriteAheadLog.open)
    def test_a_newer_writer_fences_the_older(self) -> None:
        """From the moment of the second open, the first writer appends and trims nothing, and says Fenced."""
        wal = self.create_wal()
        first = wal.open(0, "first")
        first.append([b"of the first"])
        second = wal.open(0, "second")
        expect_true("the newer epoch is higher", condition=second.epoch > first.epoch)
        expect_error(Fenced, lambda: first.append([b"late"]), "an append of the fenced writer")
        expect_error(Fenced, lambda: first.trim(1), "a trim of the fenced writer")
        expect(second.append([b"of the second"]), 1, "the newer writer continues the sequences")
        first.close()
        expect_error(Fenced, lambda: first.append([b"late"]), "an append of the fenced writer after its close")
        expect(second.append([b"again"]), 2, "closing a fenced writer does not end its successor")
        expect(payloads(wal), [b"of the first", b"of the second", b"again"], "the entries of both")
        second.close()

    @promised_by(WriteAheadLog.open)
    def test_in_every_order_of_calls_only_the_last_opener_appends(self) -> None:
        """Whoever opened last writes; any earlier writer gets Fenced, and nothing of it is in the log."""
        wal = self.create_wal()
        orders = [*interleavings("aaa", "bbb"), *interleavings("aa", "bb", "cc")]
        for shard, order in enumerate(orders):
            writers: dict[str, WalWriter] = {}
            expected: list[tuple[int, int, bytes]] = []
            current = ""
            for step, name in enumerate(order):
                payload = b"%s at step %d" % (name.encode(), step)
                if name not in writers:
                    writers[name] = wal.open(shard, name)
                    current = name
                elif name == current:
                    expect(writers[name].append([payload]), len(expected), f"the sequence in order {order}")
                    expected.append((len(expected), writers[name].epoch, payload))
                else:
                    late = writers[name]
                    expect_error(Fenced, lambda late=late: late.append([b"late"]), f"step {step} of {order}")  # type: ignore[misc]
            expect(entries(wal, shard), expected, f"the entries after {order}")
            for writer in writers.values():
                writer.close()

    @promised_by(WriteAheadLog.open)
    def test_of_racing_openers_one_survives(self) -> None:
        """Of owners that open and append at the same time one goes on; every other one gets Fenced, none is unheard.

        Epochs are unique. What was acknowledged is in the log, at its sequence; what was refused is not. Once a newer
        writer has appended, nothing of an older one follows.
        """
        wal = self.create_wal()
        self._race([wal] * _OPENERS)

    @promised_by(WriteAheadLog.open)
    def test_of_racing_processes_one_survives(self) -> None:
        """The same if each has an engine of its own, as processes do; it may refuse to open, with Fenced."""
        wal = self.create_wal()
        self._race([wal, *(given(self.elsewhere(wal), "elsewhere") for _ in range(_OPENERS - 1))])

    @promised_by(WriteAheadLog.open)
    def test_another_process_is_fenced_or_refused(self) -> None:
        """A second process fences the first, or gets Fenced while that one lives; it never writes beside it."""
        wal = self.create_wal()
        other = given(self.elsewhere(wal), "elsewhere")
        first = wal.open(0, "first")
        first.append([b"of the first"])
        try:
            second = other.open(0, "second")
        except Fenced:
            expect(first.append([b"again"]), 1, "the sequence of the owner that could not be fenced")
            first.close()
            second = other.open(0, "second")
        expect_true("the newer epoch is higher", condition=second.epoch > first.epoch)
        expect_error((Fenced, StorageFailed), lambda: first.append([b"late"]), "an append of the earlier owner")
        expected = payloads(other)
        expect_true("the entries of the first are there", condition=expected[:1] == [b"of the first"])
        expect(second.append([b"of the second"]), len(expected), "the sequence continues")
        expect(payloads(other), [*expected, b"of the second"], "the entries")
        first.close()
        second.close()

    @promised_by(WriteAheadLog.open)
    def test_the_owner_is_not_interpreted(self) -> None:
        """Any text says who asks."""
        wal = self.create_wal()
        for number, owner in enumerate(("", "a/../b", "line\nline", "ß" * 500, "'; DROP TABLE entries")):
            writer = wal.open(0, owner)
            expect(writer.append([b"x"]), number, f"the sequence of owner {owner!r}")
            writer.close()

    @promised_by(WriteAheadLog.open)
    def test_the_minimums_of_open(self) -> None:
        """A log behind its checkpoint starts over at the checkpoint; one that is not, ignores the minimums."""
        wal = self.create_wal()
        writer = wal.open(0, "test", minimum_epoch=7, minimum_sequence=100)
        expect((writer.epoch, writer.next_sequence), (7, 100), "the minimums of an empty log")
        writer.append([b"old"])
        writer = wal.open(0, "test", minimum_epoch=3, minimum_sequence=50)
        expect((writer.epoch, writer.next_sequence), (8, 101), "minimums already reached")
        expect(payloads(wal), [b"old"], "entries kept")
        writer = wal.open(0, "test", minimum_sequence=200)
        expect(payloads(wal), [], "entries dropped, as the checkpoint is ahead of them")
        expect(writer.append([b"new"]), 200, "the sequence continues the checkpoint's")
        writer = wal.open(0, "test")
        expect(payloads(wal), [b"new"], "entries after another open")
        writer.close()

    def _race(self, engines: list[WriteAheadLog]) -> None:
        race = _Race()
        start = Barrier(len(engines))
        with ThreadPoolExecutor(len(engines)) as pool:
            runs = [pool.submit(race.run_opener, wal, f"opener {n}", start) for n, wal in enumerate(engines)]
        for run in runs:
            if (error := run.exception()) is not None:
                raise AssertionError(f"racing owners: expected Fenced and nothing else, got {error!r}")
        writers = sorted(race.writers, key=lambda writer: writer.epoch)
        epochs = [writer.epoch for writer in writers]
        expect(epochs, sorted(set(epochs)), "the epochs of the racing owners")
        expect(race.twice, [], "sequences given twice")
        for writer in writers[:-1]:
            expect_error(Fenced, lambda writer=writer: writer.append([b"late"]), "an append of an earlier opener")  # type: ignore[misc]
        found = entries(engines[0])
        expect([sequence for sequence, _, _ in found], list(range(len(found))), "the sequences in the log")
        expect({n: (epoch, payload) for n, epoch, payload in found}, race.appended, "what is in the log")
        expect_true("no refused entry is there", condition=race.refused.isdisjoint(payload for _, _, payload in found))
        expect_true("epochs do not fall", condition=all(a[1] <= b[1] for a, b in pairwise(found)))
        expect(writers[-1].append([b"last"]), len(found), "the sequence of the one that survives")
        for writer in writers:
            writer.close()
