"""Promises of `dotkafka.protocol.conversation`: responses are decoded by their requests, and nothing is lost."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.conversation import Conversation, decode_request_frame, decode_response_frame
from dotkafka.protocol.headers import RequestHeader, encode_request_header, encode_response_header
from dotkafka.protocol.json_codec import base64_text
from dotkafka.protocol.messages.api_versions import (
    API_VERSIONS,
    ApiVersion,
    ApiVersionsRequest,
    ApiVersionsResponse,
)
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest, HeartbeatResponse
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataResponse
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.messages.sasl_handshake import SASL_HANDSHAKE, SaslHandshakeRequest, SaslHandshakeResponse

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Api


def framed(frame: bytes) -> bytes:
    """Return a frame with its size in front."""
    return len(frame).to_bytes(4, "big") + frame


def request(api: Api[Any, Any], version: int, correlation_id: int, body: Any) -> bytes:
    """Return a request as a client sends it."""
    header = RequestHeader(api.key, version, correlation_id, "test")
    return framed(encode_request_header(header) + api.encode_request(version, body))


def response(api: Api[Any, Any], version: int, correlation_id: int, body: Any) -> bytes:
    """Return a response as a broker sends it."""
    return framed(encode_response_header(api.key, version, correlation_id) + api.encode_response(version, body))


REQUESTS = [
    request(API_VERSIONS, 3, 1, ApiVersionsRequest("test", "1")),
    request(METADATA, 12, 2, MetadataRequest(topics=None)),
    request(PRODUCE, 9, 3, ProduceRequest(acks=0, topic_data=[TopicProduceData("t")])),
    request(HEARTBEAT, 4, 4, HeartbeatRequest("g")),
]
RESPONSES = [
    response(API_VERSIONS, 3, 1, ApiVersionsResponse(api_keys=[ApiVersion(18, 0, 4)])),
    response(METADATA, 12, 2, MetadataResponse(cluster_id="c")),
    response(HEARTBEAT, 4, 4, HeartbeatResponse(error_code=27)),
]


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """Cut data at some places."""
    places = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


@given(st.lists(st.integers(0), max_size=5), st.lists(st.integers(0), max_size=5))
def test_each_response_is_decoded_by_its_request(request_cuts: list[int], response_cuts: list[int]) -> None:
    """In whatever pieces the bytes come, and with a request between that nobody answers."""
    conversation = Conversation()
    sent = [item for piece in pieces(b"".join(REQUESTS), request_cuts) for item in conversation.feed_requests(piece)]
    assert [item.header for item in sent] == [
        RequestHeader(18, 3, 1, "test"),
        RequestHeader(3, 12, 2, "test"),
        RequestHeader(0, 9, 3, "test"),
        RequestHeader(12, 4, 4, "test"),
    ]
    assert sent[3].body == HeartbeatRequest("g")
    assert [framed(bytes(item.frame)) for item in sent] == REQUESTS
    assert conversation.unanswered_count == 3
    got = [item for piece in pieces(b"".join(RESPONSES), response_cuts) for item in conversation.feed_responses(piece)]
    assert [(item.header.api_key, item.version) for item in got if item.header] == [(18, 3), (3, 12), (12, 4)]
    assert got[1].body.cluster_id == "c"
    assert [framed(bytes(item.frame)) for item in got] == RESPONSES
    assert conversation.unanswered_count == 0
    assert conversation.is_between_frames


def test_responses_may_come_in_another_order() -> None:
    """The correlation id alone says which request is answered."""
    conversation = Conversation()
    conversation.feed_requests(b"".join(REQUESTS))
    got = conversation.feed_responses(b"".join(reversed(RESPONSES)))
    assert [item.body.error_code for item in (got[0], got[2])] == [27, 0]


def test_produce_without_acknowledgement_expects_no_response() -> None:
    """With acks 1 it does, and when its body cannot be read it may."""
    expects = {
        acks: decode_request_frame(request(PRODUCE, 9, 3, ProduceRequest(acks=acks))[4:]).expects_response
        for acks in (0, 1, -1)
    }
    assert expects == {0: False, 1: True, -1: True}
    assert decode_request_frame(request(PRODUCE, 9, 3, ProduceRequest())[4:-3]).expects_response


@pytest.mark.parametrize("version", [3, 4, 9])
def test_api_versions_that_the_broker_does_not_know(version: int) -> None:
    """The answer is in version 0 then, whatever was asked for, and even if nobody knows the version asked for."""
    conversation = Conversation()
    asked = encode_request_header(RequestHeader(18, version, 5)) + b"\x01\x01\x00"
    (sent,) = conversation.feed_requests(framed(asked))
    assert (sent.error is not None) == (version == 9)
    refusal = ApiVersionsResponse(error_code=35, api_keys=[ApiVersion(18, 0, 2)])
    (got,) = conversation.feed_responses(response(API_VERSIONS, 0, 5, refusal))
    assert got.version == 0
    assert got.body == refusal
    assert got.to_json()["responseVersion"] == 0


def sasl_conversation(version: int) -> Conversation:
    """Return a conversation that has come as far as the answer to SaslHandshake."""
    conversation = Conversation()
    conversation.feed_requests(request(SASL_HANDSHAKE, version, 1, SaslHandshakeRequest("PLAIN")))
    conversation.feed_responses(response(SASL_HANDSHAKE, version, 1, SaslHandshakeResponse(mechanisms=["PLAIN"])))
    return conversation


@pytest.mark.parametrize(
    ("tokens", "answers"),
    [
        ([b"\x00alice\x00secret"], [b""]),
        ([b"\x00\x03\x00\x0c"], [b""]),
        ([b"n,,n=user,r=abc", b"c=biws,r=abcdef,p=xyz="], [b"r=abcdef,s=c2FsdA==,i=4096", b"v=abc="]),
        ([b"\x60\x82\x01\x00gss", b"", b"\x05\x04\x04\xff"], [b"\x60\x81gss", b"\x05\x04\x00\xff", b""]),
    ],
    ids=["plain", "looks like a header at first", "scram", "gssapi"],
)
def test_tokens_after_sasl_handshake_0(tokens: list[bytes], answers: list[bytes]) -> None:
    """Both sides' frames are handed out as tokens, until the client sends a request; then all is as usual."""
    conversation = sasl_conversation(0)
    for token, answer in zip(tokens, answers, strict=True):
        (sent,) = conversation.feed_requests(framed(token))
        (got,) = conversation.feed_responses(framed(answer))
        assert (sent.is_sasl_token, sent.frame, sent.error, sent.expects_response) == (True, token, None, True)
        assert (got.is_sasl_token, got.frame, got.error) == (True, answer, None)
        assert sent.to_json() == {"saslToken": base64_text(token)}
    (sent,) = conversation.feed_requests(REQUESTS[1])
    (got,) = conversation.feed_responses(RESPONSES[1])
    assert sent.body == MetadataRequest(topics=None)
    assert got.body.cluster_id == "c"
    assert conversation.feed_requests(framed(b"\x00alice"))[0].error is not None


def test_no_tokens_after_sasl_handshake_1() -> None:
    """There they travel in SaslAuthenticate, and a frame without a header is an error."""
    (sent,) = sasl_conversation(1).feed_requests(framed(b"\x00alice\x00secret"))
    assert not sent.is_sasl_token
    assert sent.error is not None


UNDECODED = [
    (framed(b"\x00\x03"), None, "a request of 2 bytes is shorter than its header"),
    (framed(b"\x03\xe7\x00\x00\x00\x00\x00\x07\xff\xff more"), 999, "no API has the key 999"),
    (framed(encode_request_header(RequestHeader(3, 99, 7)) + b"x"), 3, "MetadataRequest has versions 0-13, not 99"),
    (framed(encode_request_header(RequestHeader(12, 3, 7)) + b"\x00"), 12, "HeartbeatRequest version 3.group_id"),
]


@pytest.mark.parametrize(("data", "api_key", "reason"), UNDECODED, ids=[row[2] for row in UNDECODED])
def test_a_request_that_cannot_be_decoded_is_kept(data: bytes, api_key: int | None, reason: str) -> None:
    """Its bytes are handed out with the reason, its header if that could be read; the next request is decoded."""
    conversation = Conversation()
    bad, good = conversation.feed_requests(data + REQUESTS[1])
    assert framed(bytes(bad.frame)) == data
    assert bad.body is None
    assert reason in str(bad.error)
    assert (bad.header and bad.header.api_key) == api_key
    assert good.body == MetadataRequest(topics=None)
    node = json.loads(json.dumps(bad.to_json()))
    assert (reason in node["error"], node["frame"]) == (True, base64_text(data[4:]))
    if api_key is not None:
        (answer,) = conversation.feed_responses(framed(b"\x00\x00\x00\x07\x00"))
        assert answer.header == bad.header
        assert answer.error is not None


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"\x00\x00", "a response of 2 bytes is shorter than its header"),
        (b"\x00\x00\x00\x09late", "no request with the correlation id 9 waits for a response"),
        (b"\x00\x00\x00\x02\x00\x00", "MetadataResponse version 12.throttle_time_ms, byte 5: 4 bytes are needed"),
    ],
)
def test_a_response_that_cannot_be_decoded_is_kept(frame: bytes, reason: str) -> None:
    """Its bytes are handed out with the reason, and the next response is decoded."""
    conversation = Conversation()
    conversation.feed_requests(b"".join(REQUESTS))
    bad, good = conversation.feed_responses(framed(frame) + RESPONSES[0])
    assert bad.frame == frame
    assert reason in str(bad.error)
    assert bad.to_json()["frame"] == base64_text(frame)
    assert good.body.api_keys == [ApiVersion(18, 0, 4)]


def test_two_requests_with_one_correlation_id() -> None:
    """They are answered in the order in which they were sent."""
    conversation = Conversation()
    conversation.feed_requests(
        request(METADATA, 12, 8, MetadataRequest()) + request(HEARTBEAT, 4, 8, HeartbeatRequest())
    )
    first, second = conversation.feed_responses(
        response(METADATA, 12, 8, MetadataResponse()) + response(HEARTBEAT, 4, 8, HeartbeatResponse())
    )
    assert (type(first.body), type(second.body)) == (MetadataResponse, HeartbeatResponse)


def test_memory_for_unanswered_requests_is_bounded() -> None:
    """Beyond the bound the oldest is forgotten, and its response is handed out undecoded."""
    conversation = Conversation(max_unanswered=2)
    for correlation_id in range(5):
        conversation.feed_requests(request(HEARTBEAT, 4, correlation_id, HeartbeatRequest()))
    assert conversation.unanswered_count == 2
    answers = b"".join(response(HEARTBEAT, 4, number, HeartbeatResponse()) for number in range(5))
    assert [item.body is None for item in conversation.feed_responses(answers)] == [True, True, True, False, False]


def test_a_size_out_of_bounds_ends_one_direction() -> None:
    """What came before it is handed out, and the other direction goes on."""
    conversation = Conversation(max_frame_bytes=1000)
    (sent,) = conversation.feed_requests(REQUESTS[1] + b"GET / HTTP/1.1\r\n")
    assert sent.error is None
    assert "which is how HTTP begins; 0 to 1000 are allowed" in str(conversation.request_error)
    assert conversation.feed_requests(REQUESTS[0]) == []
    assert len(conversation.feed_responses(RESPONSES[1])) == 1
    assert conversation.response_error is None
    conversation.feed_responses(b"\xff\xff\xff\xff")
    assert conversation.response_error is not None


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=30) | st.sampled_from(REQUESTS + RESPONSES)), max_size=20))
def test_whatever_comes(steps: list[tuple[bool, bytes]]) -> None:
    """Any frames in any order are decoded or kept: no exception leaves, no frame is lost, all of it can be shown."""
    conversation = Conversation(max_unanswered=3)
    for is_request, frame in steps:
        shown = conversation.feed_requests(framed(frame)) if is_request else conversation.feed_responses(framed(frame))
        assert [item.frame for item in shown] == [frame]
        assert json.dumps([item.to_json() for item in shown], allow_nan=False)
        assert conversation.unanswered_count <= 3


def test_json_is_that_of_kafkas_request_log() -> None:
    """Header and body stand under the names of KIP-673; records as the caller wants them."""
    body = ProduceRequest(acks=1, topic_data=[TopicProduceData("t", partition_data=[PartitionProduceData(0, b"123")])])
    frame = request(PRODUCE, 9, 3, body)[4:]
    assert decode_request_frame(frame).to_json(records=None) == {
        "requestHeader": {
            "requestApiKey": 0,
            "requestApiVersion": 9,
            "correlationId": 3,
            "clientId": "test",
            "requestApiKeyName": "PRODUCE",
        },
        "request": {
            "transactionalId": None,
            "acks": 1,
            "timeoutMs": 0,
            "topicData": [{"name": "t", "partitionData": [{"index": 0, "recordsSizeInBytes": 3}]}],
        },
    }
    header = RequestHeader(ApiKey.HEARTBEAT, 4, 4)
    assert decode_response_frame(RESPONSES[2][4:], header).to_json()["response"] == {
        "throttleTimeMs": 0,
        "errorCode": 27,
    }
