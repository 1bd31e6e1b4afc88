"""The storage of `examples/sqlite_storage.py` keeps every promise, and loses nothing that a broker has acknowledged."""

# ruff: noqa: D102 (what a method is for stands where the checks say what they need)

import contextlib
import errno
import importlib.util
import random
import sqlite3
import sys
from pathlib import Path

import pytest

from dotkafka.testing.conformance import CheckpointStoreConformance, WriteAheadLogConformance
from dotkafka.testing.conformance.store_outcomes import StoreOutcomeChecks
from dotkafka.testing.conformance.wal_outcomes import WalOutcomeChecks
from dotkafka.testing.crash_model import BrokenPromise
from dotkafka.testing.crash_states import CrashStates
from dotkafka.testing.faulty_file_system import FaultyFileSystem
from dotkafka.testing.faulty_sqlite import SqliteProcess

PATH = Path(__file__).parent.parent / "examples" / "sqlite_storage.py"


def load_example():
    """Return the example as a module."""
    spec = importlib.util.spec_from_file_location("sqlite_storage", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sqlite_storage"] = module
    spec.loader.exec_module(module)
    return module


EXAMPLE = load_example()


class TestLog(WriteAheadLogConformance):
    """The conformance checks on a real file."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path):
        """Give each test an empty directory."""
        self.path = tmp_path / "broker.sqlite"

    def create_wal(self):
        return EXAMPLE.SqliteLog(EXAMPLE.Database(self.path))

    def restart(self, wal):
        return self.create_wal()

    elsewhere = restart

    def damaged(self, wal, payload):
        connection = sqlite3.connect(self.path)
        connection.execute("UPDATE entries SET payload = ? WHERE payload = ?", (payload.upper(), payload))
        connection.commit()
        connection.close()
        return self.create_wal(), "broker.sqlite: shard 0: entry 4"


class TestCheckpoints(CheckpointStoreConformance):
    """The conformance checks on a real file."""

    @pytest.fixture(autouse=True)
    def directory(self, tmp_path):
        """Give each test an empty directory."""
        self.path = tmp_path / "broker.sqlite"

    def create_store(self):
        return EXAMPLE.SqliteCheckpoints(EXAMPLE.Database(self.path))

    def restart(self, store):
        return self.create_store()

    def damaged(self, store):
        data = self.path.read_bytes()
        self.path.write_bytes(data[:4096] + b"\xa5" * (len(data) - 4096))
        return self.create_store(), "broker.sqlite"


class OnFaultyFiles:
    """How storage on files that lie is made and broken."""

    def create(self, engine):
        """Make one on empty files."""
        self.files = FaultyFileSystem()
        self.dice = random.Random(1)
        return engine(database_on(self.files))

    def restart(self, engine):
        return type(engine)(database_on(self.files))

    def crash(self, engine):
        self.files.crash(lambda: self.dice.random() < 0.5)
        return self.restart(engine)

    def unavailable(self, engine):
        return self.errors("write", errno.ENOSPC)

    def failing(self, engine):
        return self.errors("sync ", errno.EIO)

    @contextlib.contextmanager
    def errors(self, call, error_number):
        """Let a kind of call fail."""
        self.files.fail_when(lambda each: error_number if each.startswith(call) else 0)
        yield
        self.files.fail_when(None)


class TestLogOnFaultyFiles(OnFaultyFiles, WalOutcomeChecks):
    """The checks of crashes and errors; an outcome is never unknown, as a transaction that fails is rolled back."""

    def create_wal(self):
        return self.create(EXAMPLE.SqliteLog)


class TestCheckpointsOnFaultyFiles(OnFaultyFiles, StoreOutcomeChecks):
    """The checks of crashes and errors."""

    def create_store(self):
        return self.create(EXAMPLE.SqliteCheckpoints)

    test_others_read_while_one_saves = None  # type: ignore[assignment]  # these files are not for several threads


def database_on(files):
    """Open the database as a process does that has just started."""
    return EXAMPLE.Database(Path("broker.sqlite"), SqliteProcess(files, "broker.sqlite").connect)


class Storage:
    """Makes both engines of one database, as often as a broker starts."""

    def make_wal(self, files, _random_bytes):
        """Open the database."""
        self.database = database_on(files)
        return EXAMPLE.SqliteLog(self.database)

    def make_checkpoints(self, _files):
        """Use the database that has just been opened."""
        return EXAMPLE.SqliteCheckpoints(self.database)


def test_a_broker_loses_nothing():
    """Whenever the power goes: everything acknowledged is in the database."""
    storage = Storage()
    states = CrashStates(1, storage.make_wal, storage.make_checkpoints, steps=20, choices=3)
    states.run()
    assert states.count > 300


def test_the_setting_that_it_explains_is_needed():
    """With FULL, the removal of the journal is not durable, and a power cut brings the end of the log back."""
    storage = Storage()

    def without_extra(files, random_bytes):
        wal = storage.make_wal(files, random_bytes)
        storage.database._connection.execute("PRAGMA synchronous = FULL")
        return wal

    with pytest.raises(BrokenPromise, match="was acknowledged"):
        CrashStates(1, without_extra, storage.make_checkpoints, steps=20, choices=3).run()
