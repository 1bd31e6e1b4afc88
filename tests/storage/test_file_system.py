"""The real file system does what the seam says, also where the operating system does half of it."""

import errno
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.spi import Buffer

if sys.platform != "win32":
    import resource

NOBODY = 65534


def test_files_are_made_written_and_read(tmp_path: Path) -> None:
    """Parts of any buffer type land one after another; a read past the end is short."""
    files = OsFileSystem(tmp_path)
    files.make_folder("a/b")
    file = files.open("a/b/file", create=True)
    file.write_at(3, [b"one", bytearray(b"two"), memoryview(b"three")])
    assert file.size() == 14
    assert file.read_at(0, 100) == b"\0\0\0onetwothree"
    assert file.read_at(6, 3) == b"two"
    assert file.read_at(99, 3) == b""
    file.sync()
    file.close()
    file.close()
    assert (tmp_path / "a/b/file").read_bytes() == b"\0\0\0onetwothree"


def test_creating_refuses_what_exists(tmp_path: Path) -> None:
    """`create` means new; without it the file has to be there."""
    files = OsFileSystem(tmp_path)
    files.open("file", create=True).close()
    with pytest.raises(FileExistsError):
        files.open("file", create=True)
    with pytest.raises(FileNotFoundError):
        files.open("other")


def test_names(tmp_path: Path) -> None:
    """Listing gives files, sorted, without folders; renaming replaces; removing removes; missing folders are empty."""
    files = OsFileSystem(tmp_path / "data")
    assert files.list("folder") == ()
    files.make_folder("folder/below")
    files.make_folder("folder/below")
    for name in ("c", "a", "b"):
        files.open(f"folder/{name}", create=True).close()
    files.rename("folder/a", "folder/c")
    files.sync_folder("folder")
    assert files.list("folder") == ["b", "c"]
    files.remove("folder/b")
    assert files.list("folder") == ["c"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="what a descriptor stands for is told in /proc")
@pytest.mark.parametrize("existing", ["", "data", "data/folder"])
def test_the_names_of_all_folders_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, existing: str) -> None:
    """Up to that of the directory itself, also where a process has made them that ended before it had synced them."""
    (tmp_path / existing).mkdir(parents=True, exist_ok=True)
    synced: list[Path] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    OsFileSystem(tmp_path / "data").make_folder("folder/below")
    assert synced == [tmp_path, tmp_path / "data", tmp_path / "data/folder"]


def as_nobody(check: Callable[[], None]) -> None:
    """Run a check in a child process that may not do everything, as root may; its exit status says what came of it."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            check()
            status = 0
        except BaseException:  # noqa: BLE001 (it goes to the parent as text)
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_directory_below_one_that_may_not_be_read() -> None:
    """It serves if it is there; made there, it could not be made durable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "data").mkdir()
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
            os.chown(path / "data", NOBODY, NOBODY)
        path.chmod(0o300)

        def check() -> None:
            OsFileSystem(path / "data").make_folder("folder")
            with pytest.raises(PermissionError):
                OsFileSystem(path / "other").make_folder("folder")

        try:
            as_nobody(check)
        finally:
            path.chmod(0o700)


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not synced there")
def test_a_folder_that_was_synced_can_be_synced_without_a_descriptor_to_spare(tmp_path: Path) -> None:
    """A process that has too many open files must not look like a disk that cannot sync."""
    files = OsFileSystem(tmp_path)
    files.make_folder("folder")
    files.sync_folder("folder")
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, usual[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            files.open("folder/file", create=True)
        files.sync_folder("folder")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="open files are counted in /proc")
def test_nothing_stays_open(tmp_path: Path) -> None:
    """The folders that were synced are closed with the file system."""
    opened = Path("/proc/self/fd")
    before = len(list(opened.iterdir()))
    files = OsFileSystem(tmp_path)
    files.make_folder("folder")
    files.sync_folder("folder")
    assert len(list(opened.iterdir())) == before + 1
    del files
    assert len(list(opened.iterdir())) == before


def test_allocation_sets_the_length(tmp_path: Path) -> None:
    """An allocated file has its length and reads as zeros; what was written before stays."""
    file = OsFileSystem(tmp_path).open("file", create=True)
    file.write_at(0, [b"kept"])
    file.allocate(100_000)
    assert file.size() == 100_000
    assert file.read_at(0, 8) == b"kept\0\0\0\0"
    file.close()
    assert (tmp_path / "file").stat().st_blocks * 512 >= 100_000


def test_allocation_without_posix_fallocate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the call is missing or refused, zeros are written from the end on."""

    def refuse(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not here")

    files = OsFileSystem(tmp_path)
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    refused = files.open("refused", create=True)
    refused.write_at(0, [b"kept"])
    refused.allocate(2_500_000)
    monkeypatch.delattr(os, "posix_fallocate")
    missing = files.open("missing", create=True)
    missing.allocate(2_500_000)
    assert (refused.size(), missing.size()) == (2_500_000, 2_500_000)
    assert refused.read_at(0, 5) == b"kept\0"
    refused.close()
    missing.close()


def test_a_full_disk_leaves_allocation_as_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ENOSPC is not answered by writing zeros."""

    def full(descriptor: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    file = OsFileSystem(tmp_path).open("file", create=True)
    with pytest.raises(OSError, match="full"):
        file.allocate(1000)
    assert file.size() == 0
    file.close()


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However little the system takes at a time, in whatever slices, everything arrives in its place."""
    real = os.pwritev

    def short(descriptor: int, parts: Sequence[Buffer], position: int) -> int:
        assert len(parts) <= 1024
        return real(descriptor, [b"".join(parts)[:7001]], position)

    monkeypatch.setattr(os, "pwritev", short)
    parts = [b"%d;" % number for number in range(3000)]
    file = OsFileSystem(tmp_path).open("file", create=True)
    file.write_at(5, parts)
    assert file.read_at(5, 10**6) == b"".join(parts)
    file.close()


def test_short_reads_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read is short at the end of the file only."""
    file = OsFileSystem(tmp_path).open("file", create=True)
    file.write_at(0, [b"0123456789"])
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, size, position: real(descriptor, min(size, 3), position))
    assert file.read_at(1, 8) == b"12345678"
    assert file.read_at(4, 100) == b"456789"
    file.close()


def test_platforms_without_positioned_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seek, read, write and fsync stand in for pread, pwritev and fdatasync."""
    for name in ("pread", "pwritev", "fdatasync"):
        monkeypatch.delattr(os, name)
    file = OsFileSystem(tmp_path).open("file", create=True)
    file.write_at(4, [b"ab", b"cd"])
    file.write_at(0, [b"0123"])
    file.sync()
    assert file.read_at(2, 4) == b"23ab"
    file.close()


def test_the_lock_names_its_holder(tmp_path: Path) -> None:
    """A taken lock is refused with who has it; released, it can be taken."""
    lock = OsFileSystem(tmp_path).lock("lock", "the first, with a long name")
    with pytest.raises(BlockingIOError) as caught:
        OsFileSystem(tmp_path).lock("lock", "the second")
    assert caught.value.strerror == f"the first, with a long name, process {os.getpid()}"
    lock.release()
    lock.release()
    again = OsFileSystem(tmp_path).lock("lock", "me")
    assert (tmp_path / "lock").read_text() == f"me, process {os.getpid()}"
    again.release()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A process that dies without a word leaves no lock behind."""
    program = (
        "import os, sys; from dotkafka.storage.file_system import OsFileSystem;"
        "OsFileSystem(sys.argv[1]).lock('lock', 'child'); print(os.getpid(), flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        number = child.stdout.readline().strip()
        with pytest.raises(BlockingIOError, match=f"child, process {number}"):
            OsFileSystem(tmp_path).lock("lock", "parent")
        child.kill()
        child.wait()
    OsFileSystem(tmp_path).lock("lock", "parent").release()


def test_reading_alone(tmp_path: Path) -> None:
    """Files can be opened without the right to write; writing is refused."""
    OsFileSystem(tmp_path).open("file", create=True).close()
    file = OsFileSystem(tmp_path, read_only=True).open("file")
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.write_at(0, [b"x"])
    file.close()


def test_keeping_writers_out(tmp_path: Path) -> None:
    """Readers share; a writer and they exclude each other. There has to have been a writer once."""
    files = OsFileSystem(tmp_path, read_only=True)
    with pytest.raises(FileNotFoundError):
        files.lock_against_writers("lock")
    writer = OsFileSystem(tmp_path).lock("lock", "the writer")
    with pytest.raises(BlockingIOError, match="the writer"):
        files.lock_against_writers("lock")
    writer.release()
    readers = [files.lock_against_writers("lock"), files.lock_against_writers("lock")]
    with pytest.raises(BlockingIOError):
        OsFileSystem(tmp_path).lock("lock", "another")
    for reader in readers:
        reader.release()
    OsFileSystem(tmp_path).lock("lock", "another").release()
