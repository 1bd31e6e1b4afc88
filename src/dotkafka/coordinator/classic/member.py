"""One member of a classic group."""

from collections.abc import Container, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dotkafka.coordinator.effects import ReplyTo


class ClassicMember:
    """What the group knows of one member, and the requests of its that wait.

    `protocols` are the assignment protocols the member supports, most wanted first, each with the member's metadata
    for it (for consumers: the subscription). At most one of `awaiting_join` and `awaiting_sync` is set, by the group.
    """

    __slots__ = (
        "assignment",
        "awaiting_join",
        "awaiting_sync",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "member_id",
        "protocol_type",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
    )

    def __init__(  # noqa: PLR0913 (a member is this many facts)
        self,
        member_id: str,
        *,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocol_type: str,
        protocols: Mapping[str, bytes],
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocol_type = protocol_type
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = False
        """In its first JoinGroup: it cannot send heartbeats yet, so its waiting must not keep it alive."""
        self.awaiting_join: ReplyTo | None = None
        self.awaiting_sync: ReplyTo | None = None

    @property
    def is_alive_by_waiting(self) -> bool:
        """Whether a request that waits stands for the heartbeats that the member cannot send meanwhile."""
        return not self.is_new and (self.awaiting_join is not None or self.awaiting_sync is not None)

    def vote(self, candidates: Container[str]) -> str:
        """Return the protocol among `candidates` that this member wants most. It supports one of them at least."""
        return next(name for name in self.protocols if name in candidates)

    def has_same_protocols(self, protocols: Mapping[str, bytes]) -> bool:
        """Whether `protocols` are the ones this member joined with: same names, metadata and order."""
        return list(self.protocols.items()) == list(protocols.items())
