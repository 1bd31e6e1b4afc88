"""The checks of a write-ahead log; those of owners and of what goes wrong are in the modules beside."""

from concurrent.futures import ThreadPoolExecutor

from dotkafka.errors import StorageFailed
from dotkafka.storage.spi import WalWriter, WriteAheadLog
from dotkafka.testing.conformance.checks import expect, expect_error, expect_true, payloads, promised_by
from dotkafka.testing.conformance.wal_outcomes import WalOutcomeChecks
from dotkafka.testing.conformance.wal_owners import WalOwnerChecks


class WriteAheadLogConformance(WalOwnerChecks, WalOutcomeChecks):
    """The promises of `WriteAheadLog` and `WalWriter`. What you can say of yours is in `WalSubject`."""

    @promised_by(WriteAheadLog.read)
    def test_a_new_log_is_empty(self) -> None:
        """Reading a shard that nobody wrote yields nothing."""
        wal = self.create_wal()
        expect(payloads(wal), [], "before it is opened")
        writer = wal.open(0, "test")
        expect(writer.next_sequence, 0, "the first sequence")
        expect(payloads(wal), [], "after it is opened")
        writer.close()

    @promised_by(WriteAheadLog.read)
    def test_entries_are_read_back_in_order(self) -> None:
        """Entries come back whole, in order, with consecutive sequences and the epoch of their writer."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        expected = [b"%d-" % number * number for number in range(40)]
        for sequence, payload in enumerate(expected):
            expect(writer.append([payload]), sequence, "the sequence of an append")
        expect(writer.next_sequence, 40, "the next sequence")
        entries = [(entry.sequence, entry.epoch, bytes(entry.payload)) for entry in wal.read(0, 0)]
        expect(entries, [(n, writer.epoch, payload) for n, payload in enumerate(expected)], "what is read back")
        writer.close()

    @promised_by(WalWriter.append)
    def test_an_entry_is_the_concatenation_of_its_parts(self) -> None:
        """Parts of any buffer type, empty ones and none at all make one entry."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"bytes", bytearray(b"bytearray"), b"", memoryview(b"a view")[2:]])
        writer.append([])
        expect(payloads(wal), [b"bytesbytearrayview", b""], "the entries")
        writer.close()

    @promised_by(WalWriter.append)
    def test_many_parts_make_one_entry(self) -> None:
        """There is no limit to the number of parts (operating systems have one)."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        parts = [b"%d," % number for number in range(10_000)]
        writer.append(parts)
        expect(payloads(wal), [b"".join(parts)], "the entry")
        writer.close()

    @promised_by(WalWriter.append)
    def test_large_entries(self) -> None:
        """An entry of 16 MiB is larger than whatever unit the engine writes in, and others follow it."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        expected = [b"before", bytes(range(256)) * 65536, b"", b"after"]
        for payload in expected:
            writer.append([payload])
        expect_true("large entries are read back", condition=payloads(wal) == expected)
        writer.close()

    @promised_by(WriteAheadLog.read)
    def test_reading_starts_at_a_sequence(self) -> None:
        """Entries before the sequence asked for are left out; one past the end yields nothing."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        for number in range(5):
            writer.append([b"%d" % number])
        expect(payloads(wal, from_sequence=3), [b"3", b"4"], "from sequence 3")
        expect(payloads(wal, from_sequence=5), [], "from the end")
        expect(payloads(wal, from_sequence=99), [], "from behind the end")
        writer.close()

    @promised_by(WalWriter.trim)
    def test_trim_keeps_what_is_not_below_it(self) -> None:
        """After a trim every entry from there on is there; older ones may be, in order and without a gap."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        for number in range(30):
            writer.append([b"%d" % number * 1000])
        writer.trim(20)
        sequences = [entry.sequence for entry in wal.read(0, 0)]
        expect(sequences, list(range(sequences[0], 30)), "sequences without a gap")
        expect_true("entry 20 is kept", condition=sequences[0] <= 20)
        writer.trim(30)
        expect(writer.append([b"next"]), 30, "sequences go on after everything was trimmed")
        expect(payloads(wal, from_sequence=30), [b"next"], "the entry after the trim")
        writer.close()

    @promised_by(WalWriter.close)
    def test_a_closed_writer_refuses(self) -> None:
        """A closed writer raises StorageFailed; closing twice is no error; entries stay for the next one."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        writer.append([b"kept"])
        writer.close()
        writer.close()
        expect_error(StorageFailed, lambda: writer.append([b"late"]), "an append after close")
        successor = wal.open(0, "test")
        expect_true("the next epoch is higher", condition=successor.epoch > writer.epoch)
        expect(successor.next_sequence, 1, "the next sequence")
        expect(payloads(wal), [b"kept"], "the entries")
        successor.close()

    @promised_by(WriteAheadLog)
    def test_shards_are_apart(self) -> None:
        """Each shard has sequences, entries and an owner of its own."""
        wal = self.create_wal()
        first = wal.open(0, "test")
        second = wal.open(7, "test")
        expect([first.append([b"a"]), second.append([b"b"]), first.append([b"c"])], [0, 0, 1], "sequences by shard")
        expect([payloads(wal, 0), payloads(wal, 7)], [[b"a", b"c"], [b"b"]], "entries by shard")
        first.close()
        second.close()

    @promised_by(WriteAheadLog.durable)
    def test_it_says_whether_it_is_durable(self) -> None:
        """It is one or the other, and stays it."""
        wal = self.create_wal()
        before = wal.durable
        expect_true("it is a bool", condition=isinstance(before, bool))
        wal.open(0, "test").close()
        expect(wal.durable, before, "whether it is durable")

    @promised_by(WalWriter.next_sequence)
    def test_the_next_sequence_is_that_of_the_next_append(self) -> None:
        """It is known before the append, and a trim does not change it."""
        wal = self.create_wal()
        writer = wal.open(3, "test")
        for number in range(10):
            expected = writer.next_sequence
            expect(writer.append([b"x" * number]), expected, "the sequence")
            writer.trim(number)
        expect(writer.next_sequence, 10, "the next sequence")
        writer.close()

    @promised_by(WriteAheadLog.read)
    def test_reading_goes_on_while_entries_are_appended(self) -> None:
        """Readers in other threads get whole entries in order; those appended meanwhile may be left out."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        expected = [b"%d," % number * number for number in range(150)]
        for payload in expected[:50]:
            writer.append([payload])

        def read_often() -> None:
            for _ in range(10):
                found = payloads(wal)
                expect(found, expected[: len(found)], "what is read meanwhile")
                expect_true("all from before the call", condition=len(found) >= 50)

        with ThreadPoolExecutor(3) as pool:
            reads = [pool.submit(read_often) for _ in range(3)]
            for payload in expected[50:]:
                writer.append([payload])
        for read in reads:
            read.result()
        expect(payloads(wal), expected, "what is read in the end")
        writer.close()

    @promised_by(WriteAheadLog.read)
    def test_several_may_read_in_turn(self) -> None:
        """Each iteration has a place of its own, and one may be given up."""
        wal = self.create_wal()
        writer = wal.open(0, "test")
        for number in range(6):
            writer.append([b"%d" % number])
        first, second = wal.read(0, 0), wal.read(0, 3)
        taken = [bytes(next(each).payload) for each in (first, second, first, second, first)]
        expect(taken, [b"0", b"3", b"1", b"4", b"2"], "two iterations in turn")
        del first
        expect([bytes(entry.payload) for entry in second], [b"5"], "the rest of one")
        writer.close()
