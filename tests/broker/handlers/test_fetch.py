"""Fetch: what is read, how long it waits, and what sessions remember."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchTopic, ForgottenTopic
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest


def test_reads_whole_batches_as_they_were_sent(client, batch, values):
    """What comes back are the producer's own bytes but for base offset and leader epoch."""
    client.create_topic("t")
    sent = batch(b"a", b"b")
    client.produce_batch("t", sent)
    data = client.fetch("t", 1)
    assert bytes(data.records)[16:] == sent[16:]
    assert values(data.records) == [b"a", b"b"]
    assert (data.high_watermark, data.last_stable_offset, data.log_start_offset) == (2, 2, 0)


@pytest.mark.parametrize("version", [4, 5, 7, 11, 12])
def test_versions_with_names(client, values, version):
    """Every version that names topics by name reads the same records."""
    client.create_topic("t")
    client.produce("t", b"a")
    response = client.call(FETCH, version, client.fetch_request("t"))
    assert values(response.responses[0].partitions[0].records) == [b"a"]


@pytest.mark.parametrize("version", [13, 16, 18])
def test_versions_with_ids(client, values, version):
    """From version 13 topics are named by id, and an unknown id has its own error."""
    client.create_topic("t")
    client.produce("t", b"a")
    (topic,) = client.call(METADATA, 12, MetadataRequest(topics=None)).topics
    request = client.fetch_request("")
    request.topics[0].topic_id = topic.topic_id
    response = client.call(FETCH, version, request)
    assert values(response.responses[0].partitions[0].records) == [b"a"]
    request.topics[0].topic_id = bytes(15) + b"\x09"
    (answered,) = client.call(FETCH, version, request).responses
    assert answered.partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_ID


def test_offset_out_of_range(client):
    """Beyond the log end and below its start is an error at once, not a wait."""
    client.create_topic("t")
    client.produce("t", b"a")
    for offset in (2, -1):
        assert client.fetch("t", offset, max_wait_ms=10_000).error_code == ErrorCode.OFFSET_OUT_OF_RANGE


def test_empty_records_are_not_null(client):
    """A partition without news has zero-length records: librdkafka refuses null."""
    client.create_topic("t")
    assert bytes(client.fetch("t").records) == b""


def test_waits_for_bytes_and_is_woken_by_an_append(client, batch, values):
    """A Fetch at the end is answered by the append that follows, without time passing."""
    client.create_topic("t")
    reader = client.running.connect()
    reader.send(FETCH, 11, reader.fetch_request("t", max_wait_ms=10_000))
    client.running.settle()
    assert list(reader.received()) == []
    client.produce("t", b"a")
    (response,) = reader.received()
    assert values(response.responses[0].partitions[0].records) == [b"a"]
    assert len(client.running.broker.purgatory) == 0


def test_waits_for_min_bytes(client, values):
    """Fewer bytes than asked for do not end the wait; enough do."""
    client.create_topic("t")
    reader = client.running.connect()
    reader.send(FETCH, 11, reader.fetch_request("t", max_wait_ms=10_000, min_bytes=150))
    client.produce("t", b"a")
    assert list(reader.received()) == []
    client.produce("t", bytes(100))
    (response,) = reader.received()
    assert len(values(response.responses[0].partitions[0].records)) == 2


def test_gives_up_at_max_wait(client):
    """After max_wait_ms it is answered with what there is: nothing."""
    client.create_topic("t")
    reader = client.running.connect()
    reader.send(FETCH, 11, reader.fetch_request("t", max_wait_ms=500))
    client.running.advance(499)
    assert list(reader.received()) == []
    client.running.advance(1)
    (response,) = reader.received()
    assert response.responses[0].partitions[0].error_code == ErrorCode.NONE


def test_deleting_the_topic_ends_the_wait(client):
    """A reader of a topic that is deleted hears of it at once."""
    client.create_topic("t")
    reader = client.running.connect()
    reader.send(FETCH, 11, reader.fetch_request("t", max_wait_ms=10_000))
    client.call(DELETE_TOPICS, 1, DeleteTopicsRequest(topic_names=["t"], timeout_ms=1000))
    (response,) = reader.received()
    assert response.responses[0].partitions[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_first_batch_comes_even_if_too_large(client, values):
    """A batch larger than all limits is given alone, so that its reader can get on."""
    client.create_topic("t")
    client.produce("t", bytes(5000))
    client.produce("t", b"b")
    assert len(values(client.fetch("t", max_bytes=100).records)) == 1


def test_max_bytes_is_shared_by_partitions(client, values):
    """Once something is given, other partitions must fit into what is left."""
    client.create_topic("t", 2)
    client.produce("t", bytes(500), partition=0)
    client.produce("t", bytes(500), partition=1)
    request = client.fetch_request("t", max_bytes=800)
    request.topics[0].partitions = [
        FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=800) for index in range(2)
    ]
    first, second = client.call(FETCH, 11, request).responses[0].partitions
    assert (len(values(first.records)), len(values(second.records))) == (1, 0)


def test_leader_epoch_of_another_time(client):
    """Metadata that are older or newer than the leader are told so (KIP-320)."""
    client.create_topic("t")
    for epoch, error in ((0, ErrorCode.NONE), (1, ErrorCode.UNKNOWN_LEADER_EPOCH)):
        request = client.fetch_request("t")
        request.topics[0].partitions[0].current_leader_epoch = epoch
        assert client.call(FETCH, 11, request).responses[0].partitions[0].error_code == error


class TestSessions:
    """Fetch sessions (KIP-227)."""

    def open(self, client, *topics):
        """Open a session on partition 0 of some topics."""
        request = client.fetch_request("", session_id=0, session_epoch=0)
        request.topics = [
            FetchTopic(topic=topic, partitions=[FetchPartition(partition=0, partition_max_bytes=1000)])
            for topic in topics
        ]
        return client.call(FETCH, 11, request)

    def go_on(self, client, session_id, epoch, **more):
        """Send an incremental request without changes."""
        request = client.fetch_request("", session_id=session_id, session_epoch=epoch, **more)
        request.topics = []
        return client.call(FETCH, 11, request)

    def test_answers_only_what_changed(self, client, values):
        """An incremental answer names the partitions that have records or moved, and no others."""
        client.create_topic("a")
        client.create_topic("b")
        opened = self.open(client, "a", "b")
        assert opened.session_id != 0
        assert [topic.topic for topic in opened.responses] == ["a", "b"]
        assert self.go_on(client, opened.session_id, 1).responses == ()
        client.produce("b", b"x")
        (news,) = self.go_on(client, opened.session_id, 2).responses
        assert news.topic == "b"
        assert values(news.partitions[0].records) == [b"x"]

    def test_new_offset_and_forgotten_topic(self, client):
        """A session takes new offsets, and forgets what it is told to."""
        client.create_topic("a")
        client.create_topic("b")
        client.produce("a", b"x")
        session_id = self.open(client, "a", "b").session_id
        request = client.fetch_request("a", 1, session_id=session_id, session_epoch=1)
        request.forgotten_topics_data = [ForgottenTopic(topic="b", partitions=[0])]
        assert not any(topic.partitions[0].records for topic in client.call(FETCH, 11, request).responses)
        client.produce("b", b"y")
        assert self.go_on(client, session_id, 2).responses == ()

    def test_errors(self, client):
        """An unknown session, a wrong epoch, and ids in a session of names each have their code."""
        client.create_topic("a")
        session_id = self.open(client, "a").session_id
        assert self.go_on(client, session_id + 1, 1).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
        assert self.go_on(client, session_id, 7).error_code == ErrorCode.INVALID_FETCH_SESSION_EPOCH
        request = client.fetch_request("", session_id=session_id, session_epoch=1)
        request.topics = []
        assert client.call(FETCH, 13, request).error_code == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR

    def test_closing(self, client):
        """Epoch -1 ends the session, and the request is served as a full one."""
        client.create_topic("a")
        session_id = self.open(client, "a").session_id
        response = client.call(FETCH, 11, client.fetch_request("a", session_id=session_id, session_epoch=-1))
        assert (response.session_id, len(response.responses)) == (0, 1)
        assert self.go_on(client, session_id, 1).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


class TestCold:
    """Reading what memory has forgotten."""

    @pytest.fixture
    def filled(self, boot):
        """A broker with a tiny L0, and a topic of which most is in L2 only."""
        running = boot(tail_max_bytes=4000, checkpoint_bytes=1000)
        client = running.connect()
        client.create_topic("t")
        for number in range(30):
            assert client.produce("t", b"%03d" % number + bytes(500)).error_code == ErrorCode.NONE
        return client

    def test_everything_can_be_read(self, filled, values):
        """Reading from the start gives every record once and in order, from L2 and from memory."""
        offset = 0
        read: list[bytes] = []
        while len(read) < 30:
            got = values(filled.fetch("t", offset, max_bytes=3000).records)
            assert got
            assert len(got) < 10, "the limit holds for L2 as well"
            read += got
            offset += len(got)
        assert [value[:3] for value in read] == [b"%03d" % number for number in range(30)]

    def test_memory_has_forgotten(self, filled):
        """The first batches are not in memory any more, or this class would test nothing."""
        (log,) = [log for log in filled.running.broker.shard.logs.values() if log.log_end_offset == 30]
        assert log.tail_start_offset > 0
