"""What is measured: messages whose names differ from each other, as they do in real ones, and record batches."""

from __future__ import annotations

import random

from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersion, ApiVersionsResponse
from dotkafka.protocol.messages.fetch import FETCH, FetchableTopicResponse, FetchResponse, PartitionData
from dotkafka.protocol.messages.join_group import JOIN_GROUP, JoinGroupResponse, JoinGroupResponseMember
from dotkafka.protocol.messages.metadata import (
    METADATA,
    MetadataResponse,
    MetadataResponseBroker,
    MetadataResponsePartition,
    MetadataResponseTopic,
)
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.protocol.messages.offset_fetch import (
    OFFSET_FETCH,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData
from dotkafka.records.batch import encode_batch
from dotkafka.records.record import Record

RECORDS_BYTES = 16 * 1024
TOPICS = [f"orders.events.topic-{number:03}" for number in range(100)]

Batch = tuple[str, list[tuple[int, str | None, str, list[tuple[str, str]]]], str]
"""A name, records as (timestamp in ms, key, value, headers), and the batch in hex."""


def messages() -> list[tuple[str, int, str]]:
    """Return (name, version, bytes in hex) of each message."""
    dice = random.Random(20240607)
    metadata = MetadataResponse(
        brokers=[MetadataResponseBroker(node, f"broker-{node}.kafka.example", 9092, "rack") for node in range(6)],
        cluster_id="MkU3OEVBNTcwNTJENDM2Qk",
        controller_id=3,
        topics=[
            MetadataResponseTopic(
                name=name,
                partitions=[
                    MetadataResponsePartition(
                        0, index, index % 6, replica_nodes=[0, 1, 2], isr_nodes=[0, 1, 2], offline_replicas=[]
                    )
                    for index in range(10)
                ],
            )
            for name in TOPICS
        ],
    )
    produce = ProduceRequest(
        acks=-1,
        timeout_ms=30_000,
        topic_data=[
            TopicProduceData(
                TOPICS[0], partition_data=[PartitionProduceData(i, dice.randbytes(RECORDS_BYTES)) for i in range(10)]
            )
        ],
    )
    fetch = FetchResponse(
        session_id=123456,
        responses=[
            FetchableTopicResponse(
                name,
                partitions=[
                    PartitionData(
                        index,
                        high_watermark=10_000,
                        last_stable_offset=10_000,
                        log_start_offset=5,
                        aborted_transactions=None,
                        records=dice.randbytes(RECORDS_BYTES),
                    )
                    for index in range(10)
                ],
            )
            for name in TOPICS[:10]
        ],
    )
    join_group = JoinGroupResponse(
        generation_id=42,
        protocol_type="consumer",
        protocol_name="range",
        leader="consumer-0",
        member_id="consumer-1",
        members=[JoinGroupResponseMember(f"consumer-orders-{n}", metadata=dice.randbytes(80)) for n in range(50)],
    )
    offset_commit = OffsetCommitRequest(
        "orders-consumer-group",
        42,
        "consumer-orders-1",
        topics=[
            OffsetCommitRequestTopic(
                name,
                partitions=[
                    OffsetCommitRequestPartition(i, 1_000_000 + i, 12, committed_metadata="") for i in range(10)
                ],
            )
            for name in TOPICS[:10]
        ],
    )
    api_versions = ApiVersionsResponse(api_keys=[ApiVersion(key, 0, key % 18) for key in range(60)])
    offset_fetch = OffsetFetchResponse(
        topics=[
            OffsetFetchResponseTopic(
                name, [OffsetFetchResponsePartition(i, 1_000_000 + i, 12, metadata="") for i in range(10)]
            )
            for name in TOPICS[:10]
        ]
    )
    offset_fetch_of_groups = OffsetFetchResponse(
        groups=[
            OffsetFetchResponseGroup(
                "orders-consumer-group",
                [
                    OffsetFetchResponseTopics(
                        name,
                        partitions=[
                            OffsetFetchResponsePartitions(i, 1_000_000 + i, 12, metadata="") for i in range(10)
                        ],
                    )
                    for name in TOPICS[:10]
                ],
            )
        ]
    )
    return [
        *(("ApiVersionsResponse", v, API_VERSIONS.encode_response(v, api_versions).hex()) for v in (2, 4)),
        *(("MetadataResponse", version, METADATA.encode_response(version, metadata).hex()) for version in (8, 12)),
        *(("ProduceRequest", version, PRODUCE.encode_request(version, produce).hex()) for version in (8, 9)),
        *(("FetchResponse", version, FETCH.encode_response(version, fetch).hex()) for version in (11, 12)),
        *(("JoinGroupResponse", version, JOIN_GROUP.encode_response(version, join_group).hex()) for version in (9,)),
        *(("OffsetCommitRequest", v, OFFSET_COMMIT.encode_request(v, offset_commit).hex()) for v in (7, 8)),
        ("OffsetFetchResponse", 5, OFFSET_FETCH.encode_response(5, offset_fetch).hex()),
        ("OffsetFetchResponse", 8, OFFSET_FETCH.encode_response(8, offset_fetch_of_groups).hex()),
    ]


def batches() -> list[Batch]:
    """Return the record batches."""
    dice = random.Random(20240608)
    found: list[Batch] = []
    for name, count, header_count in (
        ("1,000 records of 100 B", 1000, 0),
        ("1,000 records of 100 B, 3 headers", 1000, 3),
        ("140 records of 100 B", 140, 0),
    ):
        rows: list[tuple[int, str | None, str, list[tuple[str, str]]]] = [
            (
                1_700_000_000_000 + number // 3,
                f"key-{number}",
                dice.randbytes(50).hex(),
                [(f"header-{header}", dice.randbytes(8).hex()) for header in range(header_count)],
            )
            for number in range(count)
        ]
        records = [
            Record(
                0,
                time,
                key.encode() if key else None,
                value.encode(),
                [(header, held.encode()) for header, held in headers],
            )
            for time, key, value, headers in rows
        ]
        found.append((name, rows, encode_batch(records).hex()))
    return found
