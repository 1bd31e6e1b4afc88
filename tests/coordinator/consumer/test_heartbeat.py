"""ConsumerGroupHeartbeat, where scenarios do not reach: what is refused changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from dotkafka.coordinator.consumer.group import ConsumerGroup
from dotkafka.coordinator.consumer.migration import Groups
from dotkafka.coordinator.step import Step
from dotkafka.errors import ApiError
from dotkafka.protocol.error_codes import ErrorCode


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"subscribed_topic_regex": "("}, ErrorCode.INVALID_REGULAR_EXPRESSION),
        ({"server_assignor": "none"}, ErrorCode.UNSUPPORTED_ASSIGNOR),
        ({"rack_id": " "}, ErrorCode.INVALID_REQUEST),
        ({"instance_id": "i"}, ErrorCode.UNRELEASED_INSTANCE_ID),
        ({"member_epoch": 5}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_what_is_refused_changes_nothing(
    beat: Callable[..., Any],
    group_of: Callable[[], ConsumerGroup],
    make_step: Callable[..., Step],
    fields: dict[str, Any],
    error: ErrorCode,
) -> None:
    """No record, no member, no epoch."""
    beat("a", instance_id="i")
    before = group_of().as_records()
    step = make_step()
    with pytest.raises(ApiError) as refusal:
        beat("b", step, **fields)
    assert refusal.value.error_code == error
    assert not step.effects().records
    assert group_of().as_records() == before


def test_a_refused_first_member_leaves_no_group(beat: Callable[..., Any], groups: Groups) -> None:
    """A group comes into being with its first member."""
    with pytest.raises(ApiError):
        beat("a", subscribed_topic_regex="(")
    assert not groups


def test_settings_of_the_answer(beat: Callable[..., Any]) -> None:
    """The heartbeat interval is the group's."""
    assert beat("a").heartbeat_interval_ms == 5_000


def test_the_assignment_is_told_only_when_it_should_be(beat: Callable[..., Any]) -> None:
    """To who joins, who tells everything, and who gets another one."""
    assert beat("a").assignment is not None
    assert beat("a", member_epoch=1).assignment is None
    full = {"rebalance_timeout_ms": 5_000, "subscribed_topic_names": ["t"], "topic_partitions": []}
    assert beat("a", member_epoch=1, **full).assignment is not None
    for name in full:
        assert beat("a", member_epoch=1, **(full | {name: -1 if name.endswith("ms") else None})).assignment is None
    beat("b")
    assert beat("a", member_epoch=1).assignment is not None
