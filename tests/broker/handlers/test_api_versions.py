"""ApiVersions: what clients choose their versions from."""

import pytest

from dotkafka.broker.dispatch import HANDLERS
from dotkafka.protocol.apis import ApiKey
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest


@pytest.mark.parametrize("version", [5, 99, 32767])
def test_a_version_that_is_too_new(client, version):
    """The answer has the layout of version 0, UNSUPPORTED_VERSION and the range of ApiVersions (KIP-511)."""
    # Nothing but the header is looked at: the body is of a layout that nobody here knows.
    client.send_frame(
        bytes([0, 18]) + version.to_bytes(2, "big") + bytes([0, 0, 0, 7, 0, 1]) + b"c\x00" + b"\xff\xfe\xfd"
    )
    answer = b"".join(client.connection.take_responses())
    assert answer.hex(" ") == "00 00 00 10 00 00 00 07 00 23 00 00 00 01 00 12 00 00 00 04"
    assert client.call(API_VERSIONS, 4, ApiVersionsRequest("c", "1")).error_code == ErrorCode.NONE


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4])
def test_what_is_advertised_is_what_is_served(client, version):
    """Every registered API, in the order of keys, with its range; Produce from 0 though 0-2 are refused."""
    response = client.call(API_VERSIONS, version, ApiVersionsRequest("test", "1.0"))
    assert response.error_code == ErrorCode.NONE
    ranges = {api.api_key: (api.min_version, api.max_version) for api in response.api_keys}
    assert list(ranges) == sorted(HANDLERS)
    assert ranges[ApiKey.PRODUCE] == (0, 13)
    assert ranges[ApiKey.FETCH] == (4, 18)


@pytest.mark.parametrize(
    ("key", "version"),
    [
        (ApiKey.API_VERSIONS, 0),
        (ApiKey.PRODUCE, 0),
        (ApiKey.PRODUCE, 3),
        (ApiKey.PRODUCE, 7),
        (ApiKey.FETCH, 4),
        (ApiKey.FETCH, 10),
        (ApiKey.FIND_COORDINATOR, 0),
        (ApiKey.OFFSET_COMMIT, 2),
        (ApiKey.OFFSET_FETCH, 1),
        (ApiKey.JOIN_GROUP, 0),
        (ApiKey.SYNC_GROUP, 0),
        (ApiKey.HEARTBEAT, 0),
        (ApiKey.LEAVE_GROUP, 0),
        (ApiKey.LIST_OFFSETS, 1),
        (ApiKey.INIT_PRODUCER_ID, 0),
    ],
)
def test_what_old_librdkafka_looks_for(client, key, version):
    """Up to 2.11.0 it switches a feature off unless this very version is inside the advertised range."""
    response = client.call(API_VERSIONS, 0, ApiVersionsRequest())
    (found,) = [api for api in response.api_keys if api.api_key == key]
    assert found.min_version <= version <= found.max_version


def test_the_client_says_who_it_is(client):
    """From version 3 name and version of the library are kept for the connection."""
    client.call(API_VERSIONS, 3, ApiVersionsRequest("kafka-tool.js", "2.2.4-rc1"))
    assert client.connection.client_software == ("kafka-tool.js", "2.2.4-rc1")


@pytest.mark.parametrize(("name", "version"), [("", "1"), ("-a", "1"), ("a", "1 "), ("a\n", "1"), ("a" * 3 + "é", "1")])
def test_names_that_are_none(client, name, version):
    """What could spoil a log or a metric is refused; the connection goes on."""
    assert client.call(API_VERSIONS, 3, ApiVersionsRequest(name, version)).error_code == ErrorCode.INVALID_REQUEST
    assert client.connection.client_software == ("unknown", "unknown")
    assert client.call(API_VERSIONS, 0, ApiVersionsRequest()).error_code == ErrorCode.NONE


def test_the_response_header_is_always_version_0(client):
    """A client that cannot know what the broker speaks must be able to read the answer."""
    body = API_VERSIONS.encode_request(3, ApiVersionsRequest("c", "1"))
    client.send_frame(encode_request_header(RequestHeader(18, 3, 9, "c")) + body)
    answer = b"".join(client.connection.take_responses())
    # Correlation id, then at once the error code, without a tag section.
    assert answer[4:10] == bytes([0, 0, 0, 9, 0, 0])


@pytest.mark.parametrize("version", [3, 4])
def test_features(client, version):
    """Groups may use the consumer protocol; that they might not, only newer clients can read (KAFKA-17492)."""
    response = client.call(API_VERSIONS, version, ApiVersionsRequest("test", "1.0"))
    assert [(f.name, f.min_version_level, f.max_version_level) for f in response.finalized_features] == [
        ("group.version", 1, 1)
    ]
    assert response.finalized_features_epoch >= 0
    supported = [(feature.name, feature.min_version, feature.max_version) for feature in response.supported_features]
    assert supported == ([("group.version", 0, 1)] if version == 4 else [])
