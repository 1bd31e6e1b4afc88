"""Fixtures for pytest, there as soon as dotkafka is installed.

`kafka` is a fresh, empty broker for each test; it takes some milliseconds. `kafka_session` is one broker for all tests
of the session. Both keep their data in memory and are `dotkafka.testing.RunningBroker` objects:

    def test_my_service(kafka):
        kafka.create_topic("orders", partitions=4)
        my_service.run_once(bootstrap_servers=kafka.bootstrap)
        assert [record.value for record in kafka.records("orders")] == [b"..."]

Override `kafka_config` in a conftest.py or a test module to change the broker's settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dotkafka.broker.config import BrokerConfig
    from dotkafka.testing import RunningBroker


@pytest.fixture(scope="session")
def kafka_config() -> BrokerConfig | None:
    """Settings for the brokers of `kafka` and `kafka_session`; None for the defaults. Made to be overridden."""
    return None


@pytest.fixture
def kafka(kafka_config: BrokerConfig | None) -> Iterator[RunningBroker]:
    """Give a broker that only this test uses."""
    # Imported here, so that pytest runs that do not ask for a broker do not pay for it.
    from dotkafka.testing import running_broker  # noqa: PLC0415

    with running_broker(config=kafka_config) as broker:
        yield broker


@pytest.fixture(scope="session")
def kafka_session(kafka_config: BrokerConfig | None) -> Iterator[RunningBroker]:
    """Give one broker to all tests of the session: they keep apart by the names of their topics and groups."""
    from dotkafka.testing import running_broker  # noqa: PLC0415 (see above)

    with running_broker(config=kafka_config) as broker:
        yield broker
