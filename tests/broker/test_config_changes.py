"""What one request changes in settings."""

from typing import Any

import pytest

from dotkafka.broker.config_changes import ConfigChanges, check_resource_name
from dotkafka.errors import ApiError
from dotkafka.metadata.image import BROKER_RESOURCE, TOPIC_RESOURCE, ConfigResource
from dotkafka.protocol.error_codes import ErrorCode

ORDERS = ConfigResource(TOPIC_RESOURCE, "orders")
CLUSTER = ConfigResource(BROKER_RESOURCE, "")


@pytest.fixture(name="broker")
def fixture_broker(running: Any) -> Any:
    """A broker that has the topic `orders` with a setting of its own."""
    running.broker.metadata_log.create_topic("orders", 1, {"retention.ms": "5"})
    return running.broker


def test_all_resources_change_in_one_step(broker: Any) -> None:
    """Nothing changes before commit, and then everything that is different."""
    changes = ConfigChanges(broker, [ORDERS, CLUSTER])
    before = broker.metadata
    changes.add(ORDERS, {"segment.ms": "7"})
    changes.add(CLUSTER, {"log.retention.ms": "8"})
    assert broker.metadata is before
    assert changes.commit()
    assert broker.metadata.topics_by_name["orders"].configs == {"segment.ms": "7"}
    assert broker.metadata.configs[CLUSTER] == {"log.retention.ms": "8"}


def test_what_is_the_same_is_no_change(broker: Any) -> None:
    """Setting a value again writes nothing."""
    changes = ConfigChanges(broker, [ORDERS])
    changes.add(ORDERS, {"retention.ms": "5"})
    assert not changes.commit()


def test_a_list_is_the_one_in_force(broker: Any) -> None:
    """The topic's own, else the broker's, else the default."""
    assert ConfigChanges(broker, []).current_list(ORDERS, "cleanup.policy") == ["delete"]
    changes = ConfigChanges(broker, [CLUSTER])
    changes.add(CLUSTER, {"log.cleanup.policy": "compact"})
    changes.commit()
    assert ConfigChanges(broker, []).current_list(ORDERS, "cleanup.policy") == ["compact"]
    changes = ConfigChanges(broker, [ORDERS])
    changes.add(ORDERS, {"cleanup.policy": "compact,delete"})
    changes.commit()
    assert ConfigChanges(broker, []).current_list(ORDERS, "cleanup.policy") == ["compact", "delete"]


def test_broker_settings_that_contradict_each_other_are_refused(broker: Any) -> None:
    """The minimum compaction lag may not be above the maximum."""
    with pytest.raises(ApiError) as refusal:
        ConfigChanges(broker, []).add(
            CLUSTER, {"log.cleaner.min.compaction.lag.ms": "2", "log.cleaner.max.compaction.lag.ms": "1"}
        )
    assert refusal.value.error_code == ErrorCode.INVALID_REQUEST


def test_long_lists_of_names_are_cut(broker: Any) -> None:
    """A message stays short, whatever a request names."""
    names = [f"{number}" * 1000 for number in range(1000)]
    with pytest.raises(ApiError) as refusal:
        ConfigChanges(broker, [ORDERS]).check_resource(ORDERS, names, nulls=names)
    assert len(refusal.value.message) < 2000


@pytest.mark.parametrize("resource", [(BROKER_RESOURCE, "2"), (BROKER_RESOURCE, "01"), (8, "1"), (0, ""), (-1, "x")])
def test_other_resources_have_no_settings(broker: Any, resource: tuple[int, str]) -> None:
    """Only topics, this broker, and all brokers together."""
    for known in (ORDERS, CLUSTER, ConfigResource(BROKER_RESOURCE, "1")):
        check_resource_name(broker, known)
    with pytest.raises(ApiError) as refusal:
        check_resource_name(broker, ConfigResource(*resource))
    assert refusal.value.error_code == ErrorCode.INVALID_REQUEST
