"""Which leader epoch wrote which offsets: the start offset of every epoch that the log holds a batch of.

Invariant: epochs and start offsets both increase from entry to entry.

Source: KIP-101, KIP-279 (the answers of OffsetForLeaderEpoch).
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Final, NamedTuple

UNDEFINED_EPOCH: Final = -1
UNDEFINED_EPOCH_OFFSET: Final = -1


class EpochEndOffset(NamedTuple):
    """The largest epoch not above the one asked for, and the offset after its last record; both -1 if not known."""

    leader_epoch: int
    end_offset: int


class LeaderEpochs:
    """The epochs of one log, oldest first."""

    __slots__ = ("_epochs", "_log_start_offset", "_start_offsets")

    def __init__(self, entries: Iterable[tuple[int, int]] = ()) -> None:
        self._epochs: list[int] = []
        self._start_offsets: list[int] = []
        self._log_start_offset = 0
        for epoch, start_offset in entries:
            self._epochs.append(epoch)
            self._start_offsets.append(start_offset)

    @property
    def latest(self) -> int:
        """The newest epoch that has written, or -1."""
        return self._epochs[-1] if self._epochs else UNDEFINED_EPOCH

    def assign(self, epoch: int, start_offset: int) -> None:
        """Note that a batch of `epoch` begins at `start_offset`, the end of the log. Only a new epoch counts.

        Raises:
            ValueError: a newer epoch has written before.
        """
        latest = self.latest
        if epoch < latest:
            raise ValueError(f"leader epoch {epoch} cannot write after leader epoch {latest}")
        if epoch > latest:
            self._epochs.append(epoch)
            self._start_offsets.append(start_offset)

    def entries(self, end_offset: int | None = None) -> list[tuple[int, int]]:
        """Return (epoch, start offset) of those that begin below `end_offset`, or of all, from the log start on."""
        end = len(self._epochs) if end_offset is None else bisect_left(self._start_offsets, end_offset)
        first = self._first_kept(end)
        return list(zip(self._epochs[first:end], self._start_offsets[first:end], strict=True))

    def epoch_for_offset(self, offset: int) -> int:
        """Return the epoch that wrote the record at `offset`, or -1 if that is not known."""
        index = bisect_right(self._start_offsets, offset) - 1
        return self._epochs[index] if index >= 0 else UNDEFINED_EPOCH

    def end_offset_for(self, epoch: int, log_end_offset: int) -> EpochEndOffset:
        """Return how far the log agrees with a reader whose last record was written under `epoch`."""
        if not self._epochs or epoch == UNDEFINED_EPOCH or epoch > self.latest:
            return EpochEndOffset(UNDEFINED_EPOCH, UNDEFINED_EPOCH_OFFSET)
        if epoch == self.latest:
            return EpochEndOffset(epoch, log_end_offset)
        higher = bisect_right(self._epochs, epoch)
        # Below the oldest epoch known, the reader's own epoch with the oldest offset there is lets it go on from there.
        found = self._epochs[higher - 1] if higher > 0 else epoch
        return EpochEndOffset(found, max(self._start_offsets[higher], self._log_start_offset))

    def truncate_from_end(self, end_offset: int) -> None:
        """Forget the epochs that begin at `end_offset` or later."""
        count = bisect_left(self._start_offsets, end_offset)
        del self._epochs[count:]
        del self._start_offsets[count:]

    def truncate_from_start(self, start_offset: int) -> None:
        """Forget the epochs that end at `start_offset` or before; the one that holds it begins there from now on.

        The last epoch stays even if the log is empty now. True starts are kept, and so is the epoch of the last deleted
        offset, so that `truncate_from_end` and `entries` can go back to any end of the log from `start_offset` on.
        """
        self._log_start_offset = max(start_offset, self._log_start_offset)
        gone = max(bisect_left(self._start_offsets, self._log_start_offset) - 1, 0)
        del self._epochs[:gone]
        del self._start_offsets[:gone]

    def _first_kept(self, end: int) -> int:
        """Return the index of the epoch that the log start offset belongs to, among those below index `end`."""
        return max(bisect_right(self._start_offsets, self._log_start_offset, 0, end) - 1, 0)

    def check_invariants(self) -> None:
        """Assert what the module promises."""
        for values in (self._epochs, self._start_offsets):
            assert all(earlier < later for earlier, later in pairwise(values)), values  # noqa: S101 (its purpose)
