"""Promises of `dotkafka.protocol.json_codec`: Kafka's names and forms, nothing lost, and errors that name the field."""

from __future__ import annotations

import contextlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dotkafka.errors import DecodeError, EncodeError
from dotkafka.protocol.json_codec import from_json, json_name, to_json
from dotkafka.protocol.layout import ArrayLayout, StructLayout
from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersion, ApiVersionsResponse
from dotkafka.protocol.messages.describe_topic_partitions import (
    DESCRIBE_TOPIC_PARTITIONS,
    DescribeTopicPartitionsRequest,
    TopicRequest,
)
from dotkafka.protocol.messages.fetch import FETCH, FetchRequest, FetchTopic, ReplicaState
from dotkafka.protocol.messages.heartbeat import HEARTBEAT, HeartbeatRequest
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataRequestTopic
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.protocol.messages.sasl_authenticate import SASL_AUTHENTICATE, SaslAuthenticateRequest
from dotkafka.protocol.schema import (
    Float64,
    Message,
    RawTaggedField,
    field,
    set_unknown_tagged_fields,
    struct,
    unknown_tagged_fields,
)

FACTS = json.loads(Path(__file__).with_name("facts.json").read_text())


def as_kafka_has_it(fields: list[dict[str, Any]]) -> list[Any]:
    """Return the names of fields as Kafka's converters write them: the definition's, its first letter made small."""
    return [(row["name"][0].lower() + row["name"][1:], as_kafka_has_it(row.get("fields", []))) for row in fields]


def as_written(layout: StructLayout) -> list[Any]:
    """Return the names of fields as dotkafka writes them, in the order of the definition."""
    held = {item.name: item.type for item in (*layout.fields, *layout.tagged, *layout.absent)}
    elements = {name: item.element if isinstance(item, ArrayLayout) else item for name, item in held.items()}
    return [
        (json_name(item.name), as_written(element) if isinstance(element := elements[item.name], StructLayout) else [])
        for item in layout.cls.struct_fields
    ]


def test_names_are_kafkas(any_message: Message[Any]) -> None:
    """Each field of each message has the name that Kafka's JSON converter gives it."""
    layout = any_message.layout(any_message.versions.highest)
    assert as_written(layout) == as_kafka_has_it(FACTS[any_message.struct.__name__]["fields"])


@pytest.mark.parametrize(
    ("name", "kafkas"),
    [
        ("isr", "isr"),
        ("timeout_ms", "timeoutMs"),
        ("last_known_elr", "lastKnownElr"),
        ("is_kraft_controller", "isKRaftController"),
        ("kraft_version", "kRaftVersion"),
        ("kraft_version_feature", "kRaftVersionFeature"),
    ],
)
def test_names_in_camel_case(name: str, kafkas: str) -> None:
    """Words start with a capital, except the first, and KRaft keeps both of its own."""
    assert json_name(name) == kafkas


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_round_trip(any_message: Message[Any], message_values: Any, data: st.DataObject) -> None:
    """Whatever can be written at a version comes back from JSON text as it was, unknown tagged fields included."""
    version, value = data.draw(message_values(any_message))
    text = json.dumps(to_json(any_message, version, value), allow_nan=False)
    again = from_json(any_message, version, json.loads(text))
    assert again == value
    assert any_message.encode(version, again) == any_message.encode(version, value)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_only_its_own_error_leaves(any_message: Message[Any], message_values: Any, data: st.DataObject) -> None:
    """JSON with anything in the place of one value is read to something that can be encoded, or is a DecodeError."""
    version, value = data.draw(message_values(any_message))
    node = to_json(any_message, version, value)
    junk: st.SearchStrategy[Any] = (
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([{}]) | st.just({})
    )
    places: list[tuple[Any, Any]] = []
    _collect_places(node, places)
    if not places:
        return
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(junk)
    with contextlib.suppress(DecodeError):
        any_message.encode(version, from_json(any_message, version, node))


def _collect_places(node: Any, places: list[tuple[Any, Any]]) -> None:
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        places.append((node, key))
        if isinstance(value, dict | list):
            _collect_places(value, places)


WRITTEN: list[tuple[str, Message[Any], int, Any, str]] = [
    (
        "null, an id, and names of one version",
        METADATA.request,
        12,
        MetadataRequest(topics=[MetadataRequestTopic(topic_id=bytes(range(16)), name=None)]),
        (
            '{"topics": [{"topicId": "AAECAwQFBgcICQoLDA0ODw", "name": null}], "allowAutoTopicCreation": true, '
            '"includeTopicAuthorizedOperations": false}'
        ),
    ),
    ("an older version", METADATA.request, 1, MetadataRequest(topics=None), '{"topics": null}'),
    (
        "bytes are base64 with its padding",
        SASL_AUTHENTICATE.request,
        0,
        SaslAuthenticateRequest(auth_bytes=b"\xff\xfe\x00\x01"),
        '{"authBytes": "//4AAQ=="}',
    ),
    (
        "int64 as a number; tagged fields only where they say something",
        API_VERSIONS.response,
        3,
        ApiVersionsResponse(api_keys=[ApiVersion(18, 0, 4)], finalized_features_epoch=2**62),
        (
            '{"errorCode": 0, "apiKeys": [{"apiKey": 18, "minVersion": 0, "maxVersion": 4}], "throttleTimeMs": 0, '
            '"finalizedFeaturesEpoch": 4611686018427387904}'
        ),
    ),
    (
        "a struct in a tagged field, an absent one left out",
        FETCH.request,
        15,
        FetchRequest(max_wait_ms=1, replica_state=ReplicaState(2, 3)),
        (
            '{"maxWaitMs": 1, "minBytes": 0, "maxBytes": 2147483647, "isolationLevel": 0, "sessionId": 0, '
            '"sessionEpoch": -1, "topics": [], "forgottenTopicsData": [], "rackId": "", '
            '"replicaState": {"replicaId": 2, "replicaEpoch": 3}}'
        ),
    ),
    (
        "a struct that is null",
        DESCRIBE_TOPIC_PARTITIONS.request,
        0,
        DescribeTopicPartitionsRequest(topics=[TopicRequest("t")]),
        '{"topics": [{"name": "t"}], "responsePartitionLimit": 2000, "cursor": null}',
    ),
]


@pytest.mark.parametrize(("message", "version", "value", "text"), [row[1:] for row in WRITTEN])
def test_forms_are_kafkas(message: Message[Any], version: int, value: Any, text: str) -> None:
    """These objects are what Kafka's converters make of the same messages."""
    assert to_json(message, version, value) == json.loads(text)
    assert from_json(message, version, json.loads(text)) == value


PRODUCED = ProduceRequest(topic_data=[TopicProduceData("t", partition_data=[PartitionProduceData(0, b"\x01\x02\x03")])])


def test_records_as_base64_or_size_or_as_the_caller_likes() -> None:
    """Nothing is lost unless sizes are asked for; a function can show what is inside."""

    def partition(**options: Any) -> Any:
        return to_json(PRODUCE.request, 9, PRODUCED, **options)["topicData"][0]["partitionData"][0]

    assert partition() == {"index": 0, "records": "AQID"}
    assert partition(records=None) == {"index": 0, "recordsSizeInBytes": 3}
    assert partition(records=lambda data: [*data]) == {"index": 0, "records": [1, 2, 3]}


def test_sizes_of_records_cannot_be_read_back() -> None:
    """The error names what is there in the place of the records."""
    with pytest.raises(DecodeError, match=r"partitionData\.0: there is no field 'recordsSizeInBytes' in version 9"):
        from_json(PRODUCE.request, 9, to_json(PRODUCE.request, 9, PRODUCED, records=None))


def test_unknown_tagged_fields_are_kept() -> None:
    """They stand under a name that no field has."""
    request = HeartbeatRequest(group_id="g")
    set_unknown_tagged_fields(request, [RawTaggedField(7, b"\x00\xff")])
    node = to_json(HEARTBEAT.request, 4, request)
    assert node["_unknownTaggedFields"] == [{"tag": 7, "data": "AP8="}]
    assert unknown_tagged_fields(from_json(HEARTBEAT.request, 4, node)) == (RawTaggedField(7, b"\x00\xff"),)


@struct
class Measurement:
    """A message with a float: Kafka's own have them only in telemetry."""

    value: Float64 = field()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (math.inf, '"Infinity"'), (-math.inf, '"-Infinity"'), (math.nan, '"NaN"')],
)
def test_floats(value: float, text: str) -> None:
    """What JSON has no number for is a string, so that any JSON parser can read it."""
    message = Message(Measurement, versions="0")
    node = to_json(message, 0, Measurement(value))
    assert json.dumps(node, allow_nan=False) == f'{{"value": {text}}}'
    assert str(from_json(message, 0, node).value) == str(value)


def heartbeat(**changes: Any) -> dict[str, Any]:
    """Return the JSON of a heartbeat of version 4, with changes; `...` takes a name out."""
    node = {"groupId": "g", "generationId": 1, "memberId": "m", "groupInstanceId": None} | changes
    return {name: value for name, value in node.items() if value is not ...}


NOT_READ = [
    ([], "HeartbeatRequest version 4: an object is needed, not an array"),
    (heartbeat(groupId=...), "HeartbeatRequest version 4.groupId: it is missing, and version 4 needs it"),
    (heartbeat(more=1), "HeartbeatRequest version 4: there is no field 'more' in version 4"),
    (heartbeat(groupId=None), "HeartbeatRequest version 4.groupId: null is not allowed here"),
    (heartbeat(groupId=5), "HeartbeatRequest version 4.groupId: a string is needed, not 5"),
    (heartbeat(groupId="\ud800"), "version 4.groupId: cannot be written as UTF-8: surrogates not allowed"),
    (heartbeat(groupId="x" * 32768), "version 4.groupId: a string of 32768 bytes is longer than 32767"),
    (heartbeat(generationId=2**31), "HeartbeatRequest version 4.generationId: 2147483648 is no int32"),
    (heartbeat(generationId=10**5000), "version 4.generationId: a number of many digits is no int32"),
    (heartbeat(generationId=1.0), "HeartbeatRequest version 4.generationId: 1.0 is no int32"),
    (heartbeat(generationId=True), "HeartbeatRequest version 4.generationId: true is no int32"),
    (heartbeat(_unknownTaggedFields={}), "version 4._unknownTaggedFields: an array is needed, not an object"),
    (heartbeat(_unknownTaggedFields=[{"tag": 1}]), '_unknownTaggedFields.0: {"tag": ..., "data": ...} is needed'),
    (heartbeat(_unknownTaggedFields=[{"tag": -1, "data": ""}]), "_unknownTaggedFields.0: -1 is no tag"),
    (heartbeat(_unknownTaggedFields=[{"tag": 1, "data": "?"}]), "_unknownTaggedFields.0: '?' is no base64"),
    (
        heartbeat(_unknownTaggedFields=[{"tag": 1, "data": ""}] * 2),
        "_unknownTaggedFields.1: tag 1 is known, or is there twice",
    ),
]


@pytest.mark.parametrize(("node", "reason"), NOT_READ, ids=[reason for _, reason in NOT_READ])
def test_what_is_not_a_message_is_refused(node: Any, reason: str) -> None:
    """The error names the field by its path, what was needed, and what was there."""
    with pytest.raises(DecodeError) as refused:
        from_json(HEARTBEAT.request, 4, node)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({"topics": [{"topicId": "short", "name": None}]}, "topics.0.topicId: 'short' is"),
        ({"topics": [{"topicId": 1, "name": None}]}, "topics.0.topicId: an id as a string is needed, not 1"),
        ({"topics": "all"}, "topics: an array is needed, not 'all'"),
        ({"topics": [], "allowAutoTopicCreation": 1}, "allowAutoTopicCreation: true or false is needed, not 1"),
    ],
)
def test_errors_inside_arrays_name_the_element(node: Any, reason: str) -> None:
    """The path has the index of the element."""
    with pytest.raises(DecodeError) as refused:
        from_json(METADATA.request, 12, node)
    assert f"MetadataRequest version 12.{reason}" in str(refused.value)


@pytest.mark.parametrize(
    ("message", "version", "value", "reason"),
    [
        (HEARTBEAT.request, 0, HeartbeatRequest(group_instance_id="i"), "version 0.group_instance_id: it is set, and"),
        (HEARTBEAT.request, 4, HeartbeatRequest(group_id=None), "version 4.group_id: null is not allowed here"),  # type: ignore[arg-type]
        (HEARTBEAT.request, 4, HeartbeatRequest(generation_id=2**31), "generation_id: 2147483648 is no int32"),
        (HEARTBEAT.request, 4, HeartbeatRequest(member_id=b"m"), "member_id: a string is needed, not bytes"),  # type: ignore[arg-type]
        (HEARTBEAT.request, 4, MetadataRequest(), "version 4: a HeartbeatRequest is needed, not MetadataRequest"),
        (FETCH.request, 13, FetchRequest(topics=[FetchTopic(topic_id=b"1")]), "topics.0.topic_id: an id of 16 bytes"),
        (FETCH.request, 13, FetchRequest(topics=7), "topics: a sequence is needed, not int"),  # type: ignore[arg-type]
        (SASL_AUTHENTICATE.request, 0, SaslAuthenticateRequest("pw"), "auth_bytes: bytes are needed, not str"),  # type: ignore[arg-type]
    ],
)
def test_what_does_not_fit_is_not_written(message: Message[Any], version: int, value: Any, reason: str) -> None:
    """A value that could not be encoded is no JSON either, and the error says where it is."""
    with pytest.raises(EncodeError) as refused:
        to_json(message, version, value)
    assert reason in str(refused.value)


def test_tagged_fields_need_a_flexible_version() -> None:
    """There is no place for them in the others, and none is made up."""
    request = HeartbeatRequest()
    set_unknown_tagged_fields(request, [RawTaggedField(7, b"")])
    with pytest.raises(EncodeError, match="version 3 has no place for them"):
        to_json(HEARTBEAT.request, 3, request)


def test_an_unknown_version_is_refused() -> None:
    """In both directions, and it says which there are."""
    with pytest.raises(EncodeError, match="HeartbeatRequest has versions 0-4, not 5"):
        to_json(HEARTBEAT.request, 5, HeartbeatRequest())
    with pytest.raises(DecodeError, match="HeartbeatRequest has versions 0-4, not 5"):
        from_json(HEARTBEAT.request, 5, {})
