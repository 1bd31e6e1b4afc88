"""Members of the classic protocol in a consumer group, where scenarios do not reach."""

from collections.abc import Callable
from typing import Any

import pytest

from dotkafka.coordinator.consumer import classic_members
from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.migration import Groups
from dotkafka.coordinator.deadlines import FetchAssignmentDeadline, RejoinDeadline
from dotkafka.coordinator.group_records import decode_assignment
from dotkafka.coordinator.request_context import RequestContext
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode
from dotkafka.protocol.messages.heartbeat import HeartbeatRequest
from dotkafka.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from dotkafka.protocol.messages.sync_group import SyncGroupRequest

SUBSCRIPTION = bytes.fromhex("0000 00000001 0001") + b"t" + bytes(4)


@pytest.fixture
def join(
    beat: Callable[..., Any], groups: Groups, group_of: Callable[[], ConsumerGroup], make_step: Callable[..., Step]
) -> Callable[..., JoinGroupResponse]:
    """Join the group of a consumer `c` by the classic protocol."""
    beat("c")

    def send(member_id: str, step: Step | None = None, *, version: int = 9, metadata: bytes = SUBSCRIPTION) -> Any:
        request = JoinGroupRequest(
            group_id="g",
            session_timeout_ms=10_000,
            rebalance_timeout_ms=-1 if version == 0 else 5_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
        )
        return classic_members.join_group(groups, group_of(), request, RequestContext(version), step or make_step())

    return send


def test_an_old_client_joins_at_once(join: Callable[..., Any], group_of: Callable[[], ConsumerGroup]) -> None:
    """Version 0 needs no id first, and its session timeout is its rebalance timeout."""
    response = join("", version=0)
    assert response.error_code == ErrorCode.NONE
    assert group_of().members[response.member_id].rebalance_timeout_ms == 10_000


def test_a_subscription_that_cannot_be_read(join: Callable[..., Any], group_of: Callable[[], ConsumerGroup]) -> None:
    """It is refused, and nothing comes of it."""
    with pytest.raises(ApiError) as refusal:
        join("m", metadata=b"\x00")
    assert refusal.value.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    assert group_of().members.keys() == {"c"}


def test_deadlines_of_a_classic_member(
    join: Callable[..., Any],
    beat: Callable[..., Any],
    group_of: Callable[[], ConsumerGroup],
    make_step: Callable[..., Step],
) -> None:
    """It has to fetch its assignment in time, and to join again in time when it is told to."""
    step = make_step()
    generation = join("m").generation_id
    assert step.is_scheduled(FetchAssignmentDeadline("g", "m"))
    sync = SyncGroupRequest(group_id="g", generation_id=generation, member_id="m")
    response = classic_members.sync_group(group_of(), sync, step)
    assert not decode_assignment(response.assignment).assigned_partitions
    assert not step.is_scheduled(FetchAssignmentDeadline("g", "m"))
    beat("c", member_epoch=1)
    beat("c", member_epoch=1, topic_partitions=[])
    request = HeartbeatRequest(group_id="g", generation_id=generation, member_id="m")
    assert classic_members.heartbeat(group_of(), request, step) == ErrorCode.REBALANCE_IN_PROGRESS
    assert step.is_scheduled(RejoinDeadline("g", "m"))
    join("m")
    assert not step.is_scheduled(RejoinDeadline("g", "m"))


def test_sync_while_the_group_moves_on(
    join: Callable[..., Any],
    beat: Callable[..., Any],
    group_of: Callable[[], ConsumerGroup],
    make_step: Callable[..., Step],
) -> None:
    """There is a newer target: it has to join again first."""
    generation = join("m").generation_id
    beat("d")
    sync = SyncGroupRequest(group_id="g", generation_id=generation, member_id="m")
    with pytest.raises(ApiError) as refusal:
        classic_members.sync_group(group_of(), sync, make_step())
    assert refusal.value.error_code == ErrorCode.REBALANCE_IN_PROGRESS
