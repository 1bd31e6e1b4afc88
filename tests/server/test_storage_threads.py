"""Storage work runs off the caller's thread: in order within a lane, lanes apart from each other."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from dotkafka.broker.storage_work import Lane, StorageWork
from dotkafka.server.storage_threads import StorageThreads

if TYPE_CHECKING:
    from collections.abc import Callable


class Work(StorageWork):
    """Work that does what a test wants."""

    def __init__(self, lane: Lane, call: Callable[[], object] = lambda: None) -> None:
        super().__init__(inline=False)
        self.lane = lane
        self._call = call  # type: ignore[assignment,method-assign]


def test_a_lane_keeps_its_order() -> None:
    """Appends are made durable in the order in which they were handed out."""
    completed: SimpleQueue[StorageWork] = SimpleQueue()
    threads = StorageThreads(completed.put)
    works = [Work("append") for _ in range(100)]
    for work in works:
        threads.submit(work)
    assert [completed.get(timeout=10) for _ in works] == works
    assert threads.stop(10)


def test_a_slow_checkpoint_holds_up_no_append() -> None:
    """The lanes have threads of their own."""
    completed: SimpleQueue[StorageWork] = SimpleQueue()
    threads = StorageThreads(completed.put)
    checkpoint_may_end = threading.Event()
    checkpoint, append = Work("checkpoint", checkpoint_may_end.wait), Work("append")
    threads.submit(checkpoint)
    threads.submit(append)
    assert completed.get(timeout=10) is append
    checkpoint_may_end.set()
    assert completed.get(timeout=10) is checkpoint
    assert threads.stop(10)


def test_stopping_ends_what_was_submitted_first() -> None:
    """No work is dropped, and no thread is left."""
    before = threading.active_count()
    completed: list[StorageWork] = []
    threads = StorageThreads(completed.append)
    works = [Work("append") for _ in range(50)]
    for work in works:
        threads.submit(work)
    assert threads.stop(10)
    assert completed == works
    assert threading.active_count() == before


def test_stopping_does_not_wait_for_ever() -> None:
    """Work that hangs is left behind, and the answer says so."""
    may_end = threading.Event()
    threads = StorageThreads(lambda _: None)
    threads.submit(Work("append", may_end.wait))
    assert not threads.stop(0.01)
    may_end.set()
    assert threads.stop(10)
