"""The file write-ahead log keeps its promises on a real disk, through power cuts, full disks and damage."""

import contextlib
import errno
import itertools
import logging
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dotkafka.errors import Fenced, StorageFailed, StorageUnavailable
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.spi import Buffer, WriteAheadLog
from dotkafka.storage.wal_file import FileWal, FileWalWriter
from dotkafka.storage.wal_segment import ENTRIES_START, ENTRY_HEADER_SIZE
from dotkafka.testing.conformance import Fault, WriteAheadLogConformance, payloads
from dotkafka.testing.conformance.wal_outcomes import WalOutcomeChecks
from dotkafka.testing.faulty_file_system import FaultyFile, FaultyFileSystem, PowerCut


class TestFileWal(WriteAheadLogConformance):
    """The conformance checks on real files, in segments so small that rolling and recycling happen all the time."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        """Give each test an empty data directory."""
        self.path = tmp_path / "data"

    def create_wal(self) -> WriteAheadLog:
        """Return a log over the directory."""
        return FileWal(OsFileSystem(self.path), segment_bytes=8192, spare_segments=2)

    def restart(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Return a log over the same directory."""
        return self.create_wal()

    elsewhere = restart

    def damaged(self, wal: WriteAheadLog, payload: bytes) -> tuple[WriteAheadLog, str]:
        """Flip bits of the payload in its file."""
        for path in self.path.rglob("*.wal"):
            data = path.read_bytes()
            if payload in data:
                path.write_bytes(data.replace(payload, bytes(byte ^ 0xFF for byte in payload)))
                return self.create_wal(), path.name
        raise AssertionError("no file has it")


class TestFileWalOnFaultyFiles(WalOutcomeChecks):
    """The checks of crashes and errors, with power cuts, full disks and syncs that fail."""

    def create_wal(self) -> WriteAheadLog:
        """Return a log over files that lie."""
        self.files = FaultyFileSystem()
        self.dice = random.Random(1)
        return self.restart()

    def restart(self, wal: WriteAheadLog | None = None) -> WriteAheadLog:
        """Return a log over the same files."""
        return FileWal(self.files, segment_bytes=8192, spare_segments=1, random_bytes=self.dice.randbytes)

    def crash(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Lose power, and with it some of what is unsynced."""
        self.files.crash(lambda: self.dice.random() < 0.5)
        return self.restart()

    @contextlib.contextmanager
    def errors(self, call: str, error_number: int) -> Iterator[None]:
        """Let a kind of call fail."""
        self.files.fail_when(lambda each: error_number if each.startswith(call) else 0)
        yield
        self.files.fail_when(None)

    def unavailable(self, wal: WriteAheadLog) -> Fault:
        """The disk is full."""
        return self.errors("write", errno.ENOSPC)

    def failing(self, wal: WriteAheadLog) -> Fault:
        """No sync succeeds."""
        return self.errors("sync ", errno.EIO)

    @contextlib.contextmanager
    def unknown_outcome(self, wal: WriteAheadLog) -> Iterator[None]:
        """All bytes are written, and then the disk is full."""

        def write_and_fail(file: FaultyFile, position: int, parts: Sequence[Buffer]) -> None:
            write_at(file, position, parts)
            raise OSError(errno.ENOSPC, "no space left")

        write_at = FaultyFile.write_at
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(FaultyFile, "write_at", write_and_fail)
            yield

    test_damage_is_refused_with_its_place = None  # type: ignore[assignment]  # on real files, above


class Run:
    """One life of a log on a faulty file system, and what its users were told."""

    def __init__(self, file_system: FaultyFileSystem) -> None:
        self.file_system = file_system
        self.attempted: dict[int, set[bytes]] = {}
        self.acknowledged: dict[int, bytes] = {}
        self.trimmed_before = 0
        self.salts = random.Random(1)

    def wal(self) -> FileWal:
        """Return a log over the files, as a process just started has it."""
        return FileWal(self.file_system, segment_bytes=8192, spare_segments=1, random_bytes=self.salts.randbytes)

    def append(self, writer: FileWalWriter, size: int) -> None:
        """Append one entry, trying again as long as the disk is full."""
        sequence = writer.next_sequence
        payload = (b"%d of epoch %d;" % (sequence, writer.epoch) * size)[:size]
        self.attempted.setdefault(sequence, set()).add(payload)
        while True:
            try:
                assert writer.append([payload[:7], payload[7:]]) == sequence
            except StorageUnavailable:
                continue
            self.acknowledged[sequence] = payload
            return

    def trim(self, writer: FileWalWriter, before_sequence: int) -> None:
        """Trim, trying again as long as the disk is full."""
        self.trimmed_before = before_sequence
        while True:
            try:
                return writer.trim(before_sequence)
            except StorageUnavailable:
                continue

    def open(self, wal: FileWal) -> FileWalWriter:
        """Open the shard, trying again as long as the disk is full."""
        while True:
            try:
                return wal.open(0, "test")
            except StorageUnavailable:
                continue

    def everything(self) -> None:
        """Append, roll, trim, recycle, outgrow a segment, and open twice."""
        wal = self.wal()
        writer = self.open(wal)
        for size in (10, 1500, 2500, 700, 3000):
            self.append(writer, size)
        self.trim(writer, 3)
        for size in (2000, 1999, 9000, 5):
            self.append(writer, size)
        self.trim(writer, 7)
        writer = self.open(wal)
        for size in (3500, 100, 3500):
            self.append(writer, size)
        writer.close()

    def check(self, wal: FileWal) -> FileWalWriter:
        """Open the log, hold what it says against what was promised, and return its writer."""
        writer = self.open(wal)
        entries = {entry.sequence: bytes(entry.payload) for entry in wal.read(0, 0)}
        assert list(entries) == list(range(writer.recovery.first_sequence, writer.next_sequence)), "no gap"
        for sequence, payload in self.acknowledged.items():
            if sequence >= self.trimmed_before:
                assert entries.get(sequence) == payload, f"entry {sequence} was acknowledged"
        for sequence, payload in entries.items():
            assert payload in self.attempted[sequence], f"entry {sequence} was never appended"
        # From now on all that was read is promised.
        self.acknowledged = entries
        return writer


def keeps() -> list[Callable[[], bool]]:
    """What may survive of unsynced changes: nothing, everything, and some."""
    some = [partial(random.Random(seed).choice, (False, True)) for seed in range(3)]
    return [lambda: False, lambda: True, *some]


def operations_of_everything() -> list[str]:
    """The operations that the whole scenario makes when nothing fails."""
    run = Run(FaultyFileSystem())
    run.everything()
    return run.file_system.operations


def test_the_scenario_covers_what_can_happen() -> None:
    """The enumerations below mean something only if segments are made, recycled, removed and outgrown."""
    operations = operations_of_everything()
    kinds = {operation.split()[0] for operation in operations}
    assert kinds == {"create", "allocate", "write", "sync", "rename", "remove", "sync_folder"}
    renames = [operation.split() for operation in operations if operation.startswith("rename")]
    assert any(old.endswith(".wal") for _, old, _ in renames)
    recycled = [old for _, old, new in renames if Path(old).stem != Path(new).stem]
    assert recycled


def test_power_cuts_lose_nothing_acknowledged() -> None:
    """At every operation, with any part of the unsynced changes: what was returned is there, and nothing with a gap."""
    for cut in range(len(operations_of_everything())):
        for keep in keeps():
            run = Run(FaultyFileSystem())
            run.file_system.power_cut_at(cut)
            with pytest.raises(PowerCut):
                run.everything()
            run.file_system.crash(keep)
            writer = run.check(run.wal())
            run.append(writer, 600)
            run.file_system.crash()
            run.append(run.check(run.wal()), 50)


def test_power_cuts_during_recovery() -> None:
    """Recovery that is cut, at every operation of it, and begun again keeps the same promises."""
    for cut in range(0, len(operations_of_everything()), 3):
        for keep, keep_of_recovery in itertools.product(keeps()[1:3], keeps()[:3]):
            for recovery_cut in itertools.count():
                run = Run(FaultyFileSystem())
                run.file_system.power_cut_at(cut)
                with pytest.raises(PowerCut):
                    run.everything()
                run.file_system.crash(keep)
                run.file_system.power_cut_at(len(run.file_system.operations) + recovery_cut)
                try:
                    run.check(run.wal())
                except PowerCut:
                    run.file_system.crash(keep_of_recovery)
                    run.append(run.check(run.wal()), 600)
                    run.file_system.crash()
                    run.check(run.wal())
                else:
                    break


def test_a_process_death_followed_by_a_power_cut() -> None:
    """What stood in the page cache only is made durable before it is shown, or used, by the next process."""
    for end in range(len(operations_of_everything())):
        for recovery_cut in itertools.count():
            run = Run(FaultyFileSystem())
            run.file_system.power_cut_at(end)
            with pytest.raises(PowerCut):
                run.everything()
            run.file_system.kill_process()
            run.file_system.power_cut_at(len(run.file_system.operations) + recovery_cut)
            recovered = None
            with contextlib.suppress(PowerCut):
                recovered = run.check(run.wal())
            run.file_system.crash()
            run.check(run.wal())
            if recovered is not None:
                break


def test_a_full_disk_delays_and_doubles_nothing() -> None:
    """ENOSPC at any operation but a sync: the same call made again succeeds, and makes one entry."""
    operations = operations_of_everything()
    for index, operation in enumerate(operations):
        if operation.startswith("sync"):
            continue
        run = Run(FaultyFileSystem())
        run.file_system.fail_at(index, errno.ENOSPC)
        run.everything()
        assert len(run.acknowledged) == 12
        run.file_system.crash()
        run.append(run.check(run.wal()), 20)


def test_a_disk_that_stays_full_for_a_while() -> None:
    """Appends are refused as long as it is full, reads go on, and then service is back."""
    run = Run(FaultyFileSystem())
    wal = run.wal()
    writer = run.open(wal)
    run.append(writer, 3000)
    full = ("create", "allocate", "write")
    run.file_system.fail_when(lambda operation: errno.ENOSPC if operation.startswith(full) else 0)
    for payload in (b"x" * 3000, b"x" * 3000, b"x" * 500):
        with pytest.raises(StorageUnavailable, match="No space"):
            writer.append([payload])
        assert payloads(wal) == [run.acknowledged[0]]
    run.file_system.fail_when(None)
    run.append(writer, 3000)
    run.file_system.crash()
    run.check(run.wal())


@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
def test_a_failed_sync_is_final(error_number: int) -> None:
    """After a failed sync of anything the writer stays failed; opening anew finds all that was acknowledged."""
    for index, operation in enumerate(operations_of_everything()):
        if not operation.startswith("sync"):
            continue
        run = Run(FaultyFileSystem())
        run.file_system.fail_at(index, error_number)
        with pytest.raises(StorageFailed, match="cannot be made durable"):
            run.everything()
        run.file_system.kill_process()
        run.append(run.check(run.wal()), 600)
        run.file_system.crash()
        run.check(run.wal())


def test_a_failed_writer_stays_failed() -> None:
    """It does not try again, and opening anew in the same process takes over."""
    run = Run(FaultyFileSystem())
    wal = run.wal()
    writer = run.open(wal)
    run.append(writer, 10)
    run.file_system.fail_at(len(run.file_system.operations) + 1, errno.EIO)
    with pytest.raises(StorageFailed):
        writer.append([b"lost?"])
    count = len(run.file_system.operations)
    for call in (lambda: writer.append([b"again"]), lambda: writer.trim(1)):
        with pytest.raises(StorageFailed, match="cannot be made durable"):
            call()
    assert len(run.file_system.operations) == count
    run.attempted[1] = {b"lost?"}
    successor = run.check(wal)
    assert successor.next_sequence == 2
    run.file_system.crash()
    run.check(run.wal())


def test_an_input_output_error_of_a_write_is_final() -> None:
    """EIO is no condition that passes."""
    run = Run(FaultyFileSystem())
    writer = run.open(run.wal())
    run.file_system.fail_at(len(run.file_system.operations), errno.EIO)
    with pytest.raises(StorageFailed):
        writer.append([b"one"])
    with pytest.raises(StorageFailed):
        writer.append([b"one"])


def test_a_torn_tail_is_cut_and_told(caplog: pytest.LogCaptureFixture) -> None:
    """The report and the log name the file, the position and the bytes."""
    run = Run(FaultyFileSystem())
    writer = run.open(run.wal())
    run.append(writer, 100)
    run.file_system.power_cut_at(len(run.file_system.operations))
    with pytest.raises(PowerCut):
        run.append(writer, 2000)
    # The sectors are written in order: the header of the entry stands in the first, its middle is lost.
    kept = iter([True, False])
    run.file_system.crash(lambda: next(kept, True))
    with caplog.at_level(logging.WARNING):
        recovery = run.check(run.wal()).recovery
    assert recovery.torn_file == "wal/0/00000000000000000000.wal"
    assert recovery.torn_position == ENTRIES_START + ENTRY_HEADER_SIZE + 100
    assert recovery.torn_bytes == ENTRY_HEADER_SIZE + 2000
    assert "cut a torn append of 2032 bytes" in caplog.text


def damaged_log(*, position: int, in_last_segment: bool) -> tuple[Run, str]:
    """A log of five small entries, twice as many segments if not in the last, with one byte flipped."""
    run = Run(FaultyFileSystem())
    wal = run.wal()
    writer = run.open(wal)
    for _ in range(5):
        run.append(writer, 100)
    if not in_last_segment:
        run.append(writer, 4000)
    writer.close()
    name = "wal/0/00000000000000000000.wal"
    run.file_system.corrupt(name, position)
    return run, name


@pytest.mark.parametrize("entry", range(4))
@pytest.mark.parametrize("within", [0, 9, 17, 25, 29, 32, 131])
def test_damage_before_a_later_entry_refuses_to_open(entry: int, within: int) -> None:
    """A byte flipped anywhere in an entry that others follow is told with file and position, never cut away."""
    start = ENTRIES_START + entry * (ENTRY_HEADER_SIZE + 100)
    run, name = damaged_log(position=start + within, in_last_segment=True)
    with pytest.raises(StorageFailed, match=f"{name}: entry {entry} at byte {start} is damaged"):
        run.wal().open(0, "test")
    with pytest.raises(StorageFailed, match=f"{name}: entry {entry} at byte {start} is damaged"):
        list(run.wal().read(0, 0))


@pytest.mark.parametrize("entry", range(5))
def test_damage_in_an_earlier_segment_refuses_to_read(entry: int) -> None:
    """Also its last entry, which could be taken for a torn one if no segment followed."""
    start = ENTRIES_START + entry * (ENTRY_HEADER_SIZE + 100)
    run, name = damaged_log(position=start + 40, in_last_segment=False)
    wal = run.wal()
    writer = wal.open(0, "test")
    with pytest.raises(StorageFailed, match=f"{name}: entry {entry} at byte {start} is damaged"):
        list(wal.read(0, 0))
    writer.close()


def test_a_damaged_segment_header_refuses_to_open() -> None:
    """No segment is taken for an empty one because its header is damaged."""
    run, name = damaged_log(position=20, in_last_segment=True)
    with pytest.raises(StorageFailed, match=f"{name}: the segment header at byte 0 is damaged"):
        run.wal().open(0, "test")


def test_a_missing_segment_is_noticed() -> None:
    """Entries that are not there are an error, not a shorter log."""
    run = Run(FaultyFileSystem())
    wal = run.wal()
    writer = run.open(wal)
    for _ in range(4):
        run.append(writer, 4000)
    writer.close()
    run.file_system.remove("wal/0/00000000000000000001.wal")
    with pytest.raises(StorageFailed, match="missing"):
        list(run.wal().read(0, 0))


def test_payloads_that_look_like_entries_are_payloads() -> None:
    """A stored copy of the log itself is neither taken for entries nor for damage."""
    run = Run(FaultyFileSystem())
    writer = run.open(run.wal())
    run.append(writer, 50)
    copy = run.file_system.open("wal/0/00000000000000000000.wal").read_at(ENTRIES_START, ENTRY_HEADER_SIZE + 50)
    payload = b"." * 600 + copy + b"." * 600
    run.attempted[1] = {payload}
    run.file_system.power_cut_at(len(run.file_system.operations))
    with pytest.raises(PowerCut):
        writer.append([payload])
    # The last sector is lost: the entry is torn, and the copy in it is whole.
    kept = iter([True, True])
    run.file_system.crash(lambda: next(kept, False))
    writer = run.check(run.wal())
    assert writer.recovery.torn_bytes == ENTRY_HEADER_SIZE + len(payload)
    assert writer.next_sequence == 1


def test_trimmed_segments_are_used_again() -> None:
    """In the steady state files are neither created nor removed, and appends write within their length."""
    run = Run(FaultyFileSystem())
    writer = run.open(run.wal())
    for _ in range(4):
        run.append(writer, 3000)
        run.trim(writer, writer.next_sequence)
    before = len(run.file_system.operations)
    salts = []
    for _ in range(10):
        run.append(writer, 3000)
        run.trim(writer, writer.next_sequence)
        salts.append(writer._segments[-1].header.salt)
    assert len(set(salts)) == len(salts), "each use of a file has a salt of its own"
    kinds = {operation.split()[0] for operation in run.file_system.operations[before:]}
    assert kinds == {"write", "sync", "rename", "sync_folder"}
    writer.close()
    run.check(run.wal())


def test_another_process_is_told_who_owns_the_shard(tmp_path: Path) -> None:
    """Two owners on one machine are kept apart by a lock, and the message names the first."""
    writer = FileWal(OsFileSystem(tmp_path)).open(0, "the first owner")
    with pytest.raises(Fenced, match=r"owned by the first owner, process \d+"):
        FileWal(OsFileSystem(tmp_path)).open(0, "the second owner")
    writer.append([b"goes on"])
    writer.close()
    FileWal(OsFileSystem(tmp_path)).open(0, "the second owner").close()


def test_a_fenced_writer_notices_a_foreign_segment() -> None:
    """Where locks do not work (some network file systems), the older owner stops at the end of its segment at last."""
    run = Run(FaultyFileSystem())
    first = run.open(run.wal())
    run.append(first, 3000)
    assert first._folder_lock is not None
    first._folder_lock.release()
    second = run.open(run.wal())
    with pytest.raises(Fenced, match="another owner"):
        first.append([bytes(3000)])
    with pytest.raises(Fenced):
        first.append([b"small"])
    second.append([b"goes on"])


def test_fencing_waits_for_the_append_that_runs(tmp_path: Path) -> None:
    """With writers taking over from each other in threads, every append that returned is in the log, once, in order."""
    wal = FileWal(OsFileSystem(tmp_path), segment_bytes=8192)
    wal.open(0, "first").close()
    returned: dict[int, bytes] = {}

    def own(number: int) -> None:
        for turn in range(10):
            writer = wal.open(0, f"owner {number}")
            with contextlib.suppress(Fenced):
                for count in range(5):
                    payload = b"%d.%d.%d" % (number, turn, count)
                    sequence = writer.append([payload])
                    assert sequence not in returned
                    returned[sequence] = payload

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(own, range(3)))
    entries = {entry.sequence: bytes(entry.payload) for entry in wal.read(0, 0)}
    assert list(entries) == list(range(len(entries)))
    assert entries.items() >= returned.items()
    wal.open(0, "last").close()


@settings(max_examples=60, deadline=None)
@given(
    lives=st.lists(
        st.lists(st.one_of(st.integers(0, 9000), st.just("trim")), max_size=8),
        min_size=1,
        max_size=5,
    ),
    seed=st.integers(0, 2**32),
)
def test_any_sequence_of_lives_keeps_its_promises(lives: list[list[int | str]], seed: int) -> None:
    """Any appends and trims, with a power cut at any operation of each life."""
    dice = random.Random(seed)
    run = Run(FaultyFileSystem())
    for life in lives:
        run.file_system.power_cut_at(len(run.file_system.operations) + dice.randrange(60))
        try:
            writer = run.check(run.wal())
            for step in life:
                if isinstance(step, int):
                    run.append(writer, step)
                else:
                    run.trim(writer, dice.randrange(run.trimmed_before, writer.next_sequence + 1))
        except PowerCut:
            pass
        run.file_system.crash(partial(dice.choice, (False, True)))
    run.check(run.wal())
