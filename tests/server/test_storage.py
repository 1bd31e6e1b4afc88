"""Storage is a directory, or memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dotkafka.errors import Fenced
from dotkafka.server.storage import directory_storage, memory_storage

if TYPE_CHECKING:
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


def test_memory_is_not_durable() -> None:
    """So a broker on it does its storage work in place."""
    assert not memory_storage().wal.durable
