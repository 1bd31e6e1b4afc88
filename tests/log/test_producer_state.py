"""Idempotence: which batches of a producer are new, which come again, and which cannot be."""

from collections.abc import Callable

import pytest

from dotkafka.clock import Instant
from dotkafka.errors import ApiError
from dotkafka.log.producer_state import BatchMetadata, ProducerStates
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.records.batch import BatchHeader

MakeHeader = Callable[..., BatchHeader]
LAST_SEQUENCE = 2**31 - 1


@pytest.fixture
def producers() -> ProducerStates:
    """No producer yet."""
    return ProducerStates()


def refusal(producers: ProducerStates, header: BatchHeader) -> ErrorCode:
    """Return why a batch may not be appended."""
    with pytest.raises(ApiError) as caught:
        producers.check(header, check_sequence=True)
    return ErrorCode(caught.value.error_code)


def test_unknown_producer_begins_anywhere(producers: ProducerStates, make_header: MakeHeader) -> None:
    """Whatever sequence comes first is the first: its predecessors may have been deleted."""
    producers.check(make_header(41, epoch=3), check_sequence=True)


def test_sequences_follow(producers: ProducerStates, make_header: MakeHeader) -> None:
    """The next sequence is one more than the last; a gap and a step back are out of order."""
    producers.append(make_header(0, count=3), 0, 1)
    producers.check(make_header(3), check_sequence=True)
    for sequence in (0, 1, 2, 4, 100):
        assert refusal(producers, make_header(sequence)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_sequence_wraps_around(producers: ProducerStates, make_header: MakeHeader) -> None:
    """After 2**31 - 1 comes 0, between batches and within one."""
    producers.append(make_header(LAST_SEQUENCE), 0, 1)
    producers.check(make_header(0), check_sequence=True)
    producers.append(make_header(LAST_SEQUENCE - 1, producer_id=8, count=4), 1, 1)
    producers.check(make_header(2, producer_id=8), check_sequence=True)
    wrapped = producers.duplicate_of(make_header(LAST_SEQUENCE - 1, producer_id=8, count=4))
    assert wrapped == BatchMetadata(LAST_SEQUENCE - 1, 1, 1, 4, 1)


def test_last_five_batches_are_known(producers: ProducerStates, make_header: MakeHeader) -> None:
    """A batch of the last five is answered with its offsets and timestamp; the sixth last is out of order."""
    for index in range(6):
        producers.append(make_header(index * 2, count=2), 10 + index * 2, 100 + index)
    for index in range(1, 6):
        found = producers.duplicate_of(make_header(index * 2, count=2))
        assert found == BatchMetadata(index * 2, index * 2 + 1, 10 + index * 2, 11 + index * 2, 100 + index)
    forgotten = make_header(0, count=2)
    assert producers.duplicate_of(forgotten) is None
    assert refusal(producers, forgotten) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_duplicate_is_the_whole_batch(producers: ProducerStates, make_header: MakeHeader) -> None:
    """Other bounds or another epoch make another batch."""
    producers.append(make_header(0, count=3), 0, 1)
    assert producers.duplicate_of(make_header(0, count=2)) is None
    assert producers.duplicate_of(make_header(1, count=2)) is None
    assert producers.duplicate_of(make_header(0, count=3, epoch=1)) is None
    assert producers.duplicate_of(make_header(0, count=3, producer_id=8)) is None


def test_epochs(producers: ProducerStates, make_header: MakeHeader) -> None:
    """An older epoch is refused; a newer one must begin with sequence 0 and forgets the batches of the old one."""
    producers.append(make_header(0, epoch=2), 0, 1)
    assert refusal(producers, make_header(1, epoch=1)) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refusal(producers, make_header(1, epoch=3)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    producers.check(make_header(0, epoch=3), check_sequence=True)
    producers.append(make_header(0, epoch=3), 1, 1)
    assert producers.duplicate_of(make_header(0, epoch=2)) is None
    assert len(producers.entries(2)[7].batches) == 1


def test_broker_has_no_sequences(producers: ProducerStates, make_header: MakeHeader) -> None:
    """Of what the broker writes for a producer only the epoch is checked."""
    producers.append(make_header(0, epoch=2), 0, 1)
    producers.check(make_header(40, epoch=2), check_sequence=False)
    with pytest.raises(ApiError):
        producers.check(make_header(0, epoch=1), check_sequence=False)


def test_marker_epochs(producers: ProducerStates, make_header: MakeHeader) -> None:
    """A marker of an older producer epoch, or of an older coordinator, is refused."""
    producers.append(make_header(0, epoch=2), 0, 1)
    producers.append_marker(make_header(0, epoch=2), 1, 5)
    producers.check_marker(make_header(epoch=2), 5)
    for epoch, coordinator_epoch, code in (
        (1, 5, ErrorCode.INVALID_PRODUCER_EPOCH),
        (2, 4, ErrorCode.TRANSACTION_COORDINATOR_FENCED),
    ):
        with pytest.raises(ApiError) as caught:
            producers.check_marker(make_header(epoch=epoch), coordinator_epoch)
        assert caught.value.error_code == code


def test_marker_and_sequences(producers: ProducerStates, make_header: MakeHeader) -> None:
    """A marker of the same epoch lets sequences go on; one of a new epoch makes them begin again."""
    producers.append(make_header(0), 0, 1)
    producers.append_marker(make_header(), 1, 0)
    producers.check(make_header(1), check_sequence=True)
    producers.append_marker(make_header(epoch=1), 2, 0)
    assert refusal(producers, make_header(1, epoch=1)) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    producers.check(make_header(0, epoch=1), check_sequence=True)


def test_past_can_be_had_back(producers: ProducerStates, make_header: MakeHeader) -> None:
    """Entries of any moment since the last checkpoint are known, and truncation goes back to them."""
    past = []
    for offset in range(8):
        past.append(producers.entries(offset))
        producers.append(make_header(offset, producer_id=7 + offset % 3 // 2), offset, offset)
    assert [producers.entries(offset) for offset in range(8)] == past
    producers.checkpointed(4)
    producers.truncate_to(5)
    assert producers.entries(5) == past[5]
    producers.check_invariants()


def test_expiry(producers: ProducerStates, make_header: MakeHeader) -> None:
    """Who has been silent for the whole time is forgotten, unless in a transaction; timestamps do not count."""

    def look(at_ms: int) -> int:
        return producers.remove_expired(Instant(0, at_ms), 50, lambda producer_id: producer_id == 3)

    for producer_id in (1, 2, 3):
        producers.append(make_header(producer_id=producer_id), producer_id, -1)
    assert look(100) == 0
    producers.append(make_header(1, producer_id=2), 4, -1)
    assert look(149) == 0
    assert look(150) == 1
    assert set(producers.entries(5)) == {2, 3}
    assert producers.heard_ms({2, 9}) == {2: 149}
    producers.check(make_header(99, producer_id=1), check_sequence=True)
