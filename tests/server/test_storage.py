"""Storage is a directory, or memory."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from dotkafka.errors import Fenced, StorageFailed
from dotkafka.server import run_in_thread
from dotkafka.server.storage import directory_storage, memory_storage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_a_directory_is_made_and_keeps_the_log(tmp_path: Path) -> None:
    """What one writer appended, the next reads."""
    directory = tmp_path / "new" / "data"
    for turn in range(2):
        storage = directory_storage(directory)
        assert storage.wal.durable
        writer = storage.wal.open(0, "test")
        assert [bytes(entry.payload) for entry in storage.wal.read(0, 0)] == [b"entry"] * turn
        writer.append([b"entry"])
        writer.close()
        storage.checkpoints.close()


def test_a_directory_has_one_owner(tmp_path: Path) -> None:
    """The second is refused while the first lives."""
    first, second = directory_storage(tmp_path), directory_storage(str(tmp_path))
    writer = first.wal.open(0, "first")
    with pytest.raises(Fenced, match="first"):
        second.wal.open(0, "second")
    writer.close()
    first.checkpoints.close()
    second.checkpoints.close()


def test_a_directory_in_use_is_named(tmp_path: Path) -> None:
    """With whoever has it."""
    with (
        run_in_thread(data=tmp_path),
        pytest.raises(Fenced, match=rf"^{tmp_path} is in use by another server: .*process {os.getpid()}$"),
        run_in_thread(data=tmp_path),
    ):
        pass


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    """It is named, and left as it is."""
    path = tmp_path / "data"
    path.write_text("mine")
    with pytest.raises(NotADirectoryError, match=f"is not a directory: '{path}'"):
        directory_storage(path)
    assert path.read_text() == "mine"


@pytest.fixture
def nobody() -> Iterator[None]:
    """Be somebody to whom permissions apply."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65_534)
    yield
    if is_root:
        os.seteuid(0)


def test_a_directory_that_cannot_be_written_is_named(nobody: None) -> None:
    """It is not SQLite that says so."""
    with pytest.raises(PermissionError, match=r"cannot be written: its permissions, .*: '/'"):
        directory_storage("/")


def test_a_directory_of_a_newer_dotkafka(tmp_path: Path) -> None:
    """Nobody is advised to recover what is not damaged."""
    with run_in_thread(data=tmp_path):
        pass
    with closing(sqlite3.connect(tmp_path / "checkpoint.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with (
        pytest.raises(StorageFailed, match=r"made by a newer dotkafka.*if it is damage, "),
        run_in_thread(data=tmp_path),
    ):
        pass


def test_memory_is_not_durable() -> None:
    """So a broker on it does its storage work in place."""
    assert not memory_storage().wal.durable
