"""Settings are checked when they are made."""

from typing import Any

import attrs
import pytest

from dotkafka.coordinator.config import GroupConfig, MigrationPolicy


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(GroupConfig) if isinstance(field.default, int)])
def test_nothing_is_negative(name: str) -> None:
    """No setting may be below zero."""
    with pytest.raises(ValueError, match=name):
        GroupConfig(**{name: -1})


def test_first_read_of_a_group_is_quick() -> None:
    """The initial rebalance, once extended, leaves time for a first read within 150 ms."""
    assert 2 * GroupConfig().group_initial_rebalance_delay_ms < 150


def test_retention_in_milliseconds() -> None:
    """Minutes become milliseconds."""
    assert GroupConfig(offsets_retention_minutes=2).offsets_retention_ms == 120_000


@pytest.mark.parametrize(
    "settings",
    [
        {"group_consumer_session_timeout_ms": 44_999},
        {"group_consumer_heartbeat_interval_ms": 15_001},
        {"group_consumer_max_heartbeat_interval_ms": 60_000, "group_consumer_heartbeat_interval_ms": 45_000},
        {"group_consumer_assignment_interval_ms": 15_001},
        {"group_consumer_migration_policy": "sideways"},
    ],
)
def test_settings_of_consumer_groups_agree(settings: dict[str, Any]) -> None:
    """Within their bounds, a session longer than the heartbeat interval, and a policy that there is."""
    with pytest.raises(ValueError, match=r"."):
        GroupConfig(**settings)


def test_times_of_a_group() -> None:
    """Its own, brought within what the broker allows now; or the broker's."""
    config = GroupConfig()
    assert config.consumer_times({}) == (45_000, 5_000, 0)
    own = {
        "consumer.session.timeout.ms": "50000",
        "consumer.heartbeat.interval.ms": "1",
        "consumer.assignment.interval.ms": "99999",
    }
    assert config.consumer_times(own) == (50_000, 5_000, 15_000)


def test_policies() -> None:
    """Which way each lets groups go."""
    assert GroupConfig(group_consumer_migration_policy="upgrade").group_consumer_migration_policy.allows_upgrade
    assert not MigrationPolicy.UPGRADE.allows_downgrade
    assert not MigrationPolicy.DISABLED.allows_upgrade
    assert MigrationPolicy.BIDIRECTIONAL.allows_downgrade
