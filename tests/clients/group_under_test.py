"""A group of real consumers: what they were sent, and what they did with it."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.clients.conftest import Address, Client, Program, Record

PARTITIONS = 6
TIMES = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 300}
"""Of members of classic groups, unless a test says otherwise."""


def assigned(member: Program) -> list[int]:
    """The partitions that a member has now."""
    events = member.of("assigned")
    return list(events[-1]["partitions"]) if events else []


def is_shared(members: list[Program], partitions: int = PARTITIONS) -> bool:
    """Whether every partition belongs to exactly one of the members, and no member is idle."""
    parts = [assigned(member) for member in members]
    return all(parts) and sorted(chain.from_iterable(parts)) == list(range(partitions))


def committed(members: list[Program]) -> dict[int, int]:
    """The highest offset committed by any member, by partition."""
    offsets: dict[int, int] = {}
    for member in members:
        for event in member.of("committed"):
            offsets[event["partition"]] = max(offsets.get(event["partition"], 0), event["offset"])
    return offsets


class Group:
    """A group that reads a topic, and what was sent to it; `options` are those of each member."""

    def __init__(
        self,
        client: Callable[[str], Client],
        address: Address,
        topic: str,
        group: str,
        partitions: int = PARTITIONS,
        **options: Any,
    ) -> None:
        self.client = client
        self.address = address
        self.topic = topic
        self.group = group
        self.partitions = partitions
        self.options = {"topic": topic, "group": group, "auto_commit": False} | TIMES | options
        self.sent: list[Record] = []
        self.members: list[Program] = []

    def join(self, library: str, **options: Any) -> Program:
        """Start one more member."""
        self.members.append(self.client(library).start("member", self.address, **self.options | options))
        return self.members[-1]

    def send(self, records: list[Record]) -> None:
        """Send records, and note them."""
        self.sent.extend(records)
        self.client("confluent_kafka").run("produce", self.address, topic=self.topic, batches=[records])

    def received(self) -> list[Record]:
        """What all members together have read, in the order of offsets."""
        events = [event for member in self.members for event in member.of("record")]
        return sorted(events, key=lambda event: (event["partition"], event["offset"]))

    def wait_until_read(self, by: Program) -> None:
        """Wait until all that was sent was read and committed."""
        count = len(self.sent)
        by.wait_until(lambda: sum(len(member.of("record")) for member in self.members) >= count)
        everything = dict.fromkeys(range(self.partitions), count // self.partitions)
        by.wait_until(lambda: committed(self.members) == everything)
