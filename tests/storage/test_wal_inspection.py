"""Whatever has happened to the files of a log, its whole entries are found, and all else is reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dotkafka.errors import StorageFailed
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.wal_file import FileWal
from dotkafka.storage.wal_inspection import TornTail, WalInspection
from dotkafka.storage.wal_segment import ENTRIES_START, ENTRY_HEADER_SIZE
from dotkafka.testing.faulty_file_system import FaultyFileSystem

if TYPE_CHECKING:
    from pathlib import Path

SEGMENT_BYTES = 8192
PAYLOAD = b"x" * 1000
ENTRY_BYTES = ENTRY_HEADER_SIZE + len(PAYLOAD)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Return the three segments of a log of ten entries, oldest first."""
    writer = FileWal(OsFileSystem(tmp_path), segment_bytes=SEGMENT_BYTES).open(0, "test")
    for _ in range(10):
        writer.append([PAYLOAD])
    writer.close()
    return sorted((tmp_path / "wal/0").glob("*.wal"))


def inspect(files: list[Path], covered: int = 0):
    """Return the inspection, the sequences of the entries found, and the problems."""
    problems: list[tuple[str, str, str]] = []
    file_system = OsFileSystem(files[0].parents[2], read_only=True)
    inspection = WalInspection(file_system, "wal/0", lambda *problem: problems.append(problem), covered)
    found = []
    for entry in inspection.entries():
        assert entry.payload == PAYLOAD
        file = files[0].parents[2] / entry.file
        assert file.read_bytes()[entry.payload_position :][: len(PAYLOAD)] == PAYLOAD
        found.append(entry.sequence)
    return inspection, found, problems


def change(path: Path, position: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        file.write(data)


def test_a_whole_log(files: list[Path]) -> None:
    """All entries, once and again, and what the log says of itself."""
    inspection, found, problems = inspect(files)
    assert found == list(range(10))
    assert [entry.sequence for entry in inspection.entries()] == found
    assert not problems
    assert (inspection.first_sequence, inspection.next_sequence, inspection.epoch) == (0, 10, 0)
    assert inspection.size_bytes == len(files) * SEGMENT_BYTES
    assert inspection.torn is None


def test_damage_in_the_middle(files: list[Path]) -> None:
    """The entries behind it are found; whether the checkpoint has what is lost makes another problem of it."""
    change(files[0], ENTRIES_START + ENTRY_BYTES + 500, b"?")
    inspection, found, problems = inspect(files)
    assert found == [0, *range(2, 10)]
    assert inspection.lost == [(1, 2)]
    ((kind, where, what),) = problems
    assert (kind, where) == ("wal-damage", f"wal/0/{files[0].name}, byte {ENTRIES_START + ENTRY_BYTES}")
    assert what.startswith("entry 1 is damaged; entry 2 at byte")
    assert inspect(files, covered=2)[2][0][0] == "wal-covered"


def test_the_end_of_a_segment_that_is_not_the_last(files: list[Path]) -> None:
    """What is missing before the next segment is lost."""
    change(files[0], ENTRIES_START + 2 * ENTRY_BYTES, bytes(2 * ENTRY_BYTES))
    inspection, found, problems = inspect(files)
    assert 2 not in found
    assert inspection.lost[0][0] == 2
    assert [kind for kind, _, _ in problems] == ["wal-damage"]


def test_a_torn_end(files: list[Path]) -> None:
    """Is harmless, and known; it is cut off the file, it is not."""
    inspection, found, _ = inspect(files)
    last = ENTRIES_START + (found[-1] - inspection.segments[-1].header.first_sequence) * ENTRY_BYTES
    change(files[-1], last + 500, bytes(600))
    inspection, found, problems = inspect(files)
    assert (found, problems) == (list(range(9)), [])
    assert inspection.torn == TornTail(f"wal/0/{files[-1].name}", last, ENTRY_BYTES)
    files[-1].write_bytes(files[-1].read_bytes()[: last + 500])
    inspection, found, problems = inspect(files)
    assert [kind for kind, _, _ in problems] == ["wal-damage"]
    assert inspection.lost == [(9, 10)]


def test_a_damaged_header(files: list[Path]) -> None:
    """The first entry gives the salt, so the segment is read all the same; without it, nothing is."""
    change(files[1], 0, b"?")
    inspection, found, problems = inspect(files)
    assert found == list(range(10))
    assert [kind for kind, _, _ in problems] == ["wal-segment"]
    change(files[1], ENTRIES_START, b"?")
    inspection, found, problems = inspect(files)
    assert inspection.unread == [f"wal/0/{files[1].name}"]
    assert inspection.lost
    assert set(found) < set(range(10))


def test_names_and_numbers(files: list[Path]) -> None:
    """A copy under another name is told from the original, and a log whose segments go back is reported."""
    files[1].with_name(f"{99:020d}.wal").write_bytes(files[1].read_bytes())
    inspection, found, problems = inspect(files)
    assert found == list(range(10))
    assert [kind for kind, _, _ in problems] == ["wal-segment"]
    assert len(inspection.unread) == 1


def test_it_agrees_with_the_log_itself(files: list[Path]) -> None:
    """Where a byte is changed, the log refuses to be read, and the inspection reports; or neither does."""
    for file in files:
        original = file.read_bytes()
        for position in range(0, SEGMENT_BYTES, 97):
            change(file, position, bytes([original[position] ^ 1]))
            inspection, _, problems = inspect(files)
            try:
                entries = list(FileWal(OsFileSystem(files[0].parents[2])).read(0, 0))
            except StorageFailed:
                assert problems
            else:
                assert not problems
                assert len(entries) == inspection.next_sequence
            file.write_bytes(original)


def test_what_a_crash_leaves_is_no_damage() -> None:
    """The power goes before each operation, over restarts, new segments and trims; whatever survives is in order."""
    file_system = FaultyFileSystem()
    states: list[FaultyFileSystem] = []

    def keep_states() -> None:
        states.extend(file_system.fork(keep) for keep in file_system.survivals(24, f"{len(states)}"))

    file_system.before_operation = keep_states
    appended = 0
    for _ in range(3):
        writer = FileWal(file_system, segment_bytes=SEGMENT_BYTES, spare_segments=1).open(0, "test")
        for size in (10, 480, 3000, 1, 900, 2000, 700):
            writer.append([b"x" * size])
            appended += 1
        writer.trim(appended - 4)
        writer.close()
    assert len(states) > 300
    torn = 0
    for state in states:
        problems: list[tuple[str, str, str]] = []
        inspection = WalInspection(state, "wal/0", lambda *problem: problems.append(problem))  # noqa: B023 (used at once)
        found = [entry.sequence for entry in inspection.entries()]
        assert not problems
        assert found == list(range(found[0], found[-1] + 1)) if found else True
        torn += inspection.torn is not None
        assert FileWal(state, segment_bytes=SEGMENT_BYTES).open(0, "test").next_sequence == inspection.next_sequence
    assert torn
