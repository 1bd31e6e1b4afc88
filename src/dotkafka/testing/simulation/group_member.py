"""What members of consumer groups of both protocols do alike: read from where the group is, commit, end."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.find_coordinator import FIND_COORDINATOR, FindCoordinatorRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from dotkafka.testing.history import (
    Assigned,
    Commit,
    Committed,
    Heartbeat,
    Operation,
    Outcome,
    Partition,
    Position,
    Revoked,
)
from dotkafka.testing.simulation.fetching import Fetching
from dotkafka.testing.simulation.trace import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dotkafka.testing.simulation.client import Flow
    from dotkafka.testing.simulation.world import World

SESSION_TIMEOUT_MS: Final = 6_000
HEARTBEAT_INTERVAL_MS: Final = 1_000
TRY_AGAIN: Final = frozenset(
    {ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS}
)


class GroupMember(Fetching):
    """One member; it leaves or is killed when the storm says so, never else.

    Args:
        world: its surroundings.
        name: nobody else's, ever.
        group: that it is in.
        topics: that it subscribes to.
        instance_id: of a static member; another one has it only after this one's end.
    """

    commit_version: ClassVar[int]
    fetch_version: ClassVar[int]
    """Of OffsetFetch."""

    def __init__(
        self, world: World, name: str, group: str, topics: Sequence[str], instance_id: str | None = None
    ) -> None:
        super().__init__(world, name)
        self.group = group
        self.instance_id = instance_id
        self.is_stable = False
        """Whether it has an assignment, and nobody has told it to join again."""
        self.is_leaving = False
        """Whether it is to leave at its next opportunity."""
        self.generation = -1
        """Under the consumer protocol, its member epoch."""
        self._topics = topics
        self._member_id = ""
        self._committed: dict[Partition, int] = {}
        self._unplaced: set[Partition] = set()
        """What it owns without knowing yet where to read."""
        self._heartbeat_due_us = 0
        self._heard_us = 0
        self._asking: Operation | None = None
        """What it waits for the outcome of."""

    @property
    def assigned(self) -> list[Partition]:
        """What it owns."""
        return [*self.places, *sorted(self._unplaced)] if self.is_stable else []

    @property
    def is_settled(self) -> bool:
        """Whether it has read and committed everything that is assigned to it."""
        places = self.places.items()
        return (
            self.is_stable
            and not self._unplaced
            and self.is_at_end
            and all(self._committed.get(at) == place.offset for at, place in places)
        )

    def state(self) -> str:
        """Return where it is."""
        return (
            f"stable {self.is_stable}, generation {self.generation}, {self.behind()},"
            f" unplaced {sorted(self._unplaced)}, committed {self._committed}"
        )

    def kill(self) -> None:
        """End as a process does that is killed: nobody is told."""
        self.world.trace.note(f"{self.name} is killed")
        self.world.counts["members killed"] += 1
        if self._asking is not None and self._asking.outcome is Outcome.PENDING:
            self.world.history.unknown(self._asking)
        self.give_up_assignment()
        self.end()

    def act_on(self, code: int) -> None:
        """Act on an error of the coordinator."""
        raise NotImplementedError

    # -- the group's coordinator ---------------------------------------------------------------------------------------

    def find_coordinator(self) -> Flow[None]:
        """Ask until somebody says which broker it is."""
        while True:
            request = FindCoordinatorRequest(coordinator_keys=[self.group])
            answer = yield from self.call(FIND_COORDINATOR, 4, request)
            if answer is not None and answer.coordinators[0].error_code == ErrorCode.NONE:
                return
            yield from self.pause(100)

    def hear(self) -> None:
        """The coordinator has answered: the next heartbeat is due a while from now."""
        now_us = self.world.scheduler.now_us
        self._heartbeat_due_us = now_us + HEARTBEAT_INTERVAL_MS * 1000
        if self.channel.is_up_to_date:
            self._heard_us = now_us

    def check_that_time_is_up(self) -> None:
        """It is told that it is no member any more.

        Raises:
            Violation: it was heard a moment ago.
        """
        if self.world.scheduler.now_us - self._heard_us < SESSION_TIMEOUT_MS * 500:
            raise Violation(f"{self.name} was heard half a session timeout ago, and is put out of the group")

    def begin_heartbeat(self) -> Heartbeat:
        """Note that it asks whether it still owns what it has."""
        heartbeat = self._asking = self.world.history.begin(
            Heartbeat(self.name, self.group, generation=self.generation)
        )
        return heartbeat

    def confirm(self, heartbeat: Heartbeat) -> None:
        """Note that it still owns what it has; but for a coordinator that is superseded, another one speaks."""
        if self.channel.is_up_to_date:
            self.world.history.ok(heartbeat)
        else:
            self.world.history.unknown(heartbeat)

    # -- what it owns --------------------------------------------------------------------------------------------------

    def own(self, partitions: Iterable[Partition], asked_us: int) -> None:
        """Take what it was assigned; it has to find out where to read what is new."""
        partitions = list(partitions)
        assigned = Assigned(self.name, self.group, partitions, generation=self.generation)
        self.world.history.add(assigned, began=asked_us)
        self._unplaced = {partition for partition in partitions if partition not in self.places}
        self.is_stable = True

    def give_up(self, partitions: Iterable[Partition]) -> None:
        """Stop to read some partitions."""
        partitions = list(partitions)
        for partition in partitions:
            self.places.pop(partition, None)
            self._committed.pop(partition, None)
            self._unplaced.discard(partition)
        self.world.history.add(Revoked(self.name, self.group, partitions))

    def give_up_assignment(self) -> None:
        """Stop to read anything."""
        self.is_stable = False
        self.places.clear()
        self._committed.clear()
        self._unplaced.clear()
        self.world.history.add(Revoked(self.name, self.group))

    def find_positions(self) -> Flow[bool]:
        """Go where the group has committed, or to the beginning where it has not; return whether that went well."""
        partitions = sorted(self._unplaced)
        if any(partition.topic not in self.topics for partition in partitions):
            yield from self.refresh_topics()
        for _ in range(3):
            committed = yield from self._fetch_committed(partitions)
            if committed is not None:
                break
        else:
            return False
        for partition in partitions:
            if partition in committed:
                self._committed[partition] = committed[partition]
                self.go_to(partition, committed[partition])
            elif not (yield from self.go_to_beginning(partition)):
                return False
            self._unplaced.discard(partition)
        return True

    def _fetch_committed(self, partitions: Sequence[Partition]) -> Flow[dict[Partition, int] | None]:
        """Return what the group has committed, without what it has not; None if nobody tells."""
        indexes: dict[str, list[int]] = {}
        for partition in partitions:
            indexes.setdefault(partition.topic, []).append(partition.partition)
        topics = [OffsetFetchRequestTopics(name=topic, partition_indexes=those) for topic, those in indexes.items()]
        group = OffsetFetchRequestGroup(
            group_id=self.group, member_id=self._member_id, member_epoch=self.generation, topics=topics
        )
        fetched = self._asking = self.world.history.begin(Committed(self.name, self.group))
        answer = yield from self.call(OFFSET_FETCH, self.fetch_version, OffsetFetchRequest(groups=[group]))
        if answer is None or answer.groups[0].error_code != ErrorCode.NONE:
            self.world.history.unknown(fetched)
            return None
        fetched.began = self.channel.as_of(fetched.began)
        positions = [
            Position(topic.name, found.partition_index, found.committed_offset if found.committed_offset >= 0 else None)
            for topic in answer.groups[0].topics
            for found in topic.partitions
        ]
        self.world.history.ok(fetched, offsets=positions)
        return {Partition(at.topic, at.partition): at.offset for at in positions if at.offset is not None}

    def commit(self) -> Flow[None]:
        """Commit where it is, if it owns anything, and has read on."""
        changed = {at: place.offset for at, place in self.places.items() if self._committed.get(at) != place.offset}
        if not changed or not self.is_stable:
            return
        parts: dict[str, list[OffsetCommitRequestPartition]] = {}
        for partition, offset in changed.items():
            parts.setdefault(partition.topic, []).append(
                OffsetCommitRequestPartition(partition_index=partition.partition, committed_offset=offset)
            )
        offsets = [Position(*partition, offset) for partition, offset in changed.items()]
        operation = self._asking = self.world.history.begin(
            Commit(self.name, self.group, offsets, generation=self.generation)
        )
        request = OffsetCommitRequest(
            group_id=self.group,
            generation_id_or_member_epoch=self.generation,
            member_id=self._member_id,
            group_instance_id=self.instance_id,
            topics=[OffsetCommitRequestTopic(name=topic, partitions=those) for topic, those in parts.items()],
        )
        answer = yield from self.call(OFFSET_COMMIT, self.commit_version, request)
        if answer is None:
            self.world.history.unknown(operation)
            return
        codes = dict.fromkeys(part.error_code for topic in answer.topics for part in topic.partitions)
        if len(codes) != 1:
            raise Violation(f"{self.name} commits and is answered {list(codes)}")
        (code,) = codes
        if code == ErrorCode.NONE:
            self.world.history.ok(operation)
            self.world.counts["commits"] += 1
            self._committed.update(changed)
            return
        self.world.history.fail(operation)
        self.act_on(code)

    def end(self) -> None:
        """Be no more."""
        self.is_alive = False
        self.channel.close()
        self._fetch_channel.close()
