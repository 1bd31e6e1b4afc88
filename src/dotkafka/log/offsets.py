"""The four offsets that bound what can be read of a partition.

Invariant: log start offset <= last stable offset <= high watermark <= log end offset. None of them ever goes back, but
for the log end offset when batches that were never durable are truncated.
"""

from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode


class LogOffsets:
    """Where a log begins, and up to where it is stable, durable and written."""

    __slots__ = ("high_watermark", "last_stable_offset", "log_end_offset", "log_start_offset")

    def __init__(self, log_start_offset: int = 0, end_offset: int = 0) -> None:
        self.log_start_offset = log_start_offset
        self.last_stable_offset = end_offset
        self.high_watermark = end_offset
        self.log_end_offset = end_offset

    def advance_high_watermark(self, offset: int) -> bool:
        """Move the high watermark, which is then also the last stable offset until somebody knows better; never back.

        Raises:
            ValueError: `offset` lies beyond the log end offset.
        """
        if offset <= self.high_watermark:
            return False
        if offset > self.log_end_offset:
            raise ValueError(f"high watermark {offset} lies beyond the log end offset {self.log_end_offset}")
        self.high_watermark = offset
        return True

    def settle(self, first_unstable_offset: int | None) -> None:
        """Set the last stable offset, given where the first undecided transaction begins, if there is one."""
        stable = self.high_watermark
        if first_unstable_offset is not None and first_unstable_offset < stable:
            stable = first_unstable_offset
        self.last_stable_offset = max(stable, self.log_start_offset)

    def increment_log_start_offset(self, offset: int) -> bool:
        """Move the log start offset; never back. Tell whether it moved.

        Raises:
            ApiError: OFFSET_OUT_OF_RANGE, if `offset` lies beyond the high watermark.
        """
        if offset > self.high_watermark:
            raise ApiError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"records up to {offset} cannot be deleted: the high watermark is {self.high_watermark}",
            )
        if offset <= self.log_start_offset:
            return False
        self.log_start_offset = offset
        self.last_stable_offset = max(self.last_stable_offset, offset)
        return True

    def check_readable(self, offset: int) -> None:
        """Refuse an offset that the log does not have.

        Raises:
            ApiError: OFFSET_OUT_OF_RANGE.
        """
        if not self.log_start_offset <= offset <= self.log_end_offset:
            raise ApiError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"offset {offset} is not within {self.log_start_offset} and {self.log_end_offset}",
            )

    def check_invariants(self) -> None:
        """Assert what the module promises."""
        assert (  # noqa: S101 (its purpose)
            0 <= self.log_start_offset <= self.last_stable_offset <= self.high_watermark <= self.log_end_offset
        ), (self.log_start_offset, self.last_stable_offset, self.high_watermark, self.log_end_offset)
