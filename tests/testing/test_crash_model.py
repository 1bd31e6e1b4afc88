"""The model of what was acknowledged allows what the promises allow, and nothing else."""

import attrs
import pytest

from dotkafka.testing.crash_model import (
    NO_GROUP,
    REMEMBERED_BATCHES,
    BrokenPromise,
    CrashModel,
    GroupView,
    KnownGroup,
    MemberView,
    ModelPartition,
    ModelState,
    ModelTopicPartition,
    Observed,
    ObservedPartition,
    Retention,
    SentBatch,
)

NAME = ModelTopicPartition("t", 0)
SENT = SentBatch(b"", 0, 0)


@pytest.fixture(name="model")
def fixture_model():
    """Three batches of two records; the first and the second are acknowledged."""
    model = CrashModel()
    partition = ModelPartition(1)
    model.did(ModelState({NAME: partition}))
    for number in range(3):
        partition = partition.with_batch([b"%da" % number, b"%db" % number], SENT)
        model.did(ModelState({NAME: partition}, {NAME: number}))
    model.acknowledge(3)
    model.acknowledge(2)
    model.epoch = 4
    return model


def observed(values, *, committed, epoch=5, log_start_offset=0):
    """What a restarted broker shows."""
    return Observed(
        epoch, {NAME: ObservedPartition(log_start_offset, [value.encode() for value in values.split()])}, committed
    )


@pytest.mark.parametrize(("values", "operation"), [("0a 0b 1a 1b", 3), ("0a 0b 1a 1b 2a 2b", 4)])
def test_unacknowledged_operations_are_there_or_not(model, values, operation):
    """Whole, with all that belongs to them."""
    committed = {NAME: operation - 2}
    assert model.match(observed(values, committed=committed)) == (operation, model.states[operation])


@pytest.mark.parametrize(
    ("values", "committed", "reason"),
    [
        ("0a 0b", 0, "2 records from offset 0 on, expected 4"),
        ("0a 0b 1a 1b 2a", 2, "5 records from offset 0 on, expected 4"),
        ("0a 0b 1a 1b 2a 2b", 1, "committed"),
        ("0a 0b 1a 1b", 0, "committed"),
        ("0a 0b 1b 1a", 1, "record 2 is b'1b', expected b'1a'"),
        ("0a 0b 1a 1b 1a 1b", 1, "record 4 is b'1a', expected b'2a'"),
    ],
)
def test_everything_else_is_a_broken_promise(model, values, committed, reason):
    """What was acknowledged and is lost, half of a batch, one without the one before, another order, twice the same."""
    with pytest.raises(BrokenPromise, match=f"operation 3 was acknowledged; .*{reason}"):
        model.match(observed(values, committed={NAME: committed}))


def test_epochs_grow(model):
    """The one that clients know is not given again."""
    with pytest.raises(BrokenPromise, match="leader epoch 4 after 4"):
        model.match(observed("0a 0b 1a 1b", committed={NAME: 1}, epoch=4))


def test_topics_neither_vanish_nor_come_back(model):
    """A topic is there as long as its deletion was not asked for, and not after that was acknowledged."""
    with pytest.raises(BrokenPromise, match="partitions"):
        model.match(Observed(5, {}, {}))
    model.acknowledge(model.did(ModelState()))
    with pytest.raises(BrokenPromise, match="partitions"):
        model.match(observed("0a 0b 1a 1b 2a 2b", committed={NAME: 2}))


def test_a_log_start_offset_may_be_ahead_but_never_behind(model):
    """A deletion of records may be in the checkpoint before the log has it; what was acknowledged stays deleted."""
    state = model.now
    partition = attrs.evolve(state.partitions[NAME], log_start_offset=3)
    model.did(attrs.evolve(state, partitions={NAME: partition}))
    operation, found = model.match(observed("1b", committed={NAME: 1}, log_start_offset=3))
    assert (operation, found.partitions[NAME].log_start_offset) == (3, 3)
    model.acknowledge(5)
    with pytest.raises(BrokenPromise, match="log start offset 0, expected 3 to 3"):
        model.match(observed("0a 0b 1a 1b 2a 2b", committed={NAME: 2}))


def test_what_a_restart_shows_is_promised_from_then_on(model):
    """Also what had not been acknowledged; and what it does not show has never happened."""
    model.restarted(*model.match(observed("0a 0b 1a 1b 2a 2b", committed={NAME: 2})), 5)
    assert (model.acknowledged, model.last_operation, model.epoch) == (4, 4, 5)
    with pytest.raises(BrokenPromise, match="operation 4 was acknowledged"):
        model.match(observed("0a 0b 1a 1b", committed={NAME: 1}, epoch=6))


def test_a_partition_remembers_the_last_batches_of_its_producer():
    """As many as a broker recognises; plain batches are not among them."""
    partition = ModelPartition(0)
    for number in range(REMEMBERED_BATCHES + 2):
        partition = partition.with_batch([b"x", b"y"], SENT._replace(base_offset=number)).with_batch([b"z"], None)
    assert [sent.base_offset for sent in partition.sent] == list(range(2, REMEMBERED_BATCHES + 2))
    assert partition.next_sequence == 2 * (REMEMBERED_BATCHES + 2)
    assert len(partition.values) == 3 * (REMEMBERED_BATCHES + 2)


@pytest.mark.parametrize(
    ("values", "is_kept"),
    [
        ("a=1 b=1 a=2 b= c=1", True),
        ("- b=1 a=2 b= c=1", True),
        ("- - a=2 b= c=1", True),
        ("- - a=2 - c=1", True),
        ("- b=1 a=2 - c=1", False),
        ("a=1 - - - c=1", False),
        ("- - - - c=1", False),
        ("- - a=3 - c=1", False),
        ("- - a=2 -", False),
        ("- - a=2 - c=1 -", False),
    ],
)
def test_compaction_may_leave_records_out(values, is_kept):
    """Those that were replaced, and tombstones with them; never the newest value, so that an older one is back."""
    model = CrashModel()
    written = (b"a=1", b"b=1", b"a=2", b"b=", b"c=1")
    model.did(ModelState({NAME: ModelPartition(1, is_compacted=True, values=written)}))
    model.acknowledge(1)
    found = ObservedPartition(0, [None if value == "-" else value.encode() for value in values.split()])
    shown = Observed(1, {NAME: found}, {})
    if is_kept:
        assert model.match(shown) == (1, model.now)
    else:
        with pytest.raises(BrokenPromise):
            model.match(shown)


@pytest.mark.parametrize(("start", "now_ms", "is_kept"), [(0, 0, True), (2, 0, True), (3, 0, False), (3, 2_000, True)])
def test_retention_deletes_no_more_than_it_may(model, start, now_ms, is_kept):
    """The oldest of three batches is too much for it; the second one goes when its time has come."""
    partition = ModelPartition(1, retention=Retention(size_bytes=200, time_ms=1_000))
    for values, timestamp_ms in ((b"ab", 500), (b"c", 500), (b"d", 5_000)):
        partition = partition.with_batch([bytes([value]) for value in values], None, 100, timestamp_ms)
    model.restarted(0, ModelState({NAME: partition}), 4)
    model.now_ms = now_ms
    shown = observed(" ".join("abcd"[start:]), committed={}, log_start_offset=start)
    if is_kept:
        assert model.match(shown)[0] == 0
    else:
        with pytest.raises(BrokenPromise, match="log start offset"):
            model.match(shown)


MEMBERS = GroupView(3, 3, {"one": MemberView(3, frozenset({(b"id", 0)}), frozenset({(b"id", 0), (b"gone", 1)}))})


@pytest.mark.parametrize(
    ("shown", "is_kept"),
    [
        (MEMBERS.without({b"gone"}), True),
        (MEMBERS, False),
        (MEMBERS.without({b"gone"})._replace(epoch=2), False),
        (MEMBERS.without({b"gone", b"id"}), False),
        (NO_GROUP, False),
    ],
)
def test_a_group_is_as_its_members_were_told(model, shown, is_kept):
    """Epochs, owners and targets; topics that are gone are left out."""
    model.did(attrs.evolve(model.now, group=KnownGroup(MEMBERS)))
    model.acknowledge(model.last_operation)
    found = observed("0a 0b 1a 1b 2a 2b", committed={NAME: 2})
    found = attrs.evolve(found, group=shown, topic_ids={b"id"})
    if is_kept:
        assert model.match(found)[0] == 5
    else:
        with pytest.raises(BrokenPromise, match="the group is"):
            model.match(found)


def test_an_operation_that_changes_nothing_is_as_durable_as_the_one_before(model):
    """Whichever is heard of first."""
    model.did(model.now)
    model.changed_nothing(5)
    assert model.acknowledged == 3
    model.acknowledge(4)
    assert model.acknowledged == 5
