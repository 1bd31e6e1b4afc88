"""Promises of the interpreter: Kafka's corner cases byte for byte, and errors that say where."""

from __future__ import annotations

from typing import Any, cast

import pytest

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.interpreter import decode_struct, encode_struct
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersion, ApiVersionsResponse
from dotkafka.protocol.messages.describe_topic_partitions import (
    DESCRIBE_TOPIC_PARTITIONS,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestCursor,
    TopicRequest,
)
from dotkafka.protocol.messages.fetch import FETCH, FetchRequest, LeaderIdAndEpoch, PartitionData, ReplicaState
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from dotkafka.protocol.messages.metadata_records import PARTITION_RECORD, PartitionRecord
from dotkafka.protocol.schema import Message, RawTaggedField, set_unknown_tagged_fields, unknown_tagged_fields

GOLDEN: list[tuple[str, Message[Any], int, Any, str]] = [
    (
        "the answer to an ApiVersions of an unknown version",
        API_VERSIONS.response,
        0,
        ApiVersionsResponse(error_code=35, api_keys=[ApiVersion(18, 0, 4)]),
        "0023 00000001 0012 0000 0004",
    ),
    (
        "a flexible response with tag sections in each element",
        API_VERSIONS.response,
        3,
        ApiVersionsResponse(api_keys=[ApiVersion(18, 0, 4)], throttle_time_ms=7, finalized_features_epoch=5),
        "0000 02 0012 0000 0004 00 00000007 01 01 08 0000000000000005",
    ),
    ("a null array where the length is an int32", METADATA.request, 1, MetadataRequest(topics=None), "ffffffff"),
    (
        "a null array and a null string where lengths are compact",
        METADATA.request,
        12,
        MetadataRequest(topics=[MetadataRequestTopic(topic_id=bytes(range(16)), name=None)]),
        "02 000102030405060708090a0b0c0d0e0f 00 00 01 00 00",
    ),
    (
        "a string and a null one where the length is an int16",
        HEARTBEAT.request,
        3,
        HeartbeatRequest(group_id="gé", generation_id=1, member_id="m", group_instance_id=None),
        "0003 67c3a9 00000001 0001 6d ffff",
    ),
    (
        "a struct in the tag section has no mark of null",
        FETCH.request,
        15,
        FetchRequest(max_wait_ms=1, replica_state=ReplicaState(2, 3)),
        "00000001 00000000 7fffffff 00 00000000 ffffffff 01 01 01 01 01 0d 00000002 0000000000000003 00",
    ),
    (
        "a nullable struct that is null",
        DESCRIBE_TOPIC_PARTITIONS.request,
        0,
        DescribeTopicPartitionsRequest(topics=[TopicRequest("t")]),
        "02 02 74 00 000007d0 ff 00",
    ),
    (
        "a nullable struct that is there",
        DESCRIBE_TOPIC_PARTITIONS.request,
        0,
        DescribeTopicPartitionsRequest(cursor=DescribeTopicPartitionsRequestCursor("t", 1)),
        "01 000007d0 01 02 74 00000001 00 00",
    ),
    (
        "a tagged array that is null by default and empty here",
        PARTITION_RECORD,
        2,
        PartitionRecord(partition_id=0, leader=1, leader_epoch=2, partition_epoch=3, eligible_leader_replicas=[]),
        "00000000" + "00" * 16 + "01 01 01 01 00000001 00000002 00000003 01 01 01 01 01",
    ),
]


@pytest.mark.parametrize(("message", "version", "value", "hexadecimal"), [row[1:] for row in GOLDEN])
def test_golden(message: Message[Any], version: int, value: Any, hexadecimal: str) -> None:
    """Interpreter and compiled code write and read these bytes, worked out by hand from Kafka's protocol guide."""
    data = bytes.fromhex(hexadecimal)
    layout = message.layout(version)
    assert encode_struct(layout, value) == data
    assert message.encode(version, value) == data
    assert b"".join(message.encode_parts(version, value)) == data
    assert decode_struct(layout, data, 0, message.max_cost) == value
    assert message.decode(version, data) == value


REFUSED: list[tuple[str, Message[Any], int, str, str]] = [
    ("null", HEARTBEAT.request, 3, "ffff", r"HeartbeatRequest version 3\.group_id, byte 0: null is not allowed here"),
    ("negative", HEARTBEAT.request, 3, "fffe", r"group_id, byte 0: negative length -2"),
    ("cut", HEARTBEAT.request, 3, "000161 0000", r"generation_id, byte 3: 4 bytes are needed, 2 are left"),
    ("utf-8", HEARTBEAT.request, 3, "0001ff", r"group_id, byte 0: not UTF-8"),
    ("array", METADATA.request, 0, "00000005 0001", r"topics, byte 0: an array of 5 takes at least 10 bytes, 2 are"),
    ("element", METADATA.request, 0, "00000002 000161 ffff", r"topics\.1\.name, byte 7: null is not allowed"),
    ("long string", HEARTBEAT.request, 4, "818002" + "61" * 32768, r"a string of 32768 bytes is longer than 32767"),
    ("endless varint", HEARTBEAT.request, 4, "808080808001", r"longer than 5 bytes"),
    ("wide varint", HEARTBEAT.request, 4, "8080808010", r"does not fit 32 bits"),
    ("tag twice", METADATA.request, 12, "00 00 00 02 6400 6400", r"tag 100 occurs twice"),
    ("tag too early", FETCH.request, 12, "00" * 25 + "01" * 3 + "01 0100", r"tag 1 is not valid at version 12"),
    ("tag count", METADATA.request, 12, "00 00 00 09", r"9 tagged fields are more than the bytes left can hold"),
    (
        "tag size",
        API_VERSIONS.response,
        3,
        "0000 01 00000000 01 01 09 0000000000000005 00",
        r"finalized_features_epoch, byte 10: the tagged field takes 8 bytes, its size says 9",
    ),
]


@pytest.mark.parametrize(("message", "version", "hexadecimal", "reason"), [row[1:] for row in REFUSED])
def test_a_refusal_names_field_and_byte(message: Message[Any], version: int, hexadecimal: str, reason: str) -> None:
    """A damaged message is refused with its name, the field and the byte offset, by compiled code too."""
    data = bytes.fromhex(hexadecimal)
    with pytest.raises(DecodeError, match=reason):
        decode_struct(message.layout(version), data, 0, message.max_cost)
    with pytest.raises(DecodeError, match=reason):
        message.decode(version, data)


def test_bytes_after_a_message_are_ignored() -> None:
    """Kafka does not look at what follows a request; librdkafka before 1.4 sends four stray bytes."""
    assert API_VERSIONS.decode_request(0, bytes(4)) == API_VERSIONS.request.struct()


@pytest.mark.parametrize("byte", [1, 2, 255])
def test_any_byte_but_zero_is_true(byte: int) -> None:
    """A boolean is read leniently and written as one."""
    request = METADATA.decode_request(4, b"\x00\x00\x00\x00" + bytes([byte]))
    assert request.allow_auto_topic_creation is True
    assert METADATA.encode_request(4, request)[-1] == 1


def test_unknown_tagged_fields_are_kept_and_written_back() -> None:
    """What a newer peer adds in tags survives decoding and encoding."""
    data = bytes.fromhex("00 01 00 02 6401ff c80100")
    request = METADATA.decode_request(12, data)
    assert unknown_tagged_fields(request) == (RawTaggedField(100, b"\xff"), RawTaggedField(200, b""))
    assert METADATA.encode_request(12, request) == data


def test_tagged_fields_are_refused_where_none_can_be() -> None:
    """A version without tag sections has no place for a raw tagged field."""
    request = MetadataRequest(topics=())
    set_unknown_tagged_fields(request, [RawTaggedField(100, b"")])
    with pytest.raises(EncodeError, match="no tagged fields"):
        METADATA.encode_request(8, request)


def test_a_known_tag_cannot_be_attached_as_an_unknown_one() -> None:
    """Bytes under a known tag would be written twice."""
    request = FetchRequest()
    set_unknown_tagged_fields(request, [RawTaggedField(1, b"")])
    with pytest.raises(EncodeError, match="tag 1"):
        FETCH.encode_request(15, request)


def test_a_field_that_the_version_lacks_is_dropped_if_ignorable() -> None:
    """Ignorable fields are for versions that can say them; the others do without."""
    request = FetchRequest(rack_id="r")
    assert FETCH.decode_request(10, FETCH.encode_request(10, request)).rack_id == ""


@pytest.mark.parametrize(
    ("version", "request_"), [(15, FetchRequest(replica_id=1)), (14, FetchRequest(replica_state=ReplicaState(1, 1)))]
)
def test_a_field_that_the_version_lacks_is_refused_if_not_ignorable(version: int, request_: FetchRequest) -> None:
    """A value that would silently be lost is an error."""
    with pytest.raises(EncodeError, match=r"replica_.* is set, but version"):
        FETCH.encode_request(version, request_)


def test_reading_a_default_struct_does_not_change_what_is_written() -> None:
    """A struct-valued field that was only looked at is still the default and not sent."""
    request = FetchRequest()
    data = FETCH.encode_request(15, request)
    assert request.replica_state == ReplicaState(-1, -1)
    assert FETCH.encode_request(15, request) == data
    assert FETCH.decode_request(14, FETCH.encode_request(14, request)) == FETCH.decode_request(15, data)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (HeartbeatRequest(generation_id=2**31), "generation_id: 2147483648 is no int32"),
        (HeartbeatRequest(group_id="x" * 32768), "group_id: a string of 32768 bytes"),
        (HeartbeatRequest(group_id="\ud800"), "group_id: cannot be written as UTF-8"),
        (
            HeartbeatRequest(group_id=cast("str", None)),
            "group_id: a string is needed|group_id: null is not allowed here",
        ),
    ],
)
@pytest.mark.parametrize("version", [3, 4])
def test_a_value_that_does_not_fit_is_refused(version: int, value: HeartbeatRequest, reason: str) -> None:
    """What cannot be written is `EncodeError` with the name of the field."""
    with pytest.raises(EncodeError, match=reason):
        encode_struct(HEARTBEAT.request.layout(version), value)
    with pytest.raises(EncodeError, match=reason):
        HEARTBEAT.encode_request(version, value)


def test_an_id_of_the_wrong_size_is_refused() -> None:
    """`struct` would pad or cut it."""
    request = MetadataRequest(topics=[MetadataRequestTopic(topic_id=b"short")])
    with pytest.raises(EncodeError, match=r"topics\.0\.topic_id: an id of 16 bytes is needed"):
        METADATA.encode_request(12, request)


def test_a_message_of_another_kind_is_refused() -> None:
    """A struct where another one is needed is `EncodeError`, not whatever it happens to lack."""
    with pytest.raises(EncodeError, match="a MetadataRequest is needed, not HeartbeatRequest"):
        METADATA.request.encode(12, HeartbeatRequest())  # type: ignore[arg-type]


def test_structs_in_tags_survive() -> None:
    """Tagged structs and arrays of structs come back as they were."""
    partition = PartitionData(current_leader=LeaderIdAndEpoch(3, 4), records=b"")
    layout = FETCH.response.layout(16).fields[3].type.element.fields[1].type.element  # type: ignore[union-attr]
    assert decode_struct(layout, encode_struct(layout, partition), 0, 100_000) == partition  # type: ignore[arg-type]
