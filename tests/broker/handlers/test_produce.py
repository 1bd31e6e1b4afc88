"""Produce: what is appended, what is refused, and when it is answered."""

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import FETCH
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.produce import (
    PRODUCE,
    PartitionProduceData,
    ProduceRequest,
    TopicProduceData,
)
from dotkafka.records.compression import Compression


def test_offsets_follow_each_other(client):
    """Each batch gets the offsets after those of the batch before."""
    client.create_topic("t")
    assert client.produce("t", b"a", b"b").base_offset == 0
    assert client.produce("t", b"c").base_offset == 2


def test_answer_waits_for_durability(client, batch):
    """No acknowledgement leaves before the storage work that covers it has run, and nothing can be read before."""
    client.create_topic("t")
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a")))
    assert list(client.received()) == []
    reader = client.running.connect()
    reader.send(FETCH, 11, reader.fetch_request("t"))
    (early,) = reader.received()
    assert not early.responses[0].partitions[0].records
    client.running.settle()
    (response,) = client.received()
    assert response.responses[0].partition_responses[0].error_code == ErrorCode.NONE


def test_by_topic_id(client, batch):
    """From version 13 topics are named by id; an unknown id has its own error."""
    client.create_topic("t")
    (topic,) = client.call(METADATA, 12, MetadataRequest(topics=None)).topics
    data = [PartitionProduceData(index=0, records=batch(b"a"))]
    for topic_id, error in ((topic.topic_id, ErrorCode.NONE), (bytes(15) + b"\x09", ErrorCode.UNKNOWN_TOPIC_ID)):
        request = ProduceRequest(acks=-1, topic_data=[TopicProduceData(topic_id=topic_id, partition_data=data)])
        (answered,) = client.call(PRODUCE, 13, request).responses
        assert answered.topic_id == topic_id
        assert answered.partition_responses[0].error_code == error


@pytest.mark.parametrize(("topic", "partition"), [("unknown", 0), ("t", 1), ("t", -1)])
def test_unknown_partition(client, batch, topic, partition):
    """A topic or partition that is not there is refused; nothing is created by producing."""
    client.create_topic("t")
    answer = client.produce_batch(topic, batch(b"a"), partition=partition)
    assert answer.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert answer.base_offset == -1


def test_a_topic_name_as_long_as_there_can_be(client, batch):
    """The message that quotes it is cut short, so that it fits the answer."""
    data = [PartitionProduceData(index=0, records=batch(b"a"))]
    request = ProduceRequest(acks=-1, topic_data=[TopicProduceData(name="t" * 32767, partition_data=data)])
    (partition,) = client.call(PRODUCE, 9, request).responses[0].partition_responses
    assert partition.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert partition.error_message.endswith("...")


def test_internal_topics_are_refused(client, running):
    """Clients cannot write what the coordinator believes."""
    running.broker.groups.ensure_topic()
    running.settle()
    assert client.produce("__consumer_offsets", b"x").error_code == ErrorCode.INVALID_TOPIC_EXCEPTION


def test_corrupt_batch(client, batch):
    """A flipped bit is found before an offset is given; the log is as before."""
    client.create_topic("t")
    damaged = bytearray(batch(b"a"))
    damaged[-1] ^= 1
    assert client.produce_batch("t", bytes(damaged)).error_code == ErrorCode.CORRUPT_MESSAGE
    assert client.produce("t", b"b").base_offset == 0


@pytest.mark.parametrize("records", [None, b""])
def test_no_records(client, records):
    """A partition without a batch is refused."""
    client.create_topic("t")
    assert client.produce_batch("t", records).error_code == ErrorCode.INVALID_RECORD


def test_max_message_bytes_of_the_topic(client):
    """A batch is bounded by its topic's max.message.bytes, counted with its header."""
    client.create_topic("small", max_message_bytes="1000")
    assert client.produce("small", bytes(900)).error_code == ErrorCode.NONE
    assert client.produce("small", bytes(1000)).error_code == ErrorCode.MESSAGE_TOO_LARGE


def test_default_max_message_bytes(client):
    """Without a setting the bound is Kafka's default of 1,048,588 bytes."""
    client.create_topic("t")
    overhead = len(client.produce_request("t", b"").topic_data) and 61 + 12
    assert client.produce("t", bytes(1_048_588 - overhead)).error_code == ErrorCode.NONE
    assert client.produce("t", bytes(1_048_588)).error_code == ErrorCode.MESSAGE_TOO_LARGE


def test_log_append_time(client, machine):
    """With LogAppendTime the answer and the records carry the broker's wall clock."""
    client.create_topic("t", message_timestamp_type="LogAppendTime")
    assert client.produce("t", b"a", timestamp_ms=5).log_append_time_ms == machine.now.wall_ms


def test_acks_zero_is_not_answered(client, batch):
    """acks=0 gets no response; the next request gets its own."""
    client.create_topic("t")
    client.send(PRODUCE, 9, client.produce_request("t", batch(b"a"), acks=0), expects_response=False)
    assert client.produce("t", b"b").base_offset == 1
    assert not client.is_closed_by_broker


def test_acks_zero_with_an_error_closes(client, batch):
    """An error that cannot be answered closes the connection, as in Kafka."""
    client.send(PRODUCE, 9, client.produce_request("unknown", batch(b"a"), acks=0), expects_response=False)
    assert client.is_closed_by_broker


def test_invalid_acks(client, batch):
    """Acks other than 0, 1 and -1 are refused, partition by partition."""
    client.create_topic("t")
    response = client.call(PRODUCE, 9, client.produce_request("t", batch(b"a"), acks=2))
    assert response.responses[0].partition_responses[0].error_code == ErrorCode.INVALID_REQUIRED_ACKS


def test_versions_of_message_sets_are_refused(client):
    """Produce 0-2 is advertised for old librdkafka, and closes the connection when used, as in Kafka 4."""
    client.send(PRODUCE, 2, ProduceRequest(acks=-1))
    assert client.is_closed_by_broker


def test_retry_of_an_idempotent_producer(client):
    """The same batch again gets the first one's offset, and is not appended again."""
    client.create_topic("t")
    identity = {"producer_id": 7, "producer_epoch": 0}
    first = client.produce("t", b"a", base_sequence=0, **identity)
    client.produce("t", b"b", base_sequence=1, **identity)
    again = client.produce("t", b"a", base_sequence=0, **identity)
    assert (again.error_code, again.base_offset) == (ErrorCode.NONE, first.base_offset)
    assert client.fetch("t").high_watermark == 2


def test_duplicate_before_its_original_is_durable(client, batch):
    """A retry that overtakes the sync of its original is acknowledged no sooner than that is durable."""
    client.create_topic("t")
    records = batch(b"a", producer_id=7, producer_epoch=0, base_sequence=0)
    for _ in range(2):
        client.send(PRODUCE, 9, client.produce_request("t", records))
    assert list(client.received()) == []
    client.running.settle()
    offsets = [response.responses[0].partition_responses[0].base_offset for response in client.received()]
    assert offsets == [0, 0]


def test_gap_in_the_sequence(client):
    """A sequence that does not follow is refused, so that a lost batch is noticed."""
    client.create_topic("t")
    identity = {"producer_id": 7, "producer_epoch": 0}
    client.produce("t", b"a", base_sequence=0, **identity)
    gap = client.produce("t", b"c", base_sequence=2, **identity)
    assert gap.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_each_partition_has_its_own_answer(client, batch):
    """One bad partition does not keep the others from being appended."""
    client.create_topic("t", 2)
    request = client.produce_request("t", batch(b"a"))
    request.topic_data[0].partition_data = [
        PartitionProduceData(index=0, records=batch(b"a")),
        PartitionProduceData(index=9, records=batch(b"a")),
        PartitionProduceData(index=1, records=batch(b"b")),
    ]
    answers = client.call(PRODUCE, 9, request).responses[0].partition_responses
    assert [answer.error_code for answer in answers] == [0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, 0]


def test_zstd_needs_version_7(client, batch):
    """Producers and consumers that cannot know zstd neither write nor get it (KIP-110)."""
    client.create_topic("t")
    records = batch(bytes(200), compression=Compression.ZSTD)
    for version, error in ((6, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE), (7, ErrorCode.NONE)):
        response = client.call(PRODUCE, version, client.produce_request("t", records))
        assert response.responses[0].partition_responses[0].error_code == error
    for version, error in ((9, ErrorCode.UNSUPPORTED_COMPRESSION_TYPE), (10, ErrorCode.NONE)):
        response = client.call(FETCH, version, client.fetch_request("t"))
        assert response.responses[0].partitions[0].error_code == error
