"""The faulty file system loses what was not synced, keeps what was, and fails when told."""

import errno

import pytest

from dotkafka.testing.faulty_file_system import SECTOR_SIZE, FailingCalls, FaultyFile, FaultyFileSystem, PowerCut


def synced_file(files: FaultyFileSystem, content: bytes) -> FaultyFile:
    """A file whose name and content are durable."""
    file = files.open("folder/file", create=True)
    file.write_at(0, [content])
    file.sync()
    files.sync_folder("folder")
    return file


def test_what_is_synced_survives() -> None:
    """Content by the sync of the file, its name by that of the folder."""
    files = FaultyFileSystem()
    synced_file(files, b"content")
    files.crash()
    assert files.open("folder/file").read_at(0, 99) == b"content"


def test_what_is_not_synced_is_lost_or_kept_by_sector() -> None:
    """Each sector by itself, as `keep` says."""
    files = FaultyFileSystem()
    file = synced_file(files, b"a" * SECTOR_SIZE * 3)
    file.write_at(0, [b"b" * SECTOR_SIZE * 3])
    answers = iter([True, False, True])
    files.crash(lambda: next(answers))
    expected = b"b" * SECTOR_SIZE + b"a" * SECTOR_SIZE + b"b" * SECTOR_SIZE
    assert files.open("folder/file").read_at(0, 9999) == expected


def test_names_are_lost_without_a_sync_of_the_folder() -> None:
    """Creation, renaming and removal."""
    files = FaultyFileSystem()
    synced_file(files, b"content")
    files.rename("folder/file", "folder/renamed")
    files.open("folder/new", create=True).sync()
    assert files.list("folder") == ["new", "renamed"]
    files.crash()
    assert files.list("folder") == ["file"]
    files.remove("folder/file")
    files.crash()
    assert files.list("folder") == ["file"]


def test_a_failed_sync_forgets() -> None:
    """The bytes can be read, and no later sync makes them durable; written again, it does."""
    files = FaultyFileSystem()
    file = synced_file(files, b"before")
    file.write_at(0, [b"after!"])
    files.fail_at(len(files.operations), errno.EIO)
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    file.sync()
    assert file.read_at(0, 9) == b"after!"
    files.crash()
    file = files.open("folder/file")
    assert file.read_at(0, 9) == b"before"
    file.write_at(0, [b"after!"])
    file.sync()
    files.crash()
    assert files.open("folder/file").read_at(0, 9) == b"after!"


def test_a_failed_write_leaves_half() -> None:
    """As a disk that fills up during the write does."""
    files = FaultyFileSystem()
    file = synced_file(files, b"........")
    files.fail_when(lambda operation: errno.ENOSPC if operation == "write folder/file" else 0)
    with pytest.raises(OSError, match="No space"):
        file.write_at(0, [b"12345678"])
    assert file.read_at(0, 9) == b"1234...."


def test_a_power_cut_ends_everything_until_the_crash() -> None:
    """The operation it falls into and all after it; files opened before are of no use after."""
    files = FaultyFileSystem()
    file = synced_file(files, b"content")
    lock = files.lock("folder/lock", "me")
    files.power_cut_at(len(files.operations))
    for _ in range(2):
        with pytest.raises(PowerCut):
            file.sync()
    files.crash()
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write_at(0, [b"late"])
    files.lock("folder/lock", "next")
    lock.release()
    with pytest.raises(BlockingIOError, match="next"):
        files.lock("folder/lock", "third")


def test_a_killed_process_loses_only_locks_and_open_files() -> None:
    """What was written stays in the page cache."""
    files = FaultyFileSystem()
    file = synced_file(files, b"before")
    file.write_at(0, [b"after!"])
    files.lock("folder/lock", "me")
    files.kill_process()
    assert files.open("folder/file").read_at(0, 9) == b"after!"
    files.lock("folder/lock", "next")
    files.crash()
    assert files.open("folder/file").read_at(0, 9) == b"before"


def test_a_sector_written_twice_may_be_found_as_either_write_left_it() -> None:
    """The first of two unsynced writes may be on the disk, and the second not."""
    files = FaultyFileSystem()
    file = synced_file(files, b"old")
    file.write_at(0, [b"one"])
    file.write_at(0, [b"two"])
    found = {files.fork(keep).open("folder/file").read_at(0, 9) for keep in files.survivals(8, "seed")}
    assert found == {b"old", b"one", b"two"}
    file.sync()
    files.crash()
    assert files.open("folder/file").read_at(0, 9) == b"two"


def test_a_fork_changes_nothing() -> None:
    """The original goes on as if nothing had happened, with what is not synced, its locks and open files."""
    files = FaultyFileSystem()
    file = synced_file(files, b"before")
    files.lock("folder/lock", "me")
    file.write_at(0, [b"after!"])
    fork = files.fork()
    assert fork.open("folder/file").read_at(0, 9) == b"before"
    fork.open("folder/file").write_at(0, [b"forked"])
    fork.lock("folder/lock", "somebody else").release()
    assert file.read_at(0, 9) == b"after!"
    file.sync()
    assert files.fork().open("folder/file").read_at(0, 9) == b"after!"


def test_survivals_are_all_there_are_if_these_are_few() -> None:
    """Each once, also where a name that is kept makes more that may be kept: the sectors and the length of the file."""
    files = FaultyFileSystem()
    files.open("folder/file", create=True).write_at(0, [b"a" * SECTOR_SIZE * 2])
    forks = [files.fork(keep) for keep in files.survivals(9, "seed")]
    contents = [fork.open("folder/file").read_at(0, 9999) if fork.list("folder") else None for fork in forks]
    assert len(contents) == 9
    assert contents[0] is None
    whole = {content for content in contents if content and len(content) == SECTOR_SIZE * 2}
    assert whole == {one * SECTOR_SIZE + other * SECTOR_SIZE for one in (b"a", b"\0") for other in (b"a", b"\0")}


def test_survivals_are_drawn_if_there_are_many() -> None:
    """Nothing, everything and some between, the same for the same seed."""
    files = FaultyFileSystem()
    file = synced_file(files, bytes(SECTOR_SIZE * 64))
    file.write_at(0, [b"a" * SECTOR_SIZE * 64])

    def contents(seed: str) -> list[bytes]:
        return [files.fork(keep).open("folder/file").read_at(0, 99999) for keep in files.survivals(20, seed)]

    drawn = contents("one")
    assert drawn[:2] == [bytes(SECTOR_SIZE * 64), b"a" * SECTOR_SIZE * 64]
    assert len(set(drawn)) > 10
    assert contents("one") == drawn
    assert contents("two") != drawn


def test_every_call_can_be_made_to_fail() -> None:
    """Calls that only read too; afterwards they succeed again."""
    files = FaultyFileSystem()
    file = synced_file(files, b"content")
    calls = (
        lambda: files.open("folder/file"),
        lambda: files.list("folder"),
        lambda: file.read_at(0, 9),
        lambda: file.write_at(0, [b"x"]),
    )
    faults = FailingCalls(0, errno.EMFILE, count=len(calls))
    files.fail_when(faults)
    for call in calls:
        with pytest.raises(OSError, match="Too many open files"):
            call()
    for call in calls:
        call()
    assert faults.failed == ["open folder/file", "list folder", "read folder/file", "write folder/file"]
    assert len(faults.calls) == 8


def test_who_listens_is_called_before_each_operation() -> None:
    """What a fork then shows is what a crash between two operations leaves."""
    files = FaultyFileSystem()
    seen: list[tuple[int, list[str]]] = []
    files.before_operation = lambda: seen.append((len(files.operations), list(files.fork().list("folder"))))
    synced_file(files, b"content")
    files.fork().remove("folder/file")
    files.begin("the end")
    assert seen == [(0, []), (1, []), (2, []), (3, []), (4, ["file"])]


def test_a_cut_is_unsynced_too() -> None:
    """Length and content come back; of what is written behind the cut, the disk may have old bytes or new ones."""
    files = FaultyFileSystem()
    file = synced_file(files, b"a" * SECTOR_SIZE * 2)
    file.resize(0)
    assert file.size() == 0
    files.crash()
    file = files.open("folder/file")
    assert file.read_at(0, 9999) == b"a" * SECTOR_SIZE * 2
    file.resize(0)
    file.sync()
    files.crash()
    assert files.open("folder/file").size() == 0


def test_what_was_cut_off_reads_as_zeros_when_the_file_grows_again() -> None:
    """Also after a sync and a crash: the old bytes are gone, though their sectors were never written."""
    files = FaultyFileSystem()
    file = synced_file(files, b"a" * SECTOR_SIZE * 3)
    file.resize(10)
    file.write_at(SECTOR_SIZE * 2, [b"b"])
    expected = b"a" * 10 + bytes(SECTOR_SIZE * 2 - 10) + b"b"
    assert file.read_at(0, 9999) == expected
    file.sync()
    files.crash()
    assert files.open("folder/file").read_at(0, 9999) == expected
