"""What can be wrong with a history."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dotkafka.testing.history.operations import Operation


class Anomaly(StrEnum):
    """The classes of what no history of a sound broker shows."""

    LOST_WRITE = "lost write"
    """Acknowledged, never read, and a consumer read past it, or the log was later said to end before it."""
    UNSEEN = "unseen"
    """Acknowledged, and never read by the end of a history that healed."""
    PHANTOM = "phantom"
    """Read, but never sent, or not yet, or sent and refused."""
    UNCOMMITTED_READ = "uncommitted read"
    """Read with read_committed from a transaction that was aborted, or not committed yet."""
    DUPLICATE = "duplicate"
    """One record of an idempotent producer at two offsets."""
    INCONSISTENT_OFFSET = "inconsistent offset"
    """Two records at one offset."""
    NONMONOTONIC_SEND = "non-monotonic send"
    """A record stands before one that was in the log when it was sent, or that its idempotent producer sent earlier."""
    NONMONOTONIC_POLL = "non-monotonic poll"
    """A consumer gets an offset that is not above the one before, and nothing took it back."""
    SKIPPED_POLL = "skipped poll"
    """A consumer jumps over a record that was read at another time."""
    RESURRECTED = "resurrected"
    """A poll shows an old record of a compacted topic without the newer one of its key, which had gone before."""
    WATERMARK_REGRESS = "watermark regress"
    """A log start offset or high watermark is below one known before it was asked for."""
    LOST_COMMIT = "lost commit"
    """A group's offset is fetched as it was before a commit that had been acknowledged."""
    PHANTOM_COMMIT = "phantom commit"
    """A group's offset is fetched that nobody had committed."""
    STALE_COMMIT = "stale commit"
    """A commit is accepted from a generation after which the partition was assigned anew."""
    DOUBLE_ASSIGNMENT = "double assignment"
    """A partition has two owners in one group at one time."""
    STUCK = "stuck"
    """By the end of a history that healed, a call has not returned, or a client's calls only timed out since."""


@attrs.frozen
class Finding:
    """One defect: its class, a sentence that says what is wrong and where, and the operations that show it."""

    anomaly: Anomaly
    sentence: str
    operations: tuple[Operation, ...] = attrs.field(repr=False)

    def __str__(self) -> str:
        return f"{self.anomaly}: {self.sentence}"


def listed(things: Iterable[object], limit: int = 5) -> str:
    """Return a list for a sentence, cut short: `3, 4, 5 and 12 more`."""
    all_things = [str(thing) for thing in things]
    rest = len(all_things) - limit
    return ", ".join(all_things[:limit]) + (f" and {rest} more" if rest > 0 else "")
