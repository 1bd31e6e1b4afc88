"""The four offsets and their order."""

import pytest

from dotkafka.errors import ApiError
from dotkafka.log.offsets import LogOffsets
from dotkafka.protocol.error_codes import ErrorCode


@pytest.fixture
def offsets() -> LogOffsets:
    """From 2, durable to 10, written to 20."""
    log_offsets = LogOffsets(2, 10)
    log_offsets.log_end_offset = 20
    return log_offsets


def test_high_watermark_never_goes_back(offsets: LogOffsets) -> None:
    """It moves up to the log end, and no further."""
    assert offsets.advance_high_watermark(15)
    assert not offsets.advance_high_watermark(12)
    assert offsets.high_watermark == 15
    with pytest.raises(ValueError, match="21"):
        offsets.advance_high_watermark(21)


@pytest.mark.parametrize(("first_unstable", "expected"), [(None, 10), (5, 5), (10, 10), (15, 10), (1, 2)])
def test_last_stable_offset(offsets: LogOffsets, first_unstable: int | None, expected: int) -> None:
    """It lies where the first undecided transaction begins, between log start and high watermark."""
    offsets.settle(first_unstable)
    assert offsets.last_stable_offset == expected
    offsets.check_invariants()


def test_log_start_offset(offsets: LogOffsets) -> None:
    """It moves up to the high watermark, takes the last stable offset along, and never goes back."""
    offsets.settle(3)
    assert offsets.increment_log_start_offset(10)
    assert not offsets.increment_log_start_offset(4)
    assert (offsets.log_start_offset, offsets.last_stable_offset) == (10, 10)
    with pytest.raises(ApiError) as caught:
        offsets.increment_log_start_offset(11)
    assert caught.value.error_code == ErrorCode.OFFSET_OUT_OF_RANGE


def test_readable(offsets: LogOffsets) -> None:
    """From the log start to the log end, that included."""
    for offset in (2, 10, 20):
        offsets.check_readable(offset)
    for offset in (-1, 1, 21):
        with pytest.raises(ApiError) as caught:
            offsets.check_readable(offset)
        assert caught.value.error_code == ErrorCode.OFFSET_OUT_OF_RANGE


def test_invariants_are_checked(offsets: LogOffsets) -> None:
    """An order that is wrong is noticed."""
    offsets.last_stable_offset = 11
    with pytest.raises(AssertionError):
        offsets.check_invariants()
