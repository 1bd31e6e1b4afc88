"""Which epoch wrote what, and how far a reader of an older epoch agrees with the log."""

import pytest

from dotkafka.log.leader_epochs import LeaderEpochs


@pytest.fixture
def epochs() -> LeaderEpochs:
    """Epoch 2 from 0 on, 4 from 10 on, 5 from 20 on."""
    history = LeaderEpochs()
    for epoch, start in ((2, 0), (2, 5), (4, 10), (5, 20), (5, 25)):
        history.assign(epoch, start)
    return history


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (-1, (-1, -1)),  # undefined
        (1, (1, 0)),  # older than all: go on from the log start
        (2, (2, 10)),
        (3, (2, 10)),  # never wrote here: the one before it counts
        (4, (4, 20)),
        (5, (5, 30)),  # the newest: the log end
        (6, (-1, -1)),  # not yet known
    ],
)
def test_end_offset_for(epochs: LeaderEpochs, asked: int, answer: tuple[int, int]) -> None:
    """The answer of OffsetForLeaderEpoch."""
    assert epochs.end_offset_for(asked, 30) == answer


def test_empty_log() -> None:
    """A log without batches knows no epoch."""
    epochs = LeaderEpochs()
    assert epochs.latest == -1
    assert epochs.end_offset_for(0, 0) == (-1, -1)
    assert epochs.end_offset_for(-2, 0) == (-1, -1)
    assert epochs.epoch_for_offset(0) == -1


def test_entries(epochs: LeaderEpochs) -> None:
    """An epoch counts from its first batch on."""
    assert epochs.entries() == [(2, 0), (4, 10), (5, 20)]
    assert epochs.entries(20) == [(2, 0), (4, 10)]
    assert LeaderEpochs(epochs.entries()).entries() == epochs.entries()


@pytest.mark.parametrize(("offset", "epoch"), [(0, 2), (9, 2), (10, 4), (19, 4), (20, 5), (99, 5)])
def test_epoch_for_offset(epochs: LeaderEpochs, offset: int, epoch: int) -> None:
    """Every offset belongs to one epoch."""
    assert epochs.epoch_for_offset(offset) == epoch


def test_older_epoch_cannot_write(epochs: LeaderEpochs) -> None:
    """Epochs only grow."""
    with pytest.raises(ValueError, match="leader epoch 4"):
        epochs.assign(4, 30)
    assert epochs.latest == 5


def test_truncate_from_end(epochs: LeaderEpochs) -> None:
    """An epoch goes with its first batch."""
    epochs.truncate_from_end(21)
    assert epochs.latest == 5
    epochs.truncate_from_end(20)
    assert epochs.latest == 4
    assert epochs.end_offset_for(4, 20) == (4, 20)
    epochs.check_invariants()


def test_truncate_from_start(epochs: LeaderEpochs) -> None:
    """What a deleted epoch wrote is not told any more; the one that holds the log start begins there."""
    epochs.truncate_from_start(12)
    assert epochs.end_offset_for(2, 30) == (2, 12)
    assert epochs.end_offset_for(4, 30) == (4, 20)
    assert epochs.entries() == [(4, 10), (5, 20)]
    epochs.truncate_from_start(5)
    assert epochs.end_offset_for(2, 30) == (2, 12)
    epochs.check_invariants()


def test_everything_deleted(epochs: LeaderEpochs) -> None:
    """The last epoch is known even of an empty log, and goes when a newer one writes."""
    epochs.truncate_from_start(30)
    assert epochs.latest == 5
    epochs.truncate_from_end(30)
    assert epochs.latest == 5
    epochs.assign(6, 30)
    assert epochs.entries() == [(6, 30)]
    assert epochs.entries(30) == [(5, 20)]
    assert epochs.end_offset_for(5, 40) == (5, 30)


def test_deletion_up_to_where_an_epoch_begins(epochs: LeaderEpochs) -> None:
    """The log may still go back to its start, which the epoch before had reached."""
    epochs.truncate_from_start(20)
    assert epochs.entries() == [(5, 20)]
    assert epochs.entries(20) == [(4, 10)]
    epochs.truncate_from_end(20)
    assert epochs.latest == 4
