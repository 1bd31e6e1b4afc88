"""Which storage engines a server runs on: the only module, with the command line, that names them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dotkafka.storage.spi import CheckpointStore, WriteAheadLog


class Storage(NamedTuple):
    """The write-ahead log (L1) and the checkpoint store (L2) of one broker: ours, or your own behind the same seams."""

    wal: WriteAheadLog
    checkpoints: CheckpointStore


def memory_storage() -> Storage:
    """Return storage that lives as long as the returned objects: keep them to start another broker on the same data."""
    from dotkafka.storage.memory import MemoryCheckpointStore, MemoryWal  # noqa: PLC0415 (only the engines in use)

    return Storage(MemoryWal(), MemoryCheckpointStore())


def directory_storage(directory: str | os.PathLike[str]) -> Storage:
    """Return storage that keeps everything in a directory, which is created if it is missing. Blocks.

    Raises:
        StorageError: the directory cannot be used; the message says why.
    """
    from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore  # noqa: PLC0415 (only the engines in use)
    from dotkafka.storage.file_system import OsFileSystem  # noqa: PLC0415
    from dotkafka.storage.wal_file import FileWal  # noqa: PLC0415

    path = os.fspath(directory)
    os.makedirs(path, exist_ok=True)  # noqa: PTH103 (the engines take names as text)
    return Storage(FileWal(OsFileSystem(path)), SqliteCheckpointStore(os.path.join(path, "checkpoint.sqlite")))  # noqa: PTH118
