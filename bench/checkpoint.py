"""How long a checkpoint of many partitions keeps the core of a broker, which serves nobody meanwhile.

    python bench/checkpoint.py [--partitions 4000] [--batches 1 20] [--rounds 5]

Every partition gets some batches of an idempotent producer, of one record each, before each checkpoint; it has 100 more
batches from checkpoints before. Times are of the thread's processor:

- begin: on the core, from what is dirty to the work that saves it;
- save: that work, on a thread of its own, into SQLite;
- complete: on the core, when it is saved.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from typing import TYPE_CHECKING

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.storage_work import CheckpointWork
from dotkafka.clock import SystemClock
from dotkafka.log.config import LogConfig
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record
from dotkafka.server.storage import directory_storage
from dotkafka.storage.spi import TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dotkafka.broker.shard import Shard
    from dotkafka.broker.storage_work import StorageWork

INTERVAL_MS = 1 << 40
CONFIG = BrokerConfig(checkpoint_interval_ms=INTERVAL_MS, checkpoint_bytes=1 << 40, tail_max_bytes=1 << 40)
LOG_CONFIG = LogConfig()
RECORDS = [Record(0, 1_700_000_000_000, None, bytes(100))]


class Partitions:
    """Some partitions of one shard, written to in turn.

    Args:
        broker: whose partitions they are.
        count: of partitions.
    """

    def __init__(self, broker: Broker, count: int) -> None:
        self._broker = broker
        self._partitions = [TopicIdPartition(bytes(16), number) for number in range(count)]
        self._sequence = 0
        self.now = SystemClock().now()

    @property
    def shard(self) -> Shard:
        """Of all of them."""
        return self._broker.shard

    def write(self, batches: int) -> None:
        """Append some batches to each, and have them durable."""
        for _ in range(batches):
            batch = encode_batch(RECORDS, producer_id=1, producer_epoch=0, base_sequence=self._sequence)
            self._sequence += 1
            for partition in self._partitions:
                self.shard.append_own(partition, bytearray(batch), LOG_CONFIG, self.now)
        while works := [work for work in self._broker.take_work(self.now) if not isinstance(work, CheckpointWork)]:
            self._run(works)

    def checkpoint(self) -> Iterator[float]:
        """Make one, and yield the seconds that its beginning, the save and its completion take."""
        self.now = self.now._replace(monotonic_ms=self.now.monotonic_ms + INTERVAL_MS)
        begin = time.thread_time()
        works = self._broker.take_work(self.now)
        yield time.thread_time() - begin
        (checkpoint,) = (work for work in works if isinstance(work, CheckpointWork))
        begin = time.thread_time()
        checkpoint.run()
        yield time.thread_time() - begin
        begin = time.thread_time()
        self._broker.complete(checkpoint, self.now)
        yield time.thread_time() - begin
        self._run(self._broker.take_work(self.now))

    def _run(self, works: Sequence[StorageWork]) -> None:
        for work in works:
            work.run()
            self._broker.complete(work, self.now)


def measure(folder: str, count: int, batches: int, rounds: int) -> list[float]:
    """Return the median seconds of the beginning, the save and the completion of a checkpoint."""
    wal, checkpoints = directory_storage(folder)
    start = SystemClock().now()
    broker = Broker.open(CONFIG, wal, checkpoints, now=start, random_bytes=os.urandom)
    partitions = Partitions(broker, count)
    partitions.write(100)
    list(partitions.checkpoint())
    times = []
    for _ in range(rounds):
        partitions.write(batches)
        times.append(list(partitions.checkpoint()))
    broker.close()
    return [statistics.median(column) for column in zip(*times, strict=True)]


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--partitions", type=int, default=4000)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 20], help="for each partition and checkpoint")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (default 5)")
    options = parser.parse_args()
    print("| milliseconds | begin | save | complete |\n|---|---:|---:|---:|")
    for batches in options.batches:
        with tempfile.TemporaryDirectory() as folder:
            times = measure(folder, options.partitions, batches, options.rounds)
        cells = " | ".join(f"{seconds * 1e3:.0f}" for seconds in times)
        print(
            f"| {options.partitions:,} partitions, {batches} batch{'es' * (batches > 1)} each | {cells} |", flush=True
        )


if __name__ == "__main__":
    main()
