"""What all simulated clients have in common: a name, dice of their own, and a life that can stall or end."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, TypeVar

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.testing.simulation.channel import TIMEOUT_MS, Channel
from dotkafka.testing.simulation.stalls import Stalls
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Api
    from dotkafka.testing.simulation.world import World

Request = TypeVar("Request")
Response = TypeVar("Response")
Result = TypeVar("Result")

Flow: TypeAlias = Generator[Callable[[Callable[[Any], None]], None], Any, Result]
"""One thing after another: it yields what takes a callback, and goes on when that is called."""

METADATA_VERSION: Final = 12


class TopicState(NamedTuple):
    """A topic as a client knows it."""

    topic_id: bytes
    epochs: tuple[int, ...]
    """Leader epoch of each partition."""


class Client:
    """One program that uses the broker.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.dice = random.Random(f"{world.seed}/{name}")  # noqa: S311 (the same seed does the same)
        self.is_alive = True
        self.topics: dict[str, TopicState] = {}
        self.channel = Channel(self, "main")
        self._stalls = Stalls(world.scheduler)

    # -- life ----------------------------------------------------------------------------------------------------------

    def when_awake(self, call: Callable[[], None]) -> None:
        """Make a call, once the client does not stall any more; never, if it has ended."""
        self._stalls.when_awake(lambda: call() if self.is_alive else None)

    def stall(self, duration_ms: int) -> None:
        """Stand still; the world goes on."""
        self.world.trace.note(f"{self.name} stalls for {duration_ms} ms")
        self.world.counts["client stalls"] += 1
        self._stalls.stall(duration_ms)

    def wake_up(self) -> None:
        """Stall no more."""
        self._stalls.wake_up()

    def live(self) -> Flow[None]:
        """Do what such a client does, for as long as it lives."""
        raise NotImplementedError

    @property
    def is_settled(self) -> bool:
        """Whether the client has done all that its phase asks for."""
        raise NotImplementedError

    def state(self) -> str:
        """Return what it is at, for people who ask why it is not settled."""
        return ""

    # -- one thing after another ---------------------------------------------------------------------------------------

    def start(self, flow: Flow[None]) -> None:
        """Go through a flow."""

        def go_on(value: object) -> None:
            try:
                begin = flow.send(value)
            except StopIteration:
                return
            begin(go_on)

        self.after(0, lambda: go_on(None))

    def after(self, delay_ms: float, call: Callable[[], None]) -> None:
        """Make a call after a while."""
        self.world.scheduler.after(int(delay_ms * 1000), lambda: self.when_awake(call))

    def pause(self, delay_ms: float) -> Flow[None]:
        """Wait."""
        yield lambda go_on: self.after(delay_ms, lambda: go_on(None))

    def call(
        self,
        api: Api[Request, Response],
        version: int,
        request: Request,
        *,
        channel: Channel | None = None,
        timeout_ms: int = TIMEOUT_MS,
    ) -> Flow[Response | None]:
        """Ask, and return the answer, None if there will be none."""
        through = channel or self.channel
        answer: Response | None = yield lambda go_on: through.ask(api, version, request, go_on, timeout_ms)
        return answer

    def refresh_topics(self) -> Flow[None]:
        """Learn what topics there are; hold it against what was known of them."""
        while True:
            asked_us = self.world.scheduler.now_us
            answer = yield from self.call(METADATA, METADATA_VERSION, MetadataRequest(topics=None))
            if answer is not None:
                break
            yield from self.pause(self.dice.randrange(20, 200))
        asked_us = self.channel.as_of(asked_us)
        topics: dict[str, TopicState] = {}
        for topic in answer.topics:
            if topic.error_code != ErrorCode.NONE or topic.name is None:
                raise Violation(f"{self.name} gets error {topic.error_code} for topic {topic.name}")
            topic_id = bytes(topic.topic_id)
            epochs = tuple(partition.leader_epoch for partition in topic.partitions)
            topics[topic.name] = TopicState(topic_id, epochs)
            self.world.promises.never_goes_back(("partition count", topic.name, topic_id), len(epochs), asked_us)
            for epoch in dict.fromkeys(epochs):
                self.world.promises.never_goes_back(("leader epoch",), epoch, asked_us)
        for name in self.world.created:
            count = len(topics[name].epochs) if name in topics else 0
            self.world.promises.never_goes_back(("partition count", name), count, asked_us)
        self.topics = topics
