"""Which storage engines a server runs on: the only module, with the command line, that names them."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal
from dotkafka.storage.wal_file import FileWal

if TYPE_CHECKING:
    from dotkafka.storage.spi import CheckpointStore, WriteAheadLog


class Storage(NamedTuple):
    """The write-ahead log (L1) and the checkpoint store (L2) of one broker: ours, or your own behind the same seams."""

    wal: WriteAheadLog
    checkpoints: CheckpointStore

    def check(self) -> None:
        """Look whether both can be what they are given as.

        Raises:
            TypeError: one lacks what its seam has, or is a class where an object of it is needed.
        """
        for field, engine, seam, needed in (
            ("wal", self.wal, "WriteAheadLog", ("durable", "open", "read")),
            (
                "checkpoints",
                self.checkpoints,
                "CheckpointStore",
                ("load", "save", "read", "batch_for_timestamp", "close"),
            ),
        ):
            lacking = [name for name in needed if not hasattr(engine, name)]
            if isinstance(engine, type) or lacking:
                why = f"it has no {', '.join(lacking)}" if lacking else "it is a class; make one"
                raise TypeError(f"Storage({field}={engine!r}) is no {seam}: {why}")


def memory_storage() -> Storage:
    """Return storage that lives as long as the returned objects: keep them to start another broker on the same data."""
    return Storage(MemoryWal(), MemoryCheckpointStore())


def directory_storage(directory: str | os.PathLike[str]) -> Storage:
    """Return storage that keeps everything in a directory, which is created if it is missing. Blocks.

    Raises:
        OSError: the directory cannot be made, is none, or cannot be written.
        StorageError: it cannot be used; the message says why.
    """
    path = Path(directory)
    files = OsFileSystem(path)
    files.make_folder("")
    # SQLite would say of both that it is "unable to open database file".
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "is not a directory", str(path))
    if not os.access(path, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
        raise PermissionError(errno.EACCES, "cannot be written: its permissions, or a read-only file system", str(path))
    return Storage(FileWal(files), SqliteCheckpointStore(path / "checkpoint.sqlite"))
