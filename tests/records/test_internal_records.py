"""Promises of `dotkafka.records.internal_records`: what brokers write for themselves is shown as Kafka's tools show it.

`tests/test_dump_log_segment.py` compares whole segments that Apache Kafka wrote with what its own tool prints of them.
"""

from __future__ import annotations

import re

import pytest

from dotkafka.protocol.json_codec import base64_text
from dotkafka.protocol.messages import control_records, metadata_records
from dotkafka.protocol.messages.consumer_offsets import (
    GROUP_METADATA_KEY,
    GROUP_METADATA_VALUE,
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
)
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_SUBSCRIPTION, ConsumerProtocolSubscription
from dotkafka.protocol.schema import Message
from dotkafka.records.internal_records import (
    CLUSTER_METADATA,
    CONTROL_RECORDS,
    COORDINATOR_RECORDS,
    METADATA_RECORDS,
    internal_record_to_json,
)
from dotkafka.records.json_records import record_to_json
from dotkafka.records.record import Record

RECORD_TYPE = re.compile(r"Record type (\d+)")


def record(key: bytes | None, value: bytes | None) -> Record:
    """A record whose place and time do not matter."""
    return Record(3, 1000, key, value)


def test_every_type_is_that_of_its_definition() -> None:
    """The numbers are those that the definitions of the messages give; nothing else is there, and nothing missing."""
    pairs = [(number, pair[0]) for topic in COORDINATOR_RECORDS.values() for number, pair in topic.items()]
    for number, message in [*pairs, *METADATA_RECORDS.items()]:
        told = RECORD_TYPE.match(message.struct.__doc__ or "")
        assert told is not None
        assert int(told[1]) == number or (number, message.struct.__name__) == (0, "OffsetCommitKey")
    messages = [value for value in vars(metadata_records).values() if isinstance(value, Message)]
    assert set(METADATA_RECORDS.values()) == set(messages)


def test_every_message_of_control_records_is_shown() -> None:
    """All but that of their key."""
    messages = {value for value in vars(control_records).values() if isinstance(value, Message)}
    assert {message for _, message in CONTROL_RECORDS.values()} == messages - {
        control_records.CONTROL_RECORD_TYPE_SCHEMA
    }


@pytest.mark.parametrize("topic", ["orders", "__consumer_offset", ""])
def test_records_of_other_topics_are_shown_as_they_are(topic: str) -> None:
    """Whatever they hold."""
    held = record(b"\x00\x02\x00\x01g", None)
    assert internal_record_to_json(held, topic) == record_to_json(held)


def test_subscriptions_are_decoded_and_what_is_none_is_not() -> None:
    """A group's members may be consumers by name only."""
    subscription = b"\x00\x09" + CONSUMER_PROTOCOL_SUBSCRIPTION.encode(3, ConsumerProtocolSubscription(topics=["t"]))
    members = [MemberMetadata(member_id="a", subscription=subscription, assignment=b"\x00")]
    value = GROUP_METADATA_VALUE.encode(3, GroupMetadataValue(protocol_type="consumer", members=members))
    key = b"\x00\x02" + GROUP_METADATA_KEY.encode(0, GroupMetadataKey(group="g"))
    node = internal_record_to_json(record(key, b"\x00\x03" + value), "__consumer_offsets")
    assert node["key"] == {"type": "2", "data": {"group": "g"}}
    (member,) = node["value"]["data"]["members"]
    assert (member["subscription"]["topics"], member["assignment"]) == (["t"], base64_text(b"\x00"))


@pytest.mark.parametrize(
    ("topic", "is_control", "key", "value", "error"),
    [
        ("__consumer_offsets", False, b"\x00", None, "1 bytes are too few for a type or version"),
        ("__consumer_offsets", False, None, None, "0 bytes are too few"),
        ("__consumer_offsets", False, b"\x00\x63", None, "a record of type 99 is unknown in __consumer_offsets"),
        ("__consumer_offsets", False, b"\x00\x02\x00\x01g", b"\x00\x09", "GroupMetadataValue has versions 0-4, not 9"),
        ("__transaction_state", False, b"\x00\x00\x00\x09g", None, "TransactionLogKey"),
        (CLUSTER_METADATA, False, None, None, ""),
        (CLUSTER_METADATA, False, None, b"\x01\x06\x00", "a metadata record of type 6 in frame version 1 is unknown"),
        (CLUSTER_METADATA, False, None, b"\x01\x02\x00\x07", "TopicRecord"),
        ("orders", True, b"\x00", b"", "the key of a control record is cut short"),
        ("orders", True, b"\x00\x00\x00\x63", b"", "a control record of type 99 is unknown"),
        ("orders", True, b"\x00\x00\x00\x00", b"\x00\x00\x00", "EndTxnMarker"),
    ],
)
def test_what_is_damaged_is_shown_with_the_reason(
    topic: str, *, is_control: bool, key: bytes | None, value: bytes | None, error: str
) -> None:
    """And as the bytes it is."""
    held = record(key, value)
    node = internal_record_to_json(held, topic, is_control=is_control)
    assert error in node.pop("error")
    assert node == record_to_json(held)


def test_a_control_record_of_a_later_version_is_read_as_the_highest_known() -> None:
    """As Kafka says it is to be read; what follows is ignored."""
    node = internal_record_to_json(record(b"\x00\x05\x00\x01", b"\x00\x05\x00\x00\x00\x07more"), "t", is_control=True)
    assert node["control"] == {"type": "COMMIT", "version": 0, "data": {"coordinatorEpoch": 7}}
