"""Which storage engines a server runs on: the only module, with the command line, that names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal
from dotkafka.storage.wal_file import FileWal

if TYPE_CHECKING:
    import os

    from dotkafka.storage.spi import CheckpointStore, WriteAheadLog


class Storage(NamedTuple):
    """The write-ahead log (L1) and the checkpoint store (L2) of one broker: ours, or your own behind the same seams."""

    wal: WriteAheadLog
    checkpoints: CheckpointStore


def memory_storage() -> Storage:
    """Return storage that lives as long as the returned objects: keep them to start another broker on the same data."""
    return Storage(MemoryWal(), MemoryCheckpointStore())


def directory_storage(directory: str | os.PathLike[str]) -> Storage:
    """Return storage that keeps everything in a directory, which is created if it is missing. Blocks.

    Raises:
        OSError: the directory cannot be made.
        StorageError: it cannot be used; the message says why.
    """
    files = OsFileSystem(directory)
    files.make_folder("")
    return Storage(FileWal(files), SqliteCheckpointStore(Path(directory) / "checkpoint.sqlite"))
