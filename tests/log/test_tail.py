"""L0: what is in memory, and what it costs."""

import pytest

from dotkafka.log.tail import BATCH_OVERHEAD_BYTES, Tail, TimestampedBatch, own


@pytest.fixture
def tail() -> Tail:
    """Ten batches of 10 offsets and 100 bytes each from offset 50 on, with timestamps 0 to 9."""
    batches = Tail(50)
    for index in range(10):
        batches.append(memoryview(bytes([index]) * 100), 60 + index * 10, index)
    return batches


def first_bytes(views: list[memoryview]) -> list[int]:
    """Return which batches these are."""
    return [view[0] for view in views]


@pytest.mark.parametrize(
    ("offset", "max_bytes", "up_to", "at_least_one", "expected"),
    [
        (50, 1000, 150, False, list(range(10))),
        (59, 200, 150, False, [0, 1]),
        (60, 299, 150, False, [1, 2]),
        (60, 99, 150, False, []),
        (60, 0, 150, True, [1]),
        (60, 1000, 79, True, [1]),
        (60, 1000, 69, True, []),
        (150, 1000, 150, True, []),
    ],
)
def test_read(tail: Tail, offset: int, max_bytes: int, up_to: int, *, at_least_one: bool, expected: list[int]) -> None:
    """Whole batches, from the one that holds the offset on, within the bounds."""
    assert first_bytes(tail.read(offset, max_bytes, up_to=up_to, at_least_one=at_least_one)) == expected


def test_only_what_is_checkpointed_is_forgotten(tail: Tail) -> None:
    """Oldest first, whole batches, at least as much as wanted if there is as much."""
    assert tail.forget(1) == 0
    tail.checkpointed(85)
    assert tail.checkpointed_offset == 80
    assert tail.uncheckpointed_bytes == 700
    assert tail.forget(1) == 100 + BATCH_OVERHEAD_BYTES
    assert tail.start_offset == 60
    assert tail.forget(10_000) == 2 * (100 + BATCH_OVERHEAD_BYTES)
    assert (tail.start_offset, len(tail), tail.size_bytes) == (80, 7, 7 * (100 + BATCH_OVERHEAD_BYTES))
    assert first_bytes(tail.read(80, 1000, up_to=150, at_least_one=True)) == list(range(3, 10))
    tail.check_invariants()


def test_uncheckpointed(tail: Tail) -> None:
    """What L2 does not have, up to a bound."""
    tail.checkpointed(120)
    assert [(b.base_offset, b.last_offset, b.max_timestamp_ms, b.data[0]) for b in tail.uncheckpointed(145)] == [
        (120, 129, 7, 7),
        (130, 139, 8, 8),
    ]


def test_truncate(tail: Tail) -> None:
    """A batch that reaches beyond goes as a whole, and what comes next takes its place."""
    tail.truncate_to(75)
    assert tail.end_offset == 70
    tail.append(memoryview(b"new"), 71, 5)
    assert bytes(tail.read(69, 1000, up_to=71, at_least_one=True)[1]) == b"new"
    assert tail.size_bytes == 203 + 3 * BATCH_OVERHEAD_BYTES
    tail.check_invariants()


def test_boundaries(tail: Tail) -> None:
    """Where batches begin or end, nowhere else, and not where they are forgotten."""
    tail.checkpointed(70)
    tail.forget(10_000)
    assert [offset for offset in range(45, 160) if tail.is_boundary(offset)] == list(range(70, 151, 10))


def test_max_timestamp(tail: Tail) -> None:
    """The first batch with the largest timestamp within the range."""
    tail.append(memoryview(b"x"), 151, 9)
    assert tail.max_timestamp(50, 151) == TimestampedBatch(9, 140)
    assert tail.max_timestamp(50, 110) == TimestampedBatch(5, 100)
    assert tail.max_timestamp(141, 151) == TimestampedBatch(9, 140)
    assert tail.max_timestamp(150, 151) == TimestampedBatch(9, 150)
    assert tail.max_timestamp(151, 151) is None


def test_batches_from_timestamp(tail: Tail) -> None:
    """Every batch that reaches the timestamp, whatever the order of timestamps."""
    tail.append(memoryview(b"\x0a"), 151, 3)
    tail.append(memoryview(b"\x0b"), 152, 8)
    assert first_bytes(list(tail.batches_from_timestamp(8, 50))) == [8, 9, 11]
    assert first_bytes(list(tail.batches_from_timestamp(8, 140))) == [9, 11]


def test_long_life() -> None:
    """What is forgotten leaves nothing behind, however long it goes on."""
    tail = Tail(0)
    for offset in range(10_000):
        tail.append(memoryview(b"x"), offset + 1, offset)
        tail.checkpointed(offset)
        if len(tail) > 3:
            tail.forget(1)
    assert len(tail._views) < 4_000
    assert tail.read(9_998, 10, up_to=10_000, at_least_one=True) == [b"x", b"x"]
    assert tail.max_timestamp(0, 10_000) == TimestampedBatch(9_999, 9_999)
    tail.check_invariants()


def test_small_part_of_a_large_frame_is_copied() -> None:
    """A view may keep alive at most twice its bytes."""
    frame = bytearray(range(100))
    half = memoryview(frame)[10:60]
    assert own(half) is half
    less = own(memoryview(frame)[10:59])
    frame[10] = 255
    assert less == bytes(range(10, 59))
    assert half[0] == 255
