"""From the settings of topics and brokers to what a log obeys."""

import pytest

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.log_configs import LogConfigs, inherited_topic_configs
from dotkafka.log.config import LogConfig
from dotkafka.metadata.image import BROKER_RESOURCE, ConfigResource, MetadataImage, TopicImage

TOPIC = TopicImage("orders", b"a" * 16, 1)


def told(**resources: dict[str, str]) -> MetadataImage:
    """An image of a cluster that was told something while running: `cluster`, `broker` (1) or `other` (2)."""
    names = {"cluster": "", "broker": "1", "other": "2"}
    return MetadataImage(
        configs={ConfigResource(BROKER_RESOURCE, names[key]): value for key, value in resources.items()}
    )


def test_the_defaults_of_topics_are_those_of_logs() -> None:
    """With nothing set anywhere, a log obeys what it would obey by itself."""
    assert LogConfigs(BrokerConfig()).of(TOPIC, MetadataImage()) == LogConfig()


def test_the_nearest_value_is_in_force() -> None:
    """This broker's before the cluster's before the configuration's; another broker's is not looked at."""
    config = BrokerConfig(message_max_bytes=1)
    synonym = "message.max.bytes"
    everything = told(cluster={synonym: "2"}, broker={synonym: "3"}, other={synonym: "4"})
    for image, value in ((everything, "3"), (told(cluster={synonym: "2"}, other={synonym: "4"}), "2"), (told(), "1")):
        assert inherited_topic_configs(config, image)["max.message.bytes"] == value


def test_a_change_is_seen_at_once() -> None:
    """Whether the topic's settings change or the broker's; if nothing changes, nothing is worked out again."""
    log_configs = LogConfigs(BrokerConfig())
    image = told(cluster={"log.retention.ms": "5"})
    first = log_configs.of(TOPIC, image)
    assert first.retention_ms == 5
    assert log_configs.of(TOPIC, image) is first
    changed = TopicImage("orders", TOPIC.topic_id, 1, {"retention.ms": "6"})
    assert log_configs.of(changed, image).retention_ms == 6
    assert log_configs.of(TOPIC, told(cluster={"log.retention.ms": "7"})).retention_ms == 7


def test_settings_that_came_to_contradict_each_other_stop_no_log() -> None:
    """A topic keeps working when a change of the broker's settings makes no sense together with its own."""
    topic = TopicImage("orders", b"a" * 16, 1, {"min.compaction.lag.ms": "10"})
    image = told(cluster={"log.cleaner.max.compaction.lag.ms": "5"})
    assert LogConfigs(BrokerConfig()).of(topic, image) == LogConfig(min_compaction_lag_ms=10, max_compaction_lag_ms=5)


@pytest.mark.parametrize("configs", [{"retention.ms": "soon"}, {"no.such.setting": "1"}])
def test_wrong_defaults_are_refused_at_start(configs: dict[str, str]) -> None:
    """The message says which setting is wrong."""
    with pytest.raises(ValueError, match=next(iter(configs))):
        LogConfigs(BrokerConfig(default_topic_configs=configs))
