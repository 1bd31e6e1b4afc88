"""A mounted file system that forgets what was not synced: `dotkafka.testing.faulty_file_system` behind FUSE.

    python -m fuzz.breaking.lying_disk MOUNTPOINT

It says `mounted`, and then answers each line of its input with a line:

    cut SEED     the power goes: of what no sync has made durable, the seed says what is kept
    fail ERRNO   from now on all that would change something fails with this errno; 0 ends it

Nothing is cached in the kernel, so what is here is what programs see. A folder is a name in its folder, as a file is:
without a sync of that one it is lost, with all that is in it.
"""

from __future__ import annotations

import errno
import os
import random
import stat
import sys
from typing import Any

import pyfuse3
import trio

from dotkafka.testing.faulty_file_system import FaultyFile, FaultyFileSystem

BLOCK_BYTES = 4096
DISK_BLOCKS = 1 << 20
CHANGING = ("write", "create", "allocate", "resize", "rename", "remove")


class LyingDisk(pyfuse3.Operations):  # type: ignore[misc]
    """The calls of FUSE, on a file system in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._files = FaultyFileSystem()
        self._folders = {""}
        self._names: dict[int, str] = {pyfuse3.ROOT_INODE: ""}
        self._numbers: dict[str, int] = {"": pyfuse3.ROOT_INODE}
        self._last_number = int(pyfuse3.ROOT_INODE)
        self._open_files: dict[int, FaultyFile] = {}

    # -- what the harness asks for -------------------------------------------------------------------------------------

    def cut_power(self, seed: str) -> str:
        """Forget what was not synced, or not all of it; return what became of it."""
        dice = random.Random(seed)
        share = dice.choice((0.0, 1.0, dice.random()))
        answers: list[bool] = []

        def keep() -> bool:
            answers.append(dice.random() < share)
            return answers[-1]

        self._files.crash(keep)
        for folder in sorted(self._folders - {""}):
            if not self._exists(folder):
                self._folders.discard(folder)
                for name in self._files.list(folder):
                    self._files.remove(f"{folder}/{name}")
                self._files.sync_folder(folder)
        self._names = {pyfuse3.ROOT_INODE: ""}
        self._numbers = {"": pyfuse3.ROOT_INODE}
        self._open_files.clear()
        return f"cut {len(answers)} {sum(answers)}"

    def fail(self, number: int) -> str:
        """Let all that would change something fail."""
        self._files.fail_when((lambda call: number if call.startswith(CHANGING) else 0) if number else None)
        return f"fail {number}"

    # -- what the kernel asks for --------------------------------------------------------------------------------------

    async def lookup(self, parent_inode: int, name: bytes, ctx: Any) -> Any:
        path = self._path(parent_inode, name)
        if not self._exists(path):
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._attributes(path)

    async def getattr(self, inode: int, ctx: Any) -> Any:
        return self._attributes(self._name(inode))

    async def setattr(self, inode: int, attr: Any, fields: Any, fh: int | None, ctx: Any) -> Any:
        name = self._name(inode)
        if fields.update_size:
            with translated_errors():
                (self._open_files[fh] if fh is not None else self._files.open(name)).resize(attr.st_size)
        return self._attributes(name)

    async def opendir(self, inode: int, ctx: Any) -> int:
        return inode

    async def readdir(self, fh: int, start_id: int, token: Any) -> None:
        folder = self._name(fh)
        names = self._files.list(folder)
        for number, name in enumerate(names[start_id:], start_id + 1):
            attributes = self._attributes(f"{folder}/{name}".lstrip("/"))
            if not pyfuse3.readdir_reply(token, name.encode(), attributes, number):
                return

    async def fsyncdir(self, fh: int, datasync: bool) -> None:  # noqa: FBT001
        with translated_errors():
            self._files.sync_folder(self._name(fh))

    async def mkdir(self, parent_inode: int, name: bytes, mode: int, ctx: Any) -> Any:
        path = self._path(parent_inode, name)
        with translated_errors():
            self._files.open(path, create=True)
        self._folders.add(path)
        return self._attributes(path)

    async def create(self, parent_inode: int, name: bytes, mode: int, flags: int, ctx: Any) -> Any:
        path = self._path(parent_inode, name)
        with translated_errors():
            file = self._files.open(path, create=True)
        attributes = self._attributes(path)
        return self._opened(file), attributes

    async def open(self, inode: int, flags: int, ctx: Any) -> Any:
        with translated_errors():
            file = self._files.open(self._name(inode))
            if flags & os.O_TRUNC:
                file.resize(0)
        return self._opened(file)

    async def read(self, fh: int, off: int, size: int) -> bytes:
        with translated_errors():
            return self._open_files[fh].read_at(off, size)

    async def write(self, fh: int, off: int, buf: bytes) -> int:
        with translated_errors():
            self._open_files[fh].write_at(off, [buf])
        return len(buf)

    async def flush(self, fh: int) -> None:
        return

    async def fsync(self, fh: int, datasync: bool) -> None:  # noqa: FBT001
        with translated_errors():
            self._open_files[fh].sync()

    async def release(self, fh: int) -> None:
        self._open_files.pop(fh, None)

    async def releasedir(self, fh: int) -> None:
        return

    async def forget(self, inode_list: Any) -> None:
        return

    async def unlink(self, parent_inode: int, name: bytes, ctx: Any) -> None:
        path = self._path(parent_inode, name)
        with translated_errors():
            self._files.remove(path)
        self._names.pop(self._numbers.pop(path, -1), None)

    async def rename(
        self, parent_inode_old: int, name_old: bytes, parent_inode_new: int, name_new: bytes, flags: int, ctx: Any
    ) -> None:
        old, new = self._path(parent_inode_old, name_old), self._path(parent_inode_new, name_new)
        if flags or old in self._folders:
            raise pyfuse3.FUSEError(errno.EINVAL)
        with translated_errors():
            self._files.rename(old, new)
        self._names.pop(self._numbers.pop(new, -1), None)
        number = self._numbers.pop(old)
        self._names[number] = new
        self._numbers[new] = number

    async def statfs(self, ctx: Any) -> Any:
        answer = pyfuse3.StatvfsData()
        answer.f_bsize = answer.f_frsize = BLOCK_BYTES
        answer.f_blocks = answer.f_bfree = answer.f_bavail = DISK_BLOCKS
        answer.f_files = answer.f_ffree = answer.f_favail = DISK_BLOCKS
        answer.f_namemax = 255
        return answer

    # -- names and numbers ---------------------------------------------------------------------------------------------

    def _path(self, parent_inode: int, name: bytes) -> str:
        return f"{self._name(parent_inode)}/{name.decode()}".lstrip("/")

    def _name(self, inode: int) -> str:
        if inode not in self._names:
            raise pyfuse3.FUSEError(errno.ESTALE)
        return self._names[inode]

    def _exists(self, path: str) -> bool:
        folder, _, name = path.rpartition("/")
        return not path or (folder in self._folders and name in self._files.list(folder))

    def _opened(self, file: FaultyFile) -> Any:
        self._last_number += 1
        self._open_files[self._last_number] = file
        return pyfuse3.FileInfo(fh=self._last_number, direct_io=True)

    def _attributes(self, path: str) -> Any:
        if path not in self._numbers:
            self._last_number += 1
            self._numbers[path] = self._last_number
            self._names[self._last_number] = path
        attributes = pyfuse3.EntryAttributes()
        attributes.st_ino = self._numbers[path]
        attributes.entry_timeout = attributes.attr_timeout = 0
        attributes.st_uid, attributes.st_gid = os.getuid(), os.getgid()
        if path in self._folders:
            attributes.st_mode = stat.S_IFDIR | 0o755
            return attributes
        with translated_errors():
            size = self._files.open(path).size()
        attributes.st_mode = stat.S_IFREG | 0o644
        attributes.st_size = size
        attributes.st_blksize = BLOCK_BYTES
        attributes.st_blocks = -(-size // 512)
        return attributes


class translated_errors:  # noqa: N801 (used as a function is)
    """Make an OSError what FUSE answers."""

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Translate."""
        if isinstance(error, OSError):
            raise pyfuse3.FUSEError(error.errno or errno.EIO) from error


async def serve(disk: LyingDisk) -> None:
    """Serve the kernel and the harness until the harness closes our input."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pyfuse3.main)
        print("mounted", flush=True)
        while line := await trio.to_thread.run_sync(sys.stdin.readline):
            command, _, argument = line.strip().partition(" ")
            print(disk.cut_power(argument) if command == "cut" else disk.fail(int(argument)), flush=True)
        pyfuse3.terminate()


def main() -> int:
    """Mount, serve, unmount."""
    disk = LyingDisk()
    pyfuse3.init(disk, sys.argv[1], {*pyfuse3.default_options, "fsname=lying-disk"})
    try:
        trio.run(serve, disk)
    finally:
        pyfuse3.close(unmount=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
