"""How long a start takes after many committed offsets, before and after `__consumer_offsets` is compacted.

    python bench/compaction.py [--offsets 1000000]

Ten groups commit for the ten partitions of one topic, each time for all of them, on a broker with its data on disk.
Then it starts as it is, compacts, and starts again. Times are of the processor, and so the same on a busy machine.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import Instant
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.storage.checkpoint_sqlite import SqliteCheckpointStore
from dotkafka.storage.file_system import OsFileSystem
from dotkafka.storage.wal_file import FileWal
from dotkafka.testing.hand_driven_broker import HandDrivenBroker

GROUPS = 10
PARTITIONS = 10
NOW = Instant(1_000, 1_700_000_000_000)
NEVER_MS = 10**12
BACKOFF_MS = 1_000


def start(data: Path, backoff_ms: int) -> HandDrivenBroker:
    """Start a broker on the data."""
    config = BrokerConfig(log_cleaner_backoff_ms=backoff_ms)
    checkpoints = SqliteCheckpointStore(data / "checkpoint.db")
    return HandDrivenBroker.open(config, FileWal(OsFileSystem(data)), checkpoints, NOW, os.urandom)


def commit(broker: HandDrivenBroker, offsets: int) -> None:
    """Commit so many offsets, a hundred requests at a time."""
    topic = CreatableTopic(name="t", num_partitions=PARTITIONS, replication_factor=1)
    broker.call(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic], timeout_ms=1000))
    for number in range(offsets // PARTITIONS):
        partitions = [
            OffsetCommitRequestPartition(partition_index=index, committed_offset=number) for index in range(PARTITIONS)
        ]
        topics = [OffsetCommitRequestTopic(name="t", partitions=partitions)]
        broker.ask(OFFSET_COMMIT, 8, OffsetCommitRequest(group_id=f"group-{number % GROUPS}", topics=topics))
        if number % 100 == 0:
            broker.settle()
    broker.settle()


@contextmanager
def timed(what: str, data: Path) -> Iterator[None]:
    """Print the processor time that something takes, and how large the checkpoint then is."""
    before_s = time.process_time()
    yield
    took_s = time.process_time() - before_s
    size_bytes = (data / "checkpoint.db").stat().st_size
    print(f"| {what} | {took_s:.2f} s | {size_bytes / 1e6:.1f} MB |", flush=True)


def main() -> None:
    """Commit, start, compact, start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offsets", type=int, default=1_000_000)
    offsets = parser.parse_args().offsets
    with TemporaryDirectory() as directory:
        data = Path(directory)
        with timed(f"commit {offsets:,} offsets", data):
            broker = start(data, NEVER_MS)
            commit(broker, offsets)
            broker.shut_down()
        with timed("start before compaction", data):
            broker = start(data, BACKOFF_MS)
        with timed("compaction", data):
            broker.advance(BACKOFF_MS)
            broker.settle()
        broker.shut_down()
        with timed("start after compaction", data):
            broker = start(data, NEVER_MS)
        broker.shut_down()


if __name__ == "__main__":
    main()
