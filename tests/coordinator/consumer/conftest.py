"""What the tests of consumer groups share: a coordinator's surroundings in which one call is made at a time."""

from collections.abc import Callable
from typing import Any

import pytest

from dotkafka.clock import Instant
from dotkafka.coordinator.config import GroupConfig
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.heartbeat import HeartbeatCall
from dotkafka.coordinator.consumer.migration import Groups
from dotkafka.coordinator.deadlines import Deadlines, GroupDeadline
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.metadata.image import MetadataImage
from dotkafka.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
)
from dotkafka.protocol.messages.metadata_records import PartitionRecord, TopicRecord

TOPIC_ID = b"t" * 16
CLUSTER = MetadataImage().apply(
    TopicRecord(name="t", topic_id=TOPIC_ID),
    *(PartitionRecord(topic_id=TOPIC_ID, partition_id=index) for index in range(2)),
)
"""One topic `t` of two partitions."""


@pytest.fixture
def groups() -> Groups:
    """No groups yet."""
    return {}


@pytest.fixture
def make_step(deadlines: Deadlines[GroupDeadline]) -> Callable[..., Step]:
    """A step at a moment of the monotonic clock."""

    def make(at_ms: int = 0, **settings: Any) -> Step:
        return Step(Instant(at_ms, 1_000_000 + at_ms), GroupConfig(**settings), deadlines, lambda: "uuid", CLUSTER)

    return make


@pytest.fixture
def beat(groups: Groups, make_step: Callable[..., Step]) -> Callable[..., ConsumerGroupHeartbeatResponse]:
    """Send a heartbeat, by default one that joins `g` and subscribes to `t`."""

    def send(member_id: str, step: Step | None = None, **fields: Any) -> ConsumerGroupHeartbeatResponse:
        if fields.get("member_epoch", 0) == 0:
            joins = {"rebalance_timeout_ms": 5_000, "subscribed_topic_names": ["t"], "topic_partitions": []}
            fields = joins | fields
        request = ConsumerGroupHeartbeatRequest(group_id="g", member_id=member_id, **fields)
        return HeartbeatCall(groups, request, RequestContext(1), step or make_step()).run()

    return send


@pytest.fixture
def group_of(groups: Groups) -> Callable[[], ConsumerGroup]:
    """The consumer group `g`, which must exist."""

    def get() -> ConsumerGroup:
        group = groups["g"]
        assert isinstance(group, ConsumerGroup)
        return group

    return get
