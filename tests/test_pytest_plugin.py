"""The fixtures are there, apart from each other, and can be configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dotkafka.broker.config import BrokerConfig

if TYPE_CHECKING:
    from dotkafka.testing import RunningBroker


@pytest.fixture(scope="session")
def kafka_config() -> BrokerConfig:
    """Give settings, as a user's conftest.py would."""
    return BrokerConfig(num_partitions=3)


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_a_fresh_broker(kafka: RunningBroker, turn: int) -> None:
    """What the other turn created is not here."""
    assert kafka.topics() == {}
    kafka.create_topic("orders")


@pytest.mark.parametrize("turn", [1, 2])
def test_the_session_has_one(kafka_session: RunningBroker, turn: int) -> None:
    """Both turns see the same broker."""
    kafka_session.create_topic(f"turn-{turn}")
    assert kafka_session.topics()[f"turn-{turn}"] == 1
    ports.add(kafka_session.port)
    assert len(ports) == 1


ports: set[int] = set()


def test_settings_are_overridden_by_a_fixture(kafka: RunningBroker) -> None:
    """The `kafka_config` of this module is in force."""
    kafka.create_topic("orders", partitions=-1)
    assert kafka.topics() == {"orders": 3}
