"""What a group may be told."""

import pytest

from dotkafka.errors import ApiError
from dotkafka.metadata.group_configs import (
    ASSIGNMENT_INTERVAL,
    GROUP_CONFIGS,
    HEARTBEAT_INTERVAL,
    SESSION_TIMEOUT,
    Bounds,
    validate_group_configs,
)
from dotkafka.protocol.error_codes import ErrorCode

BOUNDS = {
    SESSION_TIMEOUT: Bounds(45_000, 60_000, 45_000),
    HEARTBEAT_INTERVAL: Bounds(5_000, 50_000, 5_000),
    ASSIGNMENT_INTERVAL: Bounds(0, 15_000, 0),
}


def test_each_setting_has_a_broker_setting_behind_it() -> None:
    """Under Kafka's names."""
    assert {definition.broker_synonym for definition in GROUP_CONFIGS.values()} == {
        "group.consumer.session.timeout.ms",
        "group.consumer.heartbeat.interval.ms",
        "group.consumer.assignment.interval.ms",
    }


@pytest.mark.parametrize(
    "configs",
    [{}, {SESSION_TIMEOUT: "60000"}, {HEARTBEAT_INTERVAL: "44999"}, {ASSIGNMENT_INTERVAL: "0"}],
)
def test_what_may_be_set(configs: dict[str, str]) -> None:
    """Bounds are included."""
    validate_group_configs(configs, BOUNDS)


@pytest.mark.parametrize(
    "configs",
    [
        {"consumer.unknown": "1"},
        {SESSION_TIMEOUT: "44999"},
        {SESSION_TIMEOUT: "60001"},
        {SESSION_TIMEOUT: "long"},
        {HEARTBEAT_INTERVAL: "4999"},
        {HEARTBEAT_INTERVAL: "45000"},
        {SESSION_TIMEOUT: "46000", HEARTBEAT_INTERVAL: "47000"},
        {ASSIGNMENT_INTERVAL: "-1"},
    ],
)
def test_what_may_not_be_set(configs: dict[str, str]) -> None:
    """Unknown, out of bounds, or a session that ends before the next heartbeat."""
    with pytest.raises(ApiError) as refusal:
        validate_group_configs(configs, BOUNDS)
    assert refusal.value.error_code == ErrorCode.INVALID_CONFIG
