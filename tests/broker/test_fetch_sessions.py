"""Fetch sessions (KIP-227): what a client need not say again. Their use by Fetch is in handlers/test_fetch.py."""

import itertools

import pytest

from dotkafka.broker.fetch_sessions import EVICTION_MS, MAX_EPOCH, FetchSessions, PartitionKey
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic


@pytest.fixture
def make():
    """Sessions with a number of slots, and ids that count up."""

    def make(slots=10, ids=None):
        numbers = iter(ids) if ids else itertools.count(1)
        return FetchSessions(slots, lambda size: next(numbers).to_bytes(size, "big"))

    return make


def request(session_id=0, epoch=0, topics=("t",), forgotten=(), **partition):
    """A request for partition 0 of some topics."""
    return FetchRequest(
        session_id=session_id,
        session_epoch=epoch,
        topics=[FetchTopic(topic=topic, partitions=[FetchPartition(partition=0, **partition)]) for topic in topics],
        forgotten_topics_data=[ForgottenTopic(topic=topic, partitions=[0]) for topic in forgotten],
    )


def begin(sessions, wanted, now_ms=0, *, uses_topic_ids=False):
    """What the broker does with a request."""
    return sessions.begin(wanted, uses_topic_ids=uses_topic_ids, now_ms=now_ms)


def names(context):
    """The topics to be served, in order."""
    return [partition.key.topic for partition in context.partitions]


def test_a_session_is_opened_and_goes_on(make):
    """A full request opens a session of epoch 1, which incremental ones carry on."""
    sessions = make()
    opened = begin(sessions, request(topics=["a", "b"]))
    assert (opened.session_id, opened.is_incremental, names(opened)) == (1, False, ["a", "b"])
    further = begin(sessions, request(1, 1, topics=["c"], forgotten=["a"]))
    assert (further.session_id, further.is_incremental, names(further)) == (1, True, ["b", "c"])


def test_a_partition_takes_new_positions(make):
    """What is named again replaces what was known, and nothing else is forgotten."""
    sessions = make()
    begin(sessions, request(topics=["a"], fetch_offset=5, partition_max_bytes=10))
    (partition,) = begin(sessions, request(1, 1, topics=["a"], fetch_offset=9, partition_max_bytes=20)).partitions
    assert (partition.fetch_offset, partition.max_bytes) == (9, 20)


def test_without_a_session(make):
    """Epoch -1 serves the request alone, and ends the session that it names."""
    sessions = make()
    begin(sessions, request())
    context = begin(sessions, request(1, -1))
    assert (context.session_id, names(context), len(sessions)) == (0, ["t"], 0)


@pytest.mark.parametrize(
    ("session_id", "epoch", "uses_topic_ids", "error"),
    [
        (9, 1, False, ErrorCode.FETCH_SESSION_ID_NOT_FOUND),
        (1, 2, False, ErrorCode.INVALID_FETCH_SESSION_EPOCH),
        (1, 1, True, ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR),
    ],
)
def test_refusals(make, session_id, epoch, uses_topic_ids, error):
    """A request that does not fit its session changes nothing of it."""
    sessions = make()
    begin(sessions, request())
    with pytest.raises(ApiError) as refused:
        begin(sessions, request(session_id, epoch), uses_topic_ids=uses_topic_ids)
    assert refused.value.error_code == error
    assert names(begin(sessions, request(1, 1, topics=()))) == ["t"]


def test_no_room(make):
    """When all slots are in use, a new client gets no session; its requests are served in full."""
    sessions = make(slots=1)
    begin(sessions, request())
    context = begin(sessions, request(), now_ms=EVICTION_MS - 1)
    assert (context.session_id, names(context)) == (0, ["t"])
    assert begin(sessions, request(1, 1)).session_id == 1


def test_no_slots_at_all(make):
    """A broker may be without sessions."""
    assert begin(make(slots=0), request()).session_id == 0


def test_the_longest_unused_session_makes_room(make):
    """After two minutes without use a session gives way, the one least recently used first."""
    sessions = make(slots=2)
    begin(sessions, request(), now_ms=0)
    begin(sessions, request(), now_ms=1)
    begin(sessions, request(1, 1), now_ms=2)
    assert begin(sessions, request(), now_ms=EVICTION_MS + 1).session_id == 3
    assert begin(sessions, request(1, 2), now_ms=EVICTION_MS + 1).session_id == 1
    with pytest.raises(ApiError):
        begin(sessions, request(2, 1), now_ms=EVICTION_MS + 1)


def test_epochs_wrap(make):
    """After the largest epoch comes 1, since 0 opens a session."""
    sessions = make()
    opened = begin(sessions, request())
    opened.session.epoch = MAX_EPOCH
    begin(sessions, request(1, MAX_EPOCH))
    assert begin(sessions, request(1, 1)).session_id == 1


def test_ids_are_positive_and_unique(make):
    """Dice that fall on 0, on a taken id or on a negative number do no harm."""
    sessions = make(ids=[0, 5, 5, 0x80000006])
    assert begin(sessions, request()).session_id == 5
    assert begin(sessions, request()).session_id == 6


def test_served_partitions_go_last(make):
    """What has given records waits until the others have had their turn."""
    sessions = make()
    opened = begin(sessions, request(topics=["a", "b", "c"]))
    opened.session.serve_last(opened.session.partitions[PartitionKey("a", bytes(16), 0)])
    assert names(begin(sessions, request(1, 1, topics=()))) == ["b", "c", "a"]
