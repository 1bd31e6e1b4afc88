"""A running broker is there for a `with` block, and shows what is in it."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.fetch import FETCH, FetchPartition, FetchRequest, FetchTopic
from dotkafka.protocol.messages.metadata import METADATA, MetadataRequest
from dotkafka.protocol.messages.offset_commit import (
    OFFSET_COMMIT,
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from dotkafka.testing import ConsumedRecord, ManualClock, running_broker

if TYPE_CHECKING:
    from pathlib import Path


def test_it_listens_while_the_block_runs() -> None:
    """And its thread is gone afterwards."""
    before = threading.active_count()
    with running_broker() as kafka:
        assert kafka.bootstrap == f"127.0.0.1:{kafka.port}"
        socket.create_connection(("127.0.0.1", kafka.port), timeout=10).close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", kafka.port), timeout=10)
    assert threading.active_count() <= before


def test_topics() -> None:
    """They are created with partitions and settings, listed without internal ones, and deleted."""
    with running_broker() as kafka:
        kafka.create_topic("orders", partitions=3, config={"max.message.bytes": "1000"})
        kafka.create_topic("guests")
        assert kafka.topics() == {"orders": 3, "guests": 1}
        kafka.delete_topic("guests")
        assert kafka.topics() == {"orders": 3}
        with pytest.raises(ApiError) as refused:
            kafka.produce("orders", b"x" * 2000)
        assert refused.value.error_code == ErrorCode.MESSAGE_TOO_LARGE


def test_a_refusal_has_kafkas_error_code() -> None:
    """A topic that is there already, one that is not, a setting that there is not."""
    with running_broker() as kafka:
        kafka.create_topic("orders")
        for refused, code in (
            (lambda: kafka.create_topic("orders"), ErrorCode.TOPIC_ALREADY_EXISTS),
            (lambda: kafka.records("guests"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            (lambda: kafka.delete_topic("guests"), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
            (lambda: kafka.create_topic("guests", config={"nonsense": "1"}), ErrorCode.INVALID_CONFIG),
        ):
            with pytest.raises(ApiError, match=rf"^{code.name} \({int(code)}\): ") as error:
                refused()
            assert error.value.error_code == code


def test_records_come_back_by_partition_and_offset() -> None:
    """With all that was in them."""
    with running_broker() as kafka:
        kafka.create_topic("orders", partitions=2)
        assert kafka.produce("orders", b"c", partition=1, timestamp_ms=7) == 0
        assert kafka.produce("orders", b"a", key=b"k", headers=[("h", b"1")], timestamp_ms=5) == 0
        assert kafka.produce("orders", None, key=b"k", timestamp_ms=6) == 1
        everything = [
            ConsumedRecord("orders", 0, 0, 5, b"k", b"a", (("h", b"1"),)),
            ConsumedRecord("orders", 0, 1, 6, b"k", None, ()),
            ConsumedRecord("orders", 1, 0, 7, None, b"c", ()),
        ]
        assert [record._replace(headers=tuple(record.headers)) for record in kafka.records("orders")] == everything
        assert [record.value for record in kafka.records("orders", partition=1)] == [b"c"]


def test_committed_offsets() -> None:
    """Those of a group, by topic and partition; none for a group that has none."""
    with running_broker() as kafka:
        kafka.create_topic("orders", partitions=2)
        partition = OffsetCommitRequestPartition(partition_index=1, committed_offset=42)
        topic = OffsetCommitRequestTopic(name="orders", partitions=[partition])
        kafka.request(OFFSET_COMMIT, 2, OffsetCommitRequest(group_id="kitchen", topics=[topic]))
        assert kafka.committed("kitchen") == {("orders", 1): 42}
        assert kafka.committed("nobody") == {}


def test_data_in_a_directory_is_there_again(tmp_path: Path) -> None:
    """The same directory, another broker."""
    with running_broker(data=tmp_path) as kafka:
        kafka.create_topic("orders")
        kafka.produce("orders", b"kept")
    with running_broker(data=tmp_path) as kafka:
        assert [record.value for record in kafka.records("orders")] == [b"kept"]


def test_time_moves_by_hand() -> None:
    """A long poll of an hour ends when an hour is made to pass, and records have the clock's timestamps."""
    clock = ManualClock(wall_ms=1_000_000)
    hour_ms = 3_600_000
    with running_broker(clock=clock) as kafka:
        kafka.create_topic("orders")
        kafka.produce("orders", b"now")
        assert kafka.records("orders")[0].timestamp_ms == 1_000_000
        waiting = FetchRequest(
            max_wait_ms=hour_ms,
            min_bytes=1,
            session_epoch=-1,
            topics=[FetchTopic(topic="orders", partitions=[FetchPartition(fetch_offset=1, partition_max_bytes=100)])],
        )
        answers = []
        thread = threading.Thread(target=lambda: answers.append(kafka.request(FETCH, 11, waiting)))
        thread.start()
        while thread.is_alive():
            kafka.advance_clock(hour_ms)
            thread.join(0.001)
        assert answers[0].error_code == 0


def test_only_a_manual_clock_is_moved() -> None:
    """The machine's clock is not ours."""
    with running_broker() as kafka, pytest.raises(TypeError, match="ManualClock"):
        kafka.advance_clock(1)


def test_settings_are_the_brokers() -> None:
    """Whatever `BrokerConfig` has."""
    with running_broker(config=BrokerConfig(message_max_bytes=100)) as kafka:
        kafka.create_topic("orders")
        with pytest.raises(ApiError):
            kafka.produce("orders", b"x" * 100)


def test_clients_are_told_what_is_advertised() -> None:
    """A name that a container knows this machine by, for example."""
    with running_broker(advertise="host.example:9092") as kafka:
        (broker,) = kafka.request(METADATA, 9, MetadataRequest(topics=None)).brokers
        assert (broker.host, broker.port) == ("host.example", 9092)


def test_a_start_that_fails_is_raised_in_the_caller() -> None:
    """Not in a thread where nobody sees it."""
    with running_broker() as kafka, pytest.raises(OSError, match="in use"), running_broker(kafka.bootstrap):
        pass
