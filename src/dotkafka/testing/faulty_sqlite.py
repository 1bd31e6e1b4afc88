"""SQLite, the real one, on a `FaultyFileSystem`: what it has not synced is lost, and each of its calls can fail.

    store = faulty_checkpoints(FaultyFileSystem())                        # ours
    connection = SqliteProcess(FaultyFileSystem()).connect()              # for one of yours

It needs `apsw`, which lets Python code be a VFS, SQLite's word for a file system. This one behaves as SQLite's own for
Unix does, with one difference: no property of the device is claimed. So SQLite assumes the worst of it, as of any disk,
and sectors of 512 bytes.

apsw has a copy of SQLite of its own, and another interface than `sqlite3`; `ConnectionLikeSqlite3` hides the latter.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import sqlite3
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakValueDictionary

import apsw

from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.testing.faulty_file_system import SECTOR_SIZE, FaultyFileSystem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dotkafka.testing.faulty_file_system import FaultyFile

_VFS_NAME: Final = "dotkafka-faulty-files"
_NUMBERS: Final = itertools.count()
_PROCESSES: Final[WeakValueDictionary[str, SqliteProcess]] = WeakValueDictionary()


class SqliteProcess:
    """The connections of one process: they see each other's locks, which end with it.

    Args:
        files: what it stands on. A new process on the same files is a new object.
        name: of the database file.
    """

    def __init__(self, files: FaultyFileSystem, name: str = "checkpoint.sqlite") -> None:
        self.files = files
        self.locks: dict[str, dict[_File, int]] = {}
        """Which open file of a name holds which lock, as SQLite numbers them."""
        self._name = name
        self._folder = str(next(_NUMBERS))
        _PROCESSES[self._folder] = self

    def connect(self) -> sqlite3.Connection:
        """Return a new connection, as `sqlite3.connect` does.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        with _translated_errors():
            connection = apsw.Connection(f"{self._folder}/{self._name}", vfs=_vfs().name)
        return cast("sqlite3.Connection", ConnectionLikeSqlite3(connection, self))


class ConnectionLikeSqlite3:
    """As much of `sqlite3.Connection` as a store needs that begins and ends its transactions itself.

    Args:
        connection: which does it.
        process: kept as long as the connection.
    """

    def __init__(self, connection: apsw.Connection, process: SqliteProcess) -> None:
        self._connection = connection
        self._process = process

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction has begun and not ended."""
        return self._connection.in_transaction

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> CursorLikeSqlite3:
        """Run one statement."""
        with _translated_errors():
            return CursorLikeSqlite3(self._connection.execute(statement, tuple(parameters)), self._connection)

    def executescript(self, script: str) -> None:
        """Run statements to their ends."""
        with _translated_errors():
            self._connection.execute(script).fetchall()

    def close(self) -> None:
        """Close it; a transaction that is open is rolled back."""
        self._connection.close(force=True)


class CursorLikeSqlite3:
    """As much of `sqlite3.Cursor` as that."""

    def __init__(self, cursor: apsw.Cursor, connection: apsw.Connection) -> None:
        self._cursor = cursor
        self.rowcount = connection.changes()
        self.lastrowid = connection.last_insert_rowid()

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        while (row := self.fetchone()) is not None:
            yield row

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row, None after the last one."""
        with _translated_errors():
            return self._cursor.fetchone()

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return the rows that are left."""
        with _translated_errors():
            return list(self._cursor.fetchall())

    def close(self) -> None:
        """End the statement."""
        self._cursor.close(force=True)


def faulty_checkpoints(files: FaultyFileSystem) -> SqliteCheckpointStore:
    """Return the checkpoint store of a server on these files, as a process opens it that has just started."""
    return SqliteCheckpointStore("checkpoint.sqlite", connect=SqliteProcess(files).connect)


@cache
def _vfs() -> _Vfs:
    return _Vfs()


class _Vfs(apsw.VFS):
    """Opens, removes and looks for files of every `SqliteProcess`; the first folder of a name says which one."""

    def __init__(self) -> None:
        self.name = _VFS_NAME
        super().__init__(_VFS_NAME, base="")

    def xFullPathname(self, name: str) -> str:  # noqa: N802 (so SQLite calls it)
        """Return the name: there is no other."""
        return name

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> _File:  # type: ignore[override]  # noqa: N802
        """Open a file, or create it; one without a name is temporary, and nobody's crash touches it."""
        flags[1] = flags[0]
        path = str(name.filename() if isinstance(name, apsw.URIFilename) else name or "")
        if not path:
            temporary = SqliteProcess(FaultyFileSystem())
            return _File(temporary, "temporary", temporary.files.open("temporary", create=True), is_new=False)
        process, file_name = _found(path)
        with _sqlite_errors(apsw.CantOpenError, apsw.SQLITE_CANTOPEN):
            is_new = bool(flags[0] & apsw.SQLITE_OPEN_CREATE) and not _exists(process.files, file_name)
            file = process.files.open(file_name, create=is_new)
        return _File(process, file_name, file, is_new=is_new and not flags[0] & apsw.SQLITE_OPEN_MAIN_DB)

    def xAccess(self, pathname: str, flags: int) -> bool:  # noqa: ARG002, N802
        """Say whether a file is there."""
        process, file_name = _found(pathname)
        with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_ACCESS):
            return _exists(process.files, file_name)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: FBT001, N802
        """Remove a file, and make that durable if SQLite wants it so."""
        process, file_name = _found(filename)
        with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_DELETE):
            process.files.remove(file_name)
        if syncdir:
            with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_DIR_FSYNC):
                process.files.sync_folder("")


class _File:
    """An open file, with the methods that SQLite calls.

    Args:
        process: which has it open.
        name: of the file.
        file: the file.
        is_new: a journal whose name the first sync has to make durable. SQLite relies on that for its database too,
            which is created in the same folder just before.
    """

    def __init__(self, process: SqliteProcess, name: str, file: FaultyFile, *, is_new: bool) -> None:
        self._process = process
        self._name = name
        self._file = file
        self._is_new = is_new

    def xRead(self, amount: int, offset: int) -> bytes:  # noqa: N802
        """Return what is there; SQLite knows what to do with less."""
        with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_READ):
            return self._file.read_at(offset, amount)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        """Write."""
        with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_WRITE):
            self._file.write_at(offset, [data])

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        """Cut the file off."""
        with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_TRUNCATE):
            self._file.resize(newsize)

    def xSync(self, flags: int) -> None:  # noqa: ARG002, N802
        """Make the bytes durable, and the name of a new journal."""
        with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_FSYNC):
            self._file.sync()
        if self._is_new:
            with _sqlite_errors(apsw.IOError, apsw.SQLITE_IOERR_DIR_FSYNC):
                self._process.files.sync_folder("")
            self._is_new = False

    def xFileSize(self) -> int:  # noqa: N802
        """Return the length in bytes."""
        return self._file.size()

    def xLock(self, level: int) -> None:  # noqa: N802
        """Take a lock, or find it taken. Who waits for readers to end lets no new ones in."""
        levels = self._process.locks.setdefault(self._name, {})
        others = max((held for file, held in levels.items() if file is not self), default=apsw.SQLITE_LOCK_NONE)
        if levels.get(self, apsw.SQLITE_LOCK_NONE) >= level:
            return
        if level == apsw.SQLITE_LOCK_SHARED:
            is_free = others < apsw.SQLITE_LOCK_PENDING
        elif level == apsw.SQLITE_LOCK_RESERVED:
            is_free = others < apsw.SQLITE_LOCK_RESERVED
        else:
            is_free = others == apsw.SQLITE_LOCK_NONE
            if not is_free and others == apsw.SQLITE_LOCK_SHARED:
                levels[self] = apsw.SQLITE_LOCK_PENDING
        if not is_free:
            raise apsw.BusyError(f"{self._name} is locked")
        levels[self] = level

    def xUnlock(self, level: int) -> None:  # noqa: N802
        """Give a lock back, down to a level."""
        self._process.locks.get(self._name, {})[self] = level

    def xCheckReservedLock(self) -> bool:  # noqa: N802
        """Say whether somebody is about to write."""
        return any(held >= apsw.SQLITE_LOCK_RESERVED for held in self._process.locks.get(self._name, {}).values())

    def xSectorSize(self) -> int:  # noqa: N802
        """Return how much is written whole or not at all."""
        return SECTOR_SIZE

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        """Promise nothing."""
        return 0

    def xFileControl(self, op: int, ptr: int) -> bool:  # noqa: ARG002, N802
        """Know nothing of what SQLite has to say besides."""
        return False

    def xClose(self) -> None:  # noqa: N802
        """Close the file; locks go with it."""
        self._process.locks.get(self._name, {}).pop(self, None)
        self._file.close()


def _found(path: str) -> tuple[SqliteProcess, str]:
    folder, _, name = path.rpartition("/")
    return _PROCESSES[folder], name


def _exists(files: FaultyFileSystem, name: str) -> bool:
    return name in files.list("")


@contextlib.contextmanager
def _sqlite_errors(kind: type[apsw.Error], code: int) -> Iterator[None]:
    """Say what went wrong in SQLite's words, as its own VFS does: what is full passes, the rest is what `kind` says."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC and code == apsw.SQLITE_IOERR_WRITE:
            kind, code = apsw.FullError, apsw.SQLITE_FULL
        translated = kind(str(error))
        translated.extendedresult = code  # type: ignore[attr-defined]  # apsw gives it to SQLite
        raise translated from error


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        translated = sqlite3.DatabaseError(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
        raise translated from error
