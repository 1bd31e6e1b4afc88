"""The file write-ahead log keeps its promises on a real disk, through power cuts, full disks and damage."""

from pathlib import Path

import pytest

from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.spi import WriteAheadLog
from dotkafka.storage.wal_file import FileWal
from dotkafka.testing.storage_conformance import WriteAheadLogConformance


class TestFileWal(WriteAheadLogConformance):
    """The conformance checks on real files, in segments so small that rolling and recycling happen all the time."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path: Path) -> None:
        """Give each test an empty data directory."""
        self.path = tmp_path / "data"

    def create_wal(self) -> WriteAheadLog:
        """Return a log over the directory."""
        return FileWal(OsFileSystem(self.path), segment_bytes=8192, spare_segments=2)

    def restart(self, wal: WriteAheadLog) -> WriteAheadLog:
        """Return a log over the same directory."""
        return self.create_wal()
