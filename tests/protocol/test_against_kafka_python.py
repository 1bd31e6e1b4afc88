"""Our bytes against another codec's: kafka-python, which reads Kafka's own definitions.

Each message is written by dotkafka, read by kafka-python, written by it, and must be the same bytes again.
"""

from __future__ import annotations

import importlib
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from dotkafka.protocol.messages.api_versions import ApiVersion, ApiVersionsResponse, SupportedFeatureKey
from dotkafka.protocol.messages.fetch import (
    AbortedTransaction,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    LeaderIdAndEpoch,
    NodeEndpoint,
    PartitionData,
)
from dotkafka.protocol.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from dotkafka.protocol.messages.metadata import (
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from dotkafka.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData

if TYPE_CHECKING:
    from dotkafka.protocol.schema import Message

RECORDS = bytes(range(256)) * 100
TOPIC_ID = bytes(range(16))
MESSAGES = [
    MetadataResponse(
        brokers=[MetadataResponseBroker(1, "host", 9092, rack="r"), MetadataResponseBroker(2, "höst", 9093)],
        cluster_id="c",
        topics=[
            MetadataResponseTopic(
                name="topic" * 30,
                topic_id=TOPIC_ID,
                partitions=[
                    MetadataResponsePartition(0, index, 1, replica_nodes=[1, 2, 3], isr_nodes=[1], offline_replicas=())
                    for index in range(200)
                ],
            )
        ],
    ),
    FetchRequest(
        max_wait_ms=500,
        min_bytes=1,
        isolation_level=1,
        topics=[FetchTopic("t", TOPIC_ID, [FetchPartition(3, 4, 5, partition_max_bytes=6)])],
    ),
    FetchResponse(
        responses=[
            FetchableTopicResponse(
                "t",
                TOPIC_ID,
                [
                    PartitionData(1, 0, 10, 9, 8, aborted_transactions=[AbortedTransaction(1, 2)], records=RECORDS),
                    PartitionData(2, 3, aborted_transactions=None, records=None),
                ],
            )
        ]
    ),
    ProduceRequest(acks=-1, topic_data=[TopicProduceData("t", TOPIC_ID, [PartitionProduceData(1, RECORDS)])]),
    ApiVersionsResponse(api_keys=[ApiVersion(0, 0, 13), ApiVersion(1, 0, 18)]),
    JoinGroupResponse(
        generation_id=2, protocol_name="range", members=[JoinGroupResponseMember("m", metadata=b"x" * 200)]
    ),
    OffsetCommitRequest(
        "g", 1, "m", topics=[OffsetCommitRequestTopic("t", TOPIC_ID, [OffsetCommitRequestPartition(1, 2)])]
    ),
]


def theirs(name: str) -> Any:
    """Return kafka-python's class of a message; importing it warns of its own use of importlib."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        modules = [importlib.import_module(f"kafka.protocol.{part}") for part in ("consumer", "metadata", "producer")]
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def same_bytes(message: Message[Any], value: Any, version: int) -> None:
    """Check that kafka-python reads and writes what dotkafka wrote."""
    encoded = message.encode(version, value)
    decoded = theirs(message.struct.__name__).decode(encoded, version=version)
    assert decoded.encode() == encoded, version
    assert message.decode(version, decoded.encode()) == message.decode(version, encoded)


@pytest.mark.parametrize("value", MESSAGES, ids=lambda value: type(value).__name__)
def test_kafka_python_writes_the_same_bytes(value: Any, all_messages: dict[str, Message[Any]]) -> None:
    """At every version that both know."""
    message = all_messages[type(value).__name__]
    other = theirs(type(value).__name__)
    lowest = max(message.versions.lowest, other.min_version, 1)
    for version in range(lowest, min(message.versions.highest, other.max_version) + 1):
        same_bytes(message, value, version)


@pytest.mark.parametrize("version", [16, 17])
def test_tagged_fields_too(version: int, all_messages: dict[str, Message[Any]]) -> None:
    """Tagged structs and arrays are where kafka-python expects them."""
    partition = PartitionData(1, 6, current_leader=LeaderIdAndEpoch(2, 3), records=b"")
    value = FetchResponse(
        responses=[FetchableTopicResponse(topic_id=TOPIC_ID, partitions=[partition])],
        node_endpoints=[NodeEndpoint(2, "host", 9092)],
    )
    message = all_messages["FetchResponse"]
    same_bytes(message, value, version)
    decoded = theirs("FetchResponse").decode(message.encode(version, value), version=version)
    assert decoded.node_endpoints[0].host == "host"
    assert decoded.responses[0].partitions[0].current_leader.leader_epoch == 3


def test_features_of_api_versions(all_messages: dict[str, Message[Any]]) -> None:
    """Features travel in tags."""
    value = ApiVersionsResponse(
        api_keys=[ApiVersion(18, 0, 4)],
        supported_features=[SupportedFeatureKey("metadata.version", 1, 25)],
        finalized_features_epoch=1,
    )
    same_bytes(all_messages["ApiVersionsResponse"], value, 4)
