"""StorageThreads: where the blocking calls of a broker are made.

One thread for each lane whose work goes in order (appends to the write-ahead log, checkpoints, compaction), a few for
reads. A thread starts with the first work of its lane; a broker in memory has none before it compacts. Plain queues
instead of an executor: a future per flush would cost more than handing over the flush.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from dotkafka.broker.storage_work import Lane, StorageWork

_THREADS_PER_LANE: dict[Lane, int] = {"append": 1, "checkpoint": 1, "read": 2, "compaction": 1}


class StorageThreads:
    """Runs storage work off the event loop.

    Args:
        on_completed: called with each work that has run, in the thread that ran it.

    The threads are daemons: a program that forgets to stop its server may still end, and loses nothing acknowledged.
    """

    def __init__(self, on_completed: Callable[[StorageWork], None]) -> None:
        self._on_completed = on_completed
        self._queues: dict[Lane, SimpleQueue[StorageWork | None]] = {}
        self._threads: list[threading.Thread] = []

    def submit(self, work: StorageWork) -> None:
        """Have `work` run soon, after all earlier work of its lane has been begun."""
        queue = self._queues.get(work.lane)
        if queue is None:
            queue = self._start_lane(work.lane)
        queue.put(work)

    def stop(self, timeout_s: float) -> bool:
        """End the threads after the work they have; return whether all have ended in time. Blocks."""
        for lane, queue in self._queues.items():
            for _ in range(_THREADS_PER_LANE[lane]):
                queue.put(None)
        for thread in self._threads:
            thread.join(timeout_s / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def _start_lane(self, lane: Lane) -> SimpleQueue[StorageWork | None]:
        queue: SimpleQueue[StorageWork | None] = SimpleQueue()
        self._queues[lane] = queue
        for number in range(_THREADS_PER_LANE[lane]):
            thread = threading.Thread(target=self._run, args=(queue,), name=f"dotkafka-{lane}-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        return queue

    def _run(self, queue: SimpleQueue[StorageWork | None]) -> None:
        while (work := queue.get()) is not None:
            work.run()
            self._on_completed(work)
