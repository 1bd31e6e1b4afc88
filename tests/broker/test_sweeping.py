"""When a checkpoint store is asked to free room."""

from collections import deque

from dotkafka.broker.sweeping import INTERVAL_MS, Sweeping
from dotkafka.clock import Instant
from dotkafka.errors import StorageUnavailable
from dotkafka.storage.memory import MemoryCheckpointStore


class SweptStore(MemoryCheckpointStore):
    """A store in memory that has a few portions to free."""

    def __init__(self, *portions: bool | StorageUnavailable) -> None:
        super().__init__()
        self.portions = deque(portions)

    def sweep(self) -> bool:
        """Free the next portion."""
        portion = self.portions.popleft()
        if isinstance(portion, StorageUnavailable):
            raise portion
        return portion


def at(milliseconds: int) -> Instant:
    """A time."""
    return Instant(milliseconds, 0)


def test_portions_are_freed_with_pauses_until_none_is_left() -> None:
    """One at a time, each a pause after the one before; then never again, until there may be something new."""
    store = SweptStore(True, False)  # noqa: FBT003 (whether there is more)
    sweeping = Sweeping(store, inline=True)
    assert sweeping.begin(at(10**6)) is None
    sweeping.due(at(0))
    assert sweeping.begin(at(INTERVAL_MS - 1)) is None
    first = sweeping.begin(at(INTERVAL_MS))
    assert first is not None
    assert sweeping.is_running
    sweeping.due(at(INTERVAL_MS))
    assert sweeping.begin(at(10**6)) is None
    first.run()
    sweeping.completed(first, at(500))
    assert sweeping.next_deadline_ms == 500 + INTERVAL_MS
    second = sweeping.begin(at(1000))
    assert second is not None
    second.run()
    sweeping.completed(second, at(1000))
    assert sweeping.next_deadline_ms is None


def test_what_cannot_be_freed_now_waits_for_the_next_checkpoint() -> None:
    """A full disk, say, is not asked again and again."""
    sweeping = Sweeping(SweptStore(StorageUnavailable("full")), inline=True)
    sweeping.due(at(0))
    work = sweeping.begin(at(INTERVAL_MS))
    assert work is not None
    work.run()
    sweeping.completed(work, at(INTERVAL_MS))
    assert isinstance(work.error, StorageUnavailable)
    assert sweeping.next_deadline_ms is None


def test_other_stores_are_left_alone() -> None:
    """One that frees room at once has nothing to be asked for."""
    sweeping = Sweeping(MemoryCheckpointStore(), inline=True)
    sweeping.due(at(0))
    assert sweeping.next_deadline_ms is None
    assert sweeping.begin(at(10**6)) is None
