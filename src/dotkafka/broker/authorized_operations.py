"""What a client may do, as the bit fields of the protocol (KIP-430). Without access control, that is everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dotkafka.broker.connection import Exchange

_READ, _WRITE, _CREATE, _DELETE, _ALTER, _DESCRIBE = 3, 4, 5, 6, 7, 8
_CLUSTER_ACTION, _DESCRIBE_CONFIGS, _ALTER_CONFIGS, _IDEMPOTENT_WRITE = 9, 10, 11, 12

TOPIC_OPERATIONS: Final = sum(
    1 << operation
    for operation in (_READ, _WRITE, _CREATE, _DELETE, _ALTER, _DESCRIBE, _DESCRIBE_CONFIGS, _ALTER_CONFIGS)
)
CLUSTER_OPERATIONS: Final = sum(
    1 << operation
    for operation in (
        _CREATE,
        _ALTER,
        _DESCRIBE,
        _CLUSTER_ACTION,
        _DESCRIBE_CONFIGS,
        _ALTER_CONFIGS,
        _IDEMPOTENT_WRITE,
    )
)
GROUP_OPERATIONS: Final = sum(
    1 << operation for operation in (_READ, _DELETE, _DESCRIBE, _DESCRIBE_CONFIGS, _ALTER_CONFIGS)
)
NOT_ASKED_FOR: Final = -(2**31)
"""In the place of a bit field that nobody asked for."""


class GroupOperationsAdded:
    """Adds to the coordinator's description of groups what the client may do with each that there is."""

    def __init__(self, exchange: Exchange[Any]) -> None:
        self._exchange = exchange

    def respond(self, response: Any) -> None:
        """Answer with what was described, and the operations."""
        for group in response.groups:
            if not group.error_code:
                group.authorized_operations = GROUP_OPERATIONS
        self._exchange.respond(response)
