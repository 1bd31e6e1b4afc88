"""The codec beside its peers: kafka-python (pure Python) and kio (decodes in Rust). `make bench-codec`.

Each peer runs in an interpreter of its own; rounds are interleaved, so that ratios come from the same minutes.

    python bench/codec/run.py --rounds 3
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
from pathlib import Path

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
from dotkafka.protocol.messages.produce import PRODUCE, PartitionProduceData, ProduceRequest, TopicProduceData

WORKER = Path(__file__).with_name("worker.py")
PEERS = ("dotkafka", "kafka-python", "kio")
RECORDS_BYTES = 16 * 1024
TOPICS = [f"orders.events.topic-{number:03}" for number in range(100)]


def cases() -> list[tuple[str, int, str]]:
    """Return the messages that are measured: names differ from each other, as they do in real ones."""
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
    return [
        *(("MetadataResponse", version, METADATA.encode_response(version, metadata).hex()) for version in (8, 12)),
        *(("ProduceRequest", version, PRODUCE.encode_request(version, produce).hex()) for version in (8, 9)),
        *(("FetchResponse", version, FETCH.encode_response(version, fetch).hex()) for version in (11, 12)),
        *(("JoinGroupResponse", version, JOIN_GROUP.encode_response(version, join_group).hex()) for version in (9,)),
        *(("OffsetCommitRequest", v, OFFSET_COMMIT.encode_request(v, offset_commit).hex()) for v in (7, 8)),
    ]


def measure(rounds: int) -> dict[str, dict[str, list[float]]]:
    """Return the samples of each peer, by case."""
    work = json.dumps(cases())
    samples: dict[str, dict[str, list[float]]] = {}
    for number in range(rounds):
        for peer in PEERS[number % len(PEERS) :] + PEERS[: number % len(PEERS)]:
            command = [sys.executable, str(WORKER), peer]
            result = subprocess.run(command, input=work, check=True, stdout=subprocess.PIPE, text=True)
            for case, seconds in json.loads(result.stdout).items():
                samples.setdefault(case, {}).setdefault(peer, []).extend(seconds)
    return samples


def main() -> None:
    """Measure, and print a table of medians and ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    others = PEERS[1:]
    print("| median µs | " + " | ".join(PEERS) + " | " + " | ".join(f"{peer} / dotkafka" for peer in others) + " |")
    print("|---" + "|---:" * (len(PEERS) + len(others)) + "|")
    for case, by_peer in measure(arguments.rounds).items():
        medians = {peer: statistics.median(seconds) * 1e6 for peer, seconds in by_peer.items()}
        figures = [f"{medians[peer]:,.1f}" for peer in PEERS]
        ratios = [f"{medians[peer] / medians['dotkafka']:.2f}" for peer in others]
        print(f"| {case} | " + " | ".join(figures + ratios) + " |")


if __name__ == "__main__":
    main()
