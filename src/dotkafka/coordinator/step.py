"""One step of a coordinator: what it may look at, and what it asks for."""

from collections.abc import Callable
from typing import Any

from dotkafka.clock import Instant
from dotkafka.coordinator.cluster_view import ClusterView, EmptyCluster
from dotkafka.coordinator.config import ConsumerGroupTimes, GroupConfig
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline
from dotkafka.coordinator.effects import CoordinatorRecord, Effects, Reply, ReplyTo


class Step:
    """The moment, the settings, the cluster and the deadlines that a step works with.

    It gathers the step's records and replies in order.
    """

    def __init__(
        self,
        now: Instant,
        config: GroupConfig,
        deadlines: Deadlines[GroupDeadline],
        random_uuid: Callable[[], str],
        cluster: ClusterView | None = None,
    ) -> None:
        self.now = now
        self.config = config
        self.cluster = EmptyCluster() if cluster is None else cluster
        self.random_uuid = random_uuid
        self._deadlines = deadlines
        self._records: list[CoordinatorRecord] = []
        self._replies: list[Reply] = []

    def record(self, record: CoordinatorRecord) -> None:
        """Ask for a record to be made durable before any reply of this step leaves."""
        self._records.append(record)

    def reply(self, reply_to: ReplyTo, response: Any) -> None:
        """Answer a request, this step's own or one that has waited."""
        self._replies.append(Reply(reply_to, response))

    def consumer_times(self, group_id: str) -> ConsumerGroupTimes:
        """The times that hold for a consumer group now."""
        return self.config.consumer_times(self.cluster.group_configs(group_id))

    def schedule(self, deadline: GroupDeadline, delay_ms: int) -> None:
        """Have `deadline` come `delay_ms` from now, in place of any earlier moment of the same deadline."""
        self._deadlines.schedule(deadline, self.now.monotonic_ms + delay_ms)

    def is_scheduled(self, deadline: GroupDeadline) -> bool:
        """Whether `deadline` will come."""
        return deadline in self._deadlines

    def cancel(self, deadline: GroupDeadline) -> None:
        """Forget `deadline`, if it is scheduled."""
        self._deadlines.cancel(deadline)

    def effects(self) -> Effects:
        """Everything asked for so far."""
        return Effects(tuple(self._records), tuple(self._replies))
