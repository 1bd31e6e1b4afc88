"""What a coordinator must do later, ordered by time: at most one moment per key."""

from collections.abc import Iterator
from typing import Generic, TypeVar

import attrs
from sortedcontainers import SortedList


@attrs.frozen
class JoinDeadline:
    """The join phase of a group ends, whoever has joined by then."""

    group_id: str


@attrs.frozen
class SyncDeadline:
    """Members of a group that have not fetched their assignment since the last rebalance are removed."""

    group_id: str


@attrs.frozen
class SessionDeadline:
    """A member that was not heard of is removed."""

    group_id: str
    member_id: str


@attrs.frozen
class RevocationDeadline:
    """A member of a consumer group that has not confirmed what it was told to let go of is removed."""

    group_id: str
    member_id: str


@attrs.frozen
class RejoinDeadline:
    """A member of a consumer group that uses the classic protocol, and was told to join again, is removed."""

    group_id: str
    member_id: str


@attrs.frozen
class FetchAssignmentDeadline:
    """A member of a consumer group that uses the classic protocol, and has not sent SyncGroup, is removed."""

    group_id: str
    member_id: str


@attrs.frozen
class RetentionDeadline:
    """Expired offsets are looked for."""


MemberDeadline = SessionDeadline | RevocationDeadline | RejoinDeadline | FetchAssignmentDeadline
"""Deadlines that remove one member of a consumer group."""

GroupDeadline = JoinDeadline | SyncDeadline | MemberDeadline | RetentionDeadline

Key = TypeVar("Key")


class Deadlines(Generic[Key]):
    """Moments on the monotonic clock, at most one per key; equal moments come in the order they were scheduled."""

    def __init__(self) -> None:
        self._by_key: dict[Key, tuple[int, int, Key]] = {}
        self._by_time: SortedList[tuple[int, int, Key]] = SortedList()
        self._scheduled = 0

    def __len__(self) -> int:
        return len(self._by_key)

    def __contains__(self, key: Key) -> bool:
        return key in self._by_key

    def __iter__(self) -> Iterator[Key]:
        return iter(self._by_key)

    def schedule(self, key: Key, at_ms: int) -> None:
        """Set the moment of `key`, in place of any earlier one."""
        self.cancel(key)
        # The running number keeps equal moments in order, and keeps the keys themselves from being compared.
        self._scheduled += 1
        entry = (at_ms, self._scheduled, key)
        self._by_key[key] = entry
        self._by_time.add(entry)

    def cancel(self, key: Key) -> None:
        """Forget the moment of `key`, if it has one."""
        entry = self._by_key.pop(key, None)
        if entry is not None:
            self._by_time.remove(entry)

    def next_ms(self) -> int | None:
        """The earliest moment, or None."""
        return self._by_time[0][0] if self._by_time else None

    def pop_due(self, now_ms: int) -> Key | None:
        """Take the earliest key whose moment has come, or None.

        One at a time, because what one deadline does may cancel the next.
        """
        if not self._by_time or self._by_time[0][0] > now_ms:
            return None
        _, _, key = self._by_time.pop(0)
        del self._by_key[key]
        return key

    def check_invariants(self) -> None:
        """Raise AssertionError if the two orders disagree."""
        if sorted(self._by_key.values(), key=lambda entry: entry[:2]) != list(self._by_time):
            raise AssertionError("deadlines by key and by time disagree")
