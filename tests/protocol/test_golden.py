"""Promises of the codec on what real clients and Apache Kafka have said to each other: `golden/README.md`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from dotkafka.errors import DecodeError
from dotkafka.protocol.apis import api_for
from dotkafka.protocol.conversation import (
    Conversation,
    RequestFrame,
    ResponseFrame,
    decode_request_frame,
    decode_response_frame,
)
from dotkafka.protocol.headers import encode_request_header, encode_response_header
from dotkafka.protocol.interpreter import decode_struct, encode_struct
from dotkafka.protocol.json_codec import JsonObject, from_json, to_json
from dotkafka.protocol.messages.consumer_protocol import CONSUMER_PROTOCOL_ASSIGNMENT, CONSUMER_PROTOCOL_SUBSCRIPTION
from dotkafka.protocol.messages.describe_groups import DescribeGroupsResponse
from dotkafka.protocol.messages.envelope import EnvelopeRequest, EnvelopeResponse
from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupResponse
from dotkafka.protocol.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from dotkafka.records.batch import decode_records, encode_batch, read_header, split_batches, verify_crc
from dotkafka.records.compression import Compression
from dotkafka.records.json_records import MAGIC_POSITION, records_to_json
from dotkafka.records.legacy import decode_message_set, encode_message_set, message_headers, verify_message_crc

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.headers import RequestHeader
    from dotkafka.protocol.schema import Buffer, Message

GOLDEN = {path.stem: json.loads(path.read_text()) for path in sorted(Path(__file__).with_name("golden").glob("*.json"))}
CLIENTS = Path(__file__).parents[1] / "clients"

UNKNOWN = {("franz_go", "API_VERSIONS", 5)}
"""Requests that cannot be decoded: franz-go starts with a version of Kafka 4.4, and falls back."""

CUT_SHORT = {"platformatic"}
"""Clients whose subscriptions say version 1 and end where those of version 0 do."""


class Said(NamedTuple):
    """One request or response."""

    message: Message[Any]
    version: int
    header: bytes
    """As dotkafka writes it."""
    frame: bytes
    body: Any

    @property
    def body_bytes(self) -> bytes:
        """The frame without its header."""
        return self.frame[len(self.header) :]


@pytest.fixture(
    params=[entry for entries in GOLDEN.values() for entry in entries],
    ids=lambda entry: "-".join(
        (
            entry["requestHeader"]["requestApiKeyName"].lower(),
            str(entry["requestHeader"]["requestApiVersion"]),
            entry["client"],
        )
    ),
)
def entry(request: pytest.FixtureRequest) -> JsonObject:
    """What one client and a broker have said."""
    recorded: JsonObject = request.param
    return recorded


def frames(entry: JsonObject) -> list[RequestFrame | ResponseFrame]:
    """Return the request and, if there is one, its response, as a conversation decodes them."""
    conversation = Conversation()
    decoded: list[RequestFrame | ResponseFrame] = []
    for name, feed in (("request", conversation.feed_requests), ("response", conversation.feed_responses)):
        if (lines := entry[f"{name}Frame"]) is not None:
            frame = bytes.fromhex("".join(lines))
            decoded += feed(len(frame).to_bytes(4, "big") + frame)
    return decoded


@pytest.fixture
def said(entry: JsonObject) -> list[Said]:
    """The request and the response that can be decoded."""
    everything = []
    for item in frames(entry):
        assert item.header is not None
        api = api_for(item.header.api_key)
        if isinstance(item, RequestFrame):
            message, version, header = api.request, item.header.api_version, encode_request_header(item.header)
        else:
            assert item.version is not None
            message, version = api.response, item.version
            header = encode_response_header(item.header.api_key, version, item.header.correlation_id)
        if item.body is not None:
            everything.append(Said(message, version, header, bytes(item.frame), item.body))
    return everything


def test_decodes_to_what_was_recorded(entry: JsonObject) -> None:
    """What dotkafka makes of the bytes is what stands beside them, records included."""
    decoded: JsonObject = {}
    for item in frames(entry):
        decoded |= item.to_json(records=records_to_json)
    decoded.pop("frame", None)
    about = {"client", "library", "broker", "requestFrame", "responseFrame"}
    assert decoded == {name: value for name, value in entry.items() if name not in about}


def test_all_is_known(entry: JsonObject) -> None:
    """Every frame decodes, but for requests of versions that Kafka 4.3 does not have."""
    header = entry["requestHeader"]
    is_unknown = (entry["client"], header["requestApiKeyName"], header["requestApiVersion"]) in UNKNOWN
    assert [item.error is None for item in frames(entry)] == [not is_unknown, True][: len(frames(entry))]


def test_encodes_to_the_same_bytes(said: list[Said]) -> None:
    """Header and body, in one piece and in parts."""
    for message, version, header, frame, body in said:
        assert header + message.encode(version, body) == frame
        assert header + b"".join(message.encode_parts(version, body)) == frame


def test_the_interpreter_agrees(said: list[Said]) -> None:
    """It decodes the same and encodes the same as compiled code."""
    for item in said:
        layout = item.message.layout(item.version)
        assert decode_struct(layout, item.body_bytes, 0, item.message.max_cost) == item.body
        assert encode_struct(layout, item.body) == item.body_bytes


def test_json_reads_back(said: list[Said]) -> None:
    """A message goes through the text of JSON without losing a byte."""
    for item in said:
        text = json.dumps(to_json(item.message, item.version, item.body))
        body = from_json(item.message, item.version, json.loads(text))
        assert item.message.encode(item.version, body) == item.body_bytes


def test_records_decode(said: list[Said]) -> None:
    """CRCs are right, all records can be read, and what is not compressed is written again as it was."""
    for item in said:
        found: list[Buffer] = []
        to_json(item.message, item.version, item.body, records=found.append)
        for records in found:
            if records:
                (check_batches if records[MAGIC_POSITION] == 2 else check_message_set)(records)


def check_batches(data: Buffer) -> None:
    """Read record batches, the last of which may be cut short."""
    for batch in split_batches(data, allow_partial=True):
        header = read_header(batch)
        assert verify_crc(batch, 0, header)
        records = decode_records(batch)
        assert len(records) == header.record_count
        if header.compression == Compression.NONE:
            assert batch == encode_batch(
                records,
                base_offset=header.base_offset,
                partition_leader_epoch=header.partition_leader_epoch,
                producer_id=header.producer_id,
                producer_epoch=header.producer_epoch,
                base_sequence=header.base_sequence,
                is_transactional=header.is_transactional,
                is_control=header.is_control,
                base_timestamp_ms=header.base_timestamp_ms,
                keep_offsets=True,
            )


def check_message_set(data: Buffer) -> None:
    """Read messages of magic 0 or 1, the last of which may be cut short."""
    for position, header in message_headers(data, allow_partial=True):
        assert verify_message_crc(data, position, header)
        message = data[position : position + header.size_bytes]
        records = decode_message_set(message)
        assert records
        if header.compression == Compression.NONE:
            assert message == encode_message_set(records, magic=header.magic)


def test_what_members_say_to_each_other(entry: JsonObject, said: list[Said]) -> None:
    """Subscriptions and assignments inside of requests and responses decode, and encode to the same bytes."""
    for item in said:
        for kind, data in member_data(item.body):
            version = int.from_bytes(data[:2], "big")
            if kind is CONSUMER_PROTOCOL_SUBSCRIPTION and entry["client"] in CUT_SHORT:
                with pytest.raises(DecodeError, match="owned_partitions, byte"):
                    kind.decode(version, data, 2)
                version = 0
            assert data[:2] + kind.encode(version, kind.decode(version, data, 2)) == data


def member_data(body: Any) -> Iterator[tuple[Message[Any], bytes]]:
    """Yield what members of the protocol `consumer` have put into a request or response."""
    subscriptions: list[bytes] = []
    assignments: list[bytes] = []
    match body:
        case JoinGroupRequest():
            subscriptions = [protocol.metadata for protocol in body.protocols]
        case JoinGroupResponse():
            subscriptions = [member.metadata for member in body.members]
        case SyncGroupRequest():
            assignments = [one.assignment for one in body.assignments]
        case SyncGroupResponse():
            assignments = [body.assignment]
        case DescribeGroupsResponse():
            members = [member for group in body.groups for member in group.members]
            subscriptions = [member.member_metadata for member in members]
            assignments = [member.member_assignment for member in members]
    yield from ((CONSUMER_PROTOCOL_SUBSCRIPTION, data) for data in subscriptions if data)
    yield from ((CONSUMER_PROTOCOL_ASSIGNMENT, data) for data in assignments if data)


def test_envelopes_hold_requests(said: list[Said]) -> None:
    """What a broker hands on to the controller is a request, and what comes back is its response."""
    inside: RequestHeader | None = None
    for item in said:
        if isinstance(item.body, EnvelopeRequest):
            request = decode_request_frame(item.body.request_data)
            assert request.error is None
            inside = request.header
        elif isinstance(item.body, EnvelopeResponse) and item.body.response_data is not None:
            assert inside is not None
            assert decode_response_frame(item.body.response_data, inside).error is None


def test_every_client_and_all_that_it_uses() -> None:
    """Each client of tests/clients is there, and each API that it uses with requests that were answered."""
    answers: dict[tuple[str, str], bool] = {}
    for name, entries in GOLDEN.items():
        for one in entries:
            key = one["client"], name
            answers[key] = answers.get(key, False) or one["responseFrame"] is not None
    folders = {path.name for path in CLIENTS.iterdir() if path.is_dir() and not path.name.startswith("_")}
    assert {client for client, _ in answers} == {*folders, "apache_kafka"}
    assert [key for key, is_answered in answers.items() if not is_answered] == []


def test_every_kind_of_records() -> None:
    """Message sets and batches are there, in every compression that is used, and control batches."""
    found = {
        (node["magic"], node["compression"], node.get("isControl", False))
        for entries in (GOLDEN["produce"], GOLDEN["fetch"])
        for node in objects(entries)
        if "magic" in node
    }
    assert found == {
        *((0, compression, False) for compression in ("none", "gzip", "snappy")),
        *((1, compression, False) for compression in ("none", "gzip")),
        *((2, compression, False) for compression in ("none", "gzip", "snappy", "lz4", "zstd")),
        (2, "none", True),
    }


def objects(node: object) -> Iterator[JsonObject]:
    """Yield every object inside some JSON."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from objects(inner)
