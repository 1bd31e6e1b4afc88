"""Storage for a whole broker that can lose power at any moment: L1 on files that lie, and an L2 that crashes with them.

L2 is one in memory, whose saves are there or not, or a real one on the same files: `faulty_checkpoints` of
`dotkafka.testing.faulty_sqlite`, or a store of yours.

storage = SimulatedStorage("seed", lambda files, random_bytes: MyLog(files))
driver = storage.boot(now)
...
after = storage.fork(lambda: False).boot(driver.now)    # the power went now, and nothing unsynced survived
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import TYPE_CHECKING, Final

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.coordinator.config import GroupConfig
from dotkafka.storage.memory import MemoryCheckpointStore
from dotkafka.storage.spi import CheckpointStore, FileSystem, WriteAheadLog
from dotkafka.storage.wal_file import FileWal
from dotkafka.storage.wal_folder import translated_errors
from dotkafka.testing.faulty_file_system import FaultyFileSystem
from dotkafka.testing.hand_driven_broker import HandDrivenBroker

if TYPE_CHECKING:
    from dotkafka.clock import Instant
    from dotkafka.storage.spi import Buffer, Changes, Checkpoint, TopicIdPartition

CONFIG: Final = BrokerConfig(
    checkpoint_bytes=3000,
    tail_max_bytes=6000,
    metadata_log_max_record_bytes_between_snapshots=500,
    log_cleaner_backoff_ms=1000,
    log_cleaner_io_buffer_size=500,
    log_retention_check_interval_ms=10_000,
    group=GroupConfig(group_consumer_max_session_timeout_ms=3_600_000, group_consumer_session_timeout_ms=3_600_000),
)
"""So small that checkpoints, metadata snapshots, compaction and reads of L2 happen all the time; sessions are long."""

MakeWal = Callable[[FileSystem, Callable[[int], bytes]], WriteAheadLog]
"""Makes the write-ahead log under test over a file system, with a source of random bytes."""

MakeCheckpoints = Callable[[FaultyFileSystem], CheckpointStore]
"""Makes the checkpoint store under test over files, as a process does that has just started."""


def small_file_wal(files: FileSystem, random_bytes: Callable[[int], bytes]) -> WriteAheadLog:
    """Return a file write-ahead log whose segments hold a few entries only."""
    return FileWal(files, segment_bytes=8192, spare_segments=1, random_bytes=random_bytes)


class CrashingCheckpoints(MemoryCheckpointStore):
    """An L2 whose saves are operations of a file system, to be cut or to fail; each is there or not."""

    def __init__(self, files: FaultyFileSystem) -> None:
        super().__init__()
        self.files = files
        self.before_call: Callable[[], None] | None = None
        """Called before each load, save and read."""

    def load(self, shard: int) -> Checkpoint | None:
        """Return what the shard holds."""
        self._begin()
        return super().load(shard)

    def read(self, shard: int, partition: TopicIdPartition, offset: int, max_bytes: int) -> Sequence[Buffer]:
        """Return whole batches from `offset` on."""
        self._begin()
        return super().read(shard, partition, offset, max_bytes)

    def save(self, shard: int, changes: Changes) -> None:
        """Save, in one step."""
        self._begin()
        with translated_errors("saving a checkpoint"):
            self.files.begin("save")
        super().save(shard, changes)

    def _begin(self) -> None:
        if self.before_call is not None:
            self.before_call()


class SimulatedStorage:
    """L1 on files that can crash, and an L2 that crashes with them.

    Args:
        seed: of all that is random in it.
        make_wal: the write-ahead log under test.
        make_checkpoints: the checkpoint store under test; by default one in memory, whose saves are there or not.
    """

    def __init__(
        self, seed: str, make_wal: MakeWal = small_file_wal, make_checkpoints: MakeCheckpoints | None = None
    ) -> None:
        self.files = FaultyFileSystem()
        self.checkpoints = CrashingCheckpoints(self.files)
        self._seed = seed
        self._make_wal = make_wal
        self._make_checkpoints = make_checkpoints
        self._dice = random.Random(seed)  # noqa: S311 (the same seed gives the same crash)
        self._wal: WriteAheadLog | None = None

    def open(self, now: Instant, config: BrokerConfig = CONFIG, *, takes_over: bool = False) -> Broker:
        """Open a broker on what is there, as a new process does; see `Broker.open` for what it raises.

        Args:
            now: this moment.
            config: of the broker.
            takes_over: use the write-ahead log of the one before, which may still run: an engine that can fence does so
                then. Otherwise the log is made anew, and one that cannot fence refuses to open while another runs.
        """
        random_bytes = self._dice.randbytes
        wal = self._wal if takes_over and self._wal is not None else self._make_wal(self.files, random_bytes)
        checkpoints = self._make_checkpoints(self.files) if self._make_checkpoints else self.checkpoints
        broker = Broker.open(config, wal, checkpoints, now=now, random_bytes=random_bytes)
        self._wal = wal
        return broker

    @contextmanager
    def interrupted(self, meanwhile: Callable[[], None]) -> Iterator[None]:
        """Call `meanwhile` before each call of storage, but not within itself: what others do at the same time."""

        def interrupt() -> None:
            self._interrupt_with(None)
            try:
                meanwhile()
            finally:
                self._interrupt_with(interrupt)

        self._interrupt_with(interrupt)
        try:
            yield
        finally:
            self._interrupt_with(None)

    def _interrupt_with(self, interrupt: Callable[[], None] | None) -> None:
        self.files.before_operation = self.checkpoints.before_call = interrupt

    def boot(self, now: Instant) -> HandDrivenBroker:
        """Start a broker whose storage calls are made by hand."""
        return HandDrivenBroker(self.open(now), now)

    def fork(self, keep: Callable[[], bool]) -> SimulatedStorage:
        """Return the storage as a power cut at this moment leaves it; this one goes on."""
        return self._with(self.files.fork(keep))

    def fork_process(self) -> SimulatedStorage:
        """Return the storage as the end of the process leaves it, with what is unsynced; this one goes on."""
        return self._with(self.files.fork_process())

    def _with(self, files: FaultyFileSystem) -> SimulatedStorage:
        # Dice of its own: what is drawn after one crash must not depend on how many others were tried.
        other = SimulatedStorage(f"{self._seed}'", self._make_wal, self._make_checkpoints)
        other.files = files
        other.checkpoints = copy(self.checkpoints)
        other.checkpoints.files = files
        return other
