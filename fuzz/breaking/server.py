"""A server process that kills itself with SIGKILL at a named point, on storage so small that it passes them all soon.

    python -m fuzz.breaking.server --listen 127.0.0.1:9092 --data DIR --die-at "after append.write" --passes 3

Its output is `listening on HOST:PORT`, `passed POINT` for each point passed for the first time, and `died at POINT`.
The points are those of `dotkafka.testing.failpoints`, and two more: `before save.commit`, when SQLite is about to write
what a save has changed, and `in save.commit`, a moment later.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import queue
import random
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dotkafka
from dotkafka.broker.config import BrokerConfig
from dotkafka.errors import StorageError
from dotkafka.server.storage import Storage
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore, connect_to_file
from dotkafka.storage.file_system import OsFile, OsFileSystem
from dotkafka.storage.wal_file import FileWal
from dotkafka.testing.failpoints import Failpoints

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Sequence

    from dotkafka.storage.spi import Buffer, Changes, WalEntry, WalWriter, WriteAheadLog

CONFIG = BrokerConfig(
    auto_create_topics_enable=False,
    checkpoint_bytes=384 * 1024,
    tail_max_bytes=1024 * 1024,
    checkpoint_interval_ms=1000,
)
SEGMENT_BYTES = 128 * 1024
SPARE_SEGMENTS = 1
EARLY_S = 0.05
LONGEST_COMMIT_S = 0.01
"""`in save.commit` comes at a random moment before this; SQLite then writes journal and file."""


class Points:
    """Counts how often each point is passed, and dies when it is time."""

    def __init__(self, die_at: str, passes: int) -> None:
        self._die_at = die_at
        self._passes = passes
        self._seen: set[str] = set()

    def passed(self, point: str) -> None:
        """Take note of a point."""
        self._take_note(point)
        if self._is_due(point):
            die(point)
        if point == "before save.commit":
            self._take_note("in save.commit")
            if self._is_due("in save.commit"):
                threading.Thread(target=die, args=("in save.commit", random.uniform(0, LONGEST_COMMIT_S))).start()

    def _take_note(self, point: str) -> None:
        if point not in self._seen:
            self._seen.add(point)
            say(f"passed {point}")

    def _is_due(self, point: str) -> bool:
        self._passes -= point == self._die_at
        return point == self._die_at and self._passes == 0


def say(line: str) -> None:
    """Print a line that nothing holds back."""
    os.write(sys.stdout.fileno(), f"{line}\n".encode())


def die(point: str, after_s: float = 0) -> None:
    """End as by kill -9."""
    time.sleep(after_s)
    say(f"died at {point}")
    os.kill(os.getpid(), signal.SIGKILL)


class SqliteStore(SqliteCheckpointStore):
    """The checkpoint store, with a point where SQLite is told to commit a save."""

    def __init__(self, path: Path, passed: Callable[[str], None]) -> None:
        self._passed = passed
        self._is_saving = False
        super().__init__(path, connect=partial(self._connect_traced, path))

    def _connect_traced(self, path: Path) -> sqlite3.Connection:
        connection = connect_to_file(path)
        connection.set_trace_callback(self._trace)
        return connection

    def _trace(self, statement: str) -> None:
        if self._is_saving and statement == "COMMIT":
            self._passed("before save.commit")

    def save(self, shard: int, changes: Changes) -> None:
        """Save, as it always does."""
        self._is_saving = True
        try:
            super().save(shard, changes)
        finally:
            self._is_saving = False


class EarlyWal:
    """A planted mistake: entries are acknowledged, and written a little later."""

    def __init__(self, wal: WriteAheadLog) -> None:
        self._wal = wal
        self.durable = wal.durable

    def open(self, shard: int, owner: str, *, minimum_epoch: int = 0, minimum_sequence: int = 0) -> WalWriter:
        """Open the log; its writer acknowledges too early."""
        return EarlyWriter(self._wal.open(shard, owner, minimum_epoch=minimum_epoch, minimum_sequence=minimum_sequence))

    def read(self, shard: int, from_sequence: int) -> Iterator[WalEntry]:
        """Read the log."""
        return self._wal.read(shard, from_sequence)


class EarlyWriter:
    """Acknowledges appends that it has yet to make."""

    def __init__(self, writer: WalWriter) -> None:
        self._writer = writer
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_waiting)
        self._thread.start()
        self.epoch = writer.epoch
        self.next_sequence = writer.next_sequence

    def append(self, parts: Sequence[Buffer]) -> int:
        """Leave the entry to the thread."""
        self._waiting.put(b"".join(parts))
        self.next_sequence += 1
        return self.next_sequence - 1

    def _write_waiting(self) -> None:
        while (entry := self._waiting.get()) is not None:
            if self._waiting.empty():
                time.sleep(EARLY_S)
            self._writer.append([entry])

    def trim(self, before_sequence: int) -> None:
        """Trim, as far as it is written."""
        self._writer.trim(min(before_sequence, self._writer.next_sequence))

    def close(self) -> None:
        """Write what waits, and close."""
        self._waiting.put(None)
        self._thread.join()
        self._writer.close()


class UnsyncedFile(OsFile):
    """A planted mistake: a file that is never synced."""

    def sync(self) -> None:
        """Do nothing."""


class UnsyncedFileSystem(OsFileSystem):
    """A planted mistake: files that are never synced."""

    def open(self, name: str, *, create: bool = False) -> OsFile:
        """Open a file that is never synced."""
        file = super().open(name, create=create)
        file.__class__ = UnsyncedFile
        return file


MISTAKES = ("", "early-ack", "no-sync")


def open_storage(directory: Path, passed: Callable[[str], None], mistake: str) -> Storage:
    """Return storage in a directory, with points."""
    files = (UnsyncedFileSystem if mistake == "no-sync" else OsFileSystem)(directory)
    files.make_folder("")
    points = Failpoints(passed)
    wal = points.wal(FileWal(points.file_system(files), segment_bytes=SEGMENT_BYTES, spare_segments=SPARE_SEGMENTS))
    store = SqliteStore(directory / "checkpoint.sqlite", passed)
    return Storage(EarlyWal(wal) if mistake == "early-ack" else wal, points.checkpoints(store))


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    passed = Points(options.die_at, options.passes).passed
    storage = open_storage(options.data, passed, options.mistake)
    asked_to_stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, asked_to_stop.set)
    async with dotkafka.serve(options.listen, data=storage, config=CONFIG) as server:
        say(f"listening on {server.bootstrap}")
        await asked_to_stop.wait()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="A broker that dies where it is told to.")
    parser.add_argument("--listen", required=True)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--die-at", default="", metavar="POINT")
    parser.add_argument("--passes", type=int, default=1, help="at which passing of the point (default: %(default)s)")
    parser.add_argument("--mistake", choices=MISTAKES, default="", help="something planted for the harness to find")
    options = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve(options))
    except (OSError, StorageError) as error:
        print(f"cannot go on: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
