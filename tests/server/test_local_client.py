"""A client in the broker's process speaks Kafka's protocol without a socket."""

from __future__ import annotations

import asyncio

import pytest

from dotkafka.protocol.messages.api_versions import API_VERSIONS, ApiVersionsRequest
from dotkafka.protocol.messages.create_topics import CREATE_TOPICS, CreatableTopic, CreateTopicsRequest
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest, MetadataResponse
from dotkafka.protocol.schema import Api
from dotkafka.server import serve

pytestmark = pytest.mark.asyncio

WAITING_FETCH = FetchRequest(
    max_wait_ms=600_000,
    min_bytes=1,
    session_epoch=-1,
    topics=[FetchTopic(topic="orders", partitions=[FetchPartition(partition_max_bytes=1000)])],
)


async def test_requests_are_answered() -> None:
    """One after another, and many at once, each with its own answer."""
    async with serve() as server:
        client = server.connect_locally()
        topic = CreatableTopic(name="orders", num_partitions=1, replication_factor=1)
        await client.request(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic]))
        versions, metadata = await asyncio.gather(
            client.request(
                API_VERSIONS, 3, ApiVersionsRequest(client_software_name="test", client_software_version="1")
            ),
            client.request(METADATA, 9, MetadataRequest(topics=None)),
        )
        assert versions.error_code == 0
        assert [topic.name for topic in metadata.topics] == ["orders"]
        client.close()


async def test_closing_refuses_who_waits() -> None:
    """A request without an answer is an error, not a wait for ever."""
    async with serve() as server:
        client = server.connect_locally()
        topic = CreatableTopic(name="orders", num_partitions=1, replication_factor=1)
        await client.request(CREATE_TOPICS, 5, CreateTopicsRequest(topics=[topic]))
        waiting = asyncio.ensure_future(client.request(FETCH, 11, WAITING_FETCH))
        await asyncio.sleep(0)
        client.close()
        with pytest.raises(ConnectionError):
            await waiting


async def test_the_broker_may_close_it() -> None:
    """After an API that the broker does not know, as for any client; the connection is then of no more use."""
    unknown = Api(9999, versions="0-13", flexible="9+", request=MetadataRequest, response=MetadataResponse)
    async with serve() as server:
        client = server.connect_locally()
        for api in (unknown, METADATA):
            with pytest.raises(ConnectionError):
                await client.request(api, 8, MetadataRequest(topics=None))
        client.close()
