"""A consumer without a group: reads all partitions of some topics from their beginning, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dotkafka.testing.history import Partition, Watermarks
from dotkafka.testing.simulation.fetching import Fetching
from dotkafka.testing.simulation.world import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World


class Reader(Fetching):
    """Reads everything; from the beginning at times, and always once everything has healed, and after the last cut.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        topics: that it reads.
    """

    def __init__(self, world: World, name: str, topics: Sequence[str]) -> None:
        super().__init__(world, name)
        self._topics = topics
        self._phase = world.phase
        self._is_done = False

    def live(self) -> Flow[None]:
        """Read for ever."""
        while True:
            if self._phase is not self.world.phase:
                self._phase = self.world.phase
                self._is_done = False
                if self._phase >= Phase.DRAINING:
                    self.places.clear()
                    self.needs_topics = True
            elif self._phase is Phase.STORM and self.dice.random() < 0.005:
                self.places.clear()
                self.needs_topics = True
            elif self.dice.random() < 0.02:
                self.needs_topics = True
            if self.needs_topics and not (yield from self._look_around()):
                yield from self.pause(self.dice.randrange(20, 100))
                continue
            if self._is_done:
                yield from self.pause(100)
                continue
            max_wait_ms = self.dice.randrange(300)
            if self.places and (yield from self.poll(max_wait_ms)) and self._is_everything_read():
                self._finish_phase()
            yield from self.pause(self.dice.randrange(1, 30))

    @property
    def is_settled(self) -> bool:
        """Whether it has read everything of this phase."""
        return self._phase is self.world.phase and (self._is_done or self._phase < Phase.DRAINING)

    def state(self) -> str:
        """Return where it is."""
        return self.behind()

    def _look_around(self) -> Flow[bool]:
        """Find the partitions that are new, and go to their beginning."""
        self.needs_topics = False
        yield from self.refresh_topics()
        self.forget_past_lives()
        for topic in self._topics:
            for index in range(len(self.topics[topic].epochs) if topic in self.topics else 0):
                partition = Partition(topic, index)
                if partition not in self.places and not (yield from self.go_to_beginning(partition)):
                    self.needs_topics = True
                    return False
        return True

    def _is_everything_read(self) -> bool:
        return self._phase >= Phase.DRAINING and self._phase is self.world.phase and self.is_at_end

    def _finish_phase(self) -> None:
        """Note where the logs end."""
        self._is_done = True
        for partition, place in self.places.items():
            marks = Watermarks(self.name, *partition, None, place.high_watermark)
            self.world.history.add(marks, began=self.asked_us)
