"""What settings are, and where that comes from."""

from dotkafka.broker.config import BrokerConfig
from dotkafka.broker.effective_configs import TopicConfigs, broker_configs, cluster_configs
from dotkafka.metadata.configs import ConfigSource
from dotkafka.metadata.image import BROKER_RESOURCE, ConfigResource, MetadataImage

IMAGE = MetadataImage(
    configs={
        ConfigResource(BROKER_RESOURCE, ""): {"log.retention.ms": " 1", "dotkafka.cluster.id": "x"},
        ConfigResource(BROKER_RESOURCE, "1"): {"log.retention.ms": "2"},
    }
)
CONFIG = BrokerConfig(default_topic_configs={"retention.ms": "3"})


def test_candidates_are_ordered_by_nearness() -> None:
    """Topic, this broker, cluster, configuration, default."""
    settings = {config.definition.name: config for config in TopicConfigs(CONFIG, IMAGE).of({"retention.ms": "0"})}
    assert [(synonym.value, synonym.source) for synonym in settings["retention.ms"].synonyms] == [
        ("0", ConfigSource.TOPIC),
        ("2", ConfigSource.DYNAMIC_BROKER),
        ("1", ConfigSource.DYNAMIC_DEFAULT_BROKER),
        ("3", ConfigSource.STATIC_BROKER),
        ("604800000", ConfigSource.DEFAULT),
    ]
    assert (settings["retention.ms"].value, settings["retention.ms"].source) == ("0", ConfigSource.TOPIC)


def test_a_broker_has_the_same_candidates_but_the_topics() -> None:
    """Under its own name of the setting."""
    settings = {config.definition.name: config for config in broker_configs(CONFIG, IMAGE)}
    assert [synonym.value for synonym in settings["log.retention.ms"].synonyms] == ["2", "1", "3", "604800000"]
    assert {synonym.name for synonym in settings["log.retention.ms"].synonyms} == {"log.retention.ms"}


def test_every_setting_has_a_default_as_its_last_candidate() -> None:
    """Whatever is set, there is something to fall back to."""
    for config in (*TopicConfigs(CONFIG, IMAGE).of({}), *broker_configs(CONFIG, IMAGE)):
        assert config.synonyms[-1].source == ConfigSource.DEFAULT


def test_the_cluster_shows_what_it_was_told_and_nothing_of_ours() -> None:
    """In the form in which values are shown."""
    (config,) = cluster_configs(IMAGE)
    assert (config.definition.name, config.value, config.source) == (
        "log.retention.ms",
        "1",
        ConfigSource.DYNAMIC_DEFAULT_BROKER,
    )


def test_addresses_and_switches_are_shown_as_in_kafkas_files() -> None:
    """A listener with its protocol, true and false in small letters."""
    config = BrokerConfig(advertised_listener=("example", 1234), auto_create_topics_enable=False)
    settings = {config.definition.name: config.value for config in broker_configs(config, MetadataImage())}
    assert settings["advertised.listeners"] == "PLAINTEXT://example:1234"
    assert settings["auto.create.topics.enable"] == "false"


def test_topics_share_what_they_inherit() -> None:
    """A request about many topics pays once for a setting that none of them sets."""
    configs = TopicConfigs(CONFIG, IMAGE)
    first, second = configs.of({"retention.ms": "0"}), configs.of({"retention.ms": "0"})
    shared = [one.definition.name for one, other in zip(first, second, strict=True) if one is other]
    assert shared == [config.definition.name for config in first if config.definition.name != "retention.ms"]
