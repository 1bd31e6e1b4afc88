"""The faulty file system loses what was not synced, keeps what was, and fails when told."""

import errno

import pytest

from dotkafka.testing.faulty_file_system import SECTOR_SIZE, FaultyFile, FaultyFileSystem, PowerCut


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
