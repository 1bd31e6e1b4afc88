"""Metadata records on the wire."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.errors import DecodeError
from dotkafka.metadata.image import MetadataRecord
from dotkafka.metadata.records import decode_metadata_record, encode_metadata_record
from dotkafka.protocol.messages.metadata_records import (
    ConfigRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RemoveTopicRecord,
    TopicRecord,
)


@pytest.mark.parametrize(
    "record",
    [
        TopicRecord(name="orders", topic_id=b"a" * 16),
        PartitionRecord(partition_id=3, topic_id=b"a" * 16, replicas=(1,), isr=(1,), leader=1, leader_epoch=5),
        ConfigRecord(resource_type=2, resource_name="orders", name="retention.ms", value=None),
        RemoveTopicRecord(topic_id=b"a" * 16),
        ProducerIdsRecord(broker_id=1, broker_epoch=2, next_producer_id=3000),
    ],
)
def test_every_record_comes_back_as_it_was(record: MetadataRecord) -> None:
    """Decoding undoes encoding."""
    assert decode_metadata_record(encode_metadata_record(record)) == record


def test_a_topic_record_has_krafts_bytes() -> None:
    """Frame version 1, type 2, version 0, then the flexible body: what Kafka's own tools read."""
    encoded = encode_metadata_record(TopicRecord(name="ab", topic_id=bytes(range(16))))
    assert encoded == b"\x01\x02\x00" + b"\x03ab" + bytes(range(16)) + b"\x00"


@pytest.mark.parametrize(
    "value", [b"", b"\x01", b"\x01\x02", b"\x02\x02\x00", b"\x01\x63\x00\x00", b"\x01\x02\x09\x00"]
)
def test_what_is_unknown_or_cut_is_refused(value: bytes) -> None:
    """A record whose meaning would be lost is an error, never skipped."""
    with pytest.raises(DecodeError):
        decode_metadata_record(value)


@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_a_decode_error(value: bytes) -> None:
    """Any bytes at all are a record or a DecodeError."""
    with suppress(DecodeError):
        decode_metadata_record(b"\x01" + value)
