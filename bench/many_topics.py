"""What one request about many topics costs the core of a broker, which serves nobody else meanwhile.

    python bench/many_topics.py [--topics 10000]

Each row is one request to a broker in memory, per topic: decoding it, serving it, encoding the answer, in processor
time.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import TYPE_CHECKING, Any

from dotkafka.broker.broker import Broker
from dotkafka.broker.config import BrokerConfig
from dotkafka.clock import SystemClock
from dotkafka.protocol.headers import RequestHeader, encode_request_header
from dotkafka.protocol.messages.create_topics import (
    CREATE_TOPICS,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from dotkafka.protocol.messages.delete_topics import DELETE_TOPICS, DeleteTopicsRequest
from dotkafka.protocol.messages.describe_configs import (
    DESCRIBE_CONFIGS,
    DescribeConfigsRequest,
    DescribeConfigsResource,
)
from dotkafka.protocol.messages.incremental_alter_configs import (
    INCREMENTAL_ALTER_CONFIGS,
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from dotkafka.server.storage import memory_storage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.protocol.schema import Api

TOPIC = 2
Row = tuple[str, "Api[Any, Any]", int, Any]


def create(names: list[str], *, own_setting: bool) -> CreateTopicsRequest:
    """Create topics, with a setting of their own or none."""
    configs = [[CreatableTopicConfig("retention.ms", str(number))] * own_setting for number in range(len(names))]
    topics = [
        CreatableTopic(name=name, num_partitions=1, replication_factor=1, configs=own)
        for name, own in zip(names, configs, strict=True)
    ]
    return CreateTopicsRequest(topics=topics, timeout_ms=60_000)


def describe(names: list[str], *keys: str, with_all: bool = False) -> DescribeConfigsRequest:
    """Ask for some settings, or all."""
    resources = [DescribeConfigsResource(TOPIC, name, list(keys) or None) for name in names]
    return DescribeConfigsRequest(resources, include_synonyms=with_all, include_documentation=with_all)


def rows(names: list[str]) -> Iterator[Row]:
    """Yield the requests, in an order in which they succeed."""
    delete = DeleteTopicsRequest(topic_names=names, timeout_ms=60_000)
    alter = [
        AlterConfigsResource(TOPIC, name, [AlterableConfig("retention.ms", 0, str(number))])
        for number, name in enumerate(names)
    ]
    yield "CreateTopics", CREATE_TOPICS, 7, create(names, own_setting=False)
    yield "DescribeConfigs, all settings", DESCRIBE_CONFIGS, 4, describe(names)
    yield "DescribeConfigs, one setting", DESCRIBE_CONFIGS, 4, describe(names, "retention.ms")
    yield "DescribeConfigs, synonyms and documentation", DESCRIBE_CONFIGS, 4, describe(names, with_all=True)
    yield "IncrementalAlterConfigs", INCREMENTAL_ALTER_CONFIGS, 1, IncrementalAlterConfigsRequest(alter)
    yield "DeleteTopics", DELETE_TOPICS, 5, delete
    yield "CreateTopics, a setting each", CREATE_TOPICS, 7, create(names, own_setting=True)


def measure(count: int) -> None:
    """Send the requests, and print a row for each."""
    names = [f"a-topic-with-a-rather-long-name-as-they-are-{number}" for number in range(count)]
    clock = SystemClock()
    broker = Broker.open(BrokerConfig(), *memory_storage(), now=clock.now(), random_bytes=os.urandom)
    print("| µs per topic | |\n|---|---:|")
    for what, api, version, request in rows(names):
        header = encode_request_header(RequestHeader(api.key, version, 1, "bench"))
        frame = bytearray(header + api.encode_request(version, request))
        connection = broker.connect("127.0.0.1", ("localhost", 9092), clock.now())
        begin = time.thread_time()
        broker.receive(connection, frame, clock.now())
        while works := broker.take_work(clock.now()):
            for work in works:
                work.run()
                broker.complete(work, clock.now())
        took = time.thread_time() - begin
        assert connection.take_responses()
        print(f"| {what} | {took * 1e6 / count:.0f} |", flush=True)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--topics", type=int, default=10_000)
    measure(parser.parse_args().topics)


if __name__ == "__main__":
    main()
