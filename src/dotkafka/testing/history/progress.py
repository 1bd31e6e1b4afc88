"""Whether everything went on once nothing was disturbed any more."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from dotkafka.testing.history.findings import Anomaly, Finding, listed
from dotkafka.testing.history.operations import Healed, Operation, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def check_progress(operations: Sequence[Operation]) -> Iterator[Finding]:
    """Yield calls that never returned, and clients that got nothing but timeouts; nothing if it never healed."""
    healed_at = next((index for index, operation in enumerate(operations) if isinstance(operation, Healed)), None)
    if healed_at is None:
        return
    for operation in operations:
        if operation.outcome is Outcome.PENDING:
            yield Finding(
                Anomaly.STUCK, f"a {type(operation).__name__} of {operation.client} never returned", (operation,)
            )
    since: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations[healed_at + 1 :]:
        since[operation.client].append(operation)
    for client, those in since.items():
        if all(operation.outcome is Outcome.UNKNOWN for operation in those):
            kinds = listed(sorted({type(operation).__name__ for operation in those}))
            yield Finding(
                Anomaly.STUCK, f"every call of {client} since everything has healed timed out: {kinds}", tuple(those)
            )
