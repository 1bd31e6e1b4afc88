"""From frames to handlers: what is served, and what closes the connection."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotkafka.broker.dispatch import HANDLERS, error_for
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest


@pytest.mark.parametrize("key", [4, 5, 6, 7, 92, 999, -1])
def test_an_unknown_api_key_closes_the_connection(client, running, key):
    """Nothing is answered, for there is no telling what layout the client would read."""
    client.send_frame(key.to_bytes(2, "big", signed=True) + bytes(6) + b"\xff\xff")
    assert client.is_closed_by_broker
    assert running.connect().call(API_VERSIONS, 0, ApiVersionsRequest()).error_code == ErrorCode.NONE


@pytest.mark.parametrize("key", sorted(set(HANDLERS) - {API_VERSIONS.key}))
def test_versions_outside_of_the_served_range_close_the_connection(boot, key):
    """Of every API: the version after the last, the one before the first, and one far away."""
    running = boot()
    versions = HANDLERS[key].versions
    for version in (versions.highest + 1, versions.lowest - 1, 32767):
        client = running.connect()
        client.send_frame(encode_request_header(RequestHeader(key, max(version, -1), 1, None)) + bytes(64))
        assert client.is_closed_by_broker, version


@pytest.mark.parametrize("key", sorted(HANDLERS))
def test_a_truncated_body_closes_the_connection(boot, key):
    """Of every API: a request without its body is no request, and others go on."""
    running = boot()
    handler = HANDLERS[key]
    version = handler.versions.highest
    body = handler.api.encode_request(version, handler.api.request.struct())
    for length in range(len(body)):
        client = running.connect()
        client.send_frame(encode_request_header(RequestHeader(key, version, 1, "c")) + body[:length])
        assert client.is_closed_by_broker, f"{length} of {len(body)} bytes"
    assert running.connect().call(API_VERSIONS, 0, ApiVersionsRequest()).error_code == ErrorCode.NONE


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(
    st.sampled_from(sorted(HANDLERS)),
    st.integers(0, 19),
    st.binary(max_size=80),
)
def test_no_bytes_break_the_broker(running, key, version, body):
    """Whatever a peer sends, it is answered, waits, or has its connection closed; the broker goes on."""
    client = running.connect()
    client.send_frame(encode_request_header(RequestHeader(key, version, 1, "c")) + body)
    running.settle()
    client.connection.take_responses()
    running.broker.disconnect(client.connection, running.machine.now)
    assert running.connect().call(API_VERSIONS, 0, ApiVersionsRequest()).error_code == ErrorCode.NONE
    for log in running.broker.shard.logs.values():
        log.check_invariants()


def test_bytes_after_the_request_are_ignored(client):
    """Old librdkafka sends four bytes too many; Kafka does not look at them."""
    frame = encode_request_header(RequestHeader(API_VERSIONS.key, 0, 7, "rdkafka")) + bytes(4)
    client.send_frame(frame)
    response = b"".join(client.connection.take_responses())
    assert response[4:10] == bytes([0, 0, 0, 7, 0, 0])


def test_a_defect_of_a_handler_closes_the_connection(client, running, monkeypatch, caplog):
    """An exception that nobody foresaw is logged and ends this one connection."""

    def broken(broker, request, exchange):
        raise ZeroDivisionError

    monkeypatch.setitem(HANDLERS, METADATA.key, HANDLERS[METADATA.key]._replace(function=broken))
    client.send(METADATA, 1, MetadataRequest(topics=None), expects_response=False)
    assert client.is_closed_by_broker
    assert "ZeroDivisionError" in caplog.text
    assert running.connect().call(API_VERSIONS, 0, ApiVersionsRequest()).error_code == ErrorCode.NONE


def test_what_is_registered_fits_its_codec():
    """No handler serves a version that its codec does not have, and every served version is advertised or older."""
    for handler in HANDLERS.values():
        assert handler.versions.lowest in handler.api.versions, handler.name
        assert handler.versions.highest in handler.api.versions, handler.name
        assert handler.versions.highest == handler.advertised.highest, handler.name


def test_error_for():
    """A refusal is its code and its message."""
    assert error_for(ApiError(3, "no such topic")) == (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "no such topic")
