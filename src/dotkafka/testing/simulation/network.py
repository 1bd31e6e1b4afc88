"""A network in memory: bytes arrive later, in order, in pieces of any size; a connection ends, or half of it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import random

    from dotkafka.testing.simulation.scheduler import Scheduler

MOST_PIECES: Final = 4


class Receiver(Protocol):
    """Either end of a link."""

    def received(self, data: bytes) -> None:
        """Some bytes have arrived."""
        ...

    def lost(self) -> None:
        """The connection has ended: closed by the peer, or reset."""
        ...


class Listener(Protocol):
    """Where clients connect to."""

    def accept(self, link: Link) -> Receiver | None:
        """Return the server's end of a new link, None if nobody listens."""
        ...


class Server(Protocol):
    """Whoever serves a link, behind its end there."""

    superseded_us: int
    """From when on what it says may be out of date."""
    knew_us: int
    """When it found out."""


class Link:
    """One connection, seen from both ends. What one end closes, the other hears of later."""

    def __init__(self, network: Network, name: str, client: Receiver) -> None:
        self.name = name
        self.client: Receiver | None = client
        """None once this end is closed, and so is the other one when it is."""
        self.server: Receiver | None = None
        self.served_by: Server | None = None
        """Who took it, once somebody did."""
        self.is_dark = False
        """Whether all that is sent vanishes, and neither end is told."""
        self._network = network
        self._free_us = {True: 0, False: 0}
        """Until when the way to the server, and that to the client, is taken by earlier bytes."""

    def open(self, listener: Listener) -> None:
        """Reach the server after a while; nothing that is sent meanwhile overtakes that."""

        def arrive() -> None:
            self.server = listener.accept(self)
            if self.server is None:
                self.close(by_client=False)

        self._free_us[True] = self._network.scheduler.now_us + self._network.delay_us()
        self._network.scheduler.at(self._free_us[True], arrive)

    def send(self, data: bytes, *, to_server: bool) -> None:
        """Send bytes; they arrive if the receiver is still there."""
        dice = self._network.dice
        cuts = [len(data)]
        if dice.random() < self._network.split_share and len(data) > 1:
            cuts = sorted({dice.randrange(1, len(data)) for _ in range(dice.randrange(1, MOST_PIECES))}) + cuts
        start = 0
        for end in cuts:
            self._later(data[start:end], to_server=to_server)
            start = end

    def close(self, *, by_client: bool) -> None:
        """End it at one end; what is on its way to the other still arrives there."""
        if by_client:
            self.client = None
        else:
            self.server = None
        self._later(None, to_server=by_client)

    def reset(self) -> None:
        """End it at both ends, with whatever is on its way."""
        client, self.client = self.client, None
        server, self.server = self.server, None
        for end in (client, server):
            if end is not None:
                self._network.scheduler.after(self._network.delay_us(), end.lost)

    def _later(self, data: bytes | None, *, to_server: bool) -> None:
        """Deliver bytes, or with None the end of the connection, behind everything sent before."""
        scheduler = self._network.scheduler
        self._free_us[to_server] = max(self._free_us[to_server], scheduler.now_us + self._network.delay_us())
        scheduler.at(self._free_us[to_server], lambda: self._arrive(data, to_server=to_server))

    def _arrive(self, data: bytes | None, *, to_server: bool) -> None:
        end = self.server if to_server else self.client
        if self.is_dark or end is None:
            return
        if data is not None:
            end.received(data)
        else:
            self.client = self.server = None
            end.lost()


class Network:
    """All links there are.

    Args:
        scheduler: of the time that everything takes.
        dice: decides how long.
        listener: where clients connect to.
    """

    def __init__(self, scheduler: Scheduler, dice: random.Random, listener: Listener) -> None:
        self.scheduler = scheduler
        self.dice = dice
        self.slow_share = 0.0
        """How much of what is sent takes long."""
        self.split_share = 0.05
        """How much of what is sent arrives in pieces."""
        self._listener = listener
        self._links: list[Link] = []

    def connect(self, name: str, client: Receiver) -> Link:
        """Return a link that is open at this end; the client can send at once, and hears if nobody listens."""
        link = Link(self, name, client)
        link.open(self._listener)
        self._links.append(link)
        return link

    def links(self) -> list[Link]:
        """Return the links that are open at either end."""
        self._links = [link for link in self._links if link.client is not None or link.server is not None]
        return self._links

    def delay_us(self) -> int:
        """Draw how long something is under way."""
        if self.slow_share and self.dice.random() < self.slow_share:
            return int(self.dice.random() * 3_000_000)
        return 50 + int(self.dice.random() * 500)
