"""What is remembered of many batches."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from dotkafka.log.extents import MAX_EXTENTS, Extent, Extents

batches = st.lists(st.tuples(st.integers(1, 1_000_000), st.integers(-1, 10**12)), max_size=3 * MAX_EXTENTS)


def extents_of(log: Sequence[tuple[int, int]]) -> list[Extent]:
    """Return batches of one record each."""
    return [Extent(offset + 1, size_bytes, timestamp_ms) for offset, (size_bytes, timestamp_ms) in enumerate(log)]


def test_a_short_log_is_known_batch_by_batch() -> None:
    """As long as there are no more than the limit."""
    log = extents_of([(10, offset) for offset in range(MAX_EXTENTS)])
    assert list(Extents(log)) == log


@given(log=batches, step=st.integers(1, 2 * MAX_EXTENTS), start=st.integers(0, 3 * MAX_EXTENTS))
def test_a_long_log_is_grouped(log: Sequence[tuple[int, int]], step: int, start: int) -> None:
    """Bytes add up, the latest timestamp counts, no group of several batches is large, and few are left."""
    given_extents = extents_of(log)
    extents = Extents()
    for first in range(0, len(given_extents), step):
        extents.extend(given_extents[first : first + step])
        extents.check_invariants()
    total_bytes = sum(extent.size_bytes for extent in given_extents)
    assert extents.size_bytes == total_bytes
    begin = 0
    for end, size_bytes, timestamp_ms in extents:
        grouped = given_extents[begin:end]
        assert size_bytes == sum(extent.size_bytes for extent in grouped)
        assert timestamp_ms == max(extent.max_timestamp_ms for extent in grouped)
        assert len(grouped) == 1 or size_bytes <= total_bytes / 32
        begin = end
    assert begin == len(log)
    kept = [extent for extent in extents if extent.next_offset > start]
    extents.remove_below(start)
    extents.check_invariants()
    assert list(extents) == kept


def test_a_replacement_keeps_the_sums_true() -> None:
    """Whatever was joined: what a replacement does not cover stays with its bytes."""
    extents = Extents([Extent(10, 100, 5), Extent(20, 100, 9), Extent(30, 100, 7)])
    extents.replace(0, 10, 100, [Extent(4, 20, 3)])
    assert list(extents) == [Extent(4, 20, 3), Extent(20, 100, 9), Extent(30, 100, 7)]
    extents.replace(12, 15, 40, [Extent(15, 10, 4)])
    assert list(extents) == [Extent(4, 20, 3), Extent(15, 10, 4), Extent(20, 60, 9), Extent(30, 100, 7)]
    extents.replace(25, 30, 70, [])
    assert list(extents)[3:] == [Extent(25, 30, 7)]
    extents.replace(0, 30, 120, [])
    assert (list(extents), extents.size_bytes) == ([], 0)
    extents.check_invariants()


def test_joining_makes_room() -> None:
    """After one batch too many, there is room for half as many again: joining costs a constant per batch."""
    extents = Extents(extents_of([(10, 1)] * (MAX_EXTENTS + 1)))
    assert len(extents) <= MAX_EXTENTS // 2 + 1
