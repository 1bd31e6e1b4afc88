"""The real file system behind `dotkafka.storage.spi.FileSystem`: the only module that opens files.

What a platform lacks is replaced by what it has: `fsync` for `fdatasync`, written zeros for `posix_fallocate`, seek and
write for `pwritev`. On macOS `fsync` leaves data in the drive's cache, so `F_FULLFSYNC` is asked for.
"""

import errno
import os
import sys
import weakref
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dotkafka.storage.spi import Buffer

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_MAX_PARTS_PER_WRITE = 1024
"""IOV_MAX of Linux and macOS: more buffers in one call are refused with EINVAL."""

_ZEROS = bytes(1024 * 1024)


class OsFile:
    """An open file. Reads and writes name their position; nothing depends on the file's own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write_at(self, position: int, parts: Sequence[Buffer]) -> None:
        """Write all `parts`, one after another, from byte `position` on; a short write is continued until done."""
        for first in range(0, len(parts), _MAX_PARTS_PER_WRITE):
            some = parts[first : first + _MAX_PARTS_PER_WRITE]
            size = sum(map(len, some))
            written = self._write(some, position)
            if written < size:
                self._write_rest(position, memoryview(b"".join(some)), written)
            position += size

    def _write_rest(self, position: int, data: memoryview, written: int) -> None:
        while written < len(data):
            count = self._write([data[written:]], position + written)
            if not count:
                raise OSError(errno.EIO, "a write made no progress")
            written += count

    def _write(self, parts: Sequence[Buffer], position: int) -> int:
        if hasattr(os, "pwritev"):
            return os.pwritev(self._descriptor, parts, position)
        os.lseek(self._descriptor, position, os.SEEK_SET)
        return os.write(self._descriptor, b"".join(parts))

    def read_at(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from byte `position`; fewer only at the end of the file."""
        data = self._read(position, size)
        if len(data) == size or not data:
            return data
        chunks = [data]
        while data and (size := size - len(data)):
            position += len(data)
            data = self._read(position, size)
            chunks.append(data)
        return b"".join(chunks)

    def _read(self, position: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._descriptor, size, position)
        os.lseek(self._descriptor, position, os.SEEK_SET)
        return os.read(self._descriptor, size)

    def allocate(self, size: int) -> None:
        """Make the file `size` bytes long with its blocks on disk, so that writes within need no new space."""
        if hasattr(os, "posix_fallocate"):
            try:
                os.posix_fallocate(self._descriptor, 0, size)
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
                    raise
            else:
                return
        for position in range(self.size(), size, len(_ZEROS)):
            self.write_at(position, [memoryview(_ZEROS)[: size - position]])

    def size(self) -> int:
        """Return the length of the file in bytes."""
        return os.fstat(self._descriptor).st_size

    def sync(self) -> None:
        """Return once everything written is on disk, and the length with it."""
        if sys.platform == "darwin":
            try:
                fcntl.fcntl(self._descriptor, fcntl.F_FULLFSYNC)
            except OSError as error:
                # Some file systems there do not know it; fsync is then all there is.
                if error.errno not in {errno.ENOTSUP, errno.EINVAL, errno.ENOTTY}:
                    raise
            else:
                return
        getattr(os, "fdatasync", os.fsync)(self._descriptor)

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class OsFileSystem:
    """The files below one directory, which is created when the first folder is made.

    Args:
        directory: where they are.
        read_only: open files for reading alone, so that not even a medium that cannot be written is in the way.
    """

    def __init__(self, directory: str | os.PathLike[str], *, read_only: bool = False) -> None:
        self._directory = Path(directory)
        self._access = os.O_RDONLY if read_only else os.O_RDWR
        self._synced_folders: dict[str, int] = {}
        weakref.finalize(self, _close_all, self._synced_folders)

    def open(self, name: str, *, create: bool = False) -> OsFile:
        """Open a file for reading and writing. With `create`, it must not exist yet and is empty."""
        flags = self._access | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        return OsFile(os.open(self._path(name), flags | os.O_CREAT | os.O_EXCL if create else flags, 0o644))

    def list(self, folder: str) -> Sequence[str]:
        """Return the names of the files in a folder, sorted; empty if the folder does not exist."""
        try:
            return sorted(entry.name for entry in os.scandir(self._path(folder)) if entry.is_file())
        except FileNotFoundError:
            return ()

    def make_folder(self, folder: str) -> None:
        """Create a folder and those above it, durably; no error if it exists.

        What exists, the directory itself too, may be of a process that ended before it had synced the name: that is
        done again.
        """
        path = self._path(folder)
        missing = [level for level in (path, *path.parents) if not level.exists()]
        ours = [level for level in (path, *path.parents) if level.is_relative_to(self._directory)]
        for level in reversed(missing):
            level.mkdir(exist_ok=True)
        for level in reversed(max(missing, ours, key=len)):
            try:
                _sync_directory(level.parent)
            except PermissionError:
                # Whoever may not read the folder above has not made this one.
                if level in missing:
                    raise

    def rename(self, old: str, new: str) -> None:
        """Rename a file, replacing what has the new name. Durable only after `sync_folder`."""
        self._path(old).replace(self._path(new))

    def remove(self, name: str) -> None:
        """Remove a file. Durable only after `sync_folder`."""
        self._path(name).unlink()

    def sync_folder(self, folder: str) -> None:
        """Return once the folder's entries (creations, renames, removals) are on disk.

        The first call opens the folder for good: later ones cannot fail because the process has too many open files,
        which would look like a disk that cannot sync.
        """
        if sys.platform == "win32":
            return  # NTFS journals folders itself, and has no call to wait for it
        if folder not in self._synced_folders:
            self._synced_folders[folder] = os.open(self._path(folder), os.O_RDONLY | os.O_CLOEXEC)
        os.fsync(self._synced_folders[folder])

    def lock(self, name: str, holder: str) -> "OsFolderLock":
        """Take an exclusive lock that ends with the process; `holder` is told to those who come too late.

        It is a lock of this machine: on a network file system it may not keep other machines out.

        Raises:
            BlockingIOError: it is taken; its `strerror` names the holder.
        """
        descriptor = os.open(self._path(name), os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        lock = self._take_lock(descriptor, name)
        try:
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{holder}, process {os.getpid()}".encode())
        except OSError:
            lock.release()
            raise
        return lock

    def lock_against_writers(self, name: str) -> "OsFolderLock":
        """Keep those out who would take `lock`, without writing; any number may do so at a time.

        Raises:
            BlockingIOError: somebody has the lock; its `strerror` says who.
            FileNotFoundError: nobody has ever taken it.
        """
        return self._take_lock(os.open(self._path(name), os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)), name, shared=True)

    def _take_lock(self, descriptor: int, name: str, *, shared: bool = False) -> "OsFolderLock":
        try:
            _lock_descriptor(descriptor, shared=shared)
        except BlockingIOError as error:
            present = os.read(descriptor, 1024).decode(errors="replace")
            os.close(descriptor)
            raise BlockingIOError(error.errno, present or "an unnamed holder", str(self._path(name))) from None
        except OSError:
            os.close(descriptor)
            raise
        return OsFolderLock(descriptor)

    def _path(self, name: str) -> Path:
        return self._directory.joinpath(*PurePosixPath(name).parts)


class OsFolderLock:
    """A lock that `OsFileSystem.lock` took."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; a second time does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def _close_all(descriptors: dict[str, int]) -> None:
    for descriptor in descriptors.values():
        os.close(descriptor)


if sys.platform == "win32":

    def _lock_descriptor(descriptor: int, *, shared: bool = False) -> None:  # noqa: ARG001 (it has no shared locks)
        # Locks are mandatory there: the byte locked lies far behind the text, so that others can read who holds it.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(errno.EWOULDBLOCK, "locked") from error
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)

    def _sync_directory(path: Path) -> None:
        """Do nothing: NTFS journals folders itself, and has no call to wait for it."""

else:

    def _lock_descriptor(descriptor: int, *, shared: bool = False) -> None:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)

    def _sync_directory(path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
