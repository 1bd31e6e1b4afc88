"""Settings are checked when they are made."""

import attrs
import pytest

from dotkafka.coordinator.config import GroupConfig


@pytest.mark.parametrize("name", [attribute.name for attribute in attrs.fields(GroupConfig)])
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
