"""What goes wrong with a write-ahead log: crashes, outcomes that nobody knows, failures, damage."""

from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage.spi import WalWriter, WriteAheadLog
from dotkafka.testing.conformance.checks import (
    expect,
    expect_error,
    expect_true,
    given,
    payloads,
    promised_by,
)
from dotkafka.testing.conformance.wal_subject import WalSubject


class WalOutcomeChecks(WalSubject):
    """The promises that are about restarts and errors."""

    @promised_by(WalWriter.epoch)
    def test_a_restart_finds_everything(self) -> None:
        """What was appended is there after a restart, again and again, and sequences and epochs go on rising."""
        wal = self.create_wal()
        expected: list[bytes] = []
        epoch = -1
        for life in range(4):
            writer = wal.open(0, "test")
            expect_true("the epoch rises", condition=writer.epoch > epoch)
            epoch = writer.epoch
            expect(writer.next_sequence, len(expected), "the next sequence")
            expect(payloads(wal), expected, "entries of earlier lives")
            for number in range(life):
                expected.append(b"%d.%d" % (life, number))
                writer.append([expected[-1]])
            writer.close()
            wal = self.restarted(wal)

    @promised_by(WalWriter.append)
    def test_an_append_survives_a_crash(self) -> None:
        """What an append has returned for is there after a crash, and so is all before it."""
        wal = self.create_wal()
        expected: list[bytes] = []
        epoch = -1
        for life in range(4):
            writer = wal.open(0, "test")
            expect_true("the epoch rises", condition=writer.epoch > epoch)
            epoch = writer.epoch
            for number in range(life * 3):
                expected.append(b"%d.%d" % (life, number) * 100)
                expect(writer.append([expected[-1]]), len(expected) - 1, "the sequence")
            wal = self.crashed(wal)
            expect(payloads(wal), expected, "the entries after the crash, before the log is opened")

    @promised_by(WalWriter.trim)
    def test_a_trim_and_a_crash_leave_what_was_not_trimmed(self) -> None:
        """Entries from the trim on are there after a crash, older ones without a gap or not, and sequences go on."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        for number in range(60):
            writer.append([b"%02d" % number * 500])
            if number % 10 == 9:
                writer.trim(number - 5)
        wal = self.crashed(wal)
        sequences = [entry.sequence for entry in wal.read(0, 0)]
        expect(sequences, list(range(sequences[0] if sequences else -1, 60)), "the sequences without a gap")
        expect_true("entry 54 is kept", condition=sequences[0] <= 54)
        writer = wal.open(0, "test")
        writer.trim(60)
        wal = self.crashed(wal)
        expect(wal.open(0, "test").next_sequence, 60, "the next sequence after all was trimmed")

    @promised_by(WalWriter.append)
    def test_an_append_that_was_not_possible_is_made_again(self) -> None:
        """After StorageUnavailable the same call appends one entry, and what was there is as it was."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"before"])
        with given(self.unavailable(wal), "unavailable"):
            for _ in range(3):
                expect_error(StorageUnavailable, lambda: writer.append([b"again"]), "an append that is not possible")
            expect(payloads(wal), [b"before"], "the entries meanwhile")
        expect(writer.append([b"again"]), 1, "the sequence, when it is possible")
        expect(writer.append([b"after"]), 2, "the sequence after it")
        expect(payloads(wal), [b"before", b"again", b"after"], "the entries")
        writer.close()

    @promised_by(WriteAheadLog.open)
    def test_an_open_that_was_not_possible_leaves_the_shard_as_it_was(self) -> None:
        """It raises StorageUnavailable, or is possible; the entries are there, and it can be opened later."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"before"])
        epoch = writer.epoch
        writer.close()
        with given(self.unavailable(wal), "unavailable"):
            try:
                epoch = wal.open(0, "test").epoch
            except StorageUnavailable:
                expect(payloads(wal), [b"before"], "the entries meanwhile")
        writer = wal.open(0, "test")
        expect_true("the epoch rises", condition=writer.epoch > epoch)
        expect(writer.append([b"after"]), 1, "the sequence")
        expect(payloads(wal), [b"before", b"after"], "the entries")
        writer.close()

    @promised_by(WalWriter.append)
    def test_an_append_of_unknown_outcome_is_made_again(self) -> None:
        """Also if its bytes had gone, making it again gives one entry, not two, and others follow it."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"before"])
        for _ in range(2):
            with given(self.unknown_outcome(wal), "unknown_outcome"):
                expect_error(StorageUnavailable, lambda: writer.append([b"un", b"known"]), "a lost answer")
        expect(writer.append([b"un", b"known"]), 1, "the sequence, made again")
        expect(writer.append([b"after"]), 2, "the sequence after it")
        expect(payloads(wal), [b"before", b"unknown", b"after"], "the entries")
        writer.close()

    @promised_by(WriteAheadLog.open)
    def test_an_append_of_unknown_outcome_is_decided_by_the_next_open(self) -> None:
        """If the process ends then, the entry is there once or not at all, and what the next writer finds, stays."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"before"])
        with given(self.unknown_outcome(wal), "unknown_outcome"):
            expect_error(StorageUnavailable, lambda: writer.append([b"unknown"]), "a lost answer")
        wal = self.crashed(wal)
        writer = wal.open(0, "test")
        found = payloads(wal)
        expect_true(
            f"the entry is there once or not: {found}", condition=found in [[b"before"], [b"before", b"unknown"]]
        )
        expect(writer.next_sequence, len(found), "the next sequence")
        wal = self.crashed(wal)
        expect(payloads(wal), found, "the entries after another crash")
        writer = wal.open(0, "test")
        expect(writer.append([b"after"]), len(found), "the sequence after it")
        expect(payloads(wal), [*found, b"after"], "the entries with one more")
        writer.close()

    @promised_by(WalWriter.append)
    def test_a_fenced_writer_does_not_make_an_append_again(self) -> None:
        """One whose outcome was unknown gets Fenced then, and is in the log at most once, before the newer writer's."""
        wal = self.create_wal()
        first = wal.open(0, "first")
        with given(self.unknown_outcome(wal), "unknown_outcome"):
            expect_error(StorageUnavailable, lambda: first.append([b"unknown"]), "a lost answer")
        second = wal.open(0, "second")
        found = payloads(wal)
        expect_true(f"the entry is there once or not: {found}", condition=found in [[], [b"unknown"]])
        second.append([b"of the second"])
        expect_error(Fenced, lambda: first.append([b"unknown"]), "the append, made again")
        expect(payloads(wal), [*found, b"of the second"], "the entries")
        second.close()

    @promised_by(WalWriter.append)
    def test_a_failed_writer_fails_for_good(self) -> None:
        """After StorageFailed every later call raises it too; what was acknowledged is there for the next writer."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"before"])
        with given(self.failing(wal), "failing"):
            expect_error(StorageFailed, lambda: writer.append([b"failed"]), "an append that fails")
        expect_error(StorageFailed, lambda: writer.append([b"late"]), "an append after it")
        expect_error(StorageFailed, lambda: writer.trim(1), "a trim after it")
        writer.close()
        writer = wal.open(0, "test")
        found = payloads(wal)
        expect_true(f"acknowledged: {found}", condition=found in [[b"before"], [b"before", b"failed"]])
        expect(writer.append([b"after"]), len(found), "the sequence of the next writer")
        expect(payloads(wal), [*found, b"after"], "the entries")
        writer.close()

    @promised_by(WriteAheadLog.read)
    def test_damage_is_refused_with_its_place(self) -> None:
        """An entry in the middle that is damaged raises StorageFailed, which names the place; none is left out."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        expected = [b"entry %d of many" % number for number in range(9)]
        for payload in expected:
            writer.append([payload])
        writer.close()
        wal, place = given(self.damaged(wal, expected[4]), "damaged")
        found: list[bytes] = []
        try:
            wal.open(0, "test")
            found.extend(bytes(entry.payload) for entry in wal.read(0, 0))
        except StorageFailed as error:
            expect_true(f"the message names the place, {place!r}: {error}", condition=place in str(error))
            expect(found, expected[: len(found)], "the entries before the damage")
            return
        raise AssertionError(f"damage: expected StorageFailed, got {found}")
