"""DescribeTopicPartitions."""

from typing import Any

import pytest

from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.describe_topic_partitions import (
    DESCRIBE_TOPIC_PARTITIONS,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsRequestCursor,
    DescribeTopicPartitionsResponse,
    TopicRequest,
)


@pytest.fixture(name="client")
def fixture_client(running: Any) -> Any:
    """A client of a broker with three topics of three partitions each."""
    for name in ("c", "a", "b"):
        running.broker.metadata_log.create_topic(name, 3, {})
    return running.connect()


def describe(
    client: Any, *names: str, limit: int = 2000, cursor: tuple[str, int] | None = None
) -> DescribeTopicPartitionsResponse:
    """Ask for one page."""
    request = DescribeTopicPartitionsRequest(
        topics=[TopicRequest(name=name) for name in names],
        response_partition_limit=limit,
        cursor=DescribeTopicPartitionsRequestCursor(*cursor) if cursor else None,
    )
    response: DescribeTopicPartitionsResponse = client.call(DESCRIBE_TOPIC_PARTITIONS, 0, request)
    return response


def page(response: DescribeTopicPartitionsResponse) -> list[tuple[str | None, int]]:
    """The partitions on a page."""
    return [(topic.name, partition.partition_index) for topic in response.topics for partition in topic.partitions]


def test_all_topics_come_in_the_order_of_their_names(running: Any, client: Any) -> None:
    """With ids and leaders, and no cursor when that is all."""
    response = describe(client)
    assert [topic.name for topic in response.topics] == ["a", "b", "c"]
    assert response.next_cursor is None
    topic = response.topics[0]
    assert topic.topic_id == running.broker.metadata.topics_by_name["a"].topic_id
    assert (topic.is_internal, topic.topic_authorized_operations) == (False, 3576)
    partition = topic.partitions[2]
    assert (partition.partition_index, partition.leader_id, list(partition.isr_nodes)) == (2, 1, [1])


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 9, 0, -1])
def test_pages_together_are_everything(client: Any, limit: int) -> None:
    """Following the cursors gives each partition once, no page being longer than was asked for, or than one."""
    seen: list[tuple[str | None, int]] = []
    cursor = None
    while True:
        response = describe(client, limit=limit, cursor=cursor)
        assert 1 <= len(page(response)) <= max(limit, 1)
        seen += page(response)
        if response.next_cursor is None:
            break
        cursor = (response.next_cursor.topic_name, response.next_cursor.partition_index)
    assert seen == [(name, index) for name in "abc" for index in range(3)]


def test_no_page_has_more_than_two_thousand_partitions(running: Any, client: Any) -> None:
    """Whatever the client asks for."""
    running.broker.metadata_log.create_topic("big", 2500, {})
    response = describe(client, "big", limit=10_000)
    assert len(page(response)) == 2000
    assert response.next_cursor is not None
    assert (response.next_cursor.topic_name, response.next_cursor.partition_index) == ("big", 2000)


def test_unknown_topics_are_told_and_not_created(running: Any, client: Any) -> None:
    """Each with its code."""
    bad, known, unknown = describe(client, "unknown", "b", "B B").topics
    assert (bad.name, bad.error_code) == ("B B", ErrorCode.INVALID_TOPIC_EXCEPTION)
    assert (known.name, known.error_code) == ("b", 0)
    assert (unknown.name, unknown.error_code) == ("unknown", ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    assert "unknown" not in running.broker.metadata.topics_by_name


def test_a_cursor_on_a_topic_that_is_gone_goes_on_behind_it(client: Any) -> None:
    """Where all topics are asked for, one may be deleted between two pages."""
    assert page(describe(client, cursor=("aa", 1)))[0] == ("b", 0)


@pytest.mark.parametrize(("names", "cursor"), [(("a",), ("a", -1)), (("b", "c"), ("a", 0)), ((), ("a", -1))])
def test_a_cursor_that_nobody_gave_out_is_refused(client: Any, names: tuple[str, ...], cursor: tuple[str, int]) -> None:
    """With an error for each topic that was named; the connection stays."""
    response = describe(client, *names, cursor=cursor)
    assert [(topic.name, topic.error_code) for topic in response.topics] == [
        (name, ErrorCode.INVALID_REQUEST) for name in names
    ]
    assert response.next_cursor is None
